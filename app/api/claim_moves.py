"""Moving a claim (补单) on, from draft to payment."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response
from pydantic import BaseModel, Field

from app.api.claims import ClaimPublic, shown
from app.api.deps import ActorDep, Line, Prose, SeenVersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import claim_moves, claims, idempotency, ledger
from app.services.access import NotInScope
from app.services.claim_states import ReviewerApproves, SubmitterDecides

router = Router(prefix="/claims", tags=["claims"])

MOST_LINES_AT_ONCE = 200
ALWAYS = (
    Unauthenticated,
    NotInScope,
    claims.ClaimNotFound,
    claim_moves.ClaimChanged,
    claim_moves.ClaimStateConflict,
    idempotency.IdempotencyKeyReused,
)
REFUSALS = problems(*ALWAYS)


class ReturnIn(BaseModel):
    """What the site has to mend."""

    reason: Prose = Field(min_length=1, max_length=500, examples=["第 3 行人数与签到不符"])


class ReturnLinesIn(BaseModel):
    """Which visits are taken out of the claim, and why."""

    booking_ids: list[UUID] = Field(min_length=1, max_length=MOST_LINES_AT_ONCE)
    reason: Prose = Field(min_length=1, max_length=500, examples=["支部尚未确认到场"])


class PayIn(BaseModel):
    """The number of the payment voucher."""

    voucher_number: Line = Field(max_length=40, examples=["2026-记-0117"])


def _moved(
    once: OnceDep,
    actor: ActorDep,
    claim_id: UUID,
    name: str,
    version: int | None,
    **said: str | None,
) -> Response:
    claim = claim_moves.move(
        once.session,
        actor=actor,
        claim_id=claim_id,
        name=name,
        now=once.now,
        version=version,
        **said,
    )
    return once.answer(200, shown(once.session, claim, actor))


@router.post(
    "/{claim_id}/submit",
    operation_id="submitClaim",
    summary="Put a site's claim before the fund",
    response_model=ClaimPublic,
    responses=REFUSALS,
)
def submit(
    claim_id: UUID, actor: ActorDep, once: OnceDep, version: SeenVersionDep = None
) -> Response:
    """Submit a draft, or one that was returned."""
    return _moved(once, actor, claim_id, "submit", version)


@router.post(
    "/{claim_id}/review",
    operation_id="reviewClaim",
    summary="Find a claim in order",
    response_model=ClaimPublic,
    responses=problems(*ALWAYS, SubmitterDecides),
)
def review(
    claim_id: UUID, actor: ActorDep, once: OnceDep, version: SeenVersionDep = None
) -> Response:
    """Pass a submitted claim on to the approver, who is somebody else; so is who submitted it."""
    return _moved(once, actor, claim_id, "review", version)


@router.post(
    "/{claim_id}/return",
    operation_id="returnClaim",
    summary="Send a claim back, with a reason",
    response_model=ClaimPublic,
    responses=REFUSALS,
)
def send_back(
    claim_id: UUID,
    said: Annotated[ReturnIn, Body()],
    actor: ActorDep,
    once: OnceDep,
    version: SeenVersionDep = None,
) -> Response:
    """Return a claim to the site: the officer a submitted one, the approver a reviewed one."""
    return _moved(once, actor, claim_id, "return", version, reason=said.reason)


@router.post(
    "/{claim_id}/return-lines",
    operation_id="returnClaimLines",
    summary="Take visits out of a claim, with a reason",
    response_model=ClaimPublic,
    responses=problems(*ALWAYS, claim_moves.LineNotInClaim, claim_moves.ClaimWouldBeEmpty),
)
def return_lines(
    claim_id: UUID,
    said: Annotated[ReturnLinesIn, Body()],
    actor: ActorDep,
    once: OnceDep,
    version: SeenVersionDep = None,
) -> Response:
    """Leave visits to a later claim; this one's amount shrinks by theirs."""
    claim = claim_moves.return_lines(
        once.session,
        actor=actor,
        claim_id=claim_id,
        booking_ids=said.booking_ids,
        reason=said.reason,
        now=once.now,
        version=version,
    )
    return once.answer(200, shown(once.session, claim, actor))


@router.post(
    "/{claim_id}/approve",
    operation_id="approveClaim",
    summary="Approve a reviewed claim",
    response_model=ClaimPublic,
    responses=problems(*ALWAYS, SubmitterDecides, ReviewerApproves),
)
def approve(
    claim_id: UUID, actor: ActorDep, once: OnceDep, version: SeenVersionDep = None
) -> Response:
    """Approve it; never the person who submitted or reviewed it."""
    return _moved(once, actor, claim_id, "approve", version)


@router.post(
    "/{claim_id}/pay",
    operation_id="payClaim",
    summary="Record the payment of a claim",
    response_model=ClaimPublic,
    responses=problems(
        *ALWAYS,
        SubmitterDecides,
        ReviewerApproves,
        claim_moves.VoucherTaken,
        ledger.FundExhausted,
    ),
)
def pay(
    claim_id: UUID,
    said: Annotated[PayIn, Body()],
    actor: ActorDep,
    once: OnceDep,
    version: SeenVersionDep = None,
) -> Response:
    """Move the claim's amount from payable to paid, under a voucher of its own."""
    return _moved(once, actor, claim_id, "pay", version, voucher_number=said.voucher_number)
