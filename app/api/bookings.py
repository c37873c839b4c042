"""Ordering and reading bookings."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlmodel import Session, col

from app.api.ahead import SessionsAhead
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    Line,
    NowDep,
    Prose,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.refused_orders import DryRunDep, RefusalsCounted
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Booking, BookingStatus, Purpose, SubsidyStatus
from app.services import (
    bookings,
    contacts,
    idempotency,
    ledger,
    order_rules,
    orders,
    organisations,
    privacy,
    refusals,
    reviews,
    sessions,
    states,
)
from app.services.access import Actor, NotInScope
from app.services.calendar import midnight
from app.services.codes import code_of

router = Router(prefix="/bookings", tags=["bookings"])

ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"


class BookingIn(BaseModel):
    """What a branch asks for."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "session_ids": [ID],
                "programme_ids": [ID],
                "organisation_id": ID,
                "people_expected": 27,
                "purpose": "theme_party_day",
                "contact_name": "王组织",
                "contact_phone": "13800000000",
                "note": None,
            }
        }
    )

    session_ids: list[UUID] = Field(min_length=1, max_length=8)
    programme_ids: list[UUID] = Field(default=[], max_length=20)
    organisation_id: UUID
    people_expected: int = Field(ge=1, le=MOST_PEOPLE)
    purpose: Purpose
    contact_name: Line = Field(max_length=40)
    contact_phone: Line = Field(max_length=20)
    note: Prose | None = Field(default=None, max_length=500)


class NamedPublic(BaseModel):
    """A row by id and name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    name: str


class SubsidyPublic(BaseModel):
    """What the fund pays for a visit, fen; no amounts where it pays nothing."""

    status: SubsidyStatus | None
    reserved_fen: int | None
    committed_fen: int | None
    rule_version: int | None


class BookingPublic(BaseModel):
    """A booking for `[starts_at, ends_at)`; `moves` are those the reader may make now.

    The contact and the note are null for those who need not know them. `group_id` is the route or
    series it was made with.
    """

    id: UUID
    code: str
    status: BookingStatus
    site: NamedPublic
    venue: NamedPublic
    organisation: NamedPublic
    session_ids: list[UUID]
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    programmes: list[NamedPublic]
    people_expected: int
    people_attended: int | None
    purpose: Purpose
    contact_name: str | None
    contact_phone: str | None
    note: str | None
    respond_by: AwareDatetime | None
    escalated_at: AwareDatetime | None
    free_cancel_until: AwareDatetime
    late_cancelled: bool
    moves: list[str]
    reviewable: bool
    group_id: UUID | None
    subsidy: SubsidyPublic
    version: int
    created_at: AwareDatetime


class BookingPage(BaseModel):
    """A page of bookings."""

    items: list[BookingPublic]
    next_cursor: str | None


class EventPublic(BaseModel):
    """One step; no actor where it was the clock."""

    at: AwareDatetime
    from_status: BookingStatus | None
    to_status: BookingStatus
    actor_name: str | None
    reason: str | None


class Events(BaseModel):
    """All steps, oldest first."""

    items: list[EventPublic]


class Sort(StrEnum):
    """Soonest first, or latest first."""

    SOONEST = "starts_at"
    LATEST = "-starts_at"


def shown(
    session: Session, rows: list[Booking], actor: Actor, now: datetime
) -> list[BookingPublic]:
    """Return bookings as `actor` sees them."""
    return [_public(view, now) for view in bookings.views(session, rows, actor=actor)]


def read(session: Session, rows: list[Booking], actor: Actor, now: datetime) -> list[BookingPublic]:
    """Return them as `shown` does; the audit log tells who looked at whose contact."""
    views = bookings.views(session, rows, actor=actor)
    contacts.note_read(session, views)
    return [_public(view, now) for view in views]


def _public(view: bookings.View, now: datetime) -> BookingPublic:
    booking, subsidy = view.booking, view.subsidy
    needed = contacts.is_shown(view)
    return BookingPublic(
        id=booking.id,
        code=code_of(booking.number or 0),
        status=states.status_at(booking, now),
        site=NamedPublic.model_validate(view.site),
        venue=NamedPublic.model_validate(view.venue),
        organisation=NamedPublic.model_validate(view.organisation),
        session_ids=view.session_ids,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        programmes=[NamedPublic.model_validate(item) for item in view.programmes],
        people_expected=booking.people_expected,
        people_attended=view.visit.people_attended if view.visit else None,
        purpose=Purpose(booking.purpose),
        contact_name=booking.contact_name if needed else None,
        contact_phone=privacy.unseal(booking.contact_phone_sealed)
        if needed and booking.contact_phone_sealed
        else None,
        note=booking.note if needed else None,
        respond_by=booking.respond_by,
        escalated_at=booking.escalated_at,
        free_cancel_until=booking.free_cancel_until,
        late_cancelled=booking.late_cancelled,
        moves=states.allowed_moves(booking, view.roles, now),
        reviewable=reviews.can_review(view, now),
        group_id=booking.group_id,
        subsidy=SubsidyPublic(
            status=SubsidyStatus(subsidy.status) if subsidy else None,
            reserved_fen=subsidy.reserved_fen if subsidy else None,
            committed_fen=subsidy.committed_fen if subsidy else None,
            rule_version=view.rule_version,
        ),
        version=booking.version,
        created_at=booking.created_at,
    )


@router.post(
    "",
    status_code=201,
    operation_id="createBooking",
    dependencies=[RefusalsCounted, SessionsAhead],
    summary="Order sessions for a branch",
    response_model=BookingPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        organisations.OrganisationNotFound,
        sessions.SessionNotFound,
        privacy.InvalidPhone,
        idempotency.IdempotencyKeyReused,
        *refusals.REFUSALS,
        ledger.FundExhausted,
    )
    | {200: {"model": BookingPublic, "description": "With `dry_run`: nothing was done"}},
)
def create_booking(
    wanted: BookingIn,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    once: OnceDep,
    dry_run: DryRunDep,
) -> Response:
    """Hold the places at once, and ask the site's manager to accept.

    A refusal names the rule and offers up to 3 sessions that would be accepted.
    """
    order = order_rules.Wanted(**wanted.model_dump())
    if not dry_run:
        booking = orders.order(session, actor=actor, wanted=order, now=now)
        return once.answer(201, shown(session, [booking], actor, now)[0])
    trial = session.begin_nested()
    booking = orders.order(session, actor=actor, wanted=order, now=now)
    preview = shown(session, [booking], actor, now)[0]
    trial.rollback()
    return once.preview(preview)


@router.get(
    "",
    operation_id="listBookings",
    summary="Bookings of my branches, my sites or my subtree",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_bookings(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    scope: bookings.Scope | None = None,
    status: Annotated[list[BookingStatus] | None, Query(max_length=8)] = None,
    from_: Annotated[DateDep | None, Query(alias="from", description="First day")] = None,
    to: Annotated[DateDep | None, Query(description="Last day, inclusive")] = None,
    q: Annotated[
        str | None, Query(max_length=40, pattern=r"^[^\x00]*$", description="Code, or contact")
    ] = None,
    group_id: Annotated[UUID | None, Query(description="Of one route or series")] = None,
    sort: Sort = Sort.LATEST,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> BookingPage:
    """List what the reader may see, by start; the status filter is on the row as written."""
    wanted = bookings.visible(actor, scope)
    if status:
        wanted = wanted.where(col(Booking.status).in_(status))
    if from_:
        wanted = wanted.where(Booking.starts_at >= midnight(from_))
    if to:
        wanted = wanted.where(Booking.starts_at < midnight(to + timedelta(days=1)))
    if q and q.strip():
        wanted = wanted.where(bookings.matching(q))
    if group_id:
        wanted = wanted.where(Booking.group_id == group_id)
    after = read_cursor(cursor, datetime, UUID)
    page = bookings.page(session, wanted, soonest=sort == Sort.SOONEST, after=after, limit=limit)
    more = len(page) > limit
    rows = page[:limit]
    next_cursor = write_cursor(rows[-1].starts_at, rows[-1].id) if more else None
    return BookingPage(items=read(session, rows, actor, now), next_cursor=next_cursor)


@router.get(
    "/{booking_id:uuid}",
    operation_id="getBooking",
    summary="One booking",
    responses=problems(Unauthenticated, bookings.BookingNotFound),
)
def get_booking(
    booking_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep
) -> BookingPublic:
    """Show one booking."""
    booking = bookings.get(session, actor=actor, booking_id=booking_id)
    return read(session, [booking], actor, now)[0]


@router.get(
    "/{booking_id}/events",
    operation_id="listBookingEvents",
    summary="Every step of a booking",
    responses=problems(Unauthenticated, bookings.BookingNotFound),
)
def list_events(booking_id: UUID, actor: ActorDep, session: SessionDep) -> Events:
    """List who did what to a booking, when and why."""
    booking = bookings.get(session, actor=actor, booking_id=booking_id)
    return Events(
        items=[
            EventPublic(
                at=event.at,
                from_status=BookingStatus(event.from_status) if event.from_status else None,
                to_status=BookingStatus(event.to_status),
                actor_name=name,
                reason=event.reason,
            )
            for event, name in bookings.events(session, booking_id=booking.id)
        ]
    )
