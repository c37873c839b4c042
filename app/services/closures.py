"""Closures (临时闭馆): shutting a venue or a site for a while, and what becomes of its bookings."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import Conflict, NotFound
from app.models import OPEN, Booking, BookingSession, Closure, VenueSession
from app.services import calendar, hits, holds, moves, queues, sessions, site_scope, states, venues
from app.services.access import Actor
from app.services.free_sessions import PeriodUnreadable
from app.services.hits import Hit

MOST_DAYS = 366
"""The longest closure; for more there is suspending the site."""
_BY_START = (col(Booking.starts_at), col(Booking.id))


class ClosureNotFound(NotFound):
    """There is no such closure at this site."""

    zh = "未找到该闭馆安排"


class ClosureOver(Conflict):
    """The closure is over by now."""

    zh = "该闭馆时段已结束"


class ClosuresOverlap(Conflict):
    """Another closure shuts some of it at that time already."""

    zh = "与已有闭馆安排重叠"
    detail_en = "From {starts_at} to {ends_at}: {reason}"
    detail_zh = "已有安排：{starts_at} 至 {ends_at}，{reason}"


@dataclass(frozen=True)
class Wanted:
    """A closure as it is asked for.

    Attributes:
        venue_id: one of the site's venues, or None for all of them.
        starts_at: first instant shut, aware.
        ends_at: first instant open again, aware.
        reason: shown to users.
    """

    venue_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True)
class Outcome:
    """A closure, and the bookings it hits, soonest first."""

    closure: Closure
    hits: list[Hit]


def shut(
    session: Session,
    *,
    site_id: UUID,
    venue_id: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    now: datetime,
) -> Closure:
    """Shut a venue, or the whole site, for a while.

    Sessions still to come that touch it go; those that somebody ever booked, or that were made one
    by one, stay with the reason written on them, and take no new booking.

    Args:
        session: open transaction.
        site_id: the site.
        venue_id: one of its venues, or None for all of them.
        starts_at: first instant shut, aware.
        ends_at: first instant open again, aware.
        reason: shown to users.
        now: the present instant, aware.

    Raises:
        PeriodUnreadable: `ends_at` is not after `starts_at`, or it is too long.
        ClosureOver: `ends_at` is not after `now`.
        VenueNotFound: the site has no such venue.
        ClosuresOverlap: another one shuts some of it then.
    """
    if not starts_at < ends_at <= starts_at + MOST_DAYS * calendar.DAY:
        raise PeriodUnreadable(most_days=MOST_DAYS)
    if ends_at <= now:
        raise ClosureOver
    if venue_id is not None:
        venues.of(session, site_id=site_id, venue_id=venue_id)
    sessions.hold(session, site_id=site_id, now=now)
    closure = Closure(
        site_id=site_id, venue_id=venue_id, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    _require_apart(session, closure)
    session.add(closure)
    session.flush()
    sessions.remake(session, site_id=site_id, now=now)
    return closure


def _require_apart(session: Session, closure: Closure) -> None:
    meets = (
        Closure.site_id == closure.site_id,
        col(Closure.starts_at) < closure.ends_at,
        col(Closure.ends_at) > closure.starts_at,
    )
    wanted = select(Closure).where(*meets)
    if closure.venue_id is not None:
        same = or_(col(Closure.venue_id).is_(None), col(Closure.venue_id) == closure.venue_id)
        wanted = wanted.where(same)
    found = session.exec(wanted.order_by(col(Closure.starts_at)).limit(1)).first()
    if found is not None:
        raise ClosuresOverlap(
            starts_at=found.starts_at.isoformat(),
            ends_at=found.ends_at.isoformat(),
            reason=found.reason,
        )


def close(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    wanted: Wanted,
    notify: bool,
    cancel: bool,
    now: datetime,
) -> Outcome:
    """Shut in the name of an actor; tell the branches it hits, or cancel for them, if wanted.

    Args:
        session: open transaction; roll it back on any error.
        actor: who shuts.
        site_id: the site.
        wanted: what, when and why.
        notify: tell each branch, with what it could have instead.
        cancel: cancel each booking that is hit, with the reason.
        now: the present instant, aware.

    Raises:
        SiteNotFound: there is none in the actor's scope.
        NotInScope: they may not shut it; or, with `cancel`, not cancel its bookings.
        SiteClosed: it was closed for good.
        PeriodUnreadable, ClosureOver, VenueNotFound, ClosuresOverlap: as `shut`.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id)
    _hold_hit(session, site_id, wanted, now)
    closure = shut(session, site_id=site_id, now=now, **vars(wanted))
    queues.end_shut(session, site_id=site_id, now=now)
    found = [
        booking
        for booking in session.exec(_hit(site_id, wanted, now).order_by(*_BY_START))
        if states.status_at(booking, now) in OPEN
    ]
    hit = hits.with_alternatives(session, site=site, bookings=found, now=now)
    for one in hit:
        if notify:
            hits.tell(session, one, site=site, reason=closure.reason, now=now)
        if cancel:
            moves.move(
                session,
                actor=actor,
                booking_id=one.booking.id,
                name="cancel",
                reason=closure.reason,
                now=now,
                as_site=True,
            )
    return Outcome(closure, hit)


def preview(
    session: Session, *, actor: Actor, site_id: UUID, wanted: Wanted, now: datetime
) -> list[Hit]:
    """Return what `close` would hit, and leave no trace.

    Raises:
        SiteNotFound, NotInScope, SiteClosed: as `close`.
        PeriodUnreadable, ClosureOver, VenueNotFound, ClosuresOverlap: as `shut`.
    """
    trial = session.begin_nested()
    outcome = close(
        session,
        actor=actor,
        site_id=site_id,
        wanted=wanted,
        notify=False,
        cancel=False,
        now=now,
    )
    trial.rollback()
    session.expire_all()
    return outcome.hits


def reopen(
    session: Session, *, actor: Actor, site_id: UUID, closure_id: UUID, now: datetime
) -> None:
    """Take a closure back: its sessions are made again, and what was booked loses the mark.

    Raises:
        SiteNotFound, NotInScope, SiteClosed: as `close`.
        ClosureNotFound: the site has no such closure.
        ClosureOver: it is over, and part of what was.
    """
    site_scope.hold(session, actor=actor, site_id=site_id)
    closure = session.get(Closure, closure_id)
    if closure is None or closure.site_id != site_id:
        raise ClosureNotFound
    if closure.ends_at <= now:
        raise ClosureOver
    sessions.hold(session, site_id=site_id, now=now)
    session.delete(closure)
    session.flush()
    sessions.remake(session, site_id=site_id, now=now)


def to_come(session: Session, *, site_id: UUID, now: datetime, limit: int) -> Sequence[Closure]:
    """Return closures of a site that are not over, soonest first."""
    wanted = select(Closure).where(Closure.site_id == site_id, col(Closure.ends_at) > now)
    return session.exec(wanted.order_by(col(Closure.starts_at), col(Closure.id)).limit(limit)).all()


def _hold_hit(session: Session, site_id: UUID, wanted: Wanted, now: datetime) -> None:
    """Lock the bookings a closure hits, then every session it or they touch.

    A booking that was made before the sessions were locked is let in by going back once more.
    """
    while True:
        known = session.exec(
            _hit(site_id, wanted, now).order_by(col(Booking.id)).with_for_update(key_share=True)
        ).all()
        ids = [booking.id for booking in known]
        attempt = session.begin_nested()
        holds.lock(session, session_ids=_touched(session, site_id, wanted, ids, now))
        if {booking.id for booking in session.exec(_hit(site_id, wanted, now))} <= set(ids):
            attempt.commit()
            return
        attempt.rollback()


def _hit(site_id: UUID, wanted: Wanted, now: datetime) -> SelectOfScalar[Booking]:
    """Return the open bookings that a closure hits."""
    query = select(Booking).where(
        Booking.site_id == site_id,
        col(Booking.status).in_(OPEN),
        col(Booking.starts_at) < wanted.ends_at,
        col(Booking.ends_at) > wanted.starts_at,
        col(Booking.starts_at) > now,
    )
    if wanted.venue_id is not None:
        query = query.where(Booking.venue_id == wanted.venue_id)
    return query.execution_options(populate_existing=True)


def _touched(
    session: Session, site_id: UUID, wanted: Wanted, bookings: Sequence[UUID], now: datetime
) -> list[UUID]:
    """Return the sessions to come that a closure shuts, and those of some bookings."""
    shut = and_(
        col(VenueSession.starts_at) < wanted.ends_at,
        col(VenueSession.ends_at) > wanted.starts_at,
        col(VenueSession.starts_at) > now,
    )
    if wanted.venue_id is not None:
        shut = and_(shut, col(VenueSession.venue_id) == wanted.venue_id)
    theirs = select(BookingSession.session_id).where(col(BookingSession.booking_id).in_(bookings))
    query = select(VenueSession.id).where(
        VenueSession.site_id == site_id, or_(shut, col(VenueSession.id).in_(theirs))
    )
    return list(session.exec(query).all())
