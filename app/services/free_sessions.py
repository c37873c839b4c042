"""The sessions of a site, each with what is free in it and why it cannot be had."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Venue, VenueSession
from app.services.calendar import DAY, local_date, midnight

MOST_DAYS = 62


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

    `reason` is None exactly where `bookable` is true. What nobody can have any more is 0: how many
    places are left in a session that has begun, or has no room for a group, would only tell how
    many its groups are.
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
    keeper: bool = False,
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
        keeper: whether it is their business how many come; they are told of all that is left.

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
        _view(
            slot,
            venue_name,
            _reason(slot, people, earliest, latest, now),
            told=keeper or (slot.starts_at > now and slot.groups_held < slot.groups_limit),
        )
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


def _view(
    slot: VenueSession, venue_name: str, reason: Unbookable | None, *, told: bool
) -> SessionView:
    return SessionView(
        id=slot.id,
        venue_id=slot.venue_id,
        venue_name=venue_name,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        people_limit=slot.people_limit,
        groups_limit=slot.groups_limit,
        people_free=slot.people_limit - slot.people_held if told else 0,
        groups_free=slot.groups_limit - slot.groups_held if told else 0,
        bookable=reason is None,
        reason=reason,
    )
