"""The statistics' facts: exact however they are folded, and any drift is found."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Event

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session

from app.models import Visit
from app.services import facts, verify
from app.services.usage import By, Query, usage
from tests.conftest import NOW, as_owner
from tests.makers import World, actor, make_booking, make_completed, make_session, make_world
from tests.races import at_once, until_somebody_waits

YEAR = Query(date(2026, 1, 1), date(2028, 1, 1), group_by=(By.MONTH,))


def folded(session: Session) -> None:
    while facts.fold(session, NOW):
        pass


@pytest.fixture
def world(session: Session) -> World:
    world = make_world(session)
    make_completed(session, world, attended=18)
    return world


def test_a_correction_of_an_old_visit_shows_at_once(session: Session, world: World) -> None:
    folded(session)
    visit = session.exec(text("SELECT booking_id FROM visit")).one()  # type: ignore[call-overload]
    session.get_one(Visit, visit.booking_id).people_attended = 7
    session.flush()
    found = usage(session, actor=actor(session, world.district_staff), query=YEAR)
    assert (found.totals.people, found.cells[0].measures.people) == (7, 7)


FAULTS = {
    "a fact changed": "UPDATE usage_fact SET people = people + 1",
    "a sum changed": "UPDATE usage_cell SET people = people + 1 WHERE grain = 'month'",
    "a fact gone": "DELETE FROM usage_fact",
    "a day too many": "UPDATE usage_days SET days = set_bit(days, 365, 1)",
    "a day gone": "DELETE FROM usage_days",
    "a sum gone": "DELETE FROM usage_cell WHERE grain = 'day'",
    "a change without a mark": (
        "SET LOCAL session_replication_role = replica; UPDATE visit SET people_attended = 3"
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.usefixtures("world")
def test_a_seeded_drift_is_found_and_repaired(session: Session, fault: str) -> None:
    folded(session)
    assert facts.prove(session, NOW) == 0
    as_owner(session)
    for statement in fault.split("; "):
        session.connection().execute(text(statement))
    assert facts.prove(session, NOW) > 0
    assert any(
        "statistics" in line or "counts" in line for line in verify.violations(session, now=NOW)
    )
    facts.rebuild(session)
    assert facts.prove(session, NOW) == 0


def test_readers_are_exact_while_others_write_and_fold(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session, groups_limit=50, people_limit=5000)
        slots = [
            make_session(session, world.venue, starts_at=NOW + timedelta(days=8 + n))
            for n in range(12)
        ]
        staff = world.district_staff.id, [slot.id for slot in slots]
        session.expunge_all()
    done = Event()
    seen: list[tuple[int, int]] = []

    def work(number: int) -> None:
        if number == 0:
            for slot in slots:
                with Session(own_engine) as session, session.begin():
                    make_booking(session, world, session.merge(slot, load=False))
            done.set()
        while number and not done.is_set():
            with Session(own_engine) as session, session.begin():
                if number == 1:
                    facts.fold(session, NOW)
                    continue
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                rows = session.connection().scalar(text("SELECT count(*) FROM booking"))
                who = actor(session, session.merge(world.district_staff, load=False))
                seen.append((int(rows), usage(session, actor=who, query=YEAR).totals.bookings))

    at_once(3, work)
    assert staff
    assert seen
    assert all(rows == counted for rows, counted in seen)
    with Session(own_engine) as session, session.begin():
        folded(session)
        assert facts.prove(session, NOW) == 0


LOCK = "PERFORM pg_advisory_xact_lock(hashtextextended('usage', 0));"


@pytest.mark.parametrize("locked", [True, False])
def test_two_who_fold_the_same_booking_count_it_once(own_engine: Engine, locked: bool) -> None:
    with Session(own_engine) as session, session.begin():
        booking_id = make_completed(session, make_world(session), attended=18).id
        if not locked:
            as_owner(session)
            fold = session.scalar(text("SELECT pg_get_functiondef('usage_fold'::regproc)"))
            assert LOCK in fold
            session.connection().exec_driver_sql(fold.replace(LOCK, ""))

    def fold_also() -> None:
        with Session(own_engine) as other, other.begin():
            facts.fold(other, NOW)

    with Session(own_engine) as one, ThreadPoolExecutor(1) as pool:
        facts.fold(one, NOW)
        with Session(own_engine) as session, session.begin():
            session.get_one(Visit, booking_id).people_attended = 7
        waits = pool.submit(fold_also)
        until_somebody_waits(own_engine)
        one.commit()
        waits.result(timeout=30)
    with Session(own_engine) as session:
        assert bool(facts.recount(session)) is not locked
