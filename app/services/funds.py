"""Funds: who sees which, who may do what in them, and their ledgers as read."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import tuple_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import EntryKind, Fund, LedgerEntry, Organisation, Role, WhenExhausted
from app.services import ledger, organisations, policy_history
from app.services.access import OVERSEERS, Actor, NotInScope, below
from app.services.ledger import FundNotFound

KEEPERS = (Role.FUND_OFFICER, Role.FUND_APPROVER)
STAFF = (Role.DISTRICT_STAFF,)
"""Who brings money: they open funds and appropriate, and have no part in spending it."""


def visible(actor: Actor) -> SelectOfScalar[Fund]:
    """Return the funds an actor keeps or oversees."""
    reached = below(col(Fund.organisation_id), actor.paths(*KEEPERS, *OVERSEERS))
    return select(Fund).where(reached)


def page(
    session: Session, *, actor: Actor, after: tuple[Any, ...] | None = None, limit: int
) -> list[Fund]:
    """Return one more than `limit` of the funds in the actor's scope, latest year first.

    Args:
        session: open transaction.
        actor: who looks.
        after: year and id of the last one of the page before.
        limit: length of a page.
    """
    wanted = visible(actor)
    if after is not None:
        wanted = wanted.where(tuple_(col(Fund.fiscal_year), col(Fund.id)) < tuple_(*after))
    latest = (col(Fund.fiscal_year).desc(), col(Fund.id).desc())
    return list(session.exec(wanted.order_by(*latest).limit(limit + 1)).all())


def get(session: Session, *, actor: Actor, fund_id: UUID) -> Fund:
    """Return one fund in the actor's scope.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
    """
    fund = session.exec(visible(actor).where(Fund.id == fund_id)).first()
    if fund is None:
        raise FundNotFound(fund_id=fund_id)
    return fund


def require(actor: Actor, fund: Fund, role: Role) -> None:
    """Pass if an actor is the officer, or approver, of the very organisation that has the fund.

    Raises:
        NotInScope: they are not.
    """
    if fund.organisation_id not in actor.organisations(role):
        raise NotInScope(roles=[str(role)])
    actor.act_as([role])


def open_fund(
    session: Session,
    *,
    actor: Actor,
    organisation_id: UUID,
    fiscal_year: int,
    name: str,
    when_exhausted: WhenExhausted,
) -> Fund:
    """Open an organisation's fund for a calendar year, empty.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but are no staff of its district.
        FundYearTaken: it has one for that year.
    """
    owner = organisations.get(session, actor=actor, organisation_id=organisation_id)
    policy_history.require(actor, owner, STAFF)
    return ledger.open_fund(
        session,
        organisation_id=owner.id,
        fiscal_year=fiscal_year,
        name=name,
        when_exhausted=when_exhausted,
    )


def appropriate(
    session: Session,
    *,
    actor: Actor,
    fund_id: UUID,
    amount_fen: int,
    document: str,
    now: datetime,
) -> LedgerEntry:
    """Bring the money of a document into a fund, once.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
        NotInScope: they see it, but are no staff of its district.
        PostingDiffers: the document has brought another amount.
        DocumentReversed: it has brought this, and that was reversed.
        PeriodClosed: the month of `now` is closed.
    """
    fund = get(session, actor=actor, fund_id=fund_id)
    policy_history.require(actor, session.get_one(Organisation, fund.organisation_id), STAFF)
    return ledger.appropriate(
        session, fund_id=fund_id, amount_fen=amount_fen, document=document, now=now
    )


@dataclass(frozen=True)
class Wanted:
    """Which entries of a fund; None leaves a question open. Both days count."""

    kind: EntryKind | None = None
    booking_id: UUID | None = None
    claim_id: UUID | None = None
    since: date | None = None
    until: date | None = None


def entries(
    session: Session, *, fund_id: UUID, wanted: Wanted, before: int | None, limit: int
) -> list[LedgerEntry]:
    """Return one more than `limit` of a fund's entries, the newest first.

    Args:
        session: open transaction.
        fund_id: whose; the caller has made sure that the reader may see it.
        wanted: which of them.
        before: number of the last entry of the page before.
        limit: length of a page.
    """
    query = select(LedgerEntry).where(LedgerEntry.fund_id == fund_id)
    asked = {
        LedgerEntry.kind: wanted.kind,
        LedgerEntry.booking_id: wanted.booking_id,
        LedgerEntry.claim_id: wanted.claim_id,
    }
    for column, value in asked.items():
        if value is not None:
            query = query.where(col(column) == value)
    if wanted.since is not None:
        query = query.where(col(LedgerEntry.booked_on) >= wanted.since)
    if wanted.until is not None:
        query = query.where(col(LedgerEntry.booked_on) <= wanted.until)
    if before is not None:
        query = query.where(col(LedgerEntry.number) < before)
    newest = col(LedgerEntry.number).desc()
    return list(session.exec(query.order_by(newest).limit(limit + 1)).all())
