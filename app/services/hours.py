"""Opening hours (开放时间): the weekly rules of a venue, which its sessions follow."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Malformed, NotFound, Stale
from app.models import OnHoliday, OpeningRule, Venue
from app.services import sessions, venues
from app.services.access import Actor

NO_OVERLAP = "opening_rule_no_overlap"
_TO_COME = text("""
    SELECT id FROM venue_session WHERE rule_id = :rule AND starts_at > :now
    ORDER BY id FOR UPDATE
""")
_LET_GO = text("""
    WITH kept AS (SELECT id FROM venue_session WHERE rule_id = :rule ORDER BY id FOR UPDATE)
    UPDATE venue_session s SET rule_id = NULL FROM kept WHERE s.id = kept.id
""")


class RuleNotFound(NotFound):
    """There is no such weekly rule, or it is not yours to see."""

    zh = "未找到该开放时间"


class HoursUnreadable(Malformed):
    """It ends before it starts, or lasts longer than a day."""

    zh = "时间有误：结束须晚于开始，单个场次不超过一天"


class HoursOverlap(Conflict):
    """The venue has weekly hours that overlap these."""

    zh = "开放时间与已有时段重叠"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays. `valid_to` None is open."""

    weekday: int
    starts: time
    ends: time
    valid_from: date
    valid_to: date | None
    on_holiday: OnHoliday


def add(
    session: Session,
    *,
    venue: Venue,
    weekdays: Iterable[int],
    hours: Sequence[tuple[time, time]],
    valid_from: date,
    valid_to: date | None = None,
    on_holiday: OnHoliday = OnHoliday.CLOSED,
) -> list[OpeningRule]:
    """Add weekly sessions: each of `hours` on each of `weekdays`.

    Args:
        session: open transaction.
        venue: where.
        weekdays: ISO, 1 Monday to 7 Sunday.
        hours: `[starts, ends)` of each session, wall clock of the district.
        valid_from: first date.
        valid_to: first date on which they hold no more, if ever.
        on_holiday: what a public holiday does to them.

    Raises:
        HoursOverlap: the venue has other hours then, or two of these overlap.
    """
    rules = [
        OpeningRule(
            venue_id=venue.id,
            weekday=weekday,
            starts=starts,
            ends=ends,
            valid_from=valid_from,
            valid_to=valid_to,
            on_holiday=on_holiday,
        )
        for weekday in weekdays
        for starts, ends in hours
    ]
    session.add_all(rules)
    with violating(NO_OVERLAP, HoursOverlap()):
        session.flush()
    return rules


def of_venue(session: Session, *, venue_id: UUID) -> Sequence[OpeningRule]:
    """Return the weekly rules of a venue, in the order of the week."""
    rule = (col(OpeningRule.weekday), col(OpeningRule.starts), col(OpeningRule.valid_from))
    wanted = select(OpeningRule).where(OpeningRule.venue_id == venue_id)
    return session.exec(wanted.order_by(*rule)).all()


def create(
    session: Session,
    *,
    actor: Actor,
    venue_id: UUID,
    weekdays: Iterable[int],
    hours: Sequence[tuple[time, time]],
    valid_from: date,
    valid_to: date | None,
    on_holiday: OnHoliday,
    now: datetime,
) -> list[OpeningRule]:
    """Add weekly sessions in the name of an actor, and make those to come; see `add`.

    Raises:
        VenueNotFound, NotInScope, SiteClosed: as `venues.hold`.
        HoursUnreadable: hours or dates run backwards.
        HoursOverlap: the venue has other hours then, or two of these overlap.
        SiteIsFull: the venue has as many as it may.
    """
    venue = venues.hold(session, actor=actor, venue_id=venue_id)
    for starts, ends in hours:
        _require_order(starts, ends, valid_from, valid_to)
    weekly = list(weekdays)
    theirs = select(OpeningRule.id).where(OpeningRule.venue_id == venue_id)
    venues.require_room(session, theirs, adding=len(weekly) * len(hours))
    sessions.hold(session, site_id=venue.site_id, now=now)
    rules = add(
        session,
        venue=venue,
        weekdays=weekly,
        hours=hours,
        valid_from=valid_from,
        valid_to=valid_to,
        on_holiday=on_holiday,
    )
    sessions.remake(session, site_id=venue.site_id, now=now)
    return rules


def change(
    session: Session,
    *,
    actor: Actor,
    rule_id: UUID,
    version: int,
    changes: Changes,
    now: datetime,
) -> OpeningRule:
    """Change a weekly rule; its sessions to come follow, but for those somebody ever booked.

    Args:
        session: open transaction; roll it back on any error.
        actor: who changes it.
        rule_id: which.
        version: the one the actor saw.
        changes: what becomes different.
        now: the present instant, aware.

    Raises:
        RuleNotFound: there is none in the actor's scope.
        NotInScope: they see the site, but may not change it.
        SiteClosed: the site was closed for good.
        Stale: it has another version by now.
        HoursUnreadable: hours or dates run backwards.
        HoursOverlap: the venue has other hours then.
    """
    rule, site_id = _hold(session, actor, rule_id, now)
    if rule.version != version:
        raise Stale
    for name, value in changes.items():
        setattr(rule, name, value)
    rule.version += 1
    _require_order(rule.starts, rule.ends, rule.valid_from, rule.valid_to)
    with violating(NO_OVERLAP, HoursOverlap()):
        session.flush()
    sessions.remake(session, site_id=site_id, now=now)
    return rule


def remove(session: Session, *, actor: Actor, rule_id: UUID, now: datetime) -> None:
    """Take a weekly rule away; what somebody ever booked of it stays, and so does what was.

    Raises:
        RuleNotFound, NotInScope, SiteClosed: as `change`.
    """
    rule, site_id = _hold(session, actor, rule_id, now)
    theirs = {"rule": rule.id, "now": now}
    run = session.connection().execute
    sessions.drop_unbooked(session, run(_TO_COME, theirs).scalars().all())
    run(_LET_GO, theirs)
    session.delete(rule)
    session.flush()
    sessions.remake(session, site_id=site_id, now=now)


def _hold(session: Session, actor: Actor, rule_id: UUID, now: datetime) -> tuple[OpeningRule, UUID]:
    rule = session.get(OpeningRule, rule_id)
    if rule is None:
        raise RuleNotFound
    try:
        venue = venues.hold(session, actor=actor, venue_id=rule.venue_id)
    except venues.VenueNotFound as absent:
        raise RuleNotFound from absent
    sessions.hold(session, site_id=venue.site_id, now=now)
    still = select(OpeningRule).where(OpeningRule.id == rule_id)
    fresh = session.exec(still.execution_options(populate_existing=True)).one_or_none()
    if fresh is None:  # taken away while this one waited
        raise RuleNotFound
    return fresh, venue.site_id


def _require_order(starts: time, ends: time, valid_from: date, valid_to: date | None) -> None:
    if starts >= ends or (valid_to is not None and valid_to <= valid_from):
        raise HoursUnreadable
