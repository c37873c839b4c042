"""What two people can fight over in a line: the session's lock decides, and without it it shows."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.errors import DomainError
from app.models import Booking, VenueSession, WaitlistEntry, WaitlistStatus
from app.services import holds, moves, orders, queues, refusals, verify, waitlist
from tests.conftest import NOW
from tests.makers import World, actor, make_booking, make_world, move, wanted
from tests.races import at_once, until_somebody_waits
from tests.services.lines import Party, join, make_parties

W = WaitlistStatus
DAY = timedelta(days=1)
FULL = 4
"""Groups that a session takes."""


@pytest.fixture
def setup(own_engine: Engine) -> Session:
    return Session(own_engine, expire_on_commit=False)


def tried(engine: Engine, deed: Callable[[Session], object]) -> str:
    """Do something in a transaction of its own; tell what came of it."""
    try:
        with Session(engine) as session, session.begin():
            deed(session)
    except DomainError as refusal:
        return type(refusal).__name__
    return "done"


def cancelling(world: World, booking_id: UUID) -> Callable[[Session], object]:
    return lambda session: moves.move(
        session,
        actor=actor(session, world.manager),
        booking_id=booking_id,
        name="cancel",
        reason="因故",
        now=NOW,
    )


def joining(world: World, party: Party) -> Callable[[Session], object]:
    return lambda session: join(session, world, party)


def ordering(world: World, party: Party) -> Callable[[Session], object]:
    wish = wanted(world, branch=party.branch)
    return lambda session: orders.order(
        session, actor=actor(session, party.organiser), wanted=wish, now=NOW
    )


def confirming(party: Party, entry_id: UUID, now: datetime = NOW) -> Callable[[Session], object]:
    return lambda session: waitlist.confirm(
        session, actor=actor(session, party.organiser, now), entry_id=entry_id, now=now
    )


def wrong(engine: Engine, now: datetime = NOW) -> list[str]:
    """What `verify` says, but of messages, which nobody delivers here, and of cards."""
    with Session(engine) as session:
        found = list(verify.violations(session, now=now))
    return [line for line in found if "message" not in line and "card" not in line]


def make_line(setup: Session, number: int) -> tuple[World, list[Party], list[UUID]]:
    """A session of one group that is offered to the first of so many who wait."""
    world = make_world(setup)
    parties = make_parties(setup, world, number)
    booking = make_booking(setup, world)
    entries = [join(setup, world, party).id for party in parties]
    move(setup, world.manager, booking, "reject")
    setup.commit()
    return world, parties, entries


def test_of_two_who_confirm_one_offer_one_has_the_booking(
    own_engine: Engine, setup: Session
) -> None:
    _, parties, entries = make_line(setup, 1)
    told = at_once(2, lambda _: tried(own_engine, confirming(parties[0], entries[0])))
    assert sorted(told) == ["WaitlistStateConflict", "done"]
    assert wrong(own_engine) == []


def late_confirmation(engine: Engine, setup: Session) -> str:
    """Pass an offer on while its holder, whose clock is slower, confirms it."""
    world, parties, entries = make_line(setup, 2)
    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        queues.tend(session, session_ids=[world.slot.id], now=NOW + DAY)
        rival = pool.submit(tried, engine, confirming(parties[0], entries[0]))
        until_somebody_waits(engine)
        session.commit()
        return rival.result()


def test_an_offer_that_is_passed_on_cannot_be_confirmed_at_the_same_time(
    own_engine: Engine, setup: Session
) -> None:
    assert late_confirmation(own_engine, setup) == "WaitlistStateConflict"
    assert wrong(own_engine) == []


def test_without_looking_under_the_lock_the_place_is_given_twice(
    own_engine: Engine, setup: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waitlist, "_lock", lambda *_: None)
    assert late_confirmation(own_engine, setup) == "done"
    found = {line.split(": ")[0] for line in wrong(own_engine)}
    assert "a session does not hold what its bookings and offers say" in found


def late_joining(engine: Engine, setup: Session, *, waits: bool) -> tuple[str, list[str]]:
    """Join a full session whose places are given back at the same time.

    Tell what came of it, and what is wrong now.
    """
    world = make_world(setup)
    party = make_parties(setup, world, 1)[0]
    booking_id = make_booking(setup, world).id
    setup.commit()
    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        cancelling(world, booking_id)(session)
        rival = pool.submit(tried, engine, joining(world, party))
        if waits:
            until_somebody_waits(engine)
        else:
            rival.result()
        session.commit()
        return rival.result(), wrong(engine)


def test_who_joins_while_places_come_free_is_told_to_order(
    own_engine: Engine, setup: Session
) -> None:
    assert late_joining(own_engine, setup, waits=True) == ("SessionHasRoom", [])


def test_without_the_lock_of_the_session_somebody_waits_for_free_places(
    own_engine: Engine, setup: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "lock", lambda *_, **__: None)
    told, found = late_joining(own_engine, setup, waits=False)
    assert told == "done"
    assert [line.split(": ")[0] for line in found] == ["somebody waits though there is room"]


@pytest.mark.parametrize("seed", range(3))
def test_no_place_is_lost_or_given_twice_when_all_come_at_once(
    own_engine: Engine, setup: Session, seed: int
) -> None:
    world = make_world(setup, groups_limit=FULL, people_limit=20 * FULL)
    booked = [make_booking(setup, world).id for _ in range(FULL)]
    parties = make_parties(setup, world, 9)
    waiting = [join(setup, world, party).id for party in parties[:2]]
    setup.commit()
    deeds = [
        *(cancelling(world, booking_id) for booking_id in booked[: FULL - 1]),
        *(joining(world, party) for party in parties[2:5]),
        *(ordering(world, party) for party in parties[5:9]),
    ]
    deeds = deeds[seed:] + deeds[:seed]
    told = at_once(len(deeds), lambda number: tried(own_engine, deeds[number]))
    assert set(told) <= {"done", "SessionHasRoom", "SessionFull"}
    assert wrong(own_engine) == []
    with Session(own_engine) as session:
        entries = session.exec(select(WaitlistEntry).order_by(col(WaitlistEntry.number))).all()
        assert [e.status for e in entries if e.id in waiting] == [W.OFFERED, W.OFFERED]
        states = [entry.status for entry in entries]
        assert states == sorted(states)  # first come, first offered
        slot = session.get_one(VenueSession, world.slot.id)
        held = Counter(booking.status for booking in session.exec(select(Booking)))
        assert slot.groups_held == held["pending"] + states.count(W.OFFERED)
        assert slot.groups_held == FULL or W.WAITING not in states


def test_offers_that_are_confirmed_withdrawn_and_passed_on_at_once_stay_whole(
    own_engine: Engine, setup: Session
) -> None:
    world, parties, entries = make_line(setup, 6)

    def leaving(number: int) -> Callable[[Session], object]:
        return lambda session: waitlist.withdraw(
            session,
            actor=actor(session, parties[number].organiser),
            entry_id=entries[number],
            now=NOW,
        )

    deeds = [
        leaving(0),
        confirming(parties[0], entries[0]),
        leaving(1),
        confirming(parties[1], entries[1]),
        leaving(2),
        lambda session: queues.tend(session, session_ids=[world.slot.id], now=NOW + DAY),
    ]
    told = at_once(len(deeds), lambda number: tried(own_engine, deeds[number]))
    assert set(told) <= {"done", "WaitlistStateConflict"}
    assert wrong(own_engine) == []
    with Session(own_engine) as session:
        slot = session.get_one(VenueSession, world.slot.id)
        assert (slot.people_held, slot.groups_held) == (20, 1)


def test_an_order_never_comes_between_an_offer_and_its_confirmation(
    own_engine: Engine, setup: Session
) -> None:
    world, parties, entries = make_line(setup, 4)
    deeds = [confirming(parties[0], entries[0]), *(ordering(world, p) for p in parties[1:])]
    told = at_once(len(deeds), lambda number: tried(own_engine, deeds[number]))
    assert told == ["done", *[refusals.SessionFull.__name__] * 3]
    assert wrong(own_engine) == []
