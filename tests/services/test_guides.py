"""Guides: with one booking at a time, and free again when it holds its places no more."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.models import (
    GUIDE_NO_OVERLAP,
    Account,
    Booking,
    Guide,
    GuideDuty,
    Organisation,
    Programme,
    Role,
    VenueSession,
)
from app.services import guides, order_rules, orders, overdue, refusals, verify
from tests.conftest import NOW, as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
    wanted,
)
from tests.races import at_once, replaced_sql

DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return guided(session)


def guided(session: Session, *, people: int = 1) -> World:
    """A world whose menu item needs a guide, with so many of them."""
    world = make_world(session)
    world.programme.needs_guide = True
    for n in range(people):
        guides.add(session, site_id=world.site.id, name=f"讲解{n}")
    session.flush()
    return world


def hall(session: Session, world: World, **facts: object) -> VenueSession:
    """A session in another hall of the site, at the same hour unless said otherwise."""
    return make_session(session, make_venue(session, world.site), **facts)  # type: ignore[arg-type]


def duties(session: Session) -> list[GuideDuty]:
    return list(session.exec(select(GuideDuty).order_by(col(GuideDuty.booking_id))))


def refusal(session: Session, world: World, slot: VenueSession) -> refusals.GuideNotFree:
    with pytest.raises(refusals.GuideNotFree) as refused, session.begin_nested():
        make_booking(session, world, slot)
    return refused.value


def test_a_guided_order_has_a_guide_for_all_its_time(session: Session, world: World) -> None:
    after = make_session(session, world.venue, starts_at=world.slot.ends_at)
    booking = make_booking(session, world, world.slot, after)
    [duty] = duties(session)
    assert (duty.booking_id, duty.starts_at, duty.ends_at) == (
        booking.id,
        world.slot.starts_at,
        after.ends_at,
    )


def test_what_needs_no_guide_takes_none(session: Session, world: World) -> None:
    world.programme.needs_guide = False
    make_booking(session, world)
    assert duties(session) == []


def test_a_site_without_guides_does_not_sell_what_needs_one(session: Session) -> None:
    world = guided(session, people=0)
    assert refusal(session, world, world.slot).facts["alternatives"] == []


def test_somebody_else_s_guides_do_not_help(session: Session) -> None:
    world = guided(session, people=0)
    guides.add(session, site_id=make_site(session, world.town).id, name="外人")
    refusal(session, world, world.slot)


def test_who_is_not_active_gets_no_duty(session: Session, world: World) -> None:
    session.exec(select(Guide)).one().active = False
    session.flush()
    refusal(session, world, world.slot)


def test_one_guide_is_with_one_group_at_a_time(session: Session, world: World) -> None:
    make_booking(session, world)
    refusal(session, world, hall(session, world))
    refusal(session, world, hall(session, world, starts_at=IN_A_WEEK + HOUR))
    make_booking(session, world, hall(session, world, starts_at=world.slot.ends_at))
    guides.add(session, site_id=world.site.id, name="又一位")
    make_booking(session, world, hall(session, world))
    assert len({duty.guide_id for duty in duties(session)}) == 2


def test_a_refusal_leaves_no_trace(session: Session, world: World) -> None:
    make_booking(session, world)
    slot = hall(session, world)
    refusal(session, world, slot)
    session.refresh(slot)
    assert (slot.people_held, slot.groups_held, len(duties(session))) == (0, 0, 1)


def test_what_is_offered_instead_has_a_guide(session: Session, world: World) -> None:
    make_booking(session, world)
    hall(session, world, starts_at=IN_A_WEEK + HOUR)  # room, but no guide
    elsewhere = make_site(session, world.town)
    make_session(session, make_venue(session, elsewhere))
    make_programme(session, elsewhere).needs_guide = True  # and nobody to show them round
    later = hall(session, world, starts_at=world.slot.ends_at)
    other = make_site(session, world.town)
    plain = make_session(session, make_venue(session, other), starts_at=IN_A_WEEK + 5 * HOUR)
    item = make_programme(session, other)
    offered = refusal(session, world, hall(session, world)).facts["alternatives"]
    assert isinstance(offered, list)
    assert [offer.id for offer in offered] == [later.id, plain.id]
    for slot, menu in ((later, world.programme), (plain, item)):
        orders.order(
            session,
            actor=actor(session, world.organiser),
            wanted=asked(world.branch, slot, menu),
            now=NOW,
        )


def asked(branch: Organisation, slot: VenueSession, item: Programme) -> order_rules.Wanted:
    return order_rules.Wanted(
        session_ids=[slot.id],
        programme_ids=[item.id],
        organisation_id=branch.id,
        people_expected=20,
        purpose="visit",  # type: ignore[arg-type]
        contact_name="王组织",
        contact_phone="13800000000",
        note=None,
    )


def test_an_item_off_the_menu_is_not_ordered_and_not_offered(
    session: Session, world: World
) -> None:
    make_booking(session, world)
    world.programme.active = False
    session.flush()
    with pytest.raises(refusals.ProgrammeNotOffered), session.begin_nested():
        make_booking(session, world, hall(session, world, starts_at=IN_A_WEEK + DAY))


def _reject(session: Session, world: World, booking: Booking) -> None:
    move(session, world.manager, booking, "reject")


def _cancel(session: Session, world: World, booking: Booking) -> None:
    move(session, world.organiser, booking, "cancel")


def _expire(session: Session, world: World, booking: Booking) -> None:
    overdue.catch_up_one(session, booking_id=booking.id, now=booking.starts_at)


def _stay_away(session: Session, world: World, booking: Booking) -> None:
    move(session, world.manager, booking, "approve")
    move(session, world.manager, booking, "no-show", booking.ends_at)


@pytest.mark.parametrize("end", [_reject, _cancel, _expire, _stay_away])
def test_the_guide_is_free_once_the_booking_holds_nothing(
    session: Session, world: World, end: Callable[[Session, World, Booking], None]
) -> None:
    end(session, world, make_booking(session, world))
    assert duties(session) == []
    assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("reach", [("approve",), ("approve", "arrive", "complete")])
def test_the_guide_stays_while_it_does(
    session: Session, world: World, reach: tuple[str, ...]
) -> None:
    booking = make_booking(session, world)
    for name in reach:
        move(session, world.manager, booking, name, NOW if name == "approve" else booking.ends_at)
    assert [duty.booking_id for duty in duties(session)] == [booking.id]
    assert list(verify.violations(session, now=NOW)) == []


FAULTS = {
    "no guide": "DELETE FROM guide_duty",
    "another time": "UPDATE guide_duty SET ends_at = ends_at + interval '1 hour'",
    "of another site": "UPDATE guide SET site_id = (SELECT max(id::text)::uuid FROM site)",
    "after it was called off": "UPDATE booking SET status = 'cancelled', respond_by = NULL",
    "for what needs none": "UPDATE programme SET needs_guide = false",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_verify_sees_a_wrong_duty(session: Session, world: World, fault: str) -> None:
    make_site(session, world.town)
    make_booking(session, world)
    named = "a guided booking has no guide for its time, or another has one"
    assert not [line for line in verify.violations(session, now=NOW) if line.startswith(named)]
    session.connection().execute(text(fault))
    assert [line for line in verify.violations(session, now=NOW) if line.startswith(named)]


RIVALS = 6


def rivals(engine: Engine) -> list[str]:
    """Order in so many halls at one hour, all at once; return what became of each."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = guided(setup)
        slots = [hall(setup, world) for _ in range(RIVALS)]
        branches = [make_organisation(setup, parent=world.town) for _ in range(RIVALS)]
        people: list[Account] = [
            make_account(setup, Role.ORGANISER, at=branch) for branch in branches
        ]

    def send(n: int) -> str:
        try:
            with Session(engine) as session, session.begin():
                orders.order(
                    session,
                    actor=actor(session, people[n]),
                    wanted=wanted(world, slots[n], branch=branches[n]),
                    now=NOW,
                )
        except refusals.GuideNotFree as refused:
            return refused.slug()
        return "ordered"

    return sorted(at_once(RIVALS, send))


@contextmanager
def without_constraint(engine: Engine) -> Iterator[None]:
    with engine.begin() as connection:
        as_owner(connection)
        connection.execute(text(f"ALTER TABLE guide_duty DROP CONSTRAINT {GUIDE_NO_OVERLAP}"))
    yield


def without_lock(engine: Engine) -> AbstractContextManager[None]:
    return replaced_sql(engine, "ORDER BY guide.id FOR NO KEY UPDATE", "ORDER BY guide.id")


def with_both(_: Engine) -> AbstractContextManager[None]:
    return nullcontext()


@pytest.mark.parametrize("guards", [with_both, without_constraint, without_lock])
def test_of_many_who_want_one_guide_one_has_them(
    own_engine: Engine, guards: Callable[[Engine], AbstractContextManager[None]]
) -> None:
    with guards(own_engine):
        assert rivals(own_engine) == ["guide-not-free"] * (RIVALS - 1) + ["ordered"]
    with Session(own_engine) as session:
        assert list(verify.violations(session, now=NOW)) == []


def test_without_any_guard_two_have_the_same_guide(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = guided(setup)
        other = hall(setup, world)
        branch = make_organisation(setup, parent=world.town)
        organiser = make_account(setup, Role.ORGANISER, at=branch)
        rival = replace(world, branch=branch, organiser=organiser)
    with (
        without_constraint(own_engine),
        without_lock(own_engine),
        Session(own_engine) as first,
        Session(own_engine) as second,
    ):
        make_booking(first, world, world.slot)
        make_booking(second, rival, other)
        first.commit()
        second.commit()
    with Session(own_engine) as session:
        assert len({duty.guide_id for duty in duties(session)}) == 1
        assert len(duties(session)) == 2
