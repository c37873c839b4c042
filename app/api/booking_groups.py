"""Routes and series: ordering several sessions together, reading and cancelling them."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from fastapi import Request, Response
from pydantic import AwareDatetime, BaseModel
from sqlmodel import Session

from app.api.ahead import SessionsAhead
from app.api.bookings import BookingPublic, NamedPublic, read, shown
from app.api.deps import ActorDep, NowDep, SessionDep
from app.api.group_wishes import GroupIn, OnConflict, planned
from app.api.moves import SILENT, MoveBody
from app.api.once import OnceDep
from app.api.problems import Problem, language_of, problems, written
from app.api.refused_orders import DryRunDep, RefusalsCounted
from app.api.router import Router
from app.errors import DomainError, Unauthenticated
from app.models import Booking, GroupKind
from app.services import (
    booking_groups,
    idempotency,
    moves,
    organisations,
    privacy,
    refused_orders,
    sessions,
)
from app.services.access import Actor, NotInScope
from app.services.booking_groups import Outcome

router = Router(prefix="/booking-groups", tags=["bookings"])

SomeDay = date | None


class GroupItemStatus(StrEnum):
    """Booked; left out; or free, but the whole was refused."""

    BOOKED = "booked"
    SKIPPED = "skipped"
    FREE = "free"


class GroupItem(BaseModel):
    """What became of one date of a series, or of one stop of a route.

    `problem` is what alone would have been the answer; `moved_from` the public holiday that the
    date was moved off. There is no date where no session was found to have one.
    """

    date: SomeDay
    status: GroupItemStatus
    booking: BookingPublic | None
    problem: Problem | None
    moved_from: SomeDay


class GroupReport(BaseModel):
    """A route or series as it was booked, item by item."""

    id: UUID
    kind: GroupKind
    items: list[GroupItem]


class GroupPublic(BaseModel):
    """A route or series with those of its bookings that the reader may see, by start."""

    id: UUID
    kind: GroupKind
    organisation: NamedPublic
    bookings: list[BookingPublic]
    created_at: AwareDatetime


class CancelledBooking(BaseModel):
    """What became of one booking: itself, cancelled, or why it could not be."""

    id: UUID
    booking: BookingPublic | None
    problem: Problem | None


class CancelledBookings(BaseModel):
    """What became of each, by start."""

    items: list[CancelledBooking]


@router.post(
    "",
    status_code=201,
    operation_id="createBookingGroup",
    dependencies=[RefusalsCounted, SessionsAhead],
    summary="Order a route or a series",
    response_model=GroupReport,
    responses=problems(
        Unauthenticated,
        NotInScope,
        organisations.OrganisationNotFound,
        sessions.SessionNotFound,
        privacy.InvalidPhone,
        idempotency.IdempotencyKeyReused,
        booking_groups.GroupRefused,
    )
    | {200: {"model": GroupReport, "description": "With `dry_run`: nothing was done"}},
)
def create_group(
    wanted: GroupIn,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    once: OnceDep,
    request: Request,
    dry_run: DryRunDep,
) -> Response:
    """Book all of it or, with `on_conflict=skip`, what can be had.

    A refusal has the same `items`, with the problem of each date or stop that is in the way; the
    others are `free`, and nothing is booked.

    Raises:
        GroupRefused: it cannot be had as it was asked for.
    """
    plan, language = planned(session, wanted, now), language_of(request)
    skip = wanted.on_conflict == OnConflict.SKIP
    trial = session.begin_nested() if dry_run else None
    try:
        group, outcomes = booking_groups.order(session, actor=actor, plan=plan, skip=skip, now=now)
    except booking_groups.GroupRefused as refused:
        refused.facts["items"] = _refused(refused.outcomes, language)
        raise
    items = _booked(session, outcomes, actor, now, language)
    report = GroupReport(id=group.id, kind=GroupKind(group.kind), items=items)
    if trial is None:
        left_out = refused_orders.short([one.refusal for one in outcomes])
        if left_out:
            refused_orders.count(session, refused=left_out, now=now)
        return once.answer(201, report)
    trial.rollback()
    return once.preview(report)


def _booked(
    session: Session, outcomes: Sequence[Outcome], actor: Actor, now: datetime, language: str
) -> list[GroupItem]:
    """Return a report of what was booked and what was left out."""
    made = [one.booking for one in outcomes if one.booking]
    public = iter(shown(session, made, actor, now))
    return [
        _item(one, GroupItemStatus.BOOKED, language, next(public))
        if one.booking
        else _item(one, GroupItemStatus.SKIPPED, language)
        for one in outcomes
    ]


def _refused(outcomes: Sequence[Outcome], language: str) -> list[GroupItem]:
    """Return a report of what was in the way, and what was not."""
    return [
        _item(one, GroupItemStatus.SKIPPED if one.refusal else GroupItemStatus.FREE, language)
        for one in outcomes
    ]


def _item(
    outcome: Outcome, status: GroupItemStatus, language: str, booking: BookingPublic | None = None
) -> GroupItem:
    problem = Problem(**written(outcome.refusal, language)) if outcome.refusal else None
    return GroupItem(
        date=outcome.item.day,
        status=status,
        booking=booking,
        problem=problem,
        moved_from=outcome.item.moved_from,
    )


@router.get(
    "/{group_id}",
    operation_id="getBookingGroup",
    summary="One route or series",
    responses=problems(Unauthenticated, booking_groups.GroupNotFound),
)
def get_group(group_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> GroupPublic:
    """Show a route or series, and those of its bookings that the reader may see."""
    group, made = booking_groups.get(session, actor=actor, group_id=group_id)
    public = read(session, made, actor, now)
    return GroupPublic(
        id=group.id,
        kind=GroupKind(group.kind),
        organisation=public[0].organisation,
        bookings=public,
        created_at=group.created_at,
    )


@router.post(
    "/{group_id}/cancel",
    operation_id="cancelBookingGroup",
    summary="Cancel what is left of a route or series",
    response_model=CancelledBookings,
    responses=problems(
        Unauthenticated,
        NotInScope,
        booking_groups.GroupNotFound,
        moves.BookingStateConflict,
        moves.ReasonMissing,
        idempotency.IdempotencyKeyReused,
    ),
)
def cancel_group(
    group_id: UUID, actor: ActorDep, once: OnceDep, request: Request, said: MoveBody = SILENT
) -> Response:
    """Cancel each booking that can be cancelled; late ones count as late.

    One that cannot be says why and stops no other; if none can be, that is the answer.
    """
    session, language = once.session, language_of(request)
    tried = booking_groups.cancel(
        session, actor=actor, group_id=group_id, reason=said.reason, now=once.now
    )
    cancelled = [one for _, one in tried if isinstance(one, Booking)]
    public = {one.id: one for one in shown(session, cancelled, actor, once.now)}

    def told(booking_id: UUID, outcome: Booking | DomainError) -> CancelledBooking:
        if not isinstance(outcome, DomainError):
            return CancelledBooking(id=booking_id, booking=public[booking_id], problem=None)
        problem = Problem(**written(outcome, language))
        return CancelledBooking(id=booking_id, booking=None, problem=problem)

    return once.answer(200, CancelledBookings(items=[told(*pair) for pair in tried]))
