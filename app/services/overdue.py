"""What the clock makes due on bookings: escalation, expiry, no-shows, completion."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from app.models import Booking, BookingStatus
from app.services import steps
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER


def unanswered(now: datetime) -> ColumnElement[bool]:
    """Say which pending bookings have waited for an answer long enough."""
    return and_(col(Booking.status) == BookingStatus.PENDING, col(Booking.respond_by) <= now)


def missed(now: datetime) -> ColumnElement[bool]:
    """Say which approved bookings nobody came for."""
    over = col(Booking.ends_at) <= now - NO_SHOW_AFTER
    return and_(col(Booking.status) == BookingStatus.APPROVED, over)


def finished(now: datetime) -> ColumnElement[bool]:
    """Say which visits ended without anybody completing them."""
    over = col(Booking.ends_at) <= now - CLOSES_AFTER
    return and_(col(Booking.status) == BookingStatus.ARRIVED, over)


def due_ids(session: Session, *, due: ColumnElement[bool], most: int = 500) -> list[UUID]:
    """Return the bookings one of the conditions above holds for, soonest start first."""
    wanted = select(Booking.id).where(due).order_by(col(Booking.starts_at)).limit(most)
    return list(session.exec(wanted).all())


def catch_up_one(session: Session, *, booking_id: UUID, now: datetime) -> bool:
    """Write the steps the clock has made due on one booking; tell whether there were any.

    A booking somebody else has locked is left to them.
    """
    booking = session.exec(
        select(Booking)
        .where(Booking.id == booking_id)
        .with_for_update(key_share=True, skip_locked=True)
    ).first()
    return booking is not None and steps.catch_up(session, booking, now=now)


def catch_up(session: Session, *, now: datetime) -> int:
    """Catch up with everything that is due, in one transaction; return how many bookings moved."""
    anything = or_(unanswered(now), missed(now), finished(now))
    ids = due_ids(session, due=anything)
    return sum(catch_up_one(session, booking_id=id_, now=now) for id_ in ids)
