"""Offers to who waits: taken in time, declined, passed on, or ended by a closure."""

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.models import (
    ApprovalMode,
    Booking,
    BookingStatus,
    Role,
    SiteStatus,
    WaitlistStatus,
)
from app.services import (
    changes,
    closures,
    queues,
    refusals,
    waiting,
    waitlist,
)
from app.services.access import NotInScope
from app.services.erasure import NO_TRACE
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_session,
    make_world,
    move,
)
from tests.services.lines import (
    Party,
    cancelled,
    confirm,
    entry_of,
    held,
    join,
    line,
    make_parties,
    messages,
    nothing_wrong,
    offered,
    order,
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


def test_an_offer_that_is_confirmed_is_an_order(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    entry = entry_of(session, parties[0])
    made = confirm(session, parties[0], entry, NOW + HOUR)
    assert (entry.status, entry.booking_id, entry.confirm_by) == (W.CONFIRMED, made.id, None)
    assert (made.status, made.organisation_id) == (BookingStatus.PENDING, parties[0].branch.id)
    assert (made.people_expected, made.contact_name) == (20, "王组织")
    assert made.respond_by == NOW + DAY + HOUR
    assert held(session, world.slot) == (20, 1)
    nothing_wrong(session)


def test_where_the_rules_decide_a_confirmed_offer_is_approved_at_once(session: Session) -> None:
    world = make_world(session, approval_mode=ApprovalMode.AUTO)
    booking = make_booking(session, world)
    party = make_parties(session, world, 1)[0]
    offered(session, world, booking, party)
    made = confirm(session, party, entry_of(session, party))
    assert made.status == BookingStatus.APPROVED


def test_lead_times_count_from_when_one_began_to_wait(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    late = IN_A_WEEK - DAY
    booking.respond_by = IN_A_WEEK
    session.flush()
    move(session, world.organiser, booking, "cancel", late)
    with pytest.raises(refusals.LeadTimeTooShort):
        order(session, world, parties[1], now=late)
    assert confirm(session, parties[0], entry_of(session, parties[0]), late)


def test_an_offer_ends_when_the_session_begins(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    booking.respond_by = IN_A_WEEK
    session.flush()
    move(session, world.manager, booking, "cancel", IN_A_WEEK - HOUR)
    entry = entry_of(session, parties[0])
    assert entry.confirm_by == IN_A_WEEK
    assert queues.status_at(entry, world.slot, IN_A_WEEK) == W.EXPIRED


def test_an_offer_that_nobody_confirms_passes_on(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    assert tend(session, NOW + DAY - timedelta(seconds=1)) == 0
    assert tend(session, NOW + DAY) == 2
    assert line(session, world.slot) == [W.EXPIRED, W.OFFERED]
    assert held(session, world.slot) == (20, 1)
    assert entry_of(session, parties[1]).confirm_by == NOW + 2 * DAY
    assert messages(session, parties[0].organiser.id) == ["waitlist-offered", "waitlist-expired"]
    assert tend(session, NOW + DAY) == 0
    nothing_wrong(session)


def test_an_offer_past_its_time_cannot_be_confirmed(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    with pytest.raises(waitlist.WaitlistStateConflict) as refusal:
        confirm(session, parties[0], entry_of(session, parties[0]), NOW + DAY)
    assert refusal.value.facts == {"current_status": "expired", "allowed_moves": []}


def test_an_offer_past_its_time_holds_nothing_against_an_order(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    with pytest.raises(refusals.SessionFull), session.begin_nested():
        order(session, world, parties[2], now=NOW + DAY - timedelta(seconds=1))
    assert order(session, world, parties[2], now=NOW + DAY)
    assert line(session, world.slot) == [W.EXPIRED]
    nothing_wrong(session)


def test_but_who_waits_comes_before_an_order(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    with pytest.raises(refusals.SessionFull):
        order(session, world, parties[2], now=NOW + DAY)
    assert line(session, world.slot) == [W.EXPIRED, W.OFFERED]


def test_a_change_counts_an_offer_past_its_time_as_free_too(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + DAY)
    other = make_booking(session, world, later, now=NOW + HOUR)
    changes.change(
        session,
        actor=actor(session, world.organiser, NOW + DAY),
        booking_id=other.id,
        version=other.version,
        wanted=changes.Wanted(session_ids=[world.slot.id]),
        now=NOW + DAY,
    )
    assert held(session, world.slot) == (20, 1)


def test_who_withdraws_an_offer_passes_it_on(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    entry = entry_of(session, parties[0])
    withdraw(session, parties[0], entry)
    withdraw(session, parties[0], entry)
    assert line(session, world.slot) == [W.WITHDRAWN, W.OFFERED]
    assert held(session, world.slot) == (20, 1)


def test_the_last_to_withdraw_leaves_the_places_to_anybody(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    withdraw(session, parties[0], entry_of(session, parties[0]))
    assert held(session, world.slot) == (0, 0)
    assert order(session, world, parties[1])


def test_nothing_becomes_of_an_entry_that_is_done(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    entry = entry_of(session, parties[0])
    confirm(session, parties[0], entry)
    for again in (confirm, withdraw):
        with pytest.raises(waitlist.WaitlistStateConflict), session.begin_nested():
            again(session, parties[0], entry)
    assert held(session, world.slot) == (20, 1)


def test_nobody_confirms_while_waiting(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    entry = join(session, world, parties[0])
    with pytest.raises(waitlist.WaitlistStateConflict) as refusal:
        confirm(session, parties[0], entry)
    assert refusal.value.facts["allowed_moves"] == ["withdraw"]


def test_members_see_and_only_organisers_act(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    entry = join(session, world, parties[0])
    member = make_account(session, Role.MEMBER, at=parties[0].branch)
    for someone in (member, world.manager, world.district_staff):
        with pytest.raises(NotInScope):
            waitlist.withdraw(session, actor=actor(session, someone), entry_id=entry.id, now=NOW)
    stranger = actor(session, parties[1].organiser)
    with pytest.raises(waiting.WaitlistEntryNotFound):
        waitlist.confirm(session, actor=stranger, entry_id=entry.id, now=NOW)


def close(session: Session, world: World) -> None:
    closures.close(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        wanted=closures.Wanted(None, IN_A_WEEK, IN_A_WEEK + HOUR, "检修"),
        notify=False,
        cancel=True,
        now=NOW,
    )


def test_a_closure_ends_the_line_and_gives_nothing_to_anybody(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    close(session, world)
    assert line(session, world.slot) == [W.EXPIRED, W.LAPSED]
    assert held(session, world.slot) == (0, 0)
    assert messages(session, parties[1].organiser.id) == ["waitlist-closed"]
    nothing_wrong(session)


def test_a_closure_that_cancels_offers_what_it_frees_to_nobody(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    close(session, world)
    assert booking.status == BookingStatus.CANCELLED
    assert line(session, world.slot) == [W.LAPSED]
    assert held(session, world.slot) == (0, 0)


def test_a_closure_that_is_only_looked_at_ends_nothing(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    closures.preview(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        wanted=closures.Wanted(None, IN_A_WEEK, IN_A_WEEK + HOUR, "检修"),
        now=NOW,
    )
    assert line(session, world.slot) == [W.OFFERED, W.WAITING]


def test_nobody_waits_for_what_has_begun(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    entry = join(session, world, parties[0])
    assert tend(session, IN_A_WEEK - timedelta(seconds=1)) == 0
    assert queues.status_at(entry, world.slot, IN_A_WEEK) == W.LAPSED
    assert tend(session, IN_A_WEEK) == 1
    assert entry.status == W.LAPSED
    assert messages(session, parties[0].organiser.id) == ["waitlist-lapsed"]


def test_a_site_that_takes_no_orders_offers_nothing_until_it_does(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    join(session, world, parties[0])
    world.site.status = SiteStatus.SUSPENDED
    session.flush()
    cancelled(session, world, booking)
    assert tend(session, NOW) == 0
    assert line(session, world.slot) == [W.WAITING]
    world.site.status = SiteStatus.PUBLISHED
    session.flush()
    assert tend(session, NOW) == 1
    assert line(session, world.slot) == [W.OFFERED]


def test_a_site_that_closes_for_good_lets_them_all_go(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, *parties[:2])
    world.site.status = SiteStatus.CLOSED
    session.flush()
    assert tend(session, NOW) == 2
    assert line(session, world.slot) == [W.EXPIRED, W.LAPSED]


def test_who_confirms_is_called_where_the_contact_is_erased(
    session: Session, world: World, booking: Booking, parties: list[Party]
) -> None:
    offered(session, world, booking, parties[0])
    entry = entry_of(session, parties[0])
    for name, value in NO_TRACE.items():
        setattr(entry, name, value)
    session.flush()
    made = confirm(session, parties[0], entry)
    assert made.contact_name == parties[0].organiser.name
    assert made.contact_phone_hash == parties[0].organiser.phone_hash
