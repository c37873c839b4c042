"""Moving bookings on: deadlines, and what each move leaves behind."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from app.models import (
    HOLDING,
    PATHS,
    Booking,
    BookingEvent,
    BookingStatus,
    FundAccount,
    Role,
    Subsidy,
    SubsidyStatus,
    Visit,
)
from app.services import ledger, moves, overdue, steps
from app.services.access import NotInScope
from app.services.bookings import BookingNotFound
from app.services.ledger import FundExhausted
from app.services.states import ARRIVAL_OPENS, CLOSES_AFTER, MOVES, NO_SHOW_AFTER, status_at
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    World,
    make_account,
    make_booking,
    make_organisation,
    make_world,
    move,
)

S = BookingStatus
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def _pending(session: Session, world: World) -> Booking:
    return make_booking(session, world)


def _approved(session: Session, world: World) -> Booking:
    return move(session, world.manager, _pending(session, world), "approve")


def _arrived(session: Session, world: World) -> Booking:
    booking = _approved(session, world)
    return move(session, world.manager, booking, "arrive", booking.starts_at, people=18)


def _completed(session: Session, world: World) -> Booking:
    booking = _arrived(session, world)
    return move(session, world.manager, booking, "complete", booking.ends_at)


def _no_show(session: Session, world: World) -> Booking:
    booking = _approved(session, world)
    return move(session, world.manager, booking, "no-show", booking.ends_at)


def _rejected(session: Session, world: World) -> Booking:
    return move(session, world.manager, _pending(session, world), "reject")


def _cancelled(session: Session, world: World) -> Booking:
    return move(session, world.organiser, _pending(session, world), "cancel")


def _expired(session: Session, world: World) -> Booking:
    booking = _pending(session, world)
    assert steps.catch_up(session, booking, now=booking.starts_at)
    return booking


REACHED: dict[BookingStatus, Callable[[Session, World], Booking]] = {
    S.PENDING: _pending,
    S.APPROVED: _approved,
    S.ARRIVED: _arrived,
    S.COMPLETED: _completed,
    S.NO_SHOW: _no_show,
    S.REJECTED: _rejected,
    S.CANCELLED: _cancelled,
    S.EXPIRED: _expired,
}
GOES = {
    (S.PENDING, "approve"): S.APPROVED,
    (S.PENDING, "reject"): S.REJECTED,
    (S.PENDING, "cancel"): S.CANCELLED,
    (S.PENDING, "change"): S.PENDING,
    (S.APPROVED, "change"): S.PENDING,
    (S.APPROVED, "cancel"): S.CANCELLED,
    (S.APPROVED, "arrive"): S.ARRIVED,
    (S.APPROVED, "no-show"): S.NO_SHOW,
    (S.ARRIVED, "complete"): S.COMPLETED,
}
WHEN = {"arrive": timedelta(0), "complete": 2 * HOUR, "no-show": 2 * HOUR}
"""After the start; the other moves are made at `NOW`."""


def moment(booking: Booking, name: str) -> datetime:
    return booking.starts_at + WHEN[name] if name in WHEN else NOW


def test_every_state_can_be_reached() -> None:
    assert set(REACHED) == set(S)


def test_the_table_of_moves_is_the_table_of_events() -> None:
    moved = {(source, move.target) for move in MOVES.values() for source in move.sources}
    by_the_clock_or_the_branch = {
        (None, S.PENDING),
        (S.PENDING, S.PENDING),
        (S.PENDING, S.EXPIRED),
        (S.APPROVED, S.APPROVED),
    }
    assert moved | by_the_clock_or_the_branch == set(PATHS)


@pytest.mark.parametrize("status", REACHED)
def test_places_are_held_exactly_while_the_state_says_so(
    session: Session, world: World, status: BookingStatus
) -> None:
    REACHED[status](session, world)
    session.refresh(world.slot)
    kept = (20, 1) if status in HOLDING else (0, 0)
    assert (world.slot.people_held, world.slot.groups_held) == kept


@pytest.mark.parametrize("status", REACHED)
def test_events_number_the_versions_and_end_in_the_status(
    session: Session, world: World, status: BookingStatus
) -> None:
    booking = REACHED[status](session, world)
    steps_taken = session.exec(
        select(BookingEvent)
        .where(BookingEvent.booking_id == booking.id)
        .order_by(col(BookingEvent.version))
    ).all()
    assert [event.version for event in steps_taken] == list(range(1, booking.version + 1))
    assert steps_taken[-1].to_status == booking.status == status


EXPECTED_SUBSIDY = {
    S.APPROVED: (SubsidyStatus.RESERVED, 20_000, 0),
    S.ARRIVED: (SubsidyStatus.RESERVED, 20_000, 0),
    S.COMPLETED: (SubsidyStatus.COMMITTED, 0, 19_000),
    S.NO_SHOW: (SubsidyStatus.RELEASED, 0, 0),
}


@pytest.mark.parametrize("status", REACHED)
def test_the_fund_follows_the_booking(
    session: Session, world: World, status: BookingStatus
) -> None:
    booking = REACHED[status](session, world)
    subsidy = session.get(Subsidy, booking.id)
    expected, reserved, payable = EXPECTED_SUBSIDY.get(status, (None, 0, 0))
    assert (subsidy.status if subsidy else None) == expected
    held = ledger.balances(session, fund_id=world.fund.id)
    assert (held[FundAccount.RESERVED], held[FundAccount.PAYABLE]) == (reserved, payable)


def test_an_approval_the_fund_cannot_cover_is_refused(session: Session) -> None:
    world = make_world(session, available_fen=19_999)
    booking = make_booking(session, world)
    with pytest.raises(FundExhausted):
        move(session, world.manager, booking, "approve")


def test_cancelling_an_approved_booking_gives_the_money_back(
    session: Session, world: World
) -> None:
    move(session, world.organiser, _approved(session, world), "cancel")
    assert ledger.balances(session, fund_id=world.fund.id)[FundAccount.RESERVED] == 0


@pytest.mark.parametrize(("early", "late"), [(-MINUTE, False), (timedelta(0), True)])
def test_a_cancellation_after_the_deadline_counts_as_late(
    session: Session, world: World, early: timedelta, late: bool
) -> None:
    booking = _approved(session, world)
    move(session, world.organiser, booking, "cancel", booking.free_cancel_until + early)
    assert booking.late_cancelled is late


def test_the_site_is_never_late_but_must_say_why(session: Session, world: World) -> None:
    booking = _approved(session, world)
    when = booking.free_cancel_until
    with pytest.raises(moves.ReasonMissing), session.begin_nested():
        move(session, world.manager, booking, "cancel", when, reason=None)
    move(session, world.manager, booking, "cancel", when)
    assert not booking.late_cancelled


def test_a_branch_need_not_say_why(session: Session, world: World) -> None:
    assert move(session, world.organiser, _pending(session, world), "cancel", reason=None)


def test_a_rejection_must_say_why(session: Session, world: World) -> None:
    with pytest.raises(moves.ReasonMissing):
        move(session, world.manager, _pending(session, world), "reject", reason=None)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("arrive", lambda booking: booking.starts_at - ARRIVAL_OPENS),
        ("no-show", lambda booking: booking.ends_at),
    ],
)
def test_some_moves_open_at_an_instant(
    session: Session, world: World, name: str, first: Callable[[Booking], datetime]
) -> None:
    booking = _approved(session, world)
    with pytest.raises(moves.BookingStateConflict):
        move(session, world.manager, booking, name, first(booking) - MINUTE)
    move(session, world.manager, booking, name, first(booking))


def test_nobody_cancels_what_has_begun(session: Session, world: World) -> None:
    booking = _approved(session, world)
    with pytest.raises(moves.BookingStateConflict):
        move(session, world.organiser, booking, "cancel", booking.starts_at)


def test_staff_answer_once_it_was_escalated(session: Session, world: World) -> None:
    booking = _pending(session, world)
    with pytest.raises(NotInScope):
        move(session, world.town_staff, booking, "approve")
    assert booking.respond_by
    late = booking.respond_by
    assert move(session, world.town_staff, booking, "approve", late).status == S.APPROVED


def test_staff_of_another_town_do_not(session: Session, world: World) -> None:
    booking = _pending(session, world)
    other = make_organisation(session, parent=world.district)
    stranger = make_account(session, Role.TOWN_STAFF, at=other)
    assert booking.respond_by
    with pytest.raises(BookingNotFound):
        move(session, stranger, booking, "approve", booking.respond_by)


def _second_deadline(booking: Booking) -> datetime:
    return NOW + 2 * DAY


Reach = Callable[[Session, World], Booking]
Deadline = Callable[[Booking], datetime]
DEADLINES: list[tuple[Reach, BookingStatus, str, Deadline]] = [
    (_pending, S.EXPIRED, "approve", _second_deadline),
    (_approved, S.NO_SHOW, "arrive", lambda b: b.ends_at + NO_SHOW_AFTER),
    (_arrived, S.COMPLETED, "complete", lambda b: b.ends_at + CLOSES_AFTER),
]


@pytest.mark.parametrize(("reach", "after", "name", "deadline"), DEADLINES)
def test_a_passed_deadline_counts_whether_or_not_the_scheduler_ran(
    session: Session,
    world: World,
    reach: Callable[[Session, World], Booking],
    after: BookingStatus,
    name: str,
    deadline: Callable[[Booking], datetime],
) -> None:
    booking = reach(session, world)
    when = deadline(booking)
    with pytest.raises(moves.BookingStateConflict) as refused, session.begin_nested():
        move(session, world.manager, booking, name, when)
    assert refused.value.facts["current_status"] == after
    session.refresh(booking)
    moved = move(session, world.manager, booking, name, when - MINUTE)
    assert moved.status == MOVES[name].target


@pytest.mark.parametrize(("reach", "after", "name", "deadline"), DEADLINES)
def test_the_scheduler_writes_what_the_clock_says(
    session: Session,
    world: World,
    reach: Callable[[Session, World], Booking],
    after: BookingStatus,
    name: str,
    deadline: Callable[[Booking], datetime],
) -> None:
    booking = reach(session, world)
    when = deadline(booking)
    overdue.catch_up(session, now=when - MINUTE)
    assert status_at(booking, when - MINUTE) != after
    assert overdue.catch_up(session, now=when) == 1
    assert booking.status == after
    assert overdue.catch_up(session, now=when) == 0


def test_the_clock_completes_with_the_number_given_at_arrival(
    session: Session, world: World
) -> None:
    booking = _arrived(session, world)
    overdue.catch_up(session, now=booking.ends_at + CLOSES_AFTER)
    visit = session.get_one(Visit, booking.id)
    assert (visit.people_attended, visit.completed_by) == (18, None)


def test_completing_can_correct_the_number(session: Session, world: World) -> None:
    booking = _arrived(session, world)
    move(session, world.manager, booking, "complete", booking.ends_at, people=25)
    visit = session.get_one(Visit, booking.id)
    assert (visit.people_attended, visit.completed_by) == (25, world.manager.id)
    assert session.get_one(Subsidy, booking.id).committed_fen == 22_500
