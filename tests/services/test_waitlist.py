"""Waitlists: who may stand in line, and who is offered what comes free."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session

from app.models import (
    Booking,
    Role,
    SiteStatus,
    VenueSession,
    WaitlistStatus,
)
from app.services import (
    guides,
    overdue,
    refusals,
    sessions,
    waiting,
    waitlist,
)
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_policy,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)
from tests.services.lines import (
    Party,
    cancelled,
    confirm,
    held,
    join,
    line,
    make_parties,
    messages,
    moved_away,
    nothing_wrong,
    order,
    suspend,
    tend,
    withdraw,
)

W = WaitlistStatus
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    """A district whose one session takes one group of up to 60."""
    return make_world(session)


@pytest.fixture
def parties(session: Session, world: World) -> list[Party]:
    return make_parties(session, world, 3)


@pytest.fixture
def booking(session: Session, world: World) -> Booking:
    """What fills the world's session."""
    return make_booking(session, world)


def test_who_joins_waits_and_holds_nothing(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    first, second = (join(session, world, party) for party in parties[:2])
    assert (first.status, second.status) == (W.WAITING, W.WAITING)
    assert first.number
    assert second.number
    assert first.number < second.number
    assert held(session, world.slot) == (20, 1)
    nothing_wrong(session)


def test_where_there_is_room_one_orders(
    session: Session, world: World, parties: list[Party]
) -> None:
    with pytest.raises(waitlist.SessionHasRoom) as refusal:
        join(session, world, parties[0])
    assert refusal.value.facts == {"people_free": 60}


def test_an_order_nobody_answered_leaves_room_at_once(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    booking.escalated_at = NOW
    session.flush()
    with pytest.raises(waitlist.SessionHasRoom):
        join(session, world, parties[0], now=NOW + 2 * DAY)


def test_a_branch_stands_in_a_line_once(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    entry = join(session, world, parties[0])
    with pytest.raises(waitlist.AlreadyWaiting), session.begin_nested():
        join(session, world, parties[0], people=5)
    withdraw(session, parties[0], entry)
    assert join(session, world, parties[0]).status == W.WAITING


def shut(session: Session, world: World) -> None:
    world.slot.closed_reason = "检修"


def leave_district(session: Session, world: World) -> None:
    world.site.status = SiteStatus.SUSPENDED


def ask_for_more_time(session: Session, world: World) -> None:
    make_policy(session, world.district, site=world.site, lead_working_days=30)


def drop_the_menu(session: Session, world: World) -> None:
    world.programme.active = False


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (shut, refusals.SessionClosed),
        (leave_district, refusals.SiteNotOpen),
        (ask_for_more_time, refusals.LeadTimeTooShort),
        (drop_the_menu, refusals.ProgrammeNotOffered),
    ],
)
def test_the_rules_of_an_order_are_asked(
    session: Session,
    world: World,
    booking: Booking,
    parties: list[Party],
    spoil: Callable[[Session, World], None],
    refusal: type[refusals.Refused],
) -> None:
    spoil(session, world)
    session.flush()
    with pytest.raises(refusal):
        join(session, world, parties[0])


def test_who_would_never_fit_does_not_wait(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    with pytest.raises(refusals.PartyTooLarge):
        join(session, world, parties[0], people=61)


def test_a_suspended_branch_does_not_join(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    suspend(session, parties[0])
    with pytest.raises(refusals.BranchSuspended):
        join(session, world, parties[0])


def test_how_much_a_branch_has_open_is_asked_when_it_confirms(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    make_policy(session, world.district, site=world.site, open_bookings_limit=1)
    hall = make_venue(session, world.site)
    order(session, world, parties[0], make_session(session, hall))
    entry = join(session, world, parties[0])
    move(session, world.organiser, booking, "cancel")
    session.refresh(entry)
    before = (entry.status, entry.confirm_by, held(session, world.slot))
    with pytest.raises(refusals.TooManyOpenBookings), session.begin_nested():
        confirm(session, parties[0], entry)
    session.refresh(entry)
    assert (entry.status, entry.confirm_by, held(session, world.slot)) == before


def cancelled_by_the_site(session: Session, world: World, booking: Booking) -> None:
    move(session, world.manager, booking, "cancel")


def rejected(session: Session, world: World, booking: Booking) -> None:
    move(session, world.manager, booking, "reject")


def expired(session: Session, world: World, booking: Booking) -> None:
    booking.escalated_at, booking.respond_by = NOW - HOUR, NOW
    session.flush()
    overdue.catch_up(session, now=NOW)


@pytest.mark.parametrize(
    "give_back", [cancelled, cancelled_by_the_site, rejected, moved_away, expired]
)
def test_places_that_come_free_are_offered_to_the_first(
    session: Session,
    world: World,
    booking: Booking,
    parties: list[Party],
    give_back: Callable[[Session, World, Booking], None],
) -> None:
    first, second = (join(session, world, party, people=30) for party in parties[:2])
    give_back(session, world, booking)
    session.refresh(first)
    assert (first.status, first.confirm_by) == (W.OFFERED, NOW + DAY)
    assert second.status == W.WAITING
    assert held(session, world.slot) == (30, 1)
    assert messages(session, parties[0].organiser.id) == ["waitlist-offered"]
    assert messages(session, parties[1].organiser.id) == []
    nothing_wrong(session)


def test_a_group_that_becomes_smaller_makes_room(session: Session) -> None:
    world = make_world(session, groups_limit=2)
    booking = make_booking(session, world, people=50)
    party = make_parties(session, world, 1)[0]
    entry = join(session, world, party, people=30)
    move(session, world.organiser, booking, "change", people=31)
    assert entry.status == W.WAITING
    move(session, world.organiser, booking, "change", people=30)
    session.refresh(entry)
    assert entry.status == W.OFFERED
    assert held(session, world.slot) == (60, 2)


def test_the_first_that_fits_goes_first_and_who_was_passed_over_keeps_its_place(
    session: Session,
) -> None:
    world = make_world(session, groups_limit=3)
    bookings = [make_booking(session, world, people=n) for n in (40, 20)]
    parties = make_parties(session, world, 3)
    for party, people in zip(parties, (50, 15, 10), strict=True):
        join(session, world, party, people=people)
    move(session, world.manager, bookings[1], "reject")
    assert line(session, world.slot) == [W.WAITING, W.OFFERED, W.WAITING]
    move(session, world.manager, bookings[0], "reject")
    assert line(session, world.slot) == [W.WAITING, W.OFFERED, W.OFFERED]
    assert held(session, world.slot) == (25, 2)


def test_what_is_offered_to_one_nobody_else_can_order(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    cancelled(session, world, booking)
    with pytest.raises(refusals.SessionFull):
        order(session, world, parties[1])


def test_a_branch_that_may_not_order_is_passed_over_until_it_may(session: Session) -> None:
    world = make_world(session, groups_limit=2)
    bookings = [make_booking(session, world, people=30) for _ in range(2)]
    parties = make_parties(session, world, 2)
    for party in parties:
        join(session, world, party)
    suspension = suspend(session, parties[0])
    move(session, world.manager, bookings[0], "reject")
    assert line(session, world.slot) == [W.WAITING, W.OFFERED]
    move(session, world.manager, bookings[1], "reject")
    assert line(session, world.slot) == [W.WAITING, W.OFFERED]
    nothing_wrong(session)
    suspension.ends_at = NOW
    session.flush()
    assert tend(session, NOW) == 1
    assert line(session, world.slot) == [W.OFFERED, W.OFFERED]


def test_who_needs_a_guide_is_passed_over_while_none_is_free(session: Session) -> None:
    world = make_world(session, groups_limit=2)
    hall = make_venue(session, world.site)
    guides.add(session, site_id=world.site.id, name="讲解")
    bookings = [make_booking(session, world, people=30) for _ in range(2)]
    world.programme.needs_guide = True
    session.flush()
    busy = make_booking(session, world, make_session(session, hall))
    parties = make_parties(session, world, 1)
    entry = join(session, world, parties[0])
    move(session, world.manager, bookings[0], "reject")
    assert entry.status == W.WAITING
    move(session, world.manager, busy, "reject")
    assert tend(session, NOW) == 1
    assert confirm(session, parties[0], entry)


def test_one_branch_may_be_offered_two_sessions_at_once(
    session: Session, world: World, parties: list[Party]
) -> None:
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 2 * HOUR)
    booking = make_booking(session, world, world.slot, later)
    for slot in (world.slot, later):
        join(session, world, parties[0], slot)
    cancelled(session, world, booking)
    assert line(session, world.slot) == line(session, later) == [W.OFFERED]
    assert messages(session, parties[0].organiser.id) == ["waitlist-offered"] * 2


def test_a_session_that_somebody_waited_for_is_not_made_away_with(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    moved_away(session, world, booking)
    assert not sessions.drop_unbooked(session, [world.slot.id])
    assert session.get(VenueSession, world.slot.id)


def test_entries_are_seen_by_the_branch_the_site_and_those_above(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    entry = join(session, world, parties[0])
    foreign = make_world(session)
    elsewhere = make_site(session, world.town)
    others = (
        foreign.organiser,
        foreign.manager,
        foreign.district_staff,
        parties[1].organiser,
        make_account(session, Role.SITE_MANAGER, at=elsewhere),
        make_account(session, Role.SYSTEM_ADMIN),
    )
    for who in (parties[0].organiser, world.manager, world.town_staff, world.district_staff):
        assert session.exec(waiting.visible(actor(session, who))).all() == [entry]
    for who in others:
        assert session.exec(waiting.visible(actor(session, who))).all() == []


def test_places_of_another_session_are_not_offered_here(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_booking(session, world, later)
    entry = join(session, world, parties[0], later)
    cancelled(session, world, booking)
    assert entry.status == W.WAITING
