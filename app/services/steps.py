"""The steps of a booking: the only writer of its status."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.models import HOLDING, Booking, BookingEvent, BookingStatus, Policy, StrikeKind, Visit
from app.services import (
    bookings,
    calendar,
    guides,
    holds,
    notifications,
    queues,
    standings,
    subsidies,
)
from app.services.alternatives import is_outside
from app.services.calendar import local_date, spoken
from app.services.codes import code_of
from app.services.messages import Kind
from app.services.states import status_at

S = BookingStatus


def catch_up(session: Session, booking: Booking, *, now: datetime) -> bool:
    """Write the steps the clock has made due on a locked booking; tell whether there were any."""
    before = booking.version
    if booking.status == S.PENDING and not booking.escalated_at:
        _escalate_if_due(session, booking, now)
    due = status_at(booking, now)
    if due != booking.status:
        _DUE[due](session, booking, now)
    return booking.version != before


def _escalate_if_due(session: Session, booking: Booking, now: datetime) -> None:
    assert booking.respond_by is not None  # noqa: S101
    if now < booking.respond_by:
        return
    policy = session.get_one(Policy, booking.policy_id)
    missed = booking.respond_by
    booking.escalated_at = missed
    booking.respond_by = answer_due(calendar.load(session), policy, booking.starts_at, missed)
    step(session, booking, S.PENDING, now=now, reason="escalated")
    site, _ = bookings.place_of(session, booking)
    tell(session, booking, "booking-escalated", now, staff=site.town_id)


def _expire(session: Session, booking: Booking, now: datetime) -> None:
    step(session, booking, S.EXPIRED, now=now)
    tell(session, booking, "booking-expired", now, branch=True)


def miss(
    session: Session,
    booking: Booking,
    now: datetime,
    *,
    actor_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Record that nobody came: a strike; what was set aside goes back."""
    standings.strike(session, booking, kind=StrikeKind.NO_SHOW, now=now)
    step(session, booking, S.NO_SHOW, now=now, actor_id=actor_id, reason=reason)
    subsidies.release(session, booking_id=booking.id, now=now)
    tell(session, booking, "booking-no-show", now, branch=True, site=True)


def _close(session: Session, booking: Booking, now: datetime) -> None:
    finish(session, booking, people=None, actor_id=None, now=now)


_DUE = {S.EXPIRED: _expire, S.NO_SHOW: miss, S.COMPLETED: _close}


def answer_due(
    days: calendar.Calendar, policy: Policy, starts_at: datetime, asked_at: datetime
) -> datetime:
    """Return when an order asked at `asked_at` must be answered; never after it would start."""
    return min(days.later(asked_at, policy.answer_working_days), starts_at)


def finish(
    session: Session,
    booking: Booking,
    *,
    people: int | None,
    actor_id: UUID | None,
    now: datetime,
) -> None:
    """Complete a visit and commit its subsidy, with the number given now or else at arrival."""
    visit = session.get_one(Visit, booking.id)
    visit.completed_at, visit.completed_by = now, actor_id
    visit.people_attended = visit.people_attended if people is None else people
    step(session, booking, S.COMPLETED, now=now, actor_id=actor_id)
    subsidies.commit(session, booking_id=booking.id, people=visit.people_attended, now=now)
    tell(session, booking, "booking-completed", now, branch=True)


def step(
    session: Session,
    booking: Booking,
    target: BookingStatus,
    *,
    now: datetime,
    actor_id: UUID | None = None,
    reason: str | None = None,
) -> None:
    """Write one step: the status and the event.

    If the new state holds none, places and guide go back, and the places to who waits for them.
    """
    held = booking.status in HOLDING
    source, booking.status = booking.status, target
    booking.version += 1
    if target != S.PENDING:
        booking.respond_by = None
    session.add(
        BookingEvent(
            booking_id=booking.id,
            version=booking.version,
            at=now,
            from_status=source,
            to_status=target,
            actor_id=actor_id,
            reason=reason,
        )
    )
    session.flush()
    if held and target not in HOLDING:
        slots = bookings.session_ids(session, booking)
        holds.give_back(session, session_ids=slots, people=booking.people_expected)
        guides.give_back(session, booking_id=booking.id)
        queues.tend(session, session_ids=slots, now=now)


def reserve(session: Session, booking: Booking, *, now: datetime) -> None:
    """Set the subsidy of a booking aside as it is approved.

    Raises:
        FundExhausted: the fund cannot cover it, and refuses such approvals.
        PeriodClosed: the books of the month of `now` are closed.
    """
    site, branch = bookings.place_of(session, booking)
    case = subsidies.Case(
        booking_id=booking.id,
        district_id=booking.district_id,
        day=local_date(booking.starts_at),
        category=site.category,
        sector=branch.sector,
        programme_kinds=bookings.programme_kinds(session, booking),
        outside=is_outside(branch, site),
        site_id=site.id,
        branch_id=branch.id,
        ticketed=site.ticketed,
    )
    subsidies.reserve(session, case=case, people=booking.people_expected, now=now)


def tell(
    session: Session,
    booking: Booking,
    kind: Kind,
    now: datetime,
    *,
    branch: bool = False,
    site: bool = False,
    staff: UUID | None = None,
    reason: str = "",
) -> None:
    """Owe a message about a booking to its branch, its site's managers or an office's staff."""
    place, guests = bookings.place_of(session, booking)
    told = {
        "code": code_of(booking.number or 0),
        "branch": guests.name,
        "site": place.name,
        "when": spoken(booking.starts_at),
        "people": str(booking.people_expected),
        "respond_by": spoken(booking.respond_by) if booking.respond_by else "",
        "reason": reason,
    }
    readers = [
        *([notifications.organisers_of(booking.organisation_id)] if branch else []),
        *([notifications.managers_of(booking.site_id)] if site else []),
        *([notifications.staff_of(staff)] if staff else []),
    ]
    for to in readers:
        notifications.owe(session, to=to, kind=kind, booking_id=booking.id, facts=told, due_at=now)
