"""Reviewing a visit."""

from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from app.api.bookings import BookingPublic, shown
from app.api.deps import ActorDep, Prose
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import bookings, idempotency, reviews
from app.services.access import NotInScope

router = Router(prefix="/bookings", tags=["reviews"])

Stars = Field(ge=1, le=5, description="1 poor to 5 excellent", examples=[5])


class ReviewIn(BaseModel):
    """A branch's opinion of its visit."""

    content: int = Stars
    reception: int = Stars
    facilities: int = Stars
    text: Prose = Field(default="", max_length=1000, examples=["讲解生动，很受教育。"])


@router.post(
    "/{booking_id}/review",
    status_code=201,
    operation_id="reviewBooking",
    summary="Review a completed visit of my branch",
    response_model=BookingPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        bookings.BookingNotFound,
        reviews.NotYetCompleted,
        reviews.AlreadyReviewed,
        idempotency.IdempotencyKeyReused,
    ),
)
def review(booking_id: UUID, said: ReviewIn, actor: ActorDep, once: OnceDep) -> Response:
    """Write the one review of a visit."""
    booking = reviews.write(
        once.session, actor=actor, booking_id=booking_id, now=once.now, **said.model_dump()
    )
    return once.answer(201, shown(once.session, [booking], actor, once.now)[0])
