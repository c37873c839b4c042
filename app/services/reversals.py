"""Corrections: an entry is never edited; two people reverse it by its mirror image.

What can be reversed is what nothing else undoes: an appropriation, a payment, and what a completed
visit cost as long as no claim holds it. Reservations go back when their booking is cancelled, and
a reversal is undone by doing the thing anew.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import (
    MIRRORS,
    Booking,
    Claim,
    ClaimLine,
    ClaimStatus,
    EntryKind,
    Fund,
    LedgerEntry,
    Reversal,
    ReversalStatus,
    Role,
    Subsidy,
)
from app.services import funds, ledger
from app.services.access import Actor

ENTRY_ONCE = "reversal_entry_once"
OTHER_ANSWERS = "reversal_asker_does_not_answer_check"
K = EntryKind


class TransactionNotFound(NotFound):
    """There is no such entry, or its fund is not yours to see."""

    zh = "未找到该笔台账"


class ReversalNotFound(NotFound):
    """There is no such reversal, or its fund is not yours to see."""

    zh = "未找到该冲正申请"


class NotReversible(Conflict):
    """An entry of this kind is not reversed by itself."""

    zh = "该类台账不能单独冲正"
    detail_en = "{kind} is undone by what it follows from, not in the ledger"
    detail_zh = "{kind} 类台账由其所属业务退回，不在台账中单独冲正"


class VisitClaimed(Conflict):
    """The visit is in a claim, so its cost is not reversed."""

    zh = "该次活动已列入补单，不能冲正"


class ReversalPending(Conflict):
    """The entry has been reversed, or somebody has asked for it."""

    zh = "该笔台账已冲正或已申请冲正"


class ReversalAnswered(Conflict):
    """The reversal has been answered already."""

    zh = "该冲正申请已处理"


class AskerAnswers(Conflict):
    """Who asks for a reversal does not answer it."""

    zh = "申请人不得复核自己的冲正申请"


def ask(session: Session, *, actor: Actor, entry_id: UUID, reason: str, now: datetime) -> Reversal:
    """Ask for an entry to be reversed; of what a visit cost, for all of it.

    Args:
        session: open transaction.
        actor: the fund's officer.
        entry_id: which entry.
        reason: why.
        now: the present instant, aware.

    Raises:
        TransactionNotFound: there is none, or its fund is not theirs to see.
        NotInScope: they see it, but are not the fund's officer.
        NotReversible: it is of a kind that other acts undo.
        VisitClaimed: its visit is in a claim.
        ReversalPending: it has been reversed, or somebody has asked.
    """
    entry = _entry(session, actor, entry_id)
    fund = session.get_one(Fund, entry.fund_id)
    funds.require(actor, fund, Role.FUND_OFFICER)
    first = _whole(session, entry)[0]
    reversal = Reversal(
        fund_id=fund.id,
        entry_id=first.id,
        reason=reason,
        asked_by=actor.account_id,
        created_at=now,
    )
    session.add(reversal)
    with violating(ENTRY_ONCE, ReversalPending()):
        session.flush()
    return reversal


def confirm(session: Session, *, actor: Actor, reversal_id: UUID, now: datetime) -> Reversal:
    """Reverse what was asked for, and put back what had followed from it.

    A paid claim is approved again and may be paid anew; its old voucher stays in the entry. A
    completed visit keeps its subsidy with an amount of 0.

    Raises:
        ReversalNotFound: there is none, or its fund is not theirs to see.
        NotInScope: they see it, but are not the fund's approver.
        AskerAnswers: they asked for it themselves.
        ReversalAnswered: it has been answered.
        VisitClaimed: its visit has come into a claim since.
        FundExhausted: what an appropriation brought has been reserved or spent.
        PeriodClosed: the month of `now` is closed.
    """
    reversal = _answer(session, actor, reversal_id, ReversalStatus.CONFIRMED, now)
    entry = session.get_one(LedgerEntry, reversal.entry_id)
    _hold(session, entry)
    ledger.lock(session, fund_id=entry.fund_id)
    whole = _whole(session, entry)
    for one in whole:
        _mirror(session, one, now)
    if entry.booking_id is not None:
        _uncommit(session, entry.booking_id, whole, now)
    if entry.claim_id is not None:
        _unpay(session, entry.claim_id)
    session.flush()
    return reversal


def refuse(session: Session, *, actor: Actor, reversal_id: UUID, now: datetime) -> Reversal:
    """Refuse a reversal; the entry stands, and may be asked for again.

    Raises:
        ReversalNotFound, NotInScope, AskerAnswers, ReversalAnswered: as `confirm`.
    """
    return _answer(session, actor, reversal_id, ReversalStatus.REFUSED, now)


def page(session: Session, *, fund_id: UUID, before: UUID | None, limit: int) -> Sequence[Reversal]:
    """Return one more than `limit` of a fund's reversals, the newest first.

    Args:
        session: open transaction.
        fund_id: whose; the caller has made sure that the reader may see it.
        before: the last one of the page before.
        limit: length of a page.
    """
    wanted = select(Reversal).where(Reversal.fund_id == fund_id)
    if before is not None:
        wanted = wanted.where(col(Reversal.id) < before)
    return session.exec(wanted.order_by(col(Reversal.id).desc()).limit(limit + 1)).all()


def _entry(session: Session, actor: Actor, entry_id: UUID) -> LedgerEntry:
    entry = session.exec(_theirs(actor).where(LedgerEntry.id == entry_id)).first()
    if entry is None:
        raise TransactionNotFound
    return entry


def _theirs(actor: Actor) -> SelectOfScalar[LedgerEntry]:
    seen = funds.visible(actor).with_only_columns(col(Fund.id))
    return select(LedgerEntry).where(col(LedgerEntry.fund_id).in_(seen))


def _whole(session: Session, entry: LedgerEntry) -> Sequence[LedgerEntry]:
    """Return what is reversed with an entry, itself included, oldest first.

    Raises:
        NotReversible: nothing, for another act undoes it.
        VisitClaimed: it is in a claim.
    """
    if entry.kind not in MIRRORS:
        raise NotReversible(kind=entry.kind)
    if entry.booking_id is None:
        return [entry]
    if session.get(ClaimLine, entry.booking_id, populate_existing=True) is not None:
        raise VisitClaimed
    owed = select(LedgerEntry).where(
        LedgerEntry.booking_id == entry.booking_id, col(LedgerEntry.kind).in_(MIRRORS)
    )
    return session.exec(owed.order_by(col(LedgerEntry.number))).all()


def _answer(
    session: Session, actor: Actor, reversal_id: UUID, status: ReversalStatus, now: datetime
) -> Reversal:
    seen = funds.visible(actor).with_only_columns(col(Fund.id))
    wanted = select(Reversal).where(Reversal.id == reversal_id, col(Reversal.fund_id).in_(seen))
    locked = wanted.with_for_update(of=Reversal).execution_options(populate_existing=True)
    reversal = session.exec(locked).first()
    if reversal is None:
        raise ReversalNotFound
    funds.require(actor, session.get_one(Fund, reversal.fund_id), Role.FUND_APPROVER)
    if reversal.status != ReversalStatus.ASKED:
        raise ReversalAnswered
    reversal.status, reversal.answered_at = status, now
    reversal.answered_by = actor.account_id
    with violating(OTHER_ANSWERS, AskerAnswers()):
        session.flush()
    return reversal


def _hold(session: Session, entry: LedgerEntry) -> None:
    """Lock the booking or claim behind an entry, which come before its fund."""
    if entry.booking_id is not None:
        booking = select(Booking.id).where(Booking.id == entry.booking_id)
        session.exec(booking.with_for_update(key_share=True)).one()
    if entry.claim_id is not None:
        claim = select(Claim).where(Claim.id == entry.claim_id).with_for_update()
        session.exec(claim.execution_options(populate_existing=True)).one()


def _mirror(session: Session, entry: LedgerEntry, now: datetime) -> None:
    ledger.post(
        session,
        fund_id=entry.fund_id,
        kind=MIRRORS[K(entry.kind)],
        amount_fen=entry.amount_fen,
        step=f"reverse:{entry.id}",
        booking_id=entry.booking_id,
        claim_id=entry.claim_id,
        document=entry.document,
        reverses_id=entry.id,
        now=now,
    )


def _uncommit(
    session: Session, booking_id: UUID, whole: Sequence[LedgerEntry], now: datetime
) -> None:
    """Let what came back into the reservation go, for the visit is over."""
    for one in whole:
        if one.kind == K.COMMIT:
            ledger.post(
                session,
                fund_id=one.fund_id,
                kind=K.RELEASE,
                amount_fen=one.amount_fen,
                step=f"reverse:{one.id}:release",
                booking_id=booking_id,
                now=now,
            )
    session.get_one(Subsidy, booking_id, populate_existing=True).committed_fen = 0


def _unpay(session: Session, claim_id: UUID) -> None:
    claim = session.get_one(Claim, claim_id)
    claim.status = ClaimStatus.APPROVED
    claim.paid_by = claim.paid_at = claim.voucher_number = None
    claim.version += 1
