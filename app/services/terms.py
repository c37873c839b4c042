"""The terms of a booking - sessions, people and menu - as written for an order and for a change."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, text
from sqlmodel import Session, col

from app.models import (
    ApprovalMode,
    Booking,
    BookingProgramme,
    BookingSession,
    BookingStatus,
)
from app.services import guides, order_rules, steps
from app.services.calendar import local_date, midnight
from app.services.messages import Kind
from app.services.order_rules import Asked
from app.services.refusals import GuideNotFree

_SEAT = text("""
    WITH seated AS (
        INSERT INTO booking_session (booking_id, session_id)
        SELECT :id, unnest(CAST(:sessions AS uuid[]))
    )
    INSERT INTO booking_programme (booking_id, programme_id)
    SELECT :id, unnest(CAST(:items AS uuid[]))""")


def of(asked: Asked) -> dict[str, Any]:
    """Return what a booking says of its terms: times, people, and the policy with its deadlines."""
    policy, starts_at = asked.policy, asked.slots[0].starts_at
    last_free_day = asked.days.add(local_date(starts_at), -policy.free_cancel_working_days)
    return {
        "venue_id": asked.slots[0].venue_id,
        "starts_at": starts_at,
        "ends_at": asked.slots[-1].ends_at,
        "people_expected": asked.people,
        "policy_id": policy.id,
        "respond_by": steps.answer_due(asked.days, policy, starts_at, asked.now),
        "free_cancel_until": midnight(last_free_day + timedelta(days=1)),
    }


def seat(session: Session, booking: Booking, asked: Asked) -> None:
    """Write down the sessions and the menu, whose places are held, and find a guide.

    Raises:
        GuideNotFree: somebody has to show them round, and nobody can.
    """
    if asked.guided and not guides.take(
        session,
        booking_id=booking.id,
        site_id=booking.site_id,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
    ):
        order_rules.refuse(session, asked, GuideNotFree())
    seats = {
        "id": booking.id,
        "sessions": asked.session_ids,
        "items": [item.id for item in asked.menu],
    }
    session.flush()
    session.connection().execute(_SEAT, seats)


def unseat(session: Session, booking: Booking) -> None:
    """Take back what `seat` did; the places are the caller's to give back."""
    for part in (BookingSession, BookingProgramme):
        theirs = col(part.booking_id) == booking.id
        session.exec(delete(part).where(theirs).execution_options(synchronize_session="fetch"))
    guides.give_back(session, booking_id=booking.id)


def put_forward(session: Session, booking: Booking, asked: Asked, *, kind: Kind) -> None:
    """Approve a pending booking where the rules alone decide, else ask the site with `kind`.

    Raises:
        FundExhausted: it would be approved at once, and the fund refuses.
    """
    if asked.policy.approval_mode != ApprovalMode.AUTO:
        steps.tell(session, booking, kind, asked.now, site=True)
        return
    steps.step(session, booking, BookingStatus.APPROVED, now=asked.now)
    steps.tell(session, booking, "booking-approved", asked.now, branch=True, site=True)
    # Last: nobody else gets at the fund until the commit.
    steps.reserve(session, booking, now=asked.now)
