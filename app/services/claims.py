"""Claims (补单) as read: who sees which, and what is shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, tuple_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import NotFound
from app.models import Claim, ClaimLine, ClaimStatus, Fund, Site
from app.services import exceptions
from app.services.access import OVERSEERS, Actor, below
from app.services.claim_states import allowed_moves
from app.services.funds import KEEPERS


class ClaimNotFound(NotFound):
    """There is no such claim, or it is not yours to see."""

    zh = "未找到该补单"


def visible(actor: Actor) -> SelectOfScalar[Claim]:
    """Return the claims an actor may see: of their sites, their fund, or sites in their subtree."""
    of_fund = select(Fund.organisation_id).where(Fund.id == Claim.fund_id)
    of_site = select(Site.town_id).where(Site.id == Claim.site_id)
    # Two levels up, so it must be told.
    owner, town = (found.correlate(Claim).scalar_subquery() for found in (of_fund, of_site))
    return select(Claim).where(
        or_(
            col(Claim.site_id).in_(actor.sites()),
            below(owner, actor.paths(*KEEPERS, *OVERSEERS)),
            below(town, actor.paths(*OVERSEERS)),
        )
    )


def get(session: Session, *, actor: Actor, claim_id: UUID, lock: bool = False) -> Claim:
    """Return one claim in the actor's scope, as it is now; with `lock`, for this caller alone.

    Raises:
        ClaimNotFound: there is none, or it is not theirs to see.
    """
    wanted = visible(actor).where(Claim.id == claim_id)
    if lock:
        wanted = wanted.with_for_update()
    claim = session.exec(wanted.execution_options(populate_existing=True)).first()
    if claim is None:
        raise ClaimNotFound(claim_id=claim_id)
    return claim


@dataclass(frozen=True)
class Wanted:
    """Which claims; None leaves a question open. `month` is any day of it."""

    status: Sequence[ClaimStatus] | None = None
    site_id: UUID | None = None
    fund_id: UUID | None = None
    month: date | None = None


def page(
    session: Session,
    *,
    actor: Actor,
    wanted: Wanted,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> list[Claim]:
    """Return one more than `limit` of the wanted claims in the actor's scope, latest month first.

    Args:
        session: open transaction.
        actor: who looks.
        wanted: which claims.
        after: month and id of the last one of the page before.
        limit: length of a page.
    """
    found = visible(actor)
    if wanted.status:
        found = found.where(col(Claim.status).in_(wanted.status))
    if wanted.site_id is not None:
        found = found.where(Claim.site_id == wanted.site_id)
    if wanted.fund_id is not None:
        found = found.where(Claim.fund_id == wanted.fund_id)
    if wanted.month is not None:
        found = found.where(Claim.month == wanted.month.replace(day=1))
    if after is not None:
        found = found.where(tuple_(col(Claim.month), col(Claim.id)) < tuple_(*after))
    latest = (col(Claim.month).desc(), col(Claim.id).desc())
    return list(session.exec(found.order_by(*latest).limit(limit + 1)).all())


@dataclass(frozen=True)
class View:
    """A claim with everything shown of it; `exceptions` counts what nobody has looked at."""

    claim: Claim
    site_name: str
    visits: int
    exceptions: int
    moves: list[str]


def views(session: Session, rows: Sequence[Claim], *, actor: Actor) -> list[View]:
    """Return what is shown of `rows`, in their order; two statements, however many."""
    ids = [claim.id for claim in rows]
    found = session.exec(
        select(Claim.id, Site.name, Fund.organisation_id, func.count(col(ClaimLine.booking_id)))
        .join(Site, col(Site.id) == Claim.site_id)
        .join(Fund, col(Fund.id) == Claim.fund_id)
        .outerjoin(ClaimLine, col(ClaimLine.claim_id) == Claim.id)
        .where(col(Claim.id).in_(ids))
        .group_by(col(Claim.id), Site.name, col(Fund.organisation_id))
    ).all()
    by_id = {row[0]: row for row in found}
    waiting = exceptions.waiting(session, claim_ids=ids)
    return [
        View(
            claim=claim,
            site_name=by_id[claim.id][1],
            visits=by_id[claim.id][3],
            exceptions=waiting.get(claim.id, 0),
            moves=allowed_moves(actor, claim, fund_owner_id=by_id[claim.id][2]),
        )
        for claim in rows
    ]
