"""Sessions outside the weekly hours (加开场次), made and taken away one by one."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, text
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict
from app.models import NO_OVERLAP, Closure, Site, Venue, VenueSession
from app.services import audit, sessions, venues
from app.services.access import Actor
from app.services.calendar import DAY
from app.services.hours import HoursUnreadable
from app.services.sessions import SessionNotFound

_LOCK = text("SELECT id FROM venue_session WHERE id = :id FOR UPDATE")


class VenueInactive(Conflict):
    """The venue is out of use."""

    zh = "该场地已停用"


class SessionOver(Conflict):
    """The session would begin in the past."""

    zh = "场次开始时间已过"


class SessionsOverlap(Conflict):
    """The venue has another session at that time."""

    zh = "与该场地已有场次重叠"


class ShutThen(Conflict):
    """A closure shuts the venue at that time."""

    zh = "该时段临时闭馆"
    detail_en = "Closed: {reason}"
    detail_zh = "闭馆原因：{reason}"


class SessionKept(Conflict):
    """Somebody has booked the session, or a weekly rule gives it."""

    zh = "该场次已有预约记录，或由开放时间生成，不能删除"


def add(
    session: Session,
    *,
    actor: Actor,
    venue_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    people_limit: int | None,
    groups_limit: int | None,
    now: datetime,
) -> VenueSession:
    """Make one session outside the weekly hours; without limits of its own it has the venue's.

    Args:
        session: open transaction; roll it back on any error.
        actor: who makes it.
        venue_id: where.
        starts_at: first instant, aware.
        ends_at: first instant after it, aware.
        people_limit: most people.
        groups_limit: most groups at once.
        now: the present instant, aware.

    Raises:
        VenueNotFound, NotInScope, SiteClosed: as `venues.hold`.
        VenueInactive: the venue is out of use.
        HoursUnreadable: it ends before it starts, or lasts longer than a day.
        SessionOver: it would begin in the past.
        SessionsOverlap: the venue has another session then.
        ShutThen: a closure shuts the venue then.
    """
    venue = venues.hold(session, actor=actor, venue_id=venue_id)
    if not starts_at < ends_at <= starts_at + DAY:
        raise HoursUnreadable
    if starts_at <= now:
        raise SessionOver
    if not venue.active:
        raise VenueInactive
    sessions.hold(session, site_id=venue.site_id, now=now)
    if reason := _shut(session, venue, starts_at, ends_at):
        raise ShutThen(reason=reason)
    slot = VenueSession(
        site_id=venue.site_id,
        venue_id=venue.id,
        starts_at=starts_at,
        ends_at=ends_at,
        people_limit=people_limit or venue.people_limit,
        groups_limit=groups_limit or venue.groups_limit,
    )
    session.add(slot)
    with violating(NO_OVERLAP, SessionsOverlap()):
        session.flush()
    _note(session, venue, "open", slot.id)
    return slot


def _shut(session: Session, venue: Venue, starts_at: datetime, ends_at: datetime) -> str | None:
    wanted = select(Closure.reason).where(
        Closure.site_id == venue.site_id,
        or_(col(Closure.venue_id).is_(None), col(Closure.venue_id) == venue.id),
        col(Closure.starts_at) < ends_at,
        col(Closure.ends_at) > starts_at,
    )
    return session.exec(wanted.limit(1)).first()


def remove(session: Session, *, actor: Actor, session_id: UUID, now: datetime) -> None:
    """Take away one session that nobody ever booked and that no rule gives.

    Raises:
        SessionNotFound: there is none in the actor's scope.
        NotInScope: they see the site, but may not change it.
        SiteClosed: the site was closed for good.
        SessionKept: somebody booked it, or a weekly rule gives it.
    """
    slot = session.get(VenueSession, session_id)
    if slot is None:
        raise SessionNotFound
    try:
        venue = venues.hold(session, actor=actor, venue_id=slot.venue_id)
    except venues.VenueNotFound as absent:
        raise SessionNotFound from absent
    sessions.hold(session, site_id=venue.site_id, now=now)
    # Whoever is booking it now is waited for, and then seen.
    run = session.connection().execute
    locked = run(_LOCK, {"id": session_id}).scalars().all()
    if slot.rule_id is not None or not sessions.drop_unbooked(session, locked):
        raise SessionKept
    session.expunge(slot)
    _note(session, venue, "withdraw", session_id)


def _note(session: Session, venue: Venue, action: str, session_id: UUID) -> None:
    """Tell the audit log, which hears of deeds but not of the many sessions made from rules."""
    district_id = session.get_one(Site, venue.site_id).district_id
    audit.note(
        session,
        action=action,
        noun="venue_session",
        row_id=session_id,
        district_id=district_id,
    )
