"""Which sums the days of a period are made of."""

from calendar import isleap
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import Grain
from app.services.access import Actor
from app.services.usage_sums import Span, days_of_years
from app.services.usage_sums import given as parameters

DAY = timedelta(days=1)
DAYS = st.dates(date(2023, 12, 1), date(2028, 3, 31))


def spans(since: date, until: date, *, by_day: bool = False) -> list[Span]:
    found = parameters(Actor(None, "谁", ()), since, until, by_day=by_day)  # type: ignore[arg-type]
    columns = (found[name] for name in ("grains", "sinces", "untils", "signs"))
    return [Span(Grain(one[0]), *one[1:]) for one in zip(*columns, strict=True)]


@given(since=DAYS, length=st.integers(1, 1100))
def test_every_day_is_counted_once(since: date, length: int) -> None:
    until = since + length * DAY
    counts: Counter[date] = Counter()
    singly = 0
    for grain, first, last, sign in spans(since, until):
        if grain == Grain.MONTH:
            assert first.day == last.day == 1
        else:
            singly += (last - first).days
        for n in range((last - first).days):
            counts[first + n * DAY] += sign
    assert {day for day, times in counts.items() if times} == {
        since + n * DAY for n in range(length)
    }
    assert set(counts.values()) <= {0, 1}
    assert singly <= 46


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (date(2026, 1, 1), date(2027, 1, 1), 0),
        (date(2026, 1, 3), date(2027, 1, 1), 2),
        (date(2026, 1, 30), date(2026, 12, 30), 4),
        (date(2026, 2, 3), date(2026, 2, 9), 6),
    ],
)
def test_as_few_single_days_are_read_as_can_be(since: date, until: date, days: int) -> None:
    found = spans(since, until)
    assert sum((one.until - one.since).days for one in found if one.grain == Grain.DAY) == days


def test_days_that_are_told_apart_are_read_singly() -> None:
    since, until = date(2026, 1, 1), date(2027, 1, 1)
    assert spans(since, until, by_day=True) == [Span(Grain.DAY, since, until, 1)]


@given(since=DAYS, length=st.integers(1, 1100))
def test_the_days_of_years_are_those_of_the_period(since: date, length: int) -> None:
    found = days_of_years(since, since + length * DAY)
    assert {len(mask) for mask in found["masks"]} == {366}
    assert [
        date(year, 1, 1) + n * DAY
        for year, mask in zip(found["years"], found["masks"], strict=True)
        for n, bit in enumerate(mask)
        if bit == "1" and n < 365 + isleap(year)
    ] == [since + n * DAY for n in range(length)]
