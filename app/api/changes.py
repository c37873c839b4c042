"""Changing a booking."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.bookings import ID, BookingPublic, shown
from app.api.deps import ActorDep, Line, NowDep, Prose, SessionDep, VersionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Purpose
from app.services import (
    bookings,
    changes,
    ledger,
    moves,
    privacy,
    refusals,
    routes,
    sessions,
)
from app.services.access import NotInScope

router = Router(prefix="/bookings", tags=["bookings"])


class BookingChange(BaseModel):
    """What is to be different; what is absent stays. An empty note takes it away."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"session_ids": [ID], "people_expected": 30}}
    )

    session_ids: Annotated[list[UUID], Field(min_length=1, max_length=8)] | None = None
    programme_ids: Annotated[list[UUID], Field(max_length=20)] | None = None
    people_expected: int | None = Field(default=None, ge=1, le=MOST_PEOPLE)
    purpose: Purpose | None = None
    contact_name: Line | None = Field(default=None, max_length=40)
    contact_phone: Line | None = Field(default=None, max_length=20)
    note: Prose | None = Field(default=None, max_length=500)


@router.patch(
    "/{booking_id:uuid}",
    operation_id="changeBooking",
    summary="Change sessions, people or menu; or purpose, contact and note",
    responses=problems(
        Unauthenticated,
        NotInScope,
        bookings.BookingNotFound,
        moves.BookingChanged,
        moves.BookingStateConflict,
        sessions.SessionNotFound,
        privacy.InvalidPhone,
        *refusals.REFUSALS,
        changes.OtherSite,
        routes.StopsNotInOrder,
        routes.TravelTooShort,
        ledger.FundExhausted,
    ),
)
def change_booking(
    booking_id: UUID,
    wanted: BookingChange,
    version: VersionDep,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
) -> BookingPublic:
    """Hold the new places before the old ones go; a refusal leaves the booking as it was.

    Other sessions, people or menu are asked for anew: the site answers again. Purpose, contact and
    note are just written down.
    """
    booking = changes.change(
        session,
        actor=actor,
        booking_id=booking_id,
        version=version,
        wanted=changes.Wanted(**wanted.model_dump()),
        now=now,
    )
    return shown(session, [booking], actor, now)[0]
