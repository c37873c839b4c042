"""Claims (补单), from draft to payment."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from pydantic import AwareDatetime, BaseModel, Field
from sqlmodel import col

from app.api.bookings import NamedPublic
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    Prose,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.errors import Unauthenticated
from app.models import Claim, ClaimStatus
from app.services import claims, idempotency, ledger
from app.services.access import NotInScope

router = APIRouter(prefix="/claims", tags=["claims"])

REFUSALS = problems(
    Unauthenticated,
    NotInScope,
    claims.ClaimNotFound,
    claims.ClaimStateConflict,
    idempotency.IdempotencyKeyReused,
)


class ClaimPublic(BaseModel):
    """The visits of one site in one month, `month` its first day, and what they cost, fen."""

    id: UUID
    fund_id: UUID
    site: NamedPublic
    month: date
    status: ClaimStatus
    visits: int
    amount_fen: int
    returned_reason: str | None
    voucher_number: str | None
    paid_at: AwareDatetime | None
    moves: list[str]
    version: int


class ClaimPage(BaseModel):
    """A page of claims, latest month first."""

    items: list[ClaimPublic]
    next_cursor: str | None


class ReturnIn(BaseModel):
    """What the site has to mend."""

    reason: Prose = Field(min_length=1, max_length=500, examples=["第 3 行人数与签到不符"])


class PayIn(BaseModel):
    """The number of the payment voucher."""

    voucher_number: Line = Field(max_length=40, examples=["2026-记-0117"])


def _public(view: claims.View) -> ClaimPublic:
    claim = view.claim
    return ClaimPublic(
        id=claim.id,
        fund_id=claim.fund_id,
        site=NamedPublic(id=claim.site_id, name=view.site_name),
        month=claim.month,
        status=ClaimStatus(claim.status),
        visits=view.visits,
        amount_fen=claim.amount_fen,
        returned_reason=claim.returned_reason,
        voucher_number=claim.voucher_number,
        paid_at=claim.paid_at,
        moves=view.moves,
        version=claim.version,
    )


@router.get(
    "",
    operation_id="listClaims",
    summary="Claims of my sites or my fund",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_claims(
    actor: ActorDep,
    session: SessionDep,
    status: Annotated[list[ClaimStatus] | None, Query(max_length=6)] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ClaimPage:
    """List claims in the reader's scope."""
    wanted = claims.visible(actor)
    if status:
        wanted = wanted.where(col(Claim.status).in_(status))
    after = read_cursor(cursor, date.fromisoformat, UUID)
    found = claims.page(session, wanted, after=after, limit=limit)
    rows = found[:limit]
    return ClaimPage(
        items=[_public(view) for view in claims.views(session, rows, actor=actor)],
        next_cursor=write_cursor(rows[-1].month.isoformat(), rows[-1].id)
        if len(found) > limit
        else None,
    )


@router.get(
    "/{claim_id}",
    operation_id="getClaim",
    summary="One claim",
    responses=problems(Unauthenticated, claims.ClaimNotFound),
)
def get_claim(claim_id: UUID, actor: ActorDep, session: SessionDep) -> ClaimPublic:
    """Show one claim."""
    claim = claims.get(session, actor=actor, claim_id=claim_id)
    return _public(claims.views(session, [claim], actor=actor)[0])


def _moved(
    once: OnceDep, actor: ActorDep, claim_id: UUID, name: str, **said: str | None
) -> Response:
    claim = claims.move(
        once.session, actor=actor, claim_id=claim_id, name=name, now=once.now, **said
    )
    return once.answer(200, _public(claims.views(once.session, [claim], actor=actor)[0]))


@router.post(
    "/{claim_id}/submit",
    operation_id="submitClaim",
    summary="Put a site's claim before the fund",
    response_model=ClaimPublic,
    responses=REFUSALS,
)
def submit(claim_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Submit a draft, or one that was returned."""
    return _moved(once, actor, claim_id, "submit")


@router.post(
    "/{claim_id}/review",
    operation_id="reviewClaim",
    summary="Find a claim in order",
    response_model=ClaimPublic,
    responses=REFUSALS,
)
def review(claim_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Pass a submitted claim on to the approver, who is somebody else."""
    return _moved(once, actor, claim_id, "review")


@router.post(
    "/{claim_id}/return",
    operation_id="returnClaim",
    summary="Send a claim back, with a reason",
    response_model=ClaimPublic,
    responses=REFUSALS,
)
def send_back(
    claim_id: UUID, said: Annotated[ReturnIn, Body()], actor: ActorDep, once: OnceDep
) -> Response:
    """Return a submitted claim to the site."""
    return _moved(once, actor, claim_id, "return", reason=said.reason)


@router.post(
    "/{claim_id}/approve",
    operation_id="approveClaim",
    summary="Approve a reviewed claim",
    response_model=ClaimPublic,
    responses=REFUSALS | problems(claims.ClaimStateConflict, claims.ReviewerApproves),
)
def approve(claim_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Approve it; never the person who reviewed it."""
    return _moved(once, actor, claim_id, "approve")


@router.post(
    "/{claim_id}/pay",
    operation_id="payClaim",
    summary="Record the payment of a claim",
    response_model=ClaimPublic,
    responses=REFUSALS
    | problems(claims.ClaimStateConflict, claims.ReviewerApproves, ledger.FundExhausted),
)
def pay(claim_id: UUID, said: Annotated[PayIn, Body()], actor: ActorDep, once: OnceDep) -> Response:
    """Move the claim's amount from payable to paid, under its voucher."""
    return _moved(once, actor, claim_id, "pay", voucher_number=said.voucher_number)
