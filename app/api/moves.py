"""Moving a booking on."""

from typing import Annotated
from uuid import UUID

from fastapi import Body, Response
from pydantic import BaseModel, Field

from app.api.bookings import BookingPublic, shown
from app.api.deps import ActorDep, Prose, SeenVersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE
from app.services import bookings, idempotency, ledger, moves
from app.services.access import NotInScope

router = Router(prefix="/bookings", tags=["bookings"])

REFUSALS = problems(
    Unauthenticated,
    NotInScope,
    bookings.BookingNotFound,
    moves.BookingChanged,
    moves.BookingStateConflict,
    idempotency.IdempotencyKeyReused,
)


class MoveIn(BaseModel):
    """A move that needs no words."""

    reason: Prose | None = Field(default=None, min_length=1, max_length=500)


class RejectIn(BaseModel):
    """Why the site cannot receive the branch; the branch reads it."""

    reason: Prose = Field(min_length=1, max_length=500, examples=["当日接待市级活动"])


class HeadCountIn(BaseModel):
    """How many people came; absent, as many as expected or as counted at arrival."""

    people_attended: int | None = Field(default=None, ge=0, le=MOST_PEOPLE, examples=[26])


MoveBody = Annotated[MoveIn, Body()]
HeadCount = Annotated[HeadCountIn, Body()]
SILENT = MoveIn()
AS_COUNTED = HeadCountIn()


def _moved(
    once: OnceDep,
    actor: ActorDep,
    booking_id: UUID,
    name: str,
    version: int | None,
    **said: str | int | None,
) -> Response:
    booking = moves.move(
        once.session,
        actor=actor,
        booking_id=booking_id,
        name=name,
        now=once.now,
        version=version,
        **said,  # type: ignore[arg-type]
    )
    return once.answer(200, shown(once.session, [booking], actor, once.now)[0])


@router.post(
    "/{booking_id}/approve",
    operation_id="approveBooking",
    summary="Accept an order",
    response_model=BookingPublic,
    responses=REFUSALS | problems(ledger.FundExhausted),
)
def approve(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: MoveBody = SILENT,
) -> Response:
    """Accept it; the subsidy is set aside."""
    return _moved(once, actor, booking_id, "approve", seen, reason=said.reason)


@router.post(
    "/{booking_id}/reject",
    operation_id="rejectBooking",
    summary="Refuse an order, with a reason",
    response_model=BookingPublic,
    responses=REFUSALS,
)
def reject(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: RejectIn,
) -> Response:
    """Refuse it; the places are free again."""
    return _moved(once, actor, booking_id, "reject", seen, reason=said.reason)


@router.post(
    "/{booking_id}/cancel",
    operation_id="cancelBooking",
    summary="Cancel a booking",
    response_model=BookingPublic,
    responses=REFUSALS | problems(moves.ReasonMissing),
)
def cancel(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: MoveBody = SILENT,
) -> Response:
    """Cancel it; the site must say why, and a branch's late cancellation counts."""
    return _moved(once, actor, booking_id, "cancel", seen, reason=said.reason)


@router.post(
    "/{booking_id}/arrive",
    operation_id="confirmArrival",
    summary="Receive the group",
    response_model=BookingPublic,
    responses=REFUSALS,
)
def arrive(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: HeadCount = AS_COUNTED,
) -> Response:
    """Confirm that the group has come; from 60 minutes before the start."""
    return _moved(once, actor, booking_id, "arrive", seen, people=said.people_attended)


@router.post(
    "/{booking_id}/complete",
    operation_id="completeBooking",
    summary="Complete a visit",
    response_model=BookingPublic,
    responses=REFUSALS,
)
def complete(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: HeadCount = AS_COUNTED,
) -> Response:
    """Confirm the number of people; the subsidy is committed."""
    return _moved(once, actor, booking_id, "complete", seen, people=said.people_attended)


@router.post(
    "/{booking_id}/no-show",
    operation_id="markNoShow",
    summary="Record that nobody came",
    response_model=BookingPublic,
    responses=REFUSALS,
)
def no_show(
    booking_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    seen: SeenVersionDep,
    said: MoveBody = SILENT,
) -> Response:
    """Record it, once the session is over."""
    return _moved(once, actor, booking_id, "no-show", seen, reason=said.reason)
