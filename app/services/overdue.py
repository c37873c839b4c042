"""What the clock makes due on bookings: escalation, expiry, no-shows, completion."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, exists, or_
from sqlmodel import Session, col, select

from app.models import Booking, BookingSession, BookingStatus, VenueSession
from app.services import guides, holds, queues, standings, steps
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER

Moment = datetime | BindParameter[datetime]


def unanswered(now: Moment) -> ColumnElement[bool]:
    """Say which pending bookings have waited for an answer long enough."""
    return and_(col(Booking.status) == BookingStatus.PENDING, col(Booking.respond_by) <= now)


def waiting_at(session_ids: Sequence[UUID]) -> ColumnElement[bool]:
    """Say which pending bookings hold places in some sessions."""
    here = col(BookingSession.session_id).in_(session_ids)
    holds_there = exists().where(col(BookingSession.booking_id) == Booking.id, here)
    return and_(col(Booking.status) == BookingStatus.PENDING, holds_there)


def missed(now: Moment) -> ColumnElement[bool]:
    """Say which approved bookings nobody came for."""
    over = col(Booking.ends_at) <= now - NO_SHOW_AFTER
    return and_(col(Booking.status) == BookingStatus.APPROVED, over)


def finished(now: Moment) -> ColumnElement[bool]:
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


def try_for(
    session: Session, attempt: Callable[[], bool], *, session_ids: Sequence[UUID], now: datetime
) -> bool:
    """Tell whether places could be had; those of orders that have lapsed by now count as free.

    Args:
        session: open transaction.
        attempt: holds the places, or tells that there are none.
        session_ids: all that it locks.
        now: the present instant, aware.
    """
    return attempt() or (lapse(session, session_ids=session_ids, now=now) > 0 and attempt())


def lapse(session: Session, *, session_ids: Sequence[UUID], now: datetime) -> int:
    """Take from some sessions what orders and offers past their time hold; return how many did.

    Whoever waits there comes first: what is free afterwards is for anybody.

    Args:
        session: open transaction that holds none of these sessions, or all.
        session_ids: where.
        now: the present instant, aware.
    """
    theirs = waiting_at(session_ids)
    settled = settle(session, theirs=theirs, besides=session_ids, now=now)
    return settled + queues.pass_on(session, session_ids=session_ids, now=now)


def settle(
    session: Session,
    *,
    theirs: ColumnElement[bool],
    besides: Sequence[UUID] = (),
    now: datetime,
) -> int:
    """Write the steps due on some bookings before others count on it; return how many moved.

    The branches that get a strike, and their sessions with those the caller is about to take places
    in, and the guides of these sites are locked first, so that nobody waits for one with the fund
    in hand. What somebody else has locked is left to them.

    Args:
        session: open transaction that holds no session yet.
        theirs: which bookings.
        besides: sessions to be locked with theirs, if there is anything to settle.
        now: the present instant, aware.
    """
    due = select(Booking).where(theirs, or_(unanswered(now), missed(now))).order_by(col(Booking.id))
    locked = due.with_for_update(key_share=True, skip_locked=True)
    found = session.exec(locked.execution_options(populate_existing=True)).all()
    if not found:
        return 0
    missing = {b.organisation_id for b in found if b.status == BookingStatus.APPROVED}
    for branch_id in sorted(missing):
        standings.hold(session, organisation_id=branch_id)
    ids = select(BookingSession.session_id).where(
        col(BookingSession.booking_id).in_([booking.id for booking in found])
    )
    touched = [*session.exec(ids), *besides]
    holds.lock(session, session_ids=touched)
    sites = select(VenueSession.site_id).where(col(VenueSession.id).in_(touched)).distinct()
    guides.lock(session, site_ids=session.exec(sites).all())
    return sum(steps.catch_up(session, booking, now=now) for booking in found)


def catch_up(session: Session, *, now: datetime) -> int:
    """Catch up with everything that is due, in one transaction; return how many bookings moved."""
    anything = or_(unanswered(now), missed(now), finished(now))
    ids = due_ids(session, due=anything)
    return sum(catch_up_one(session, booking_id=id_, now=now) for id_ in ids)
