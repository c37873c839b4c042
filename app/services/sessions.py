"""Sessions: made ahead from weekly rules, removed by closures, listed with what is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, exists, func, text, update
from sqlmodel import Session, col, select

from app.errors import Malformed, NotFound
from app.models import BookingSession, Closure, Venue, VenueSession
from app.services.calendar import DAY, ZONE, local_date, midnight

MOST_DAYS = 62

# Makers share this lock and closers take it alone: else a maker that began before a closure was
# committed could fill it again.
_LOCK = "sessions-and-closures"

# On a public holiday a rule that stands aside `as_sunday` calls in its venue's Sunday rules.
# Everybody inserts in the same order, so that two makers wait for one another and never in a ring.
_MAKE = text("""
    INSERT INTO venue_session
        (id, site_id, venue_id, rule_id, starts_at, ends_at, people_limit, groups_limit)
    SELECT uuid7(), v.site_id, v.id, r.id, p.starts_at, p.ends_at, v.people_limit, v.groups_limit
    FROM (
        SELECT g::date AS day, extract(isodow FROM g) AS weekday, coalesce(h.is_off, FALSE) AS off
        FROM generate_series(CAST(:since AS timestamp), CAST(:until AS timestamp), '1 day') g
        LEFT JOIN holiday h ON h.day = g::date
    ) d
    JOIN opening_rule r ON d.day >= r.valid_from AND (r.valid_to IS NULL OR d.day < r.valid_to)
    JOIN venue v ON v.id = r.venue_id
    JOIN site s ON s.id = v.site_id AND s.status = 'published'
    CROSS JOIN LATERAL (
        SELECT (d.day + r.starts) AT TIME ZONE :zone AS starts_at,
            (d.day + r.ends) AT TIME ZONE :zone AS ends_at
    ) p
    WHERE CASE
            WHEN NOT d.off THEN r.weekday = d.weekday
            WHEN r.weekday = d.weekday AND r.on_holiday = 'open' THEN TRUE
            WHEN r.weekday = 7 THEN EXISTS (
                SELECT FROM opening_rule w
                WHERE w.venue_id = r.venue_id AND w.weekday = d.weekday
                    AND w.on_holiday = 'as_sunday' AND (d.weekday < 7 OR w.id = r.id)
                    AND d.day >= w.valid_from AND (w.valid_to IS NULL OR d.day < w.valid_to)
            )
            ELSE FALSE
        END
        AND NOT EXISTS (
            SELECT FROM closure c
            WHERE c.site_id = v.site_id AND (c.venue_id IS NULL OR c.venue_id = v.id)
                AND c.starts_at < p.ends_at AND c.ends_at > p.starts_at
        )
    ORDER BY v.id, p.starts_at
    ON CONFLICT DO NOTHING
""")


class VenueNotFound(NotFound):
    """There is no such venue at this site."""

    zh = "场地不存在"


class PeriodUnreadable(Malformed):
    """The period runs backwards, or is too long."""

    zh = "时间范围无效"
    detail_en = "It ends before it starts, or covers more than {most_days} days."
    detail_zh = "结束早于开始，或超过 {most_days} 天"


class Unbookable(StrEnum):
    """Why a session cannot be ordered: 已过、临时闭馆、太近、太远、超过容量、已满."""

    PAST = "past"
    CLOSED = "closed"
    TOO_SOON = "too_soon"
    BEYOND_HORIZON = "beyond_horizon"
    TOO_MANY_PEOPLE = "too_many_people"
    FULL = "full"


@dataclass(frozen=True)
class SessionView:
    """`[starts_at, ends_at)` of a venue as somebody sees it who wants to bring a group.

    `reason` is None exactly where `bookable` is true.
    """

    id: UUID
    venue_id: UUID
    venue_name: str
    starts_at: datetime
    ends_at: datetime
    people_limit: int
    groups_limit: int
    people_free: int
    groups_free: int
    bookable: bool
    reason: Unbookable | None


def make_ahead(
    session: Session, *, now: datetime, days: int = 60, since: date | None = None
) -> int:
    """Make the sessions that the weekly rules of published sites promise, and return how many.

    What exists already stays as it is, so this may run twice, and in several processes at once.
    Make-up workdays follow the rules of their weekday.

    Args:
        session: open transaction.
        now: the present instant, aware.
        days: how far ahead of today, the last day included.
        since: first date, today if absent.
    """
    today = local_date(now)
    _together(session)
    period = {"since": since or today, "until": today + days * DAY, "zone": ZONE.key}
    made: int = session.connection().execute(_MAKE, period).rowcount
    return made


def close(
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

    Sessions still to come that touch it are removed; those that somebody ever booked stay, marked
    with the reason, and take no new booking.

    Args:
        session: open transaction.
        site_id: the site.
        venue_id: one of its venues, or None for all of them.
        starts_at: first instant shut, aware.
        ends_at: first instant open again, aware.
        reason: shown to users.
        now: the present instant, aware.

    Raises:
        PeriodUnreadable: `ends_at` is not after `starts_at`.
        VenueNotFound: the site has no such venue.
    """
    if starts_at >= ends_at:
        raise PeriodUnreadable(most_days=MOST_DAYS)
    if venue_id is not None and not _has_venue(session, site_id, venue_id):
        raise VenueNotFound
    _alone(session)
    closure = Closure(
        site_id=site_id, venue_id=venue_id, starts_at=starts_at, ends_at=ends_at, reason=reason
    )
    session.add(closure)
    session.flush()
    hit = _lock_hit(session, closure, now)
    booked = exists().where(col(BookingSession.session_id) == VenueSession.id)
    among = col(VenueSession.id).in_(hit)
    session.exec(delete(VenueSession).where(among, ~booked))
    session.exec(update(VenueSession).where(among).values(closed_reason=reason))
    return closure


def _together(session: Session) -> None:
    session.exec(select(func.pg_advisory_xact_lock_shared(func.hashtextextended(_LOCK, 0)))).one()


def _alone(session: Session) -> None:
    session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(_LOCK, 0)))).one()


def _has_venue(session: Session, site_id: UUID, venue_id: UUID) -> bool:
    venue = session.get(Venue, venue_id)
    return venue is not None and venue.site_id == site_id


def _lock_hit(session: Session, closure: Closure, now: datetime) -> Sequence[UUID]:
    # Whoever is booking one of them now is waited for, and then seen.
    query = select(VenueSession.id).where(
        VenueSession.site_id == closure.site_id,
        col(VenueSession.starts_at) < closure.ends_at,
        col(VenueSession.ends_at) > closure.starts_at,
        col(VenueSession.starts_at) > now,
    )
    if closure.venue_id is not None:
        query = query.where(VenueSession.venue_id == closure.venue_id)
    return session.exec(query.order_by(col(VenueSession.id)).with_for_update()).all()


def sessions_of(
    session: Session,
    *,
    site_id: UUID,
    since: date,
    until: date,
    people: int,
    earliest: date,
    latest: date,
    now: datetime,
) -> list[SessionView]:
    """Return a site's sessions, first to last, each with whether a group could order it now.

    Args:
        session: open transaction.
        site_id: the site.
        since: first date.
        until: last date.
        people: size of the group.
        earliest: first date that may be ordered at `now`.
        latest: last date that may be ordered at `now`.
        now: the present instant, aware.

    Raises:
        PeriodUnreadable: it runs backwards, or covers more than `MOST_DAYS`.
    """
    if not timedelta(0) <= until - since < MOST_DAYS * DAY:
        raise PeriodUnreadable(most_days=MOST_DAYS)
    rows = session.exec(
        select(VenueSession, Venue.name)
        .join(Venue, col(Venue.id) == VenueSession.venue_id)
        .where(
            VenueSession.site_id == site_id,
            col(VenueSession.starts_at) >= midnight(since),
            col(VenueSession.starts_at) < midnight(until + DAY),
        )
        .order_by(col(VenueSession.starts_at), col(Venue.name), col(VenueSession.id))
    )
    return [
        _view(slot, venue_name, _reason(slot, people, earliest, latest, now))
        for slot, venue_name in rows
    ]


def _reason(
    slot: VenueSession, people: int, earliest: date, latest: date, now: datetime
) -> Unbookable | None:
    day = local_date(slot.starts_at)
    answers = (
        (Unbookable.PAST, slot.starts_at <= now),
        (Unbookable.CLOSED, slot.closed_reason is not None),
        (Unbookable.TOO_SOON, day < earliest),
        (Unbookable.BEYOND_HORIZON, day > latest),
        (Unbookable.TOO_MANY_PEOPLE, people > slot.people_limit),
        (Unbookable.FULL, slot.groups_held >= slot.groups_limit),
        (Unbookable.FULL, slot.people_held + people > slot.people_limit),
    )
    return next((reason for reason, holds in answers if holds), None)


def _view(slot: VenueSession, venue_name: str, reason: Unbookable | None) -> SessionView:
    return SessionView(
        id=slot.id,
        venue_id=slot.venue_id,
        venue_name=venue_name,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        people_limit=slot.people_limit,
        groups_limit=slot.groups_limit,
        people_free=slot.people_limit - slot.people_held,
        groups_free=slot.groups_limit - slot.groups_held,
        bookable=reason is None,
        reason=reason,
    )
