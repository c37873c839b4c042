"""Sessions made from weekly rules."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app.models import NO_OVERLAP, OnHoliday, SiteStatus, VenueSession
from app.services import calendar, sessions
from tests.conftest import NOW, as_owner
from tests.services.grounds import (
    AFTERNOON,
    DAY,
    EVENING,
    EVERY_DAY,
    MORNING,
    TODAY,
    WORKDAYS,
    at,
    clocks,
    close,
    draft_site,
    hours,
    made,
    make_one,
    open_hall,
    open_site,
)

HOUR = timedelta(hours=1)
NATIONAL_DAY = date(2026, 10, 1)  # a Thursday; off until Wednesday the 7th
MAKE_UP = date(2026, 10, 10)  # a Saturday on which offices are open
LIST_2026 = Path(__file__).parents[2] / "app" / "data" / "holiday-cn-2026.json"


@pytest.fixture
def year_2026(session: Session) -> None:
    calendar.import_year(session, document=json.loads(LIST_2026.read_text()))


def test_weekly_rules_become_sessions_up_to_the_horizon(session: Session) -> None:
    hall = open_hall(session, people=80, groups=2)
    [rule] = hours(session, hall, [3], AFTERNOON)
    assert sessions.make_ahead(session, now=NOW, days=60) == 9
    found = made(session, hall)
    assert found[0].starts_at == datetime(2026, 11, 25, 6, tzinfo=UTC)
    assert found[0].ends_at == datetime(2026, 11, 25, 8, tzinfo=UTC)
    assert found[-1].starts_at == datetime(2027, 1, 20, 6, tzinfo=UTC)
    assert {(s.site_id, s.rule_id) for s in found} == {(hall.site_id, rule.id)}
    assert {(s.people_limit, s.groups_limit) for s in found} == {(80, 2)}
    assert {(s.people_held, s.groups_held) for s in found} == {(0, 0)}
    assert {s.id.version for s in found} == {7}


def test_the_last_day_is_included(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall)
    assert sessions.make_ahead(session, now=NOW, days=3) == 4
    assert clocks(session, hall, TODAY + 3 * DAY) == [time(9)]


def test_the_day_begins_at_midnight_in_shanghai(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall, EVERY_DAY, (time(0), time(1)))
    make_one(session, TODAY)
    assert made(session, hall)[0].starts_at == datetime(2026, 11, 24, 16, tzinfo=UTC)


def test_making_again_adds_nothing_and_changes_nothing(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall)
    sessions.make_ahead(session, now=NOW)
    slot = made(session, hall)[0]
    slot.people_held, slot.groups_held = 5, 1
    session.flush()
    before = [(s.id, s.people_held) for s in made(session, hall)]
    assert sessions.make_ahead(session, now=NOW) == 0
    session.expire_all()
    assert [(s.id, s.people_held) for s in made(session, hall)] == before
    assert sessions.make_ahead(session, now=NOW + DAY) == 1


def test_the_past_is_made_on_request(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall)
    assert sessions.make_ahead(session, now=NOW, days=0, since=TODAY - 9 * DAY) == 10


def test_drafts_and_suspended_sites_have_none(session: Session) -> None:
    for site in (draft_site(session), open_site(session)):
        site.status = SiteStatus.SUSPENDED if site.status == SiteStatus.PUBLISHED else site.status
        hours(session, open_hall(session, site=site))
    assert make_one(session, TODAY) == 0


def test_rules_hold_for_their_dates(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall, EVERY_DAY, MORNING, valid_to=TODAY + DAY)
    hours(session, hall, EVERY_DAY, AFTERNOON, valid_from=TODAY + DAY)
    sessions.make_ahead(session, now=NOW, days=1)
    assert clocks(session, hall, TODAY) == [time(9)]
    assert clocks(session, hall, TODAY + DAY) == [time(14)]


@pytest.mark.usefixtures("year_2026")
@pytest.mark.parametrize(
    ("mode", "on_the_day"),
    [
        (OnHoliday.CLOSED, []),
        (OnHoliday.OPEN, [time(9)]),
        (OnHoliday.AS_SUNDAY, [time(14), time(18)]),
    ],
)
def test_a_public_holiday(session: Session, mode: OnHoliday, on_the_day: list[time]) -> None:
    hall = open_hall(session)
    hours(session, hall, WORKDAYS, MORNING, on_holiday=mode)
    hours(session, hall, [7], AFTERNOON, EVENING)  # themselves closed on a Sunday that is off
    make_one(session, NATIONAL_DAY)
    assert clocks(session, hall, NATIONAL_DAY) == on_the_day
    make_one(session, NATIONAL_DAY - 7 * DAY)
    assert clocks(session, hall, NATIONAL_DAY - 7 * DAY) == [time(9)], "a plain Thursday"


@pytest.mark.parametrize("mode", OnHoliday)
def test_without_the_list_a_holiday_is_a_plain_day(session: Session, mode: OnHoliday) -> None:
    hall = open_hall(session)
    hours(session, hall, WORKDAYS, MORNING, on_holiday=mode)
    make_one(session, NATIONAL_DAY)
    assert clocks(session, hall, NATIONAL_DAY) == [time(9)]


@pytest.mark.usefixtures("year_2026")
@pytest.mark.parametrize(
    ("mode", "count"), [(OnHoliday.CLOSED, 0), (OnHoliday.OPEN, 1), (OnHoliday.AS_SUNDAY, 1)]
)
def test_a_sunday_that_is_off(session: Session, mode: OnHoliday, count: int) -> None:
    hall = open_hall(session)
    hours(session, hall, [7], MORNING, on_holiday=mode)
    hours(session, hall, [7], AFTERNOON, on_holiday=OnHoliday.CLOSED)
    make_one(session, date(2026, 10, 4))
    assert clocks(session, hall, date(2026, 10, 4)) == [time(9)] * count


@pytest.mark.usefixtures("year_2026")
def test_sunday_rules_stay_away_from_days_that_do_not_call_them(session: Session) -> None:
    caller, other = open_hall(session), open_hall(session)
    hours(session, caller, [4], MORNING, on_holiday=OnHoliday.AS_SUNDAY)
    hours(session, other, [7], AFTERNOON, on_holiday=OnHoliday.AS_SUNDAY)
    make_one(session, NATIONAL_DAY)
    assert made(session, caller) == []
    assert made(session, other) == []


@pytest.mark.usefixtures("year_2026")
def test_an_expired_rule_calls_nobody(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall, [4], MORNING, on_holiday=OnHoliday.AS_SUNDAY, valid_to=NATIONAL_DAY)
    hours(session, hall, [7], AFTERNOON)
    assert make_one(session, NATIONAL_DAY) == 0


@pytest.mark.usefixtures("year_2026")
def test_a_make_up_workday_follows_its_weekday(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall, WORKDAYS, MORNING)
    hours(session, hall, [6], AFTERNOON)
    make_one(session, MAKE_UP)
    assert clocks(session, hall, MAKE_UP) == [time(14)]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), min_size=1, max_size=6),
    shut=st.tuples(st.integers(0, 40), st.integers(1, 8)),
)
def test_no_two_sessions_overlap_and_none_is_in_a_closure(
    session: Session, spans: list[tuple[int, int]], shut: tuple[int, int]
) -> None:
    def clock(halves: int) -> time:
        return time(halves // 2, halves % 2 * 30)

    hall = open_hall(session)
    for start, length in spans:
        clocked = (clock(start), clock(min(start + length, 47)))
        try:
            with session.begin_nested():
                hours(session, hall, [3], clocked)
        except Exception:  # noqa: BLE001, S112  # hours that overlap are refused elsewhere
            continue
    start, length = shut
    shut_at = at(TODAY, clock(start))
    over = shut_at + length * HOUR / 2
    early = at(TODAY, time(0)) - HOUR
    closure = close(session, hall.site_id, starts_at=shut_at, ends_at=over, now=early)
    make_one(session, TODAY)
    found = made(session, hall)
    assert all(a.ends_at <= b.starts_at for a, b in pairwise(found))
    assert all(s.ends_at <= closure.starts_at or s.starts_at >= closure.ends_at for s in found)


def overlapping(engine: Engine) -> int:
    twice = text("""
        SELECT count(*) FROM venue_session a JOIN venue_session b
        ON a.venue_id = b.venue_id AND a.id < b.id
            AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)
    """)
    with engine.connect() as connection:
        found: int = connection.execute(twice).scalar_one()
    return found


def make_in_two_processes(engine: Engine, *, guarded: bool = True) -> list[int]:
    """Two transactions that both began before either has committed anything.

    Where nothing makes one wait for the other, neither commits before both are done.
    """
    with Session(engine) as setup, setup.begin():
        for _ in range(3):
            hours(setup, open_hall(setup), EVERY_DAY, MORNING, AFTERNOON)
    gate = Barrier(2, timeout=30)

    def make(_: int) -> int:
        with Session(engine) as session, session.begin():
            session.connection()
            gate.wait()
            made = sessions.make_ahead(session, now=NOW, days=30)
            if not guarded:
                gate.wait()
            return made

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(make, range(2)))


def test_two_makers_make_each_session_once(own_engine: Engine) -> None:
    assert sum(make_in_two_processes(own_engine)) == 3 * 2 * 31
    assert overlapping(own_engine) == 0


def test_without_constraint_and_lock_they_make_it_twice(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = "SELECT CAST(:since AS date), CAST(:until AS date), CAST(:today AS date)"
    monkeypatch.setattr(sessions, "_reach", lambda _: nothing)
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text(f"ALTER TABLE venue_session DROP CONSTRAINT {NO_OVERLAP}"))
    assert sum(make_in_two_processes(own_engine, guarded=False)) == 2 * 3 * 2 * 31
    assert overlapping(own_engine) == 3 * 2 * 31


def test_the_constraint_refuses_what_overlaps(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall)
    make_one(session, TODAY)
    slot = made(session, hall)[0]

    def squeeze(start: datetime) -> None:
        session.add(
            VenueSession(
                site_id=hall.site_id,
                venue_id=hall.id,
                starts_at=start,
                ends_at=start + HOUR,
                people_limit=1,
                groups_limit=1,
            )
        )
        session.flush()

    squeeze(slot.ends_at)
    with pytest.raises(IntegrityError, match=NO_OVERLAP), session.begin_nested():
        squeeze(slot.ends_at - HOUR / 2)
