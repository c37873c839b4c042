"""Routes that others cross: nobody has half of one, and nobody waits in a ring."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from app.models import (
    ApprovalMode,
    Booking,
    BookingGroup,
    Guide,
    Organisation,
    Programme,
    Site,
    VenueSession,
)
from app.services import (
    booking_groups,
    guides,
    holds,
    routes,
    verify,
)
from app.services.booking_groups import GroupRefused, Plan
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_booking,
    make_programme,
    make_session,
    make_venue,
    make_world,
    wanted,
)
from tests.races import at_once, until_somebody_waits
from tests.services.group_grounds import order, rival, route, stops

DAY = timedelta(days=1)


def test_of_many_who_want_one_route_one_has_all_of_it(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        slots = stops(setup, world, 3)
        worlds = [rival(setup, world) for _ in range(6)]

    def one_of(number: int) -> str:
        with Session(own_engine) as session:
            try:
                with session.begin():
                    order(session, worlds[number], route(session, worlds[number], *slots))
            except GroupRefused as refused:
                return str(refused.facts["rule"])
            return "had"

    assert sorted(at_once(6, one_of)) == ["had"] + ["session-full"] * 5
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3
        assert session.exec(select(func.count()).select_from(BookingGroup)).one() == 1
        assert list(verify.violations(session, now=NOW)) == []


def crossed(
    engine: Engine,
    plan: Callable[[Session], Plan],
    world: World,
    other: World,
    *slots: VenueSession,
) -> None:
    """Order a route and, before its second stop, have a rival order some sessions.

    Raises:
        OperationalError: they wait for one another.
    """

    def meet() -> None:
        with Session(engine) as session, session.begin():
            make_booking(session, other, *slots)

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        planned = plan(session)
        met = []

        def rule(branch: Organisation, item: booking_groups.Item, last: Booking | None) -> None:
            planned.rule(branch, item, last)
            if last is not None:
                met.append(pool.submit(meet))
                until_somebody_waits(engine)

        try:
            order(session, world, replace(planned, rule=rule))
            session.commit()
        finally:
            session.rollback()
            met[0].result()


@contextmanager
def unguarded(monkeypatch: pytest.MonkeyPatch, module: object) -> Iterator[None]:
    """Without the lock of all at once; each order still takes its own."""
    lock = module.lock  # type: ignore[attr-defined]

    def one_at_a_time(session: Session, **ids: list[object]) -> None:
        (wanted_ids,) = ids.values()
        if len(wanted_ids) == 1:
            lock(session, **ids)

    with monkeypatch.context() as patch:
        patch.setattr(module, "lock", one_at_a_time)
        yield


def against_the_ids(
    engine: Engine,
) -> tuple[Callable[[Session], Plan], World, World, list[VenueSession]]:
    """A route of two sessions in a row whose ids run against the clock, and who wants both."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup, groups_limit=2)
        earlier = make_session(setup, world.venue, starts_at=IN_A_WEEK - 2 * HOUR)
        assert world.slot.id < earlier.id
        other = rival(setup, world)

    def plan(session: Session) -> Plan:
        return route(session, world, earlier, world.slot)

    return plan, world, other, [earlier, world.slot]


def test_a_route_locks_its_sessions_in_the_order_of_all(own_engine: Engine) -> None:
    plan, world, other, slots = against_the_ids(own_engine)
    crossed(own_engine, plan, world, other, *slots)
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3


def test_stop_by_stop_they_would_wait_for_one_another(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, world, other, slots = against_the_ids(own_engine)
    with unguarded(monkeypatch, holds), pytest.raises(OperationalError):
        crossed(own_engine, plan, world, other, *slots)


def guided_and_funded(
    engine: Engine,
) -> tuple[Callable[[Session], Plan], World, World, list[VenueSession]]:
    """A route of two guided stops that are accepted at once, and a rival at the second one."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup, approval_mode=ApprovalMode.AUTO)
        slot = stops(setup, world)[1]
        there = make_programme(setup, setup.get_one(Site, slot.site_id))
        for item in (world.programme, there):
            setup.get_one(Programme, item.id).needs_guide = True
            setup.add(Guide(site_id=item.site_id, name="讲解员"))
        hall = make_venue(setup, setup.get_one(Site, slot.site_id))
        elsewhere = make_session(setup, hall, starts_at=slot.starts_at + DAY)
        other = replace(rival(setup, world), programme=there)

    def plan(session: Session) -> Plan:
        asked = [wanted(world, world.slot), wanted(replace(world, programme=there), slot)]
        return routes.plan(session, stops=asked, now=NOW)

    return plan, world, other, [elsewhere]


def test_a_route_locks_its_guides_before_the_fund(own_engine: Engine) -> None:
    plan, world, other, slots = guided_and_funded(own_engine)
    crossed(own_engine, plan, world, other, *slots)
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3


def test_guides_stop_by_stop_would_be_waited_for_with_the_fund_in_hand(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, world, other, slots = guided_and_funded(own_engine)
    with unguarded(monkeypatch, guides), pytest.raises(OperationalError):
        crossed(own_engine, plan, world, other, *slots)
