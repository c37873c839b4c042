"""Stops of a route that move: each is still in time for the others."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.models import Booking, BookingGroup, GroupKind, Site, Venue, VenueSession
from app.services import booking_groups, changes, order_rules, routes, standings
from app.services.refusals import Refused
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
    wanted,
)
from tests.races import until_somebody_waits

FAR = (118.2, 36.64)
"""Some forty minutes from the first stop."""


@dataclass(frozen=True)
class Route:
    """Two hours at the world's hall, an hour to get on, an hour at a hall far away."""

    world: World
    hall: Venue
    first: Booking
    second: Booking


def driven(session: Session) -> Route:
    world = make_world(session)
    hall = make_venue(session, make_site(session, world.town, at=FAR))
    slots = world.slot, make_session(session, hall, starts_at=IN_A_WEEK + 3 * HOUR, lasting=HOUR)
    stops = [
        order_rules.Wanted(**{**wanted(world, slot).__dict__, "programme_ids": []})
        for slot in slots
    ]
    who = actor(session, world.organiser)
    plan = routes.plan(session, stops=stops, now=NOW)
    _, outcomes = booking_groups.order(session, actor=who, plan=plan, skip=False, now=NOW)
    first, second = (outcome.booking for outcome in outcomes)
    assert first
    assert second
    return Route(world, hall, first, second)


@pytest.fixture
def route(session: Session) -> Route:
    return driven(session)


def at(session: Session, hall: Venue, hours: float) -> VenueSession:
    """An hour in another hall of the site, so long after the first stop is to begin."""
    beside = make_venue(session, session.get_one(Site, hall.site_id))
    return make_session(session, beside, starts_at=IN_A_WEEK + hours * HOUR, lasting=HOUR)


def change(session: Session, route: Route, booking: Booking, what: changes.Wanted) -> Booking:
    who = actor(session, route.world.organiser)
    with session.begin_nested():
        return changes.change(
            session,
            actor=who,
            booking_id=booking.id,
            version=booking.version,
            wanted=what,
            now=NOW,
        )


def to(slot: VenueSession) -> changes.Wanted:
    return changes.Wanted(session_ids=[slot.id])


@pytest.mark.parametrize(
    ("hours", "refusal"),
    [
        (2.5, routes.TravelTooShort),
        (3.5, None),
        (1.5, routes.StopsNotInOrder),
        (27, routes.StopsNotInOrder),
        (-1.5, routes.TravelTooShort),
        (-2, None),
    ],
)
def test_a_stop_moves_to_where_the_group_can_be_in_time(
    session: Session, route: Route, hours: float, refusal: type[Refused] | None
) -> None:
    slot = at(session, route.hall, hours)
    if refusal is None:
        assert change(session, route, route.second, to(slot)).starts_at == slot.starts_at
        return
    with pytest.raises(refusal) as refused:
        change(session, route, route.second, to(slot))
    assert refused.value.facts["rule"] == refusal.slug()
    assert refused.value.facts["alternatives"] == []
    assert route.second.starts_at == IN_A_WEEK + 3 * HOUR


@pytest.mark.parametrize("hours", [1.5, 2.5])
def test_the_stop_after_it_counts_as_well(session: Session, route: Route, hours: float) -> None:
    with pytest.raises((routes.TravelTooShort, routes.StopsNotInOrder)):
        change(session, route, route.first, to(at(session, route.world.venue, hours)))


def test_more_people_need_no_more_time(
    session: Session, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "require_way", pytest.fail)
    what = changes.Wanted(session_ids=[route.world.slot.id], people_expected=21)
    assert change(session, route, route.first, what).people_expected == 21


def test_a_stop_that_was_cancelled_holds_no_other(session: Session, route: Route) -> None:
    move(session, route.world.organiser, route.first, "cancel")
    slot = at(session, route.hall, 2.5)
    assert change(session, route, route.second, to(slot)).starts_at == slot.starts_at


def test_what_is_in_a_series_moves_freely(session: Session, route: Route) -> None:
    assert route.second.group_id
    session.get_one(BookingGroup, route.second.group_id).kind = GroupKind.SERIES
    slot = at(session, route.hall, 2.5)
    assert change(session, route, route.second, to(slot)).starts_at == slot.starts_at


def both_move(engine: Engine, *, waits: bool) -> str:
    """Move one stop later and, before that is done, the other one earlier; how the other ends."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        route = driven(setup)
        later = at(setup, route.world.venue, 5)
        earlier = at(setup, route.hall, 4.5)

    def other() -> str:
        with Session(engine) as session:
            try:
                with session.begin():
                    change(session, route, route.second, to(earlier))
            except Refused as refusal:
                return refusal.slug()
            return "changed"

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        change(session, route, route.first, to(later))
        ends = pool.submit(other)
        if waits:
            until_somebody_waits(engine)
            session.commit()
        return ends.result()


def test_two_stops_do_not_pass_one_another_unseen(own_engine: Engine) -> None:
    assert both_move(own_engine, waits=True) == "stops-not-in-order"


def test_without_the_branch_locked_they_would(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "hold", lambda *_, **__: None)
    assert both_move(own_engine, waits=False) == "changed"
