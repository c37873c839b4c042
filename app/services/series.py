"""Series (系列): the same sessions of one site, month after month."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import Booking, GroupKind, Organisation, Site, SiteStatus, VenueSession
from app.services import calendar, order_rules, standings
from app.services.booking_groups import Item, Plan
from app.services.calendar import ZONE, Calendar, local_date
from app.services.order_rules import Wanted
from app.services.refusals import Refused
from app.services.sessions import SessionNotFound

WEEK = 7


class NoSessionThen(Refused):
    """The venue has no session at that time of that day."""

    zh = "该场地当天没有同一时间的场次"


class Repeat(StrEnum):
    """By weekday (每月第几个星期几), or by date (每月几日)."""

    WEEKDAY = "weekday"
    DATE = "date"


class Day(NamedTuple):
    """One date of a series, and the public holiday it was moved off."""

    day: date
    moved_from: date | None


def dates(first: date, *, repeat: Repeat, months: int) -> list[date]:
    """Return the date of each month, the first one among them.

    By weekday it is the second Tuesday, or whichever the first is; who begins on a fifth one means
    the last. By date a month that is too short ends early: its last day.
    """
    return [_in_month(first, repeat, later) for later in range(months)]


def _in_month(first: date, repeat: Repeat, later: int) -> date:
    years, month = divmod(first.month - 1 + later, 12)
    opening = date(first.year + years, month + 1, 1)
    length = monthrange(opening.year, opening.month)[1]
    if repeat == Repeat.DATE:
        return opening.replace(day=min(first.day, length))
    nth, to_weekday = (first.day - 1) // WEEK, (first.weekday() - opening.weekday()) % WEEK
    day = 1 + to_weekday + WEEK * nth
    return opening.replace(day=day if day <= length else day - WEEK)


def days(known: Calendar, first: date, *, repeat: Repeat, months: int) -> list[Day]:
    """Return the dates, those on a public holiday moved to the next working day.

    A plain weekend is meant, and so is the first date, whatever it is: it was chosen.
    """
    later = dates(first, repeat=repeat, months=months)[1:]
    return [Day(first, None), *(_moved(known, day) for day in later)]


def _moved(known: Calendar, day: date) -> Day:
    return Day(known.add(day, 1), day) if known.is_holiday(day) else Day(day, None)


def plan(session: Session, *, first: Wanted, repeat: Repeat, months: int, now: datetime) -> Plan:
    """Return the plan of a series.

    Args:
        session: open transaction.
        first: the order of the first month; the others are for the same times of their days.
        repeat: what the days have in common.
        months: how many, the first among them.
        now: the present instant, aware.

    Raises:
        SessionNotFound: a session of the first month does not exist, or its site is not public.
    """
    pattern = _pattern(session, first.session_ids)
    begins = local_date(pattern[0].starts_at)
    known = calendar.load(session)
    sought = {
        day: [_on(day.day, begins, slot) for slot in pattern]
        for day in days(known, begins, repeat=repeat, months=months)
    }
    found = _found(session, [slot for slots in sought.values() for slot in slots])
    items = [_item(day, slots, found, first) for day, slots in sought.items()]

    def rule(branch: Organisation, item: Item, _: Booking | None) -> None:
        if not item.wanted.session_ids:
            _refuse(session, branch, first, item.slots, now)

    return Plan(GroupKind.SERIES, first.organisation_id, items, rule)


def _pattern(session: Session, session_ids: Sequence[UUID]) -> Sequence[VenueSession]:
    public = (SiteStatus.PUBLISHED, SiteStatus.SUSPENDED)
    slots = session.exec(
        select(VenueSession)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(col(VenueSession.id).in_(session_ids), col(Site.status).in_(public))
        .order_by(col(VenueSession.starts_at), col(VenueSession.id))
    ).all()
    if len(slots) < len(set(session_ids)):
        raise SessionNotFound
    return slots


def _on(day: date, begins: date, slot: VenueSession) -> VenueSession:
    """Return a session as it would be on another day, which need not exist."""
    start = slot.starts_at.astimezone(ZONE)
    starts_at = datetime.combine(day + (start.date() - begins), start.time(), ZONE).astimezone(UTC)
    return VenueSession(
        site_id=slot.site_id,
        venue_id=slot.venue_id,
        starts_at=starts_at,
        ends_at=starts_at + (slot.ends_at - slot.starts_at),
        people_limit=slot.people_limit,
        groups_limit=slot.groups_limit,
    )


Span = tuple[UUID, datetime, datetime]


def _span(slot: VenueSession) -> Span:
    return slot.venue_id, slot.starts_at, slot.ends_at


def _found(session: Session, sought: Sequence[VenueSession]) -> dict[Span, VenueSession]:
    there = session.exec(
        select(VenueSession).where(
            col(VenueSession.venue_id).in_({slot.venue_id for slot in sought}),
            col(VenueSession.starts_at).in_([slot.starts_at for slot in sought]),
        )
    )
    return {_span(slot): slot for slot in there}


def _item(
    day: Day, sought: Sequence[VenueSession], found: dict[Span, VenueSession], first: Wanted
) -> Item:
    slots = [found[_span(slot)] for slot in sought if _span(slot) in found]
    if len(slots) < len(sought):
        return Item(day.day, sought, replace(first, session_ids=[]), day.moved_from)
    wanted = replace(first, session_ids=[slot.id for slot in slots])
    return Item(day.day, slots, wanted, day.moved_from)


def _refuse(
    session: Session,
    branch: Organisation,
    first: Wanted,
    slots: Sequence[VenueSession],
    now: datetime,
) -> None:
    """Refuse a day without sessions by the rules of an order for it; failing these, by that."""
    asked = order_rules.gather(
        session,
        session_ids=first.session_ids,
        programme_ids=first.programme_ids,
        people=first.people_expected,
        branch=branch,
        standing=standings.of(session, organisation_id=branch.id, now=now),
        now=now,
    )
    there = replace(asked, slots=list(slots))
    order_rules.refuse(session, there, order_rules.judge(there) or NoSessionThen())
