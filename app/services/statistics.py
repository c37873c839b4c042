"""What a district sees of its year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import ColumnElement, Subquery, func
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col, select

from app.models import (
    BookingEvent,
    BookingStatus,
    Fund,
    FundAccount,
    FundBalance,
    Organisation,
    OrganisationKind,
    Review,
    Site,
    SiteStatus,
    Visit,
)
from app.services import bookings
from app.services.access import OVERSEERS, Actor, below
from app.services.calendar import midnight

TOP = 10


@dataclass(frozen=True)
class Use:
    """How much one site, town, category or month was used; `name` says which."""

    id: UUID | None
    name: str
    bookings: int
    visits: int
    people: int


@dataclass(frozen=True)
class Overview:
    """A dashboard for `[since, until)`, within the reader's subtree."""

    since: date
    until: date
    sites: int
    branches: int
    branches_came: int
    waiting: int
    statuses: dict[str, int]
    visits: int
    people: int
    late_cancels: int
    rating: float | None
    answer_minutes: float | None
    by_month: list[Use]
    by_category: list[Use]
    by_town: list[Use]
    top_sites: list[Use]
    balances_fen: dict[str, int]


def overview(session: Session, *, actor: Actor, since: date, until: date) -> Overview:
    """Count what took place in an overseer's subtree.

    Args:
        session: open transaction.
        actor: who reads; only bookings they oversee are counted.
        since: first day.
        until: day after the last.
    """
    seen = _seen(actor, since, until)
    totals = session.execute(
        sqlalchemy.select(
            func.count(seen.c.people_attended),
            func.coalesce(func.sum(seen.c.people_attended), 0),
            func.count(seen.c.organisation_id.distinct()).filter(
                seen.c.people_attended.is_not(None)
            ),
            func.count().filter(seen.c.late_cancelled),
        ).select_from(seen)
    ).one()
    statuses = session.exec(select(seen.c.status, func.count()).group_by(seen.c.status)).all()
    # One object, so that it is one and the same parameter in GROUP BY and ORDER BY.
    town, month = Organisation, _month(seen)
    return Overview(
        since=since,
        until=until,
        sites=_site_count(session, actor),
        branches=_branch_count(session, actor),
        branches_came=totals[2],
        waiting=_waiting(session, actor),
        statuses={str(status): count for status, count in statuses},
        visits=totals[0],
        people=int(totals[1]),
        late_cancels=totals[3],
        rating=_rating(session, seen),
        answer_minutes=_answer_minutes(session, seen),
        by_month=_uses(session, seen, (month,), order=month),
        by_category=_uses(session, seen, (col(Site.category),)),
        by_town=_uses(session, seen, (col(town.place), col(town.id))),
        top_sites=_uses(session, seen, (col(Site.short_name), col(Site.id)), limit=TOP),
        balances_fen=_balances(session, actor, until - timedelta(days=1)),
    )


def _seen(actor: Actor, since: date, until: date) -> Subquery:
    overseen = bookings.visible(actor, bookings.Scope.DISTRICT).subquery()
    return (
        sqlalchemy.select(
            overseen.c.id,
            overseen.c.site_id,
            overseen.c.organisation_id,
            overseen.c.status,
            overseen.c.late_cancelled,
            overseen.c.starts_at,
            overseen.c.created_at,
            col(Visit.people_attended),
        )
        .outerjoin(Visit, col(Visit.booking_id) == overseen.c.id)
        .where(overseen.c.starts_at >= midnight(since), overseen.c.starts_at < midnight(until))
        .subquery()
    )


def _month(seen: Subquery) -> ColumnElement[str]:
    return func.to_char(func.timezone("Asia/Shanghai", seen.c.starts_at), "YYYY-MM")


def _uses(
    session: Session,
    seen: Subquery,
    keys: Sequence[SQLCoreOperations[Any]],
    *,
    order: ColumnElement[Any] | None = None,
    limit: int | None = None,
) -> list[Use]:
    visits = func.count(seen.c.people_attended)
    people = func.coalesce(func.sum(seen.c.people_attended), 0)
    wanted = (
        sqlalchemy.select(func.count(), visits, people, *keys)
        .select_from(seen)
        .join(Site, col(Site.id) == seen.c.site_id)
        .join(Organisation, col(Organisation.id) == Site.town_id)
        .group_by(*keys)
        .order_by(order if order is not None else people.desc(), keys[0])
        .limit(limit)
    )
    return [
        Use(row[4] if keys[1:] else None, row[3], row[0], row[1], int(row[2]))
        for row in session.execute(wanted)
    ]


def _rating(session: Session, seen: Subquery) -> float | None:
    stars = (Review.content + Review.reception + Review.facilities) / 3.0
    mean = session.exec(
        select(func.avg(stars)).join(seen, seen.c.id == col(Review.booking_id))
    ).one()
    return None if mean is None else round(float(mean), 2)


def _answer_minutes(session: Session, seen: Subquery) -> float | None:
    waited = func.extract("epoch", BookingEvent.at - seen.c.created_at) / 60
    answered = (BookingStatus.APPROVED, BookingStatus.REJECTED)
    mean = session.exec(
        select(func.avg(waited))
        .join(seen, seen.c.id == col(BookingEvent.booking_id))
        .where(col(BookingEvent.to_status).in_(answered), col(BookingEvent.actor_id).is_not(None))
    ).one()
    return None if mean is None else round(float(mean), 1)


def _waiting(session: Session, actor: Actor) -> int:
    """Count the orders that wait for an answer now, whenever their visit is to be."""
    overseen = bookings.visible(actor, bookings.Scope.DISTRICT).subquery()
    pending = overseen.c.status == BookingStatus.PENDING
    return session.exec(select(func.count()).select_from(overseen).where(pending)).one()


def _site_count(session: Session, actor: Actor) -> int:
    wanted = select(func.count()).where(
        Site.status == SiteStatus.PUBLISHED, below(col(Site.town_id), actor.paths(*OVERSEERS))
    )
    return session.exec(wanted).one()


def _branch_count(session: Session, actor: Actor) -> int:
    paths = actor.paths(*OVERSEERS)
    wanted = select(func.count()).where(
        Organisation.kind == OrganisationKind.BRANCH, below(col(Organisation.id), paths)
    )
    return session.exec(wanted).one()


def _balances(session: Session, actor: Actor, day: date) -> dict[str, int]:
    rows = session.exec(
        select(FundBalance.account, func.sum(FundBalance.balance_fen))
        .join(Fund, col(Fund.id) == FundBalance.fund_id)
        .where(
            col(Fund.organisation_id).in_(actor.organisations(*OVERSEERS)),
            Fund.fiscal_year == day.year,
        )
        .group_by(FundBalance.account)
    ).all()
    found = {account: int(total) for account, total in rows}
    return {account: found.get(account, 0) for account in FundAccount}
