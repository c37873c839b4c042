"""Claims (补单): a month's visits of a site, from draft to payment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import (
    Booking,
    BookingStatus,
    Claim,
    ClaimLine,
    ClaimStatus,
    EntryKind,
    Fund,
    Role,
    Site,
    Subsidy,
    SubsidyStatus,
    Visit,
)
from app.services import ledger
from app.services.access import OVERSEERS, Actor, NotInScope, below
from app.services.calendar import local_date, midnight
from app.services.funds import KEEPERS

C = ClaimStatus


class ClaimNotFound(NotFound):
    """There is no such claim, or it is not yours to see."""

    zh = "未找到该补单"


class ClaimStateConflict(Conflict):
    """The claim cannot make this move now."""

    zh = "补单当前状态不允许此操作"


class ReviewerApproves(Conflict):
    """Who reviewed a claim neither approves nor pays it."""

    zh = "审核人不得批准或支付同一补单"


@dataclass(frozen=True)
class ClaimMove:
    """A step of a claim: from which states, to which, and in which role."""

    sources: frozenset[ClaimStatus]
    target: ClaimStatus
    role: Role


CLAIM_MOVES: Mapping[str, ClaimMove] = {
    "submit": ClaimMove(frozenset({C.DRAFT, C.RETURNED}), C.SUBMITTED, Role.SITE_MANAGER),
    "review": ClaimMove(frozenset({C.SUBMITTED}), C.REVIEWED, Role.FUND_OFFICER),
    "return": ClaimMove(frozenset({C.SUBMITTED}), C.RETURNED, Role.FUND_OFFICER),
    "approve": ClaimMove(frozenset({C.REVIEWED}), C.APPROVED, Role.FUND_APPROVER),
    "pay": ClaimMove(frozenset({C.APPROVED}), C.PAID, Role.FUND_APPROVER),
}


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


def page(
    session: Session,
    wanted: SelectOfScalar[Claim],
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Claim]:
    """Return one more than `limit` of `wanted`, latest month first.

    Args:
        session: open transaction.
        wanted: which claims.
        after: month and id of the last one of the page before.
        limit: length of a page.
    """
    if after is not None:
        wanted = wanted.where(tuple_(col(Claim.month), col(Claim.id)) < tuple_(*after))
    latest = (col(Claim.month).desc(), col(Claim.id).desc())
    return list(session.exec(wanted.order_by(*latest).limit(limit + 1)).all())


@dataclass(frozen=True)
class View:
    """A claim with everything shown of it."""

    claim: Claim
    site_name: str
    visits: int
    moves: list[str]


def views(session: Session, rows: Sequence[Claim], *, actor: Actor) -> list[View]:
    """Return what is shown of `rows`, in their order; one statement, however many."""
    found = session.exec(
        select(Claim.id, Site.name, Fund.organisation_id, func.count(col(ClaimLine.booking_id)))
        .join(Site, col(Site.id) == Claim.site_id)
        .join(Fund, col(Fund.id) == Claim.fund_id)
        .outerjoin(ClaimLine, col(ClaimLine.claim_id) == Claim.id)
        .where(col(Claim.id).in_([claim.id for claim in rows]))
        .group_by(col(Claim.id), Site.name, col(Fund.organisation_id))
    ).all()
    by_id = {row[0]: row for row in found}
    return [
        View(
            claim=claim,
            site_name=by_id[claim.id][1],
            visits=by_id[claim.id][3],
            moves=[
                name
                for name in moves_from(claim)
                if _may(actor, claim, by_id[claim.id][2], CLAIM_MOVES[name].role)
                and not (name in {"approve", "pay"} and claim.reviewed_by == actor.account_id)
            ],
        )
        for claim in rows
    ]


def draft_month(session: Session, *, fund_id: UUID, month: date) -> int:
    """Put what is owed for visits up to a month's end into its sites' claims; return how many.

    Visits that have their line keep it, so doing it again changes nothing. A claim already
    submitted takes no more: what was completed too late for it goes into the next month's.

    Args:
        session: open transaction.
        fund_id: the fund that owes.
        month: its first day.
    """
    ledger.lock(session, fund_id=fund_id)
    until = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    owed = session.exec(
        select(Booking.site_id, Booking.id, Visit.people_attended, Subsidy.committed_fen)
        .join(Subsidy, col(Subsidy.booking_id) == Booking.id)
        .join(Visit, col(Visit.booking_id) == Booking.id)
        .outerjoin(ClaimLine, col(ClaimLine.booking_id) == Booking.id)
        .where(
            Booking.status == BookingStatus.COMPLETED,
            col(Booking.starts_at) < midnight(until),
            Subsidy.fund_id == fund_id,
            Subsidy.status == SubsidyStatus.COMMITTED,
            col(Subsidy.committed_fen) > 0,
            col(ClaimLine.booking_id).is_(None),
        )
        .order_by(col(Booking.site_id), col(Booking.id))
    ).all()
    drafts = {site: _draft(session, fund_id, site, month) for site in {row[0] for row in owed}}
    added = 0
    for site_id, booking_id, people, amount in owed:
        claim = drafts[site_id]
        if claim.status == C.DRAFT:
            session.add(
                ClaimLine(
                    booking_id=booking_id,
                    claim_id=claim.id,
                    people_attended=people,
                    amount_fen=amount or 0,
                )
            )
            claim.amount_fen += amount or 0
            added += 1
    session.flush()
    return added


def draft_last_month(session: Session, now: datetime) -> int:
    """Draft the claims of the month before the present one; a job.

    Last year's funds are asked too: December's visits may be completed in January.
    """
    last = local_date(now).replace(day=1) - timedelta(days=1)
    month = last.replace(day=1)
    due = session.exec(
        select(Fund.id)
        .where(col(Fund.fiscal_year).in_((month.year - 1, month.year)))
        .order_by(col(Fund.id))
    )
    return sum(draft_month(session, fund_id=fund_id, month=month) for fund_id in due.all())


def _draft(session: Session, fund_id: UUID, site_id: UUID, month: date) -> Claim:
    values = Claim(fund_id=fund_id, site_id=site_id, month=month, amount_fen=0)
    session.exec(
        insert(Claim)
        .values(values.model_dump(exclude={"created_at"}))
        .on_conflict_do_nothing(constraint="claim_month_once")
    )
    return session.exec(
        select(Claim)
        .where(Claim.fund_id == fund_id, Claim.site_id == site_id, Claim.month == month)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def move(
    session: Session,
    *,
    actor: Actor,
    claim_id: UUID,
    name: str,
    now: datetime,
    reason: str | None = None,
    voucher_number: str | None = None,
) -> Claim:
    """Make one of `CLAIM_MOVES` on a claim; paying moves its money from payable to paid.

    Raises:
        ClaimNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        ClaimStateConflict: its state does not allow it.
        ReviewerApproves: they reviewed it themselves.
        FundExhausted: the fund owes less than the claim; a sign of tampering.
    """
    claim = get(session, actor=actor, claim_id=claim_id, lock=True)
    wanted = CLAIM_MOVES[name]
    fund = session.get_one(Fund, claim.fund_id)
    if not _may(actor, claim, fund.organisation_id, wanted.role):
        raise NotInScope(roles=[str(wanted.role)])
    actor.act_as([wanted.role])
    if claim.status not in wanted.sources:
        raise ClaimStateConflict(current_status=claim.status, allowed_moves=moves_from(claim))
    claim.status = wanted.target
    claim.version += 1
    _sign(claim, name, actor, now, reason, voucher_number)
    with (
        violating("claim_reviewer_is_not_approver_check", ReviewerApproves()),
        violating("claim_reviewer_is_not_payer_check", ReviewerApproves()),
    ):
        session.flush()
    if name == "pay":
        ledger.post(
            session,
            fund_id=claim.fund_id,
            kind=EntryKind.PAY,
            amount_fen=claim.amount_fen,
            step=f"claim:{claim.id}:pay:{claim.version}",  # a reversed payment may be made anew
            claim_id=claim.id,
            document=voucher_number,
            now=now,
        )
    return claim


def moves_from(claim: Claim) -> list[str]:
    """Return the moves the state of a claim allows, whoever makes them."""
    return [name for name, move in CLAIM_MOVES.items() if claim.status in move.sources]


def _may(actor: Actor, claim: Claim, fund_owner_id: UUID, role: Role) -> bool:
    if role == Role.SITE_MANAGER:
        return claim.site_id in actor.sites()
    return fund_owner_id in actor.organisations(role)


def _sign(
    claim: Claim,
    name: str,
    actor: Actor,
    now: datetime,
    reason: str | None,
    voucher_number: str | None,
) -> None:
    if name == "submit":
        claim.submitted_by, claim.returned_reason = actor.account_id, None
    elif name == "review":
        claim.reviewed_by = actor.account_id
    elif name == "return":
        claim.returned_reason = reason
    elif name == "approve":
        claim.approved_by = actor.account_id
    else:
        claim.paid_by, claim.paid_at, claim.voucher_number = (
            actor.account_id,
            now,
            voucher_number,
        )
