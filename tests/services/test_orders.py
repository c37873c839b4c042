"""Ordering: every rule refuses by name, and what is refused leaves no trace."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from app.models import (
    ApprovalMode,
    Booking,
    BookingEvent,
    BookingStatus,
    Notification,
    Role,
    Site,
    SiteStatus,
    VenueSession,
)
from app.services import bookings, order_rules, orders, refusals, sessions
from app.services.access import NotInScope
from app.services.organisations import OrganisationNotFound
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_policy,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    wanted,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def order(session: Session, world: World, what: order_rules.Wanted) -> Booking:
    return orders.order(session, actor=actor(session, world.organiser), wanted=what, now=NOW)


def held(session: Session, slot: VenueSession) -> tuple[int, int]:
    session.refresh(slot)
    return slot.people_held, slot.groups_held


def test_an_order_holds_places_and_waits_for_an_answer(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    assert booking.status == BookingStatus.PENDING
    assert held(session, world.slot) == (20, 1)
    assert booking.respond_by == NOW + timedelta(days=1)
    assert booking.free_cancel_until == (IN_A_WEEK - 2 * timedelta(days=1)).replace(hour=16)


def test_the_managers_are_told(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    told = session.exec(select(Notification).where(Notification.booking_id == booking.id)).all()
    assert [(n.account_id, n.kind) for n in told] == [(world.manager.id, "booking-pending")]


def test_where_rules_alone_decide_it_is_approved_at_once(session: Session) -> None:
    world = make_world(session, approval_mode=ApprovalMode.AUTO)
    booking = make_booking(session, world)
    steps = session.exec(
        select(BookingEvent.to_status)
        .where(BookingEvent.booking_id == booking.id)
        .order_by(col(BookingEvent.version))
    ).all()
    assert list(steps) == [BookingStatus.PENDING, BookingStatus.APPROVED]
    assert booking.status == BookingStatus.APPROVED


def test_several_sessions_in_a_row_are_one_booking(session: Session, world: World) -> None:
    next_one = make_session(session, world.venue, starts_at=world.slot.ends_at)
    booking = make_booking(session, world, next_one, world.slot)
    assert (booking.starts_at, booking.ends_at) == (world.slot.starts_at, next_one.ends_at)
    assert held(session, next_one) == held(session, world.slot) == (20, 1)


Spoil = Callable[[Session, World], order_rules.Wanted]


def _inactive(session: Session, world: World) -> order_rules.Wanted:
    world.branch.active = False
    return wanted(world)


def _suspended(session: Session, world: World) -> order_rules.Wanted:
    world.site.status = SiteStatus.SUSPENDED
    return wanted(world)


def _gap(session: Session, world: World) -> order_rules.Wanted:
    late = make_session(session, world.venue, starts_at=world.slot.ends_at + HOUR)
    return wanted(world, world.slot, late)


def _other_hall(session: Session, world: World) -> order_rules.Wanted:
    hall = make_venue(session, world.site)
    return wanted(world, world.slot, make_session(session, hall, starts_at=world.slot.ends_at))


def _closed(session: Session, world: World) -> order_rules.Wanted:
    world.slot.closed_reason = "检修"
    return wanted(world)


def _tomorrow(session: Session, world: World) -> order_rules.Wanted:
    return wanted(world, make_session(session, world.venue, starts_at=NOW + timedelta(days=1)))


def _in_three_months(session: Session, world: World) -> order_rules.Wanted:
    return wanted(world, make_session(session, world.venue, starts_at=NOW + timedelta(days=90)))


def _foreign_menu(session: Session, world: World) -> order_rules.Wanted:
    elsewhere = make_programme(session, make_site(session, world.town))
    what = wanted(world)
    return order_rules.Wanted(**{**what.__dict__, "programme_ids": [elsewhere.id]})


def _crowd(session: Session, world: World) -> order_rules.Wanted:
    return wanted(world, people=61)


def _crowd_in_time(session: Session, world: World) -> order_rules.Wanted:
    """51 people need five working days, which a session four ahead does not give."""
    soon = make_session(session, world.venue, starts_at=NOW + timedelta(days=6))
    return wanted(world, soon, people=51)


def _taken(session: Session, world: World) -> order_rules.Wanted:
    make_booking(session, world)
    return wanted(world)


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (_inactive, refusals.OrganisationInactive),
        (_suspended, refusals.SiteNotOpen),
        (_gap, refusals.SessionsNotConsecutive),
        (_other_hall, refusals.SessionsNotConsecutive),
        (_closed, refusals.SessionClosed),
        (_tomorrow, refusals.LeadTimeTooShort),
        (_in_three_months, refusals.BeyondHorizon),
        (_foreign_menu, refusals.ProgrammeNotOffered),
        (_crowd, refusals.PartyTooLarge),
        (_crowd_in_time, refusals.LeadTimeTooShort),
        (_taken, refusals.SessionFull),
    ],
)
def test_each_rule_refuses_by_name_and_without_a_trace(
    session: Session, world: World, spoil: Spoil, refusal: type[refusals.Refused]
) -> None:
    what = spoil(session, world)
    session.flush()
    before = held(session, world.slot)
    with pytest.raises(refusal) as refused, session.begin_nested():
        order(session, world, what)
    assert refused.value.facts["rule"] == refusal.slug()
    assert refused.value.detail("zh")
    assert refused.value.detail("en")
    assert held(session, world.slot) == before


def test_the_same_orders_are_accepted_without_the_fault(session: Session, world: World) -> None:
    enough = make_session(session, world.venue, starts_at=NOW + timedelta(days=7, hours=3))
    order(session, world, wanted(world, enough, people=51))
    order(session, world, wanted(world, people=60))


@pytest.mark.parametrize("status", [SiteStatus.DRAFT, SiteStatus.CLOSED])
def test_a_site_that_is_not_public_has_no_sessions(
    session: Session, world: World, status: SiteStatus
) -> None:
    world.site.status = status
    session.flush()
    with pytest.raises(sessions.SessionNotFound):
        order(session, world, wanted(world))


def test_only_an_organiser_orders_for_a_branch(session: Session, world: World) -> None:
    other = make_organisation(session, parent=world.town)
    with pytest.raises(OrganisationNotFound):
        order(session, world, wanted(world, branch=other))
    member = make_account(session, Role.MEMBER, at=world.branch)
    with pytest.raises(NotInScope):
        orders.order(session, actor=actor(session, member), wanted=wanted(world), now=NOW)


def test_a_branch_from_outside_orders_earlier(session: Session, world: World) -> None:
    guest = make_organisation(session, parent=world.district, outside=True)
    organiser = make_account(session, Role.ORGANISER, at=guest)
    soon = make_session(session, world.venue, starts_at=NOW + timedelta(days=6))
    late = make_session(session, world.venue, starts_at=NOW + timedelta(days=7, hours=3))
    asker = actor(session, organiser)
    with pytest.raises(refusals.LeadTimeTooShort) as refused, session.begin_nested():
        orders.order(session, actor=asker, wanted=wanted(world, soon, branch=guest), now=NOW)
    assert refused.value.facts["limit"] == 5
    orders.order(session, actor=asker, wanted=wanted(world, late, branch=guest), now=NOW)


def test_alternatives_are_nearest_in_time_then_in_distance(session: Session, world: World) -> None:
    make_booking(session, world)
    here = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    near = make_venue(session, make_site(session, world.town, at=(117.98, 36.64)))
    far = make_venue(session, make_site(session, world.town, at=(118.10, 36.64)))
    for hall in (near, far):
        make_programme(session, session.get_one(Site, hall.site_id))
    menuless = make_venue(session, make_site(session, world.town, at=(117.975, 36.64)))
    make_session(session, menuless)
    at_once_far = make_session(session, far)
    at_once_near = make_session(session, near)
    small = make_venue(session, make_site(session, world.town), people_limit=5)
    make_programme(session, session.get_one(Site, small.site_id))
    make_session(session, small)
    make_session(session, world.venue, starts_at=NOW + timedelta(days=1))
    with pytest.raises(refusals.SessionFull) as refused, session.begin_nested():
        order(session, world, wanted(world))
    offered = refused.value.facts["alternatives"]
    assert isinstance(offered, list)
    assert [a.id for a in offered] == [at_once_near.id, at_once_far.id, here.id]


def test_every_alternative_would_be_accepted(session: Session, world: World) -> None:
    strict = make_site(session, world.town)
    make_programme(session, strict)
    make_policy(session, world.district, site=strict, lead_working_days=10)
    make_session(session, make_venue(session, strict))
    for days in (1, 6, 8, 9, 70):
        make_session(session, world.venue, starts_at=NOW + timedelta(days=days))
    make_booking(session, world)
    with pytest.raises(refusals.SessionFull) as refused, session.begin_nested():
        order(session, world, wanted(world))
    offered = refused.value.facts["alternatives"]
    assert isinstance(offered, list)
    assert len(offered) == 3
    for alternative in offered:
        slot = session.get_one(VenueSession, alternative.id)
        assert slot.site_id == world.site.id
        order(session, world, wanted(world, slot))


def test_a_booking_is_seen_by_those_it_concerns(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    far_off = make_world(session)
    make_booking(session, far_off)
    stranger = make_account(session, Role.ORGANISER, at=make_organisation(session))
    admin = make_account(session, Role.SYSTEM_ADMIN)
    auditor = make_account(session, Role.AUDITOR, at=world.district)
    other_town = make_organisation(session, parent=world.district)
    elsewhere = make_account(session, Role.TOWN_STAFF, at=other_town)

    def sees(account: object) -> bool:
        found = session.exec(bookings.visible(actor(session, account)))  # type: ignore[arg-type]
        return booking in found.all()

    concerned = (world.organiser, world.manager, world.town_staff, world.district_staff, auditor)
    assert all(map(sees, concerned))
    assert not any(map(sees, (stranger, admin, elsewhere, far_off.town_staff, world.fund_officer)))
