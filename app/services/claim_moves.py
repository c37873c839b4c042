"""Moving a claim (补单) on: submitted, reviewed, sent back in whole or in part, approved, paid."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, delete, select

from app.db import violating
from app.errors import Conflict, Stale
from app.models import Claim, ClaimLine, ClaimStatus, EntryKind, Fund, ReturnedLine
from app.services import claims, ledger
from app.services.access import Actor, NotInScope
from app.services.claim_states import (
    CLAIM_MOVES,
    ReviewerApproves,
    SubmitterDecides,
    moves_from,
    offices,
)


class ClaimStateConflict(Conflict):
    """The claim cannot make this move now."""

    zh = "补单当前状态不允许此操作"


class ClaimChanged(Stale):
    """The claim has changed since you looked; read it again."""

    zh = "补单已有变化，请刷新后重试"


class VoucherTaken(Conflict):
    """Another payment of this fund has that voucher number."""

    zh = "该凭证号已用于本经费的另一笔支付"


class LineNotInClaim(Conflict):
    """The claim has no line for one of these bookings."""

    zh = "补单中没有其中某个预约的明细"


class ClaimWouldBeEmpty(Conflict):
    """No line would be left; send the whole claim back instead."""

    zh = "退回后补单将没有明细，请整单退回"


def move(
    session: Session,
    *,
    actor: Actor,
    claim_id: UUID,
    name: str,
    now: datetime,
    version: int | None = None,
    reason: str | None = None,
    voucher_number: str | None = None,
) -> Claim:
    """Make one of `CLAIM_MOVES` on a claim; paying moves its money from payable to paid.

    Args:
        session: open transaction; roll it back on any error.
        actor: who moves it.
        claim_id: which.
        name: the move; `return-lines` is made by `return_lines`.
        now: the present instant, aware.
        version: the claim's as the actor has seen it; None where they do not care.
        reason: why it is sent back.
        voucher_number: the payment's, one of its own in the fund.

    Raises:
        ClaimNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        ClaimChanged: it has another version by now.
        ClaimStateConflict: its state does not allow it.
        SubmitterDecides: they submitted it themselves.
        ReviewerApproves: they reviewed it themselves.
        VoucherTaken: the fund has paid under that number.
        FundExhausted: the fund owes less than the claim; a sign of tampering.
    """
    claim = _begin(session, actor=actor, claim_id=claim_id, name=name, version=version)
    target = CLAIM_MOVES[name].target
    assert target is not None  # noqa: S101
    claim.status = target
    claim.version += 1
    _sign(claim, name, actor, now, reason, voucher_number)
    with _four_eyes(), violating("claim_voucher_once", VoucherTaken()):
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


def return_lines(
    session: Session,
    *,
    actor: Actor,
    claim_id: UUID,
    booking_ids: Sequence[UUID],
    reason: str,
    now: datetime,
    version: int | None = None,
) -> Claim:
    """Take visits out of a claim, for a later one to take up again; its amount shrinks by theirs.

    Nothing is posted: what a visit cost stays payable until a claim with it is paid.

    Args:
        session: open transaction; roll it back on any error.
        actor: who takes them out: the officer of a submitted claim, the approver of a reviewed one.
        claim_id: which.
        booking_ids: the visits, at least one and not all of the claim's.
        reason: why; the site reads it.
        now: the present instant, aware.
        version: the claim's as the actor has seen it; None where they do not care.

    Raises:
        ClaimNotFound, NotInScope, ClaimChanged, ClaimStateConflict: as `move`.
        LineNotInClaim: one of the visits is not in it.
        ClaimWouldBeEmpty: they are all there is.
    """
    claim = _begin(session, actor=actor, claim_id=claim_id, name="return-lines", version=version)
    held = session.exec(select(ClaimLine).where(ClaimLine.claim_id == claim.id)).all()
    wanted = set(booking_ids)
    taken = [line for line in held if line.booking_id in wanted]
    if len(taken) < len(wanted):
        raise LineNotInClaim(booking_ids=sorted(wanted - {line.booking_id for line in taken}))
    if len(taken) == len(held):
        raise ClaimWouldBeEmpty
    session.add_all(
        ReturnedLine(
            **line.model_dump(), reason=reason, returned_by=actor.account_id, returned_at=now
        )
        for line in taken
    )
    session.exec(
        delete(ClaimLine)
        .where(col(ClaimLine.booking_id).in_(wanted))
        .execution_options(synchronize_session="fetch")
    )
    claim.amount_fen -= sum(line.amount_fen for line in taken)
    claim.version += 1
    session.flush()
    return claim


def _begin(
    session: Session, *, actor: Actor, claim_id: UUID, name: str, version: int | None
) -> Claim:
    """Lock a claim and pass if the actor may make the move on it now.

    Raises:
        ClaimNotFound: as `move`.
        NotInScope: as `move`.
        ClaimChanged: as `move`.
        ClaimStateConflict: as `move`.
    """
    if name == "pay":  # the fund before its claims, as in drafting: else one waits for the other
        seen = claims.get(session, actor=actor, claim_id=claim_id)
        ledger.lock(session, fund_id=seen.fund_id)
    claim = claims.get(session, actor=actor, claim_id=claim_id, lock=True)
    wanted = CLAIM_MOVES[name]
    owner = session.get_one(Fund, claim.fund_id).organisation_id
    held = offices(actor, claim, fund_owner_id=owner)
    if not held.intersection(wanted.roles()):
        raise NotInScope(roles=wanted.roles())
    if version is not None and version != claim.version:
        raise ClaimChanged
    maker = wanted.makers.get(ClaimStatus(claim.status))
    if maker is None:
        raise ClaimStateConflict(current_status=claim.status, allowed_moves=moves_from(claim))
    if maker not in held:
        raise NotInScope(roles=[maker])
    actor.act_as([maker])
    return claim


@contextmanager
def _four_eyes() -> Iterator[None]:
    """Say in words who has to be somebody else."""
    with ExitStack() as stack:
        for deed in ("reviewer", "approver", "payer"):
            name = f"claim_submitter_is_not_{deed}_check"
            stack.enter_context(violating(name, SubmitterDecides()))
        for deed in ("approver", "payer"):
            name = f"claim_reviewer_is_not_{deed}_check"
            stack.enter_context(violating(name, ReviewerApproves()))
        yield


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
        claim.reviewed_by, claim.returned_reason = None, reason
    elif name == "approve":
        claim.approved_by = actor.account_id
    else:
        claim.paid_by, claim.paid_at, claim.voucher_number = (
            actor.account_id,
            now,
            voucher_number,
        )
