"""Closures."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import VenueSession
from app.services import closures, free_sessions, sessions, venues
from tests.conftest import NOW
from tests.makers import make_booking, make_world
from tests.races import until_somebody_waits
from tests.services.grounds import (
    AFTERNOON,
    DAY,
    EVERY_DAY,
    MORNING,
    TODAY,
    at,
    clocks,
    close,
    hours,
    made,
    make_one,
    open_hall,
    open_site,
)

HOUR = timedelta(hours=1)


def test_no_session_is_made_inside_a_closure(session: Session) -> None:
    site = open_site(session)
    shut, other = open_hall(session, site=site), open_hall(session, site=site)
    for hall in (shut, other):
        hours(session, hall, EVERY_DAY, MORNING, AFTERNOON)
    start = at(TODAY, time(10, 59))
    close(session, site.id, shut.id, starts_at=start, ends_at=at(TODAY, time(14)))
    assert make_one(session, TODAY) == 3
    assert clocks(session, shut, TODAY) == [time(14)], "it ends as the closure begins, or after"
    assert clocks(session, other, TODAY) == [time(9), time(14)]


def test_a_site_shuts_with_all_its_halls(session: Session) -> None:
    site = open_site(session)
    halls = [open_hall(session, site=site) for _ in range(2)]
    elsewhere = open_hall(session)
    for hall in (*halls, elsewhere):
        hours(session, hall)
    sessions.make_ahead(session, now=NOW, days=2)
    close(session, site.id)
    assert [len(made(session, hall)) for hall in (*halls, elsewhere)] == [2, 2, 3]
    assert sessions.make_ahead(session, now=NOW, days=2) == 0


def test_what_was_booked_stays_and_says_why(session: Session) -> None:
    world = make_world(session)
    rules = hours(session, world.venue, EVERY_DAY, AFTERNOON)
    sessions.make_ahead(session, now=NOW, days=9)
    make_booking(session, world)
    day = world.slot.starts_at.date()
    close(session, world.site.id, starts_at=at(day, time(0)), ends_at=at(day + DAY, time(0)))
    [kept] = [slot for slot in made(session, world.venue) if slot.starts_at.date() == day]
    assert (kept.id, kept.closed_reason) == (world.slot.id, "设备检修")
    assert kept.groups_held == 1
    assert len(made(session, world.venue)) == 1 + 9, rules


def test_what_has_begun_is_left_alone(session: Session) -> None:
    hall = open_hall(session)
    hours(session, hall, EVERY_DAY, MORNING, AFTERNOON)
    make_one(session, TODAY)
    close(session, hall.site_id, starts_at=at(TODAY, time(0)), now=NOW + HOUR)
    assert clocks(session, hall, TODAY) == [time(9)]


def test_closures_are_of_a_time_and_a_place(session: Session) -> None:
    site, stranger = open_site(session), open_hall(session)
    with pytest.raises(venues.VenueNotFound):
        close(session, site.id, stranger.id)
    for days in (1, 1 + closures.MOST_DAYS + 1):
        with pytest.raises(free_sessions.PeriodUnreadable):
            close(session, site.id, ends_at=at(TODAY + days * DAY, time(0)))
    with pytest.raises(closures.ClosureOver):
        close(session, site.id, starts_at=NOW - DAY, ends_at=NOW)


def test_closures_of_one_place_do_not_overlap(session: Session) -> None:
    site = open_site(session)
    hall, other = (open_hall(session, site=site, name=name) for name in "甲乙")
    close(session, site.id, hall.id)
    close(session, site.id, other.id)
    for venue_id in (hall.id, None):
        with pytest.raises(closures.ClosuresOverlap) as refused:
            close(session, site.id, venue_id)
        assert refused.value.facts["reason"] == "设备检修"
    next_day = at(TODAY + 2 * DAY, time(0))
    close(session, site.id, starts_at=next_day, ends_at=next_day + DAY)
    close(session, open_site(session).id)


@pytest.fixture
def site_id(own_engine: Engine) -> UUID:
    """A site with one session a day."""
    with Session(own_engine) as setup, setup.begin():
        hall = open_hall(setup)
        hours(setup, hall)
        return hall.site_id


def left_after_closing(engine: Engine, site_id: UUID) -> set[date]:
    """Close tomorrow while a maker has made, but not committed, three days."""

    def shut() -> None:
        with Session(engine) as session, session.begin():
            close(session, site_id)

    with Session(engine) as maker, ThreadPoolExecutor(1) as pool:
        assert sessions.make_ahead(maker, now=NOW, days=2) == 3
        closing = pool.submit(shut)
        until_somebody_waits(engine)
        maker.commit()
        closing.result(timeout=10)
    with Session(engine) as session:
        return {slot.starts_at.date() for slot in session.exec(select(VenueSession))}


def test_a_closure_waits_for_a_maker_and_empties_what_it_made(
    own_engine: Engine, site_id: UUID
) -> None:
    left = left_after_closing(own_engine, site_id)
    assert left == {TODAY, TODAY + 2 * DAY}


def test_without_the_lock_a_maker_fills_a_closure(
    own_engine: Engine, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "hold", lambda *_, **__: TODAY + 2 * DAY)
    left = left_after_closing(own_engine, site_id)
    assert left == {TODAY, TODAY + DAY, TODAY + 2 * DAY}
