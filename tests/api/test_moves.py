"""Moving bookings on over HTTP."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Booking
from tests.api.replies import Body, done_once, pointers, refused, sent_raw, told
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    World,
    make_booking,
    make_session,
    make_world,
    move,
    signed_in,
)

PATH = "/api/v1/bookings"
MOVES = ("approve", "reject", "cancel", "arrive", "complete", "no-show")
BODIES: dict[str, Body] = {"reject": {"reason": "当日接待市级活动"}}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def manager(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.manager)


def long_ago(session: Session, world: World, starts_in: timedelta, *names: str) -> Booking:
    """A booking ordered and moved in the past, that starts so long from `NOW`."""
    past = NOW - timedelta(days=12)
    slot = make_session(session, world.venue, starts_at=NOW + starts_in)
    booking = make_booking(session, world, slot, now=past)
    when = {"approve": past, "arrive": booking.starts_at}
    for name in names:
        move(session, world.manager, booking, name, when[name])
    return booking


def ready(session: Session, world: World, name: str) -> Booking:
    """A booking that may make the move at `NOW`."""
    if name == "arrive":
        return long_ago(session, world, HOUR, "approve")
    if name == "complete":
        return long_ago(session, world, -HOUR, "approve", "arrive")
    if name == "no-show":
        return long_ago(session, world, -3 * HOUR, "approve")
    return make_booking(session, world)


@pytest.mark.parametrize(
    ("name", "status", "moves"),
    [
        ("approve", "approved", ["cancel"]),
        ("reject", "rejected", []),
        ("arrive", "arrived", ["complete"]),
        ("complete", "completed", []),
        ("no-show", "no_show", []),
    ],
)
def test_a_manager_moves_a_booking_on_once(
    client: TestClient,
    session: Session,
    world: World,
    manager: dict[str, str],
    name: str,
    status: str,
    moves: list[str],
) -> None:
    booking = ready(session, world, name)
    before = booking.version
    moved = done_once(client, f"{PATH}/{booking.id}/{name}", manager, BODIES.get(name, {}))
    assert (moved["status"], moved["moves"]) == (status, moves)
    assert moved["version"] == before + 1
    assert told(client.get(f"{PATH}/{booking.id}", headers=manager)) == moved


def test_a_branch_cancels_once(client: TestClient, session: Session, world: World) -> None:
    booking = make_booking(session, world)
    organiser = signed_in(session, world.organiser)
    moved = done_once(client, f"{PATH}/{booking.id}/cancel", organiser, None)
    assert (moved["status"], moved["late_cancelled"]) == ("cancelled", False)


@pytest.mark.parametrize("name", ["approve", "arrive", "complete", "no-show"])
def test_a_body_may_be_left_out(
    client: TestClient, session: Session, world: World, manager: dict[str, str], name: str
) -> None:
    booking = ready(session, world, name)
    told(client.post(f"{PATH}/{booking.id}/{name}", headers=manager))


@pytest.mark.parametrize("name", ["arrive", "complete"])
def test_heads_are_counted(
    client: TestClient, session: Session, world: World, manager: dict[str, str], name: str
) -> None:
    booking = ready(session, world, name)
    path = f"{PATH}/{booking.id}/{name}"
    moved = told(client.post(path, json={"people_attended": 17}, headers=manager))
    assert moved["people_attended"] == 17


def test_the_subsidy_follows(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    booking = ready(session, world, "complete")
    path = f"{PATH}/{booking.id}/complete"
    moved = told(client.post(path, json={"people_attended": 18}, headers=manager))
    assert moved["subsidy"] == {
        "status": "committed",
        "reserved_fen": 20_000,
        "committed_fen": 19_000,
        "rule_version": 1,
    }


@pytest.mark.parametrize("name", MOVES)
def test_a_move_that_the_state_forbids_names_those_it_allows(
    client: TestClient, session: Session, world: World, manager: dict[str, str], name: str
) -> None:
    booking = make_booking(session, world)
    if name in ("approve", "reject", "cancel"):
        move(session, world.manager, booking, "reject")
    path = f"{PATH}/{booking.id}/{name}"
    problem = refused(
        client.post(path, json=BODIES.get(name, {}), headers=manager),
        409,
        "booking-state-conflict",
    )
    assert problem["current_status"] == booking.status
    assert name not in problem["allowed_moves"]
    shown = told(client.get(f"{PATH}/{booking.id}", headers=manager))
    assert problem["allowed_moves"] == shown["moves"]


@pytest.mark.parametrize("name", MOVES)
def test_a_move_that_is_not_theirs_is_forbidden(
    client: TestClient, session: Session, world: World, name: str
) -> None:
    booking = ready(session, world, name)
    reader = signed_in(session, world.town_staff)
    path = f"{PATH}/{booking.id}/{name}"
    problem = refused(
        client.post(path, json=BODIES.get(name, {}), headers=reader), 403, "not-in-scope"
    )
    assert "site_manager" in problem["roles"]


@pytest.mark.parametrize("name", MOVES)
def test_who_does_not_see_a_booking_does_not_move_it(
    client: TestClient, session: Session, world: World, name: str
) -> None:
    booking = ready(session, world, name)
    stranger = signed_in(session, make_world(session).manager)
    path = f"{PATH}/{booking.id}/{name}"
    body = BODIES.get(name, {})
    refused(client.post(path, json=body, headers=stranger), 404, "booking-not-found")
    refused(client.post(path, json=body), 401, "unauthenticated")
    gone = f"{PATH}/{uuid7()}/{name}"
    refused(client.post(gone, json=body, headers=stranger), 404, "booking-not-found")


def test_an_approval_needs_the_money(client: TestClient, session: Session) -> None:
    poor = make_world(session, available_fen=19_999)
    booking = make_booking(session, poor)
    manager = signed_in(session, poor.manager)
    reply = client.post(f"{PATH}/{booking.id}/approve", headers=manager)
    refused(reply, 409, "fund-exhausted")
    assert told(client.get(f"{PATH}/{booking.id}", headers=manager))["status"] == "pending"


def test_a_site_says_why_it_cancels(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    path = f"{PATH}/{booking.id}/cancel"
    refused(client.post(path, headers=manager), 422, "reason-missing")
    assert (
        told(client.post(path, json={"reason": "停电"}, headers=manager))["status"] == "cancelled"
    )


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("reject", {}, "/reason"),
        ("reject", {"reason": ""}, "/reason"),
        ("reject", {"reason": "  "}, "/reason"),
        ("reject", {"reason": "\x00"}, "/reason"),
        ("reject", {"reason": "\ud800"}, "/reason"),
        ("reject", {"reason": "长" * 501}, "/reason"),
        ("cancel", {"reason": " "}, "/reason"),
        ("approve", {"reason": 1}, "/reason"),
        ("arrive", {"people_attended": -1}, "/people_attended"),
        ("arrive", {"people_attended": 10_001}, "/people_attended"),
        ("complete", {"people_attended": 10**40}, "/people_attended"),
        ("complete", {"people_attended": 1.5}, "/people_attended"),
    ],
)
def test_a_malformed_move_is_told_where(
    client: TestClient,
    session: Session,
    world: World,
    manager: dict[str, str],
    name: str,
    body: Body,
    pointer: str,
) -> None:
    booking = make_booking(session, world)
    reply = sent_raw(client, f"{PATH}/{booking.id}/{name}", manager, body)
    assert pointers(reply) == {pointer}
