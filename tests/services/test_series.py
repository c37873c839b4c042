"""The dates of a series, and the sessions found for them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from app.models import Holiday, SiteStatus, VenueSession
from app.services import order_rules, series
from app.services.booking_groups import Item
from app.services.calendar import ZONE, Calendar
from app.services.series import Day, Repeat
from app.services.sessions import SessionNotFound
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_session,
    make_site,
    make_venue,
    make_world,
    wanted,
)

DAY = timedelta(days=1)
FIRST = date(2026, 12, 2)  # a Wednesday, the day of IN_A_WEEK


def on(text: str) -> list[date]:
    return [date.fromisoformat(day) for day in text.split()]


@pytest.mark.parametrize(
    ("first", "repeat", "expected"),
    [
        ("2026-12-02", Repeat.WEEKDAY, "2026-12-02 2027-01-06 2027-02-03 2027-03-03"),
        ("2026-11-29", Repeat.WEEKDAY, "2026-11-29 2026-12-27 2027-01-31 2027-02-28"),
        ("2026-11-28", Repeat.WEEKDAY, "2026-11-28 2026-12-26 2027-01-23 2027-02-27"),
        ("2026-12-31", Repeat.DATE, "2026-12-31 2027-01-31 2027-02-28 2027-03-31"),
        ("2027-12-29", Repeat.DATE, "2027-12-29 2028-01-29 2028-02-29 2028-03-29"),
        ("2026-12-15", Repeat.DATE, "2026-12-15 2027-01-15 2027-02-15 2027-03-15"),
    ],
)
def test_dates_by_weekday_and_by_date(first: str, repeat: Repeat, expected: str) -> None:
    assert series.dates(date.fromisoformat(first), repeat=repeat, months=4) == on(expected)


def month_of(first: date, later: int) -> list[date]:
    """Every day of a month so many later, by walking there."""
    day = first.replace(day=1)
    for _ in range(later):
        day = (day + 31 * DAY).replace(day=1)
    days = (day + n * DAY for n in range(31))
    return [other for other in days if other.month == day.month]


def by_weekday(first: date, month: Sequence[date]) -> date:
    """The model: count the weekday up to the first date, and as far in the other month."""
    counted = [day for day in month_of(first, 0) if day.weekday() == first.weekday()]
    same = [day for day in month if day.weekday() == first.weekday()]
    return same[min(counted.index(first), len(same) - 1)]


def by_date(first: date, month: Sequence[date]) -> date:
    return month[min(first.day, len(month)) - 1]


MODEL = {Repeat.WEEKDAY: by_weekday, Repeat.DATE: by_date}
first_dates = st.dates(date(2020, 1, 1), date(2190, 12, 31))


@given(first_dates, st.sampled_from(Repeat), st.integers(2, 12))
def test_dates_are_those_of_a_plain_count(first: date, repeat: Repeat, months: int) -> None:
    found = series.dates(first, repeat=repeat, months=months)
    assert found == [MODEL[repeat](first, month_of(first, n)) for n in range(months)]
    assert found[0] == first


@given(
    first_dates,
    st.sampled_from(Repeat),
    st.integers(2, 12),
    st.dictionaries(st.integers(0, 400), st.booleans(), max_size=120),
)
def test_a_holiday_moves_to_the_next_working_day(
    first: date, repeat: Repeat, months: int, special: dict[int, bool]
) -> None:
    off = {first + after * DAY: is_off for after, is_off in special.items()}
    known = Calendar(special=MappingProxyType(off), years=frozenset())
    meant = series.dates(first, repeat=repeat, months=months)
    found = series.days(known, first, repeat=repeat, months=months)
    assert found[0] == Day(first, None)
    for day, told in zip(meant[1:], found[1:], strict=True):
        free = off.get(day, False)
        assert told.moved_from == (day if free else None)
        between = [day + n * DAY for n in range((told.day - day).days)]
        assert not any(map(known.is_working, between)) or not free
        assert known.is_working(told.day) if free else told.day == day


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def items(session: Session, what: order_rules.Wanted, months: int = 3) -> Sequence[Item]:
    plan = series.plan(session, first=what, repeat=Repeat.WEEKDAY, months=months, now=NOW)
    return plan.items


def again(
    session: Session, world: World, day: str, hours: float = 0, **facts: object
) -> VenueSession:
    """A session at the time of the world's on another day."""
    local = world.slot.starts_at.astimezone(ZONE).time()
    starts_at = datetime.combine(date.fromisoformat(day), local, ZONE).astimezone(UTC)
    return make_session(session, world.venue, starts_at=starts_at + hours * HOUR, **facts)  # type: ignore[arg-type]


def test_the_same_times_of_the_same_hall_are_found(session: Session, world: World) -> None:
    january, february = (again(session, world, day) for day in ("2027-01-06", "2027-02-03"))
    make_session(session, make_venue(session, world.site), starts_at=january.starts_at)
    found = items(session, wanted(world))
    assert [item.day for item in found] == on("2026-12-02 2027-01-06 2027-02-03")
    assert [item.wanted.session_ids for item in found] == [
        [slot.id] for slot in (world.slot, january, february)
    ]


def test_sessions_in_a_row_are_found_in_a_row(session: Session, world: World) -> None:
    second = make_session(session, world.venue, starts_at=world.slot.ends_at)
    pair = [again(session, world, "2027-01-06", hours) for hours in (0, 2)]
    again(session, world, "2027-02-03")  # half of it
    found = items(session, wanted(world, second, world.slot))
    assert [len(item.wanted.session_ids) for item in found] == [2, 2, 0]
    assert found[1].wanted.session_ids == [slot.id for slot in pair]


def test_another_hour_or_length_is_another_session(session: Session, world: World) -> None:
    again(session, world, "2027-01-06", 3)
    again(session, world, "2027-02-03", lasting=HOUR)
    assert [len(item.wanted.session_ids) for item in items(session, wanted(world))] == [1, 0, 0]


def test_a_date_on_a_holiday_is_moved_and_says_so(session: Session, world: World) -> None:
    for day, off in (("2027-01-06", True), ("2027-01-07", True), ("2027-01-09", False)):
        session.add(Holiday(day=date.fromisoformat(day), name="示例", is_off=off))
    moved = again(session, world, "2027-01-08")
    again(session, world, "2027-01-06")
    found = items(session, wanted(world))[1]
    assert (found.day, found.moved_from) == tuple(on("2027-01-08 2027-01-06"))
    assert found.wanted.session_ids == [moved.id]


def test_a_chosen_holiday_stays(session: Session, world: World) -> None:
    session.add(Holiday(day=FIRST, name="示例", is_off=True))
    assert (items(session, wanted(world))[0].day, IN_A_WEEK.date()) == (FIRST, FIRST)


def test_a_first_session_that_is_not_there_is_no_series(session: Session, world: World) -> None:
    draft = make_venue(session, make_site(session, world.town, status=SiteStatus.DRAFT))
    with pytest.raises(SessionNotFound):
        items(session, wanted(world, world.slot, make_session(session, draft)))
