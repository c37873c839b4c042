"""Every cell of state, move, role and clock: what is allowed, and how the rest is refused."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlmodel import Session

from app.models import Booking, BookingStatus, Organisation, Role, Site
from app.services import moves
from app.services.access import NotInScope
from app.services.bookings import BookingNotFound
from app.services.states import MOVES, allowed_moves, status_at
from tests.conftest import NOW
from tests.makers import HOUR, IN_A_WEEK, World, make_account, make_world, move
from tests.services.test_moves import GOES, REACHED, moment

S, R = BookingStatus, Role
MAKERS = {
    "approve": {R.SITE_MANAGER},
    "reject": {R.SITE_MANAGER},
    "change": {R.ORGANISER},
    "cancel": {R.ORGANISER, R.SITE_MANAGER},
    "arrive": {R.SITE_MANAGER},
    "complete": {R.SITE_MANAGER},
    "no-show": {R.SITE_MANAGER},
}
STAND_INS = {"approve", "reject"}
"""What staff may do too, once the town was asked."""
STAFF = {R.TOWN_STAFF, R.DISTRICT_STAFF}
READERS = {R.ORGANISER, R.MEMBER, R.SITE_MANAGER, *STAFF, R.AUDITOR}
"""Who may see a booking at all."""
NOWHERE = {R.SYSTEM_ADMIN, R.SECURITY_ADMIN}


def refusal(booking: Booking, name: str, role: Role | None) -> type[Exception] | None:
    """What a cell answers at the move's moment; None where the move is made."""
    if role not in READERS:
        return BookingNotFound
    stands_in = booking.escalated_at is not None and role in STAFF and name in STAND_INS
    if role not in MAKERS[name] and not stands_in:
        return NotInScope
    status = BookingStatus(booking.status)
    return None if (status, name) in GOES else moves.BookingStateConflict


def place_of(world: World, role: Role) -> Organisation | Site | None:
    if role in NOWHERE:
        return None
    places: dict[Role, Organisation | Site] = {R.SITE_MANAGER: world.site, R.TOWN_STAFF: world.town}
    places |= dict.fromkeys((R.ORGANISER, R.MEMBER), world.branch)
    return places.get(role, world.district)


def test_no_move_is_left_out() -> None:
    assert set(MAKERS) == set(MOVES)


@pytest.mark.parametrize("status", REACHED)
def test_every_move_of_everybody_in_a_state(session: Session, status: BookingStatus) -> None:
    world = make_world(session)
    booking = REACHED[status](session, world)
    session.flush()
    people = {role: make_account(session, role, at=place_of(world, role)) for role in Role}
    nobody = make_account(session)
    expected = {cell: refusal(booking, *cell) for cell in product(MOVES, [*Role, None])}
    answers: dict[tuple[str, Role | None], type[Exception] | None] = {}
    told: list[tuple[str, dict[str, Any]]] = []
    for name, role in expected:
        who = people[role] if role else nobody
        trial = session.begin_nested()
        try:
            moved = move(session, who, booking, name, moment(booking, name))
            answers[name, role] = None
            assert moved.status == GOES[status, name]
        except (BookingNotFound, NotInScope) as error:
            answers[name, role] = type(error)
        except moves.BookingStateConflict as error:
            answers[name, role] = type(error)
            told.append((name, error.facts))
        trial.rollback()
        session.expire_all()
    assert answers == expected
    for name, facts in told:
        assert name not in facts["allowed_moves"]
        assert facts["current_status"] == status_at(booking, moment(booking, name))


# The clock: no database is needed.

STARTS, ENDS = IN_A_WEEK, IN_A_WEEK + 2 * HOUR
RESPOND_BY, FREE_UNTIL = NOW + 24 * HOUR, NOW + 96 * HOUR
TICK = timedelta(microseconds=1)
EDGES = (
    RESPOND_BY,
    FREE_UNTIL,
    STARTS - HOUR,
    STARTS,
    ENDS,
    ENDS + 2 * HOUR,
    ENDS + 24 * HOUR,
)
INSTANTS = [NOW, *(edge + by for edge in EDGES for by in (-TICK, timedelta(0)))]


def allowed(name: str, status: BookingStatus, role: Role, now: datetime, *, asked: bool) -> bool:
    """Whether the clock lets somebody make a move; `asked` is whether the town was."""
    overdue = status == S.PENDING and now >= RESPOND_BY
    lost = status == S.PENDING and (now >= STARTS or (overdue and asked))
    missed = status == S.APPROVED and now >= ENDS + 2 * HOUR
    over = status == S.ARRIVED and now >= ENDS + 24 * HOUR
    if lost or missed or over or (status, name) not in GOES:
        return False
    stands_in = role in STAFF and name in STAND_INS and (asked or overdue)
    in_time = {
        "change": now < FREE_UNTIL,
        "cancel": now < STARTS or role == R.SITE_MANAGER,
        "arrive": now >= STARTS - HOUR,
        "no-show": now >= ENDS,
    }
    return (role in MAKERS[name] or stands_in) and in_time.get(name, True)


def cells() -> Iterator[tuple[BookingStatus, Role, datetime, bool]]:
    yield from product(S, R, INSTANTS, (False, True))


def test_every_cell_of_the_clock() -> None:
    wrong = []
    for status, role, now, asked in cells():
        facts: dict[str, Any] = {
            "status": status,
            "starts_at": STARTS,
            "ends_at": ENDS,
            "respond_by": RESPOND_BY if status == S.PENDING else None,
            "escalated_at": NOW - HOUR if asked else None,
            "free_cancel_until": FREE_UNTIL,
        }
        booking = Booking(**facts)
        found = allowed_moves(booking, frozenset({role}), now)
        expected = [name for name in MOVES if allowed(name, status, role, now, asked=asked)]
        if found != expected:
            wrong.append((status, role, now, asked, found, expected))
    assert wrong == []


@pytest.mark.parametrize("edge", range(len(EDGES)))
def test_every_edge_matters(edge: int) -> None:
    def moves_at(now: datetime) -> set[tuple[object, ...]]:
        return {
            (name, status, role, asked)
            for name, status, role, asked in product(MOVES, S, R, (False, True))
            if allowed(name, status, role, now, asked=asked)
        }

    assert moves_at(EDGES[edge] - TICK) != moves_at(EDGES[edge])
