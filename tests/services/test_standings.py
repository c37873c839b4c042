"""Strikes and suspensions: what counts, for how long, who sees it, and who lifts it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.models import (
    Account,
    Booking,
    BookingStatus,
    Notification,
    Organisation,
    OrganisationKind,
    Policy,
    Role,
    Strike,
    StrikeKind,
    Suspension,
    VenueSession,
)
from app.services import orders, overdue, refusals, standings, suspensions
from app.services.access import NotInScope
from app.services.calendar import spoken
from app.services.messages import written
from app.services.organisations import OrganisationNotFound
from app.services.states import NO_SHOW_AFTER
from app.services.suspensions import Record
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_session,
    make_venue,
    make_world,
    move,
    wanted,
)

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def book(session: Session, world: World, days: int = 0, *, now: datetime = NOW) -> Booking:
    """A booking so many days after the week from now, which the site has accepted."""
    booking = make_booking(session, world, hall(session, world, days), now=now)
    return move(session, world.manager, booking, "approve", now)


def hall(session: Session, world: World, days: int) -> VenueSession:
    """A session of a hall of its own."""
    venue = make_venue(session, world.site)
    return make_session(session, venue, starts_at=IN_A_WEEK + days * DAY)


def cancel_late(session: Session, world: World, booking: Booking) -> datetime:
    when = booking.free_cancel_until
    move(session, world.organiser, booking, "cancel", when)
    return when


def miss(session: Session, world: World, booking: Booking) -> datetime:
    when = booking.ends_at
    move(session, world.manager, booking, "no-show", when)
    return when


def rules(session: Session, world: World, **numbers: Any) -> Policy:
    """Rules of the world's site by which it is judged from now on."""
    policy = Policy(
        district_id=world.district.id,
        site_id=world.site.id,
        effective_at=NOW - DAY,
        **{"open_bookings_limit": 50, **numbers},
    )
    session.add(policy)
    session.flush()
    return policy


def suspended(session: Session, world: World, now: datetime) -> Suspension | None:
    return standings.suspension_of(session, organisation_id=world.branch.id, now=now)


def seen(session: Session, world: World, now: datetime, who: Account | None = None) -> Record:
    return suspensions.look(
        session,
        actor=actor(session, who or world.organiser, now),
        organisation_id=world.branch.id,
        now=now,
    )


def lift(session: Session, world: World, now: datetime, who: Account | None = None) -> Record:
    return suspensions.lift(
        session,
        actor=actor(session, who or world.district_staff, now),
        organisation_id=world.branch.id,
        reason="情况属实",
        now=now,
    )


def suspend(session: Session, world: World) -> tuple[Suspension, datetime]:
    """The suspension of two no-shows, and the instant of the second."""
    for booking in [book(session, world), book(session, world, 1)]:
        when = miss(session, world, booking)
    found = suspended(session, world, when)
    assert found is not None
    return found, when


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ([cancel_late], False),
        ([cancel_late] * 2, False),
        ([cancel_late] * 3, True),
        ([miss], False),
        ([cancel_late, miss], True),
        ([miss, miss], True),
    ],
    ids=["late", "late late", "late late late", "missed", "late missed", "missed missed"],
)
def test_three_strikes_suspend(
    session: Session,
    world: World,
    faults: list[Callable[[Session, World, Booking], datetime]],
    outcome: bool,
) -> None:
    made = [book(session, world, 2 * n) for n in range(len(faults))]
    for fault, booking in zip(faults, made, strict=True):
        assert suspended(session, world, booking.starts_at - 3 * DAY) is None
        when = fault(session, world, booking)
    found = suspended(session, world, when)
    assert (found is not None) is outcome
    if found is not None:
        assert (found.starts_at, found.ends_at) == (when, when + 90 * DAY)


def test_a_cancellation_in_time_is_no_strike(session: Session, world: World) -> None:
    booking = book(session, world)
    move(session, world.organiser, booking, "cancel", booking.free_cancel_until - TICK)
    assert not booking.late_cancelled
    assert session.exec(select(Strike)).all() == []


def test_what_the_site_cancels_is_no_strike(session: Session, world: World) -> None:
    booking = book(session, world)
    move(session, world.manager, booking, "cancel", booking.free_cancel_until)
    assert session.exec(select(Strike)).all() == []


def test_where_the_rules_say_0_there_is_no_strike(session: Session, world: World) -> None:
    rules(session, world, late_cancel_strikes=0, no_show_strikes=0, strikes_limit=1)
    late = book(session, world)
    cancel_late(session, world, late)
    when = miss(session, world, book(session, world, 1))
    assert late.late_cancelled
    assert session.exec(select(Strike)).all() == []
    assert suspended(session, world, when) is None


@pytest.mark.parametrize(("later", "counts"), [(TICK, True), (0 * TICK, False)])
def test_a_strike_counts_for_12_months(
    session: Session, world: World, later: timedelta, counts: bool
) -> None:
    old, booking = book(session, world), book(session, world, 1)
    when = booking.free_cancel_until
    a_year_ago = when.replace(year=when.year - 1) + later
    strike = Strike(
        organisation_id=world.branch.id,
        booking_id=old.id,
        kind=StrikeKind.NO_SHOW,
        points=2,
        at=a_year_ago,
    )
    session.add(strike)
    session.flush()
    cancel_late(session, world, booking)
    assert (suspended(session, world, when) is not None) is counts
    listed = {one.strike.booking_id for one in seen(session, world, when).strikes}
    assert (old.id in listed) is counts


def test_months_are_those_of_the_wall(session: Session, world: World) -> None:
    one = rules(session, world, strike_months=1)
    booking = book(session, world)
    # The last of January at one in the morning here; the day before in UTC.
    at = datetime.fromisoformat("2027-01-31T01:00+08:00")
    session.add(
        Strike(
            organisation_id=world.branch.id,
            booking_id=booking.id,
            kind=StrikeKind.LATE_CANCEL,
            points=1,
            at=at,
        )
    )
    session.flush()
    until = session.exec(select(standings.counts_until(one))).one()
    assert until == datetime.fromisoformat("2027-02-28T01:00+08:00")


def test_what_led_to_a_suspension_counts_for_no_other(session: Session, world: World) -> None:
    first, when = suspend(session, world)
    now = first.ends_at
    later = book(session, world, 100, now=now)
    assert suspended(session, world, now) is None
    when = cancel_late(session, world, later)
    assert suspended(session, world, when) is None
    assert seen(session, world, when).points == 1


def test_during_a_suspension_none_is_added_and_strikes_are_kept(
    session: Session, world: World
) -> None:
    made = [book(session, world, days) for days in (0, 1, 2, 3, 20)]
    for booking in made[:2]:
        miss(session, world, booking)
    for booking in made[2:4]:
        when = miss(session, world, booking)
    assert len(session.exec(select(Suspension)).all()) == 1
    record = seen(session, world, when)
    assert (record.points, len(record.strikes)) == (4, 4)
    lift(session, world, when)
    cancel_late(session, world, made[4])
    assert len(session.exec(select(Suspension)).all()) == 2


def test_a_suspended_branch_orders_nothing_until_it_is_over(session: Session, world: World) -> None:
    found, when = suspend(session, world)
    days = (found.ends_at - IN_A_WEEK).days + 8
    slot = hall(session, world, days)
    for now in (when, found.ends_at - TICK):
        with pytest.raises(refusals.BranchSuspended) as refused, session.begin_nested():
            make_booking(session, world, slot, now=now)
        facts = refused.value.facts
        assert (facts["limit"], facts["rule"], facts["alternatives"]) == (3, "branch-suspended", [])
        assert datetime.fromisoformat(str(facts["until"])) == found.ends_at
    assert make_booking(session, world, slot, now=found.ends_at).status == BookingStatus.PENDING


def test_a_suspension_leaves_what_is_booked_alone(session: Session, world: World) -> None:
    made = [make_booking(session, world, hall(session, world, days)) for days in (2, 3, 4)]
    terms = [(b.free_cancel_until, b.respond_by, b.policy_id) for b in made]
    soon = NOW + DAY / 2
    session.add(
        Suspension(
            district_id=world.district.id,
            organisation_id=world.branch.id,
            starts_at=soon,
            ends_at=soon + 90 * DAY,
        )
    )
    session.flush()
    with pytest.raises(refusals.BranchSuspended), session.begin_nested():
        make_booking(session, world, now=soon)
    assert [(b.free_cancel_until, b.respond_by, b.policy_id) for b in made] == terms
    open_, changed, cancelled = made
    move(session, world.manager, open_, "approve", soon)
    move(session, world.organiser, changed, "change", soon, people=7)
    move(session, world.organiser, cancelled, "cancel", soon)
    move(session, world.manager, open_, "arrive", open_.starts_at)
    move(session, world.manager, open_, "complete", open_.ends_at)
    assert open_.status == BookingStatus.COMPLETED
    assert (changed.status, changed.people_expected) == (BookingStatus.PENDING, 7)
    assert cancelled.status == BookingStatus.CANCELLED
    assert not cancelled.late_cancelled


def test_the_branch_is_told_until_when_and_why(session: Session, world: World) -> None:
    found, when = suspend(session, world)
    told = session.exec(select(Notification).where(Notification.kind == "branch-suspended")).one()
    assert (told.account_id, told.due_at) == (world.organiser.id, when)
    assert (
        told.booking_id
        == session.exec(select(Strike.booking_id).order_by(col(Strike.at).desc())).first()
    )
    for language in ("zh", "en"):
        body = written(told.kind, told.facts, language).body
        assert spoken(found.ends_at) in body
        assert world.branch.name in body
        assert " 4 " in body


def test_a_no_show_that_nobody_wrote_counts_when_the_branch_orders(
    session: Session, world: World
) -> None:
    made = [book(session, world, n) for n in range(2)]
    due = made[1].ends_at + NO_SHOW_AFTER
    slot = hall(session, world, 20)

    def ordered(now: datetime) -> str:
        trial = session.begin_nested()
        try:
            make_booking(session, world, slot, now=now)
        except refusals.Refused as refusal:
            return refusal.slug()
        else:
            return "ordered"
        finally:
            trial.rollback()

    assert ordered(due - TICK) == "ordered"
    assert ordered(due) == "branch-suspended"
    assert session.exec(select(Strike)).all() == []
    overdue.catch_up(session, now=due)
    found = suspended(session, world, due)
    assert found is not None
    assert found.starts_at == due


def test_who_asks_an_instant_earlier_and_comes_later_is_no_fault(
    session: Session, world: World
) -> None:
    rules(session, world, strikes_limit=1)
    made = [book(session, world), book(session, world, 1)]
    when = made[1].free_cancel_until
    move(session, world.organiser, made[0], "cancel", when)
    move(session, world.organiser, made[1], "cancel", when + TICK)
    assert len(session.exec(select(Suspension)).all()) == 1
    record = lift(session, world, when - TICK)
    assert record.suspension is None
    assert session.exec(select(Suspension.lifted_at)).one() == when


def test_a_lifted_branch_orders_again_and_starts_anew(session: Session, world: World) -> None:
    found, when = suspend(session, world)
    later = when + DAY
    record = lift(session, world, later)
    assert (record.suspension, record.points, record.strikes) == (None, 0, [])
    assert (found.lifted_at, found.lifted_by, found.lift_reason) == (
        later,
        world.district_staff.id,
        "情况属实",
    )
    one = book(session, world, 20, now=later)
    cancel_late(session, world, one)
    assert suspended(session, world, one.free_cancel_until) is None
    told = session.exec(select(Notification).where(Notification.kind == "suspension-lifted")).one()
    assert told.account_id == world.organiser.id
    assert "情况属实" in written(told.kind, told.facts, "zh").body


def test_only_what_stands_is_lifted(session: Session, world: World) -> None:
    with pytest.raises(suspensions.NotSuspended):
        lift(session, world, NOW)
    found, when = suspend(session, world)
    with pytest.raises(suspensions.NotSuspended):
        lift(session, world, found.ends_at)
    lift(session, world, when)
    with pytest.raises(suspensions.NotSuspended):
        lift(session, world, when)


def test_what_the_clock_owes_is_lifted_too(session: Session, world: World) -> None:
    made = [book(session, world, n) for n in range(2)]
    due = made[1].ends_at + NO_SHOW_AFTER
    assert lift(session, world, due).points == 0
    assert [booking.status for booking in made] == [BookingStatus.NO_SHOW] * 2


def test_the_branch_and_those_above_it_see_how_it_stands(session: Session, world: World) -> None:
    booking = book(session, world)
    when = cancel_late(session, world, booking)
    member = make_account(session, Role.MEMBER, at=world.branch)
    auditor = make_account(session, Role.AUDITOR, at=world.district)
    for who in (world.organiser, member, world.town_staff, world.district_staff, auditor):
        record = seen(session, world, when, who)
        assert [(c.strike.kind, c.strike.points) for c in record.strikes] == [("late_cancel", 1)]
        assert record.strikes[0].counts_until == when.replace(year=when.year + 1)
        assert (record.points, record.policy.strikes_limit, record.may_lift) == (1, 3, False)


def test_nobody_else_does(session: Session, world: World) -> None:
    other = make_organisation(session, parent=world.town)
    town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    absent = [
        make_account(session, Role.ORGANISER, at=other),
        make_account(session, Role.TOWN_STAFF, at=town),
        make_account(session, Role.DISTRICT_STAFF, at=make_organisation(session)),
        world.manager,
        world.fund_officer,
    ]
    for who in absent:
        with pytest.raises(OrganisationNotFound):
            seen(session, world, NOW, who)
    with pytest.raises(NotInScope):
        seen(session, world, NOW, make_account(session, Role.SYSTEM_ADMIN))


def test_staff_above_the_branch_may_lift(session: Session, world: World) -> None:
    _, when = suspend(session, world)
    auditor = make_account(session, Role.AUDITOR, at=world.district)
    member = make_account(session, Role.MEMBER, at=world.branch)
    for who in (world.organiser, member, auditor):
        assert not seen(session, world, when, who).may_lift
        with pytest.raises(NotInScope):
            lift(session, world, when, who)
    assert seen(session, world, when, world.town_staff).may_lift
    assert lift(session, world, when, world.town_staff).suspension is None


def test_strikes_are_by_the_rules_the_booking_met(session: Session, world: World) -> None:
    old = [book(session, world, n) for n in range(3)]
    rules(session, world, late_cancel_strikes=5)
    new = book(session, world, 3)
    for booking in old[:2]:
        when = cancel_late(session, world, booking)
    assert suspended(session, world, when) is None
    when = cancel_late(session, world, new)
    points = session.exec(select(Strike.points).order_by(col(Strike.at), col(Strike.id))).all()
    assert list(points) == [1, 1, 5]
    assert suspended(session, world, when) is not None


def test_the_quota_is_on_what_is_open(session: Session, world: World) -> None:
    rules(session, world, open_bookings_limit=2)
    first, second = book(session, world), book(session, world, 1)
    third = hall(session, world, 2)
    elsewhere = replace(world, branch=make_organisation(session, parent=world.town))
    other = make_account(session, Role.ORGANISER, at=elsewhere.branch)
    with pytest.raises(refusals.TooManyOpenBookings) as refused, session.begin_nested():
        make_booking(session, world, third)
    assert refused.value.facts["limit"] == 2
    make_booking(session, replace(elsewhere, organiser=other), third)
    move(session, world.organiser, first, "cancel")
    fourth = book(session, world, 3)
    assert (second.open_number, fourth.open_number) == (2, 1)


def test_a_smaller_quota_counts_all_that_is_open(session: Session, world: World) -> None:
    first, _ = book(session, world), book(session, world, 1)
    move(session, world.organiser, first, "cancel")
    rules(session, world, open_bookings_limit=1)
    with pytest.raises(refusals.TooManyOpenBookings):
        book(session, world, 2)


def test_what_has_lapsed_is_not_open(session: Session, world: World) -> None:
    rules(session, world, open_bookings_limit=1)
    lapsing = make_booking(session, world)
    slot = hall(session, world, 20)
    asked = wanted(world, slot)
    who = actor(session, world.organiser)
    for now, outcome in ((NOW, "refused"), (lapsing.starts_at, "ordered")):
        try:
            with session.begin_nested():
                orders.order(session, actor=who, wanted=asked, now=now)
        except refusals.TooManyOpenBookings:
            assert outcome == "refused"
        else:
            assert outcome == "ordered"
    assert lapsing.status == BookingStatus.EXPIRED


def test_another_district_s_staff_do_not_count_as_above(session: Session, world: World) -> None:
    guest: Organisation = make_organisation(session, parent=world.district, outside=True)
    record = suspensions.look(
        session,
        actor=actor(session, world.district_staff),
        organisation_id=guest.id,
        now=NOW,
    )
    assert (record.points, record.suspension) == (0, None)
    with pytest.raises(OrganisationNotFound):
        suspensions.look(
            session, actor=actor(session, world.town_staff), organisation_id=guest.id, now=NOW
        )
