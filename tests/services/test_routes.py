"""Routes: stops in order, with time to travel."""

from datetime import timedelta
from math import ceil

import pytest
from sqlalchemy import text
from sqlmodel import Session

from app.models import Booking, Policy, Site, VenueSession
from app.services import booking_groups, order_rules, policies, refusals, routes
from app.services.booking_groups import GroupRefused, Outcome
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_policy,
    make_session,
    make_site,
    make_venue,
    make_world,
    point,
    wanted,
)

MINUTE = timedelta(minutes=1)
NEAR, FAR = (117.98, 36.64), (118.2, 36.64)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def stop(
    session: Session, world: World, starts_at: object, at: tuple[float, float] = FAR
) -> VenueSession:
    """A session at a site of its own."""
    hall = make_venue(session, make_site(session, world.town, at=at))
    return make_session(session, hall, starts_at=starts_at, lasting=HOUR)  # type: ignore[arg-type]


def drive(
    session: Session, world: World, *slots: VenueSession, skip: bool = False
) -> list[Outcome]:
    stops = [
        order_rules.Wanted(**{**wanted(world, slot).__dict__, "programme_ids": []})
        for slot in slots
    ]
    plan = routes.plan(session, stops=stops, now=NOW)
    who = actor(session, world.organiser)
    return booking_groups.order(session, actor=who, plan=plan, skip=skip, now=NOW)[1]


def metres(session: Session, *points: tuple[float, float]) -> float:
    (x, y), (a, b) = points
    found = session.connection().execute(
        text(
            "SELECT ST_Distance(ST_SetSRID(ST_Point(:x, :y), 4326)::geography,"
            " ST_SetSRID(ST_Point(:a, :b), 4326)::geography)"
        ),
        {"x": x, "y": y, "a": a, "b": b},
    )
    return float(found.scalar_one())


def needed(session: Session, km_per_hour: int, at: tuple[float, float] = FAR) -> int:
    return ceil(metres(session, (117.97, 36.64), at) / 1000 / km_per_hour * 60)


def refusal(session: Session, world: World, *slots: VenueSession) -> refusals.Refused:
    with pytest.raises(GroupRefused) as refused, session.begin_nested():
        drive(session, world, *slots)
    last = refused.value.outcomes[-1].refusal
    assert isinstance(last, refusals.Refused)
    assert refused.value.facts["rule"] == last.slug()
    return last


def test_a_group_may_arrive_as_the_next_stop_begins(session: Session, world: World) -> None:
    in_time = world.slot.ends_at + needed(session, 30) * MINUTE
    early = stop(session, world, in_time - MINUTE)
    told = refusal(session, world, world.slot, early)
    assert isinstance(told, routes.TravelTooShort)
    minutes = needed(session, 30)
    assert told.facts["needed_minutes"] == minutes
    assert told.facts["available_minutes"] == minutes - 1
    assert told.detail("zh") == f"路上约需 {minutes} 分钟，两站之间只有 {minutes - 1} 分钟"
    outcomes = drive(session, world, world.slot, stop(session, world, in_time))
    assert all(outcome.booking for outcome in outcomes)


@pytest.mark.parametrize("slow", ["from", "to"])
def test_the_slower_site_counts(session: Session, world: World, slow: str) -> None:
    there = stop(session, world, world.slot.ends_at + needed(session, 30) * MINUTE)
    site = world.site if slow == "from" else session.get_one(Site, there.site_id)
    make_policy(session, world.district, site=site).travel_km_per_hour = 10
    session.flush()
    told = refusal(session, world, world.slot, there)
    assert told.facts["needed_minutes"] == needed(session, 10)


def test_a_faster_site_does_not_count(session: Session, world: World) -> None:
    there = stop(session, world, world.slot.ends_at + (needed(session, 30) - 1) * MINUTE)
    for site_id in (world.site.id, there.site_id):
        make_policy(session, world.district, site=session.get_one(Site, site_id))
    fast = policies.in_force(session, district_id=world.district.id, now=NOW).of(there.site_id)
    fast.travel_km_per_hour = 300
    session.flush()
    told = refusal(session, world, world.slot, there)
    assert told.facts["needed_minutes"] == needed(session, 30)
    assert isinstance(fast, Policy)


def test_the_way_is_from_gate_to_gate(session: Session, world: World) -> None:
    there = stop(session, world, world.slot.ends_at + MINUTE, at=FAR)
    session.get_one(Site, there.site_id).navigation_point = point(117.97, 36.64)
    session.flush()
    assert all(outcome.booking for outcome in drive(session, world, world.slot, there))


def test_another_hall_of_the_site_needs_no_travel(session: Session, world: World) -> None:
    hall = make_venue(session, world.site)
    next_one = make_session(session, hall, starts_at=world.slot.ends_at)
    assert all(outcome.booking for outcome in drive(session, world, world.slot, next_one))


def test_stops_are_of_one_day_and_do_not_overlap(session: Session, world: World) -> None:
    overlap = stop(session, world, world.slot.ends_at - MINUTE, NEAR)
    tomorrow = stop(session, world, IN_A_WEEK + timedelta(days=1), NEAR)
    before = stop(session, world, IN_A_WEEK - 3 * HOUR, NEAR)
    for other in (overlap, tomorrow, before):
        assert isinstance(refusal(session, world, world.slot, other), routes.StopsNotInOrder)
    ordered = drive(session, world, before, world.slot)
    assert all(outcome.booking for outcome in ordered)


def test_a_stop_that_is_left_out_needs_no_travel(session: Session, world: World) -> None:
    """From the first to the third there is time; the second, between them, is full."""
    full = stop(session, world, world.slot.ends_at + HOUR, NEAR)
    full.groups_held, full.people_held = 1, 20
    third = stop(session, world, full.ends_at + MINUTE, FAR)
    session.flush()
    first, second, last = drive(session, world, world.slot, full, third, skip=True)
    assert isinstance(second.refusal, refusals.SessionFull)
    assert isinstance(first.booking, Booking)
    assert isinstance(last.booking, Booking)
    assert last.booking.group_id == first.booking.group_id is not None


def test_a_stop_that_is_booked_needs_travel(session: Session, world: World) -> None:
    """The same route, but there is room at the second stop."""
    second = stop(session, world, world.slot.ends_at + HOUR, NEAR)
    third = stop(session, world, second.ends_at + MINUTE, FAR)
    told = refusal(session, world, world.slot, second, third)
    assert isinstance(told, routes.TravelTooShort)


def test_one_session_is_no_two_stops(session: Session, world: World) -> None:
    world.slot.groups_limit = 2
    session.flush()
    told = refusal(session, world, world.slot, world.slot)
    assert isinstance(told, routes.StopsNotInOrder)
