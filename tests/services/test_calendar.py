"""Working days."""

import json
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlmodel import Session

from app.services import calendar
from app.services.calendar import DAY, Calendar, HolidayListUnreadable, local_date, midnight

LIST_2026 = Path(calendar.__file__).parent.parent / "data" / "holiday-cn-2026.json"
MADE_UP_2026 = [
    date(2026, 1, 4),
    date(2026, 2, 14),
    date(2026, 2, 28),
    date(2026, 5, 9),
    date(2026, 9, 20),
    date(2026, 10, 10),
]
UNKNOWN = Calendar(special={}, years=frozenset())

days = st.dates(date(2025, 1, 1), date(2027, 12, 31))
instants = st.integers(0, 3 * 366 * 86_400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
calendars = st.builds(
    Calendar,
    special=st.dictionaries(days, st.booleans(), max_size=60),
    years=st.just(frozenset({2026})),
)


def read_2026() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(LIST_2026.read_text())
    return document


def shorter(**changes: object) -> dict[str, Any]:
    document = {
        "year": 2030,
        "days": [{"name": "国庆节", "date": "2030-10-01", "isOffDay": True}],
    }
    return document | changes


@pytest.fixture
def official(session: Session) -> Calendar:
    calendar.import_year(session, document=read_2026())
    return calendar.load(session)


def test_the_make_up_workdays_of_2026(official: Calendar) -> None:
    weekend_at_work = [
        day
        for day in (date(2026, 1, 1) + n * DAY for n in range(365))
        if day.isoweekday() >= 6 and official.is_working(day)
    ]
    assert weekend_at_work == MADE_UP_2026


def test_without_the_list_they_are_weekends() -> None:
    assert not any(UNKNOWN.is_working(day) for day in MADE_UP_2026)


def test_public_holidays_of_2026_are_off(official: Calendar) -> None:
    national_day = [date(2026, 10, day) for day in range(1, 8)]
    assert not any(official.is_working(day) for day in national_day)
    assert all(official.is_holiday(day) for day in national_day)
    assert official.names[date(2026, 10, 1)] == "国庆节"


def test_a_plain_weekend_and_a_make_up_workday_are_no_holidays(official: Calendar) -> None:
    assert not official.is_holiday(date(2026, 11, 28))
    assert not official.is_holiday(date(2026, 10, 10))


def test_three_working_days_over_national_day(official: Calendar) -> None:
    before = date(2026, 9, 30)
    assert official.add(before, 3) == date(2026, 10, 10)  # 8th, 9th, and the make-up Saturday
    assert UNKNOWN.add(before, 3) == date(2026, 10, 5)


def test_only_an_imported_year_is_official(official: Calendar) -> None:
    assert not official.provisional(date(2026, 12, 31))
    assert official.provisional(date(2027, 1, 1))
    assert UNKNOWN.provisional(date(2026, 12, 31))


def test_the_next_list_reaching_into_december_does_not_make_this_year_official(
    session: Session,
) -> None:
    new_year = {"name": "元旦", "date": "2029-12-31", "isOffDay": True}
    document = shorter()
    document["days"].append(new_year)
    calendar.import_year(session, document=document)
    known = calendar.load(session)
    assert known.years == {2030}
    assert not known.is_working(date(2029, 12, 31))


def test_importing_again_replaces_that_year_only(session: Session) -> None:
    next_list = shorter(year=2027)
    next_list["days"] = [
        {"name": "元旦", "date": "2026-12-31", "isOffDay": True},
        {"name": "国庆节", "date": "2027-10-01", "isOffDay": True},
    ]
    calendar.import_year(session, document=next_list)
    assert calendar.import_year(session, document=read_2026()) == 39
    amended = read_2026()
    amended["days"] = [day for day in amended["days"] if day["date"] != "2026-10-10"]
    assert calendar.import_year(session, document=amended) == 38
    known = calendar.load(session)
    assert not known.is_working(date(2026, 10, 10))
    assert not known.is_working(date(2026, 12, 31))
    assert known.years == {2026, 2027}


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param(shorter(days=[]), id="cut-off"),
        pytest.param(shorter(year="2030"), id="year-as-text"),
        pytest.param(shorter(year=10**9), id="no-year"),
        pytest.param(shorter(days=shorter()["days"] * 2), id="twice"),
        pytest.param(shorter(year=2031), id="of-another-year"),
        pytest.param(shorter(days=["2030-10-01"]), id="not-days"),
        pytest.param(
            shorter(days=[{"name": "国庆节", "date": 1917043200, "isOffDay": True}]), id="number"
        ),
        pytest.param(
            shorter(days=[{"name": "国庆节", "date": "2030-10-01", "isOffDay": "yes"}]), id="maybe"
        ),
        pytest.param(
            shorter(days=[{"name": "\0", "date": "2030-10-01", "isOffDay": True}]), id="nul"
        ),
        pytest.param(
            shorter(days=[{"name": "国庆节", "date": "2030-10-01", "isOffDay": False}]),
            id="national-day-at-work",
        ),
    ],
)
def test_what_is_no_list_is_refused(session: Session, document: dict[str, Any]) -> None:
    before = deepcopy(document)
    with pytest.raises(HolidayListUnreadable) as refusal:
        calendar.import_year(session, document=document)
    assert refusal.value.detail("zh")
    assert document == before


def test_the_shortest_list_is_taken(session: Session) -> None:
    assert calendar.import_year(session, document=shorter()) == 1


@given(calendars, days, st.integers(1, 30))
@example(UNKNOWN, date(2026, 11, 27), 1)
def test_the_nth_working_day_has_n_working_days_up_to_it(
    known: Calendar, day: date, n: int
) -> None:
    reached = known.add(day, n)
    between = [day + k * DAY for k in range(1, (reached - day).days + 1)]
    assert known.is_working(reached)
    assert sum(map(known.is_working, between)) == n


@given(calendars, days, st.integers(-30, 30), st.integers(-30, 30))
def test_later_counts_are_later_days(known: Calendar, day: date, n: int, m: int) -> None:
    if n < m:
        assert known.add(day, n) < known.add(day, m)


@given(calendars, days, st.integers(1, 30))
def test_from_a_working_day_there_and_back_is_home(known: Calendar, day: date, n: int) -> None:
    start = known.add(day, 1)
    assert known.add(known.add(start, n), -n) == start
    assert known.add(known.add(start, -n), n) == start


@given(calendars, days)
def test_zero_is_the_day_itself(known: Calendar, day: date) -> None:
    assert known.add(day, 0) == day


@given(calendars, instants, st.integers(-9, 9))
def test_later_keeps_the_time_on_the_wall(known: Calendar, instant: datetime, n: int) -> None:
    moved = known.later(instant, n)
    assert local_date(moved) == known.add(local_date(instant), n)
    assert moved.tzinfo is UTC
    assert (moved - instant) % DAY == timedelta(0)


@given(days)
def test_a_day_begins_at_midnight_in_shanghai(day: date) -> None:
    begins = midnight(day)
    assert begins.tzinfo is UTC
    assert local_date(begins) == day
    assert local_date(begins - timedelta(microseconds=1)) == day - DAY


def test_the_date_on_the_wall_is_not_that_of_greenwich() -> None:
    assert local_date(datetime(2026, 11, 24, 16, 0, tzinfo=UTC)) == date(2026, 11, 25)
    assert local_date(datetime(2026, 11, 24, 15, 59, tzinfo=UTC)) == date(2026, 11, 24)
