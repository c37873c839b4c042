"""What two do at once to one branch: the last open booking, the last strike, one suspension."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.errors import DomainError
from app.models import Booking, Policy, Suspension, VenueSession
from app.services import suspensions, verify
from tests.conftest import NOW, as_owner
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_booking,
    make_session,
    make_venue,
    make_world,
    move,
)
from tests.races import replaced_sql, until_somebody_waits

DAY = timedelta(days=1)
Act = Callable[[Session], object]
Guards = Callable[[Engine], AbstractContextManager[None]]


def with_all(_: Engine) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def without_lock(engine: Engine) -> Iterator[None]:
    """Order and lift without the lock of the branch's row."""
    with replaced_sql(engine, " FOR NO KEY UPDATE OF organisation"):
        yield


@contextmanager
def without_strikes_lock(engine: Engine) -> Iterator[None]:
    """Count strikes without it."""
    mine = "organisation.id = %(id_1)s::UUID"
    with replaced_sql(engine, f"{mine} FOR NO KEY UPDATE", mine):
        yield


def drop(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        as_owner(connection)
        for statement in statements:
            connection.execute(text(statement))


def settle(engine: Engine, **rules: int) -> tuple[World, list[VenueSession]]:
    """A branch that is judged by such rules, and two sessions."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        policy = setup.exec(select(Policy)).one()
        for name, value in rules.items():
            setattr(policy, name, value)
        halls = [make_venue(setup, world.site) for _ in range(2)]
        slots = [make_session(setup, hall) for hall in halls]
        return world, slots


def outcome(engine: Engine, act: Act) -> str:
    try:
        with Session(engine) as session, session.begin():
            act(session)
    except DomainError as refusal:
        return refusal.slug()
    except IntegrityError as broken:
        return str(getattr(broken.orig, "diag").constraint_name)  # noqa: B009
    return "done"


def one_behind_the_other(engine: Engine, first: Act, second: Act) -> str:
    """Let the second begin before the first has committed, and wait for it; what comes of it."""
    with ThreadPoolExecutor(1) as pool, Session(engine) as session:
        first(session)
        session.flush()
        waiting = pool.submit(outcome, engine, second)
        until_somebody_waits(engine)
        session.commit()
        return waiting.result()


def side_by_side(engine: Engine, first: Act, second: Act) -> None:
    """Let both do all before either commits: so it goes where nothing makes them wait."""
    with Session(engine) as one, Session(engine) as other:
        first(one)
        one.flush()
        second(other)
        other.flush()
        one.commit()
        other.commit()


def orders(engine: Engine) -> tuple[Act, Act]:
    """Two orders of a branch that may have one booking open."""
    world, slots = settle(engine, open_bookings_limit=1)

    def order(slot: VenueSession) -> Act:
        return lambda session: make_booking(session, world, slot)

    return order(slots[0]), order(slots[1])


def booked(engine: Engine) -> int:
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(Booking)).one()


@pytest.mark.parametrize("guards", [with_all, without_lock])
def test_of_two_orders_for_the_last_open_booking_one_is_made(
    own_engine: Engine, guards: Guards
) -> None:
    first, second = orders(own_engine)
    with guards(own_engine):
        assert one_behind_the_other(own_engine, first, second) == "too-many-open-bookings"
    assert booked(own_engine) == 1
    with Session(own_engine) as session:
        assert list(verify.violations(session, now=NOW)) == []


def test_with_neither_lock_nor_index_both_are_made(own_engine: Engine) -> None:
    first, second = orders(own_engine)
    drop(own_engine, "DROP INDEX booking_open_number_key")
    with without_lock(own_engine):
        side_by_side(own_engine, first, second)
    assert booked(own_engine) == 2


def cancellations(engine: Engine, **rules: int) -> tuple[Act, Act]:
    """Two cancellations, too late, of bookings of one branch."""
    world, slots = settle(engine, open_bookings_limit=2, **rules)
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        made = [make_booking(setup, world, slot) for slot in slots]
        for booking in made:
            move(setup, world.manager, booking, "approve")
        ids = [booking.id for booking in made]

    def cancel(number: int) -> Act:
        return lambda session: move(
            session,
            world.organiser,
            session.get_one(Booking, ids[number]),
            "cancel",
            IN_A_WEEK - DAY + number * timedelta(seconds=1),
        )

    return cancel(0), cancel(1)


def suspended(engine: Engine) -> int:
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(Suspension)).one()


@pytest.mark.parametrize("limit", [1, 2])
def test_two_late_cancellations_at_once_suspend_once(own_engine: Engine, limit: int) -> None:
    first, second = cancellations(own_engine, strikes_limit=limit)
    assert one_behind_the_other(own_engine, first, second) == "done"
    assert suspended(own_engine) == 1


def test_without_the_lock_the_second_strike_is_overlooked(own_engine: Engine) -> None:
    first, second = cancellations(own_engine, strikes_limit=2)
    with without_strikes_lock(own_engine):
        side_by_side_but_for_the_log(own_engine, first, second)
    assert suspended(own_engine) == 0


def test_without_the_lock_there_is_still_one_suspension(own_engine: Engine) -> None:
    first, second = cancellations(own_engine, strikes_limit=1)
    with without_strikes_lock(own_engine):
        kept = one_behind_the_other(own_engine, first, second)
    assert kept == "suspension_one_at_a_time"
    assert suspended(own_engine) == 1


def test_without_lock_and_exclusion_there_are_two(own_engine: Engine) -> None:
    first, second = cancellations(own_engine, strikes_limit=1)
    drop(own_engine, "ALTER TABLE suspension DROP CONSTRAINT suspension_one_at_a_time")
    with without_strikes_lock(own_engine):
        side_by_side_but_for_the_log(own_engine, first, second)
    assert suspended(own_engine) == 2


def side_by_side_but_for_the_log(engine: Engine, first: Act, second: Act) -> None:
    """Both give money back to one fund, whose ledger would have the second wait."""
    drop(engine, "UPDATE subsidy SET fund_id = NULL, status = 'unfunded', reserved_fen = NULL")
    side_by_side(engine, first, second)


def lifts(engine: Engine) -> tuple[Act, Act]:
    world, _ = settle(engine)
    with Session(engine) as setup, setup.begin():
        setup.add(
            Suspension(
                district_id=world.district.id,
                organisation_id=world.branch.id,
                starts_at=NOW - DAY,
                ends_at=NOW + 89 * DAY,
            )
        )

    def lift(number: int) -> Act:
        who = (world.town_staff, world.district_staff)[number]
        now = NOW + number * timedelta(seconds=1)
        return lambda session: suspensions.lift(
            session,
            actor=actor(session, who, now),
            organisation_id=world.branch.id,
            reason=f"{number}",
            now=now,
        )

    return lift(0), lift(1)


@pytest.mark.parametrize(
    ("guards", "second_is", "reason"),
    [(with_all, "not-suspended", "0"), (without_lock, "done", "1")],
)
def test_of_two_who_lift_one_does(
    own_engine: Engine, guards: Guards, second_is: str, reason: str
) -> None:
    first, second = lifts(own_engine)
    with guards(own_engine):
        assert one_behind_the_other(own_engine, first, second) == second_is
    with Session(own_engine) as session:
        assert session.exec(select(Suspension.lift_reason)).one() == reason
