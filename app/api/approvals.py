"""Approving many bookings at once."""

from typing import ClassVar
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.api.bookings import ID, BookingPublic, shown
from app.api.deps import ActorDep
from app.api.once import OnceDep
from app.api.problems import Problem, language_of, problems, written
from app.api.router import Router
from app.errors import DomainError, Unauthenticated
from app.services import idempotency, moves

router = Router(prefix="/bookings", tags=["bookings"])


class Approval(BaseModel):
    """A booking to be approved, if it still has the version that was read."""

    id: UUID
    version: int | None = Field(default=None, ge=1, le=1_000_000_000, strict=True)


class Approvals(BaseModel):
    """Bookings to be approved, each for itself."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [{"id": ID, "version": 1}]}}
    )

    items: list[Approval] = Field(min_length=1, max_length=100)

    @field_validator("items")
    @classmethod
    def _each_once(cls, items: list[Approval]) -> list[Approval]:
        if len({item.id for item in items}) < len(items):
            raise ValueError("a booking is named twice")
        return items


class Approved(BaseModel):
    """What became of one: the booking, or the problem that alone would have been the answer."""

    id: UUID
    status: int
    booking: BookingPublic | None
    problem: Problem | None


class ApprovedMany(BaseModel):
    """What became of each, in the order they were named."""

    items: list[Approved]


@router.post(
    "/approve",
    operation_id="approveBookings",
    summary="Accept many orders, each for itself",
    response_model=ApprovedMany,
    responses=problems(Unauthenticated, idempotency.IdempotencyKeyReused),
)
def approve_many(wanted: Approvals, actor: ActorDep, once: OnceDep, request: Request) -> Response:
    """Accept each that can be accepted; one that cannot says why and stops no other."""
    session = once.session
    named = [(item.id, item.version) for item in wanted.items]
    outcomes = moves.approve_many(session, actor=actor, wanted=named, now=once.now)
    approved = [one for one in outcomes if not isinstance(one, DomainError)]
    public = {one.id: one for one in shown(session, approved, actor, once.now)}
    language = language_of(request)

    def told(booking_id: UUID, outcome: object) -> Approved:
        if not isinstance(outcome, DomainError):
            return Approved(id=booking_id, status=200, booking=public[booking_id], problem=None)
        problem = Problem(**written(outcome, language))
        return Approved(id=booking_id, status=problem.status, booking=None, problem=problem)

    pairs = zip(named, outcomes, strict=True)
    return once.answer(200, ApprovedMany(items=[told(id_, one) for (id_, _), one in pairs]))
