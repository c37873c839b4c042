"""What is free, and why not."""

from datetime import time, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from app.models import Venue
from app.services import free_sessions, sessions
from app.services.calendar import ZONE
from app.services.free_sessions import SessionView, Unbookable
from tests.conftest import NOW
from tests.services.grounds import (
    DAY,
    EVERY_DAY,
    MORNING,
    TODAY,
    hours,
    made,
    make_one,
    open_hall,
    open_site,
)

HOUR = timedelta(hours=1)


def listed(session: Session, hall: Venue, people: int = 1, **facts: Any) -> list[SessionView]:
    plain: dict[str, Any] = {
        "since": TODAY,
        "until": TODAY,
        "earliest": TODAY,
        "latest": TODAY,
        "now": NOW - HOUR,
    }
    return free_sessions.sessions_of(session, site_id=hall.site_id, people=people, **plain | facts)


def test_what_is_free(session: Session) -> None:
    hall = open_hall(session, people=60, groups=2)
    hours(session, hall)
    make_one(session, TODAY)
    slot = made(session, hall)[0]
    slot.people_held, slot.groups_held = 25, 1
    session.flush()
    [seen] = listed(session, hall)
    assert (seen.people_limit, seen.people_free) == (60, 35)
    assert (seen.groups_limit, seen.groups_free) == (2, 1)
    assert (seen.venue_name, seen.venue_id) == (hall.name, hall.id)
    assert (seen.bookable, seen.reason) == (True, None)


@pytest.mark.parametrize(
    ("facts", "held", "reason"),
    [
        pytest.param({}, (0, 0), None, id="free"),
        pytest.param({"people": 60}, (0, 0), None, id="to-the-last-seat"),
        pytest.param({"now": NOW}, (0, 0), Unbookable.PAST, id="starts-now"),
        pytest.param({"earliest": TODAY + DAY}, (0, 0), Unbookable.TOO_SOON, id="lead"),
        pytest.param({"latest": TODAY - DAY}, (0, 0), Unbookable.BEYOND_HORIZON, id="horizon"),
        pytest.param({"people": 61}, (0, 0), Unbookable.TOO_MANY_PEOPLE, id="hall-too-small"),
        pytest.param({"people": 36}, (25, 1), Unbookable.FULL, id="not-enough-seats"),
        pytest.param({"people": 35}, (25, 1), None, id="just-enough-seats"),
        pytest.param({}, (25, 2), Unbookable.FULL, id="no-more-groups"),
    ],
)
def test_why_not(
    session: Session, facts: dict[str, Any], held: tuple[int, int], reason: Unbookable | None
) -> None:
    hall = open_hall(session, people=60, groups=2)
    hours(session, hall)
    make_one(session, TODAY)
    slot = made(session, hall)[0]
    slot.people_held, slot.groups_held = held
    session.flush()
    [seen] = listed(session, hall, **facts)
    assert (seen.bookable, seen.reason) == (reason is None, reason)


@pytest.mark.parametrize(
    ("facts", "held", "told"),
    [
        ({}, (25, 1), (35, 1)),
        ({}, (25, 2), (0, 0)),
        ({"now": NOW}, (25, 1), (0, 0)),
        ({"now": NOW}, (0, 0), (0, 0)),
        ({"keeper": True}, (25, 2), (35, 0)),
        ({"keeper": True, "now": NOW}, (25, 1), (35, 1)),
    ],
)
def test_what_nobody_can_have_is_told_to_keepers_alone(
    session: Session, facts: dict[str, Any], held: tuple[int, int], told: tuple[int, int]
) -> None:
    hall = open_hall(session, people=60, groups=2)
    hours(session, hall)
    make_one(session, TODAY)
    slot = made(session, hall)[0]
    slot.people_held, slot.groups_held = held
    session.flush()
    [seen] = listed(session, hall, **facts)
    assert (seen.people_free, seen.groups_free) == told


def test_a_closed_session_is_not_bookable(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall)
    make_one(session, TODAY)
    made(session, hall)[0].closed_reason = "检修"
    session.flush()
    assert [seen.reason for seen in listed(session, hall)] == [Unbookable.CLOSED]


def test_the_list_is_in_order_and_of_its_days_alone(session: Session) -> None:
    site = open_site(session)
    first, second = (
        open_hall(session, site=site, name="甲"),
        open_hall(session, site=site, name="乙"),
    )
    hours(session, second, EVERY_DAY, (time(0), time(1)), (time(23), time(23, 59)))
    hours(session, first, EVERY_DAY, MORNING)
    sessions.make_ahead(session, now=NOW, days=2)
    seen = listed(session, first, since=TODAY + DAY, until=TODAY + DAY)
    assert [view.venue_name for view in seen] == ["乙", "甲", "乙"]
    assert {view.starts_at.astimezone(ZONE).date() for view in seen} == {TODAY + DAY}


@pytest.mark.parametrize("days", [-1, 62])
def test_odd_periods_are_refused(session: Session, days: int) -> None:
    hall = open_hall(session)
    with pytest.raises(free_sessions.PeriodUnreadable):
        listed(session, hall, until=TODAY + days * DAY)
    assert listed(session, hall, until=TODAY + 61 * DAY) == []
