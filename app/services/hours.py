"""Opening hours (开放时间): the weekly rules of a venue."""

from collections.abc import Iterable, Sequence
from datetime import date, time

from sqlmodel import Session

from app.db import violating
from app.errors import Conflict
from app.models import OnHoliday, OpeningRule, Venue


class HoursOverlap(Conflict):
    """The venue has weekly hours that overlap these."""

    zh = "开放时间与已有时段重叠"


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
    with violating("opening_rule_no_overlap", HoursOverlap()):
        session.flush()
    return rules
