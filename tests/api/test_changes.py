"""Changing, previewing and approving many bookings over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import Session, SQLModel
from uuid_utils.compat import uuid7

from app.models import Booking
from app.services import bookings
from tests.api.replies import Body, done_once, keyed, pointers, refused, told
from tests.api.test_bookings import PATH, wish
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_booking,
    make_session,
    make_world,
    move,
    signed_in,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def organiser(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.organiser)


@pytest.fixture
def manager(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.manager)


@pytest.fixture
def booking(session: Session, world: World) -> Booking:
    return make_booking(session, world)


def seen(who: dict[str, str], version: int) -> dict[str, str]:
    return who | {"If-Match": f'"{version}"'}


def test_a_booking_is_changed(
    client: TestClient, session: Session, world: World, organiser: dict[str, str], booking: Booking
) -> None:
    other = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    body = {"session_ids": [str(other.id)], "people_expected": 30}
    changed = told(client.patch(f"{PATH}/{booking.id}", json=body, headers=seen(organiser, 1)))
    assert (changed["session_ids"], changed["people_expected"]) == ([str(other.id)], 30)
    assert (changed["status"], changed["version"]) == ("pending", 2)
    assert changed["moves"] == ["change", "cancel"]


def test_what_was_read_must_be_what_is_changed(
    client: TestClient, organiser: dict[str, str], booking: Booking
) -> None:
    path, body = f"{PATH}/{booking.id}", {"people_expected": 5}
    refused(client.patch(path, json=body, headers=seen(organiser, 2)), 412, "booking-changed")
    assert pointers(client.patch(path, json=body, headers=organiser)) == {"/header/If-Match"}


def test_a_refused_change_offers_others(
    client: TestClient, session: Session, world: World, organiser: dict[str, str], booking: Booking
) -> None:
    full = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    free = make_session(session, world.venue, starts_at=IN_A_WEEK + 6 * HOUR)
    make_booking(session, world, full)
    path = f"{PATH}/{booking.id}"

    def to(session_id: str) -> Any:
        body = {"session_ids": [session_id]}
        return client.patch(path, json=body, headers=seen(organiser, 1))

    problem = refused(to(str(full.id)), 409, "session-full")
    (offered,) = problem["alternatives"]
    assert offered["id"] == str(free.id)
    told(to(offered["id"]))


@pytest.mark.parametrize(
    "body",
    [
        {"session_ids": []},
        {"people_expected": 0},
        {"people_expected": 10**6},
        {"purpose": "party"},
        {"contact_name": " "},
        {"note": "a\x00"},
    ],
    ids=str,
)
def test_a_change_that_cannot_be_meant(
    client: TestClient, organiser: dict[str, str], booking: Booking, body: Body
) -> None:
    reply = client.patch(f"{PATH}/{booking.id}", json=body, headers=seen(organiser, 1))
    assert pointers(reply) == {f"/{next(iter(body))}"}


def test_a_row_that_is_stale_after_all_answers_412(
    client: TestClient,
    organiser: dict[str, str],
    booking: Booking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def overtaken(*_: object, **__: object) -> None:
        raise StaleDataError

    monkeypatch.setattr(bookings, "get", overtaken)
    reply = client.patch(
        f"{PATH}/{booking.id}", json={"people_expected": 5}, headers=seen(organiser, 1)
    )
    refused(reply, 412, "stale")


@pytest.mark.parametrize("name", ["approve", "reject", "cancel"])
def test_a_move_is_of_the_version_that_was_seen_if_it_says_so(
    client: TestClient,
    organiser: dict[str, str],
    manager: dict[str, str],
    booking: Booking,
    name: str,
) -> None:
    path, body = f"{PATH}/{booking.id}/{name}", {"reason": "因故"}
    changed = {"people_expected": 60}
    told(client.patch(f"{PATH}/{booking.id}", json=changed, headers=seen(organiser, 1)))
    refused(client.post(path, json=body, headers=seen(manager, 1)), 412, "booking-changed")
    told(client.post(path, json=body, headers=seen(manager, 2)))


def rows(session: Session) -> dict[str, int]:
    session.flush()
    count = session.connection().execute
    return {
        name: count(text(f'SELECT count(*) FROM "{name}"')).scalar_one()  # noqa: S608  # our own
        for name in SQLModel.metadata.tables
    }


def test_a_dry_run_answers_as_the_order_would_and_leaves_no_trace(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    headers, before = keyed(organiser), rows(session)
    tried = told(client.post(f"{PATH}?dry_run=true", json=wish(world), headers=headers))
    assert rows(session) == before
    session.refresh(world.slot)
    assert (world.slot.people_held, world.slot.groups_held) == (0, 0)
    ordered = told(client.post(PATH, json=wish(world), headers=headers), 201)
    own = {"id", "code", "created_at"}
    assert {k: v for k, v in tried.items() if k not in own} == {
        k: v for k, v in ordered.items() if k not in own
    }


def test_a_dry_run_is_refused_as_the_order_would_be(
    client: TestClient, world: World, organiser: dict[str, str], booking: Booking
) -> None:
    both = [
        client.post(f"{PATH}{query}", json=wish(world), headers=organiser)
        for query in ("?dry_run=true", "")
    ]
    for reply in both:
        refused(reply, 409, "session-full")
    assert both[0].json() == both[1].json()


def many(*items: Body) -> Body:
    return {"items": list(items)}


def test_many_are_approved_each_for_itself(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    slots = [
        make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * n * HOUR) for n in range(1, 5)
    ]
    good, stale, gone, also_good = (make_booking(session, world, slot) for slot in slots)
    move(session, world.organiser, gone, "cancel")
    strange = make_booking(session, make_world(session))
    asked = many(
        {"id": str(good.id), "version": 1},
        {"id": str(stale.id), "version": 7},
        {"id": str(gone.id)},
        {"id": str(strange.id)},
        {"id": str(uuid7())},
        {"id": str(also_good.id)},
    )
    items = done_once(client, f"{PATH}/approve", manager, asked)["items"]
    assert [item["id"] for item in items] == [one["id"] for one in asked["items"]]
    assert [item["status"] for item in items] == [200, 412, 409, 404, 404, 200]
    assert [item["booking"] and item["booking"]["status"] for item in items] == [
        "approved", None, None, None, None, "approved",
    ]  # fmt: skip
    assert [item["problem"] and item["problem"]["code"] for item in items] == [
        None, "booking-changed", "booking-state-conflict", "booking-not-found",
        "booking-not-found", None,
    ]  # fmt: skip
    assert items[2]["problem"]["allowed_moves"] == []
    session.refresh(stale)
    assert stale.status == "pending"


def test_many_are_approved_as_far_as_the_money_goes(client: TestClient, session: Session) -> None:
    world = make_world(session, available_fen=30_000)
    slots = [
        make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * n * HOUR) for n in range(1, 4)
    ]
    made = [
        make_booking(session, world, slot, people=people)
        for slot, people in zip(slots, (20, 30, 1), strict=True)
    ]
    body = many(*({"id": str(booking.id)} for booking in made))
    headers = signed_in(session, world.manager)
    items = told(client.post(f"{PATH}/approve", json=body, headers=headers))["items"]
    assert [item["status"] for item in items] == [200, 409, 409]
    assert items[1]["problem"]["code"] == items[2]["problem"]["code"] == "fund-exhausted"


def test_none_is_named_twice_nor_too_many(client: TestClient, manager: dict[str, str]) -> None:
    path, one = f"{PATH}/approve", {"id": str(uuid7())}
    crowd = [{"id": str(uuid7())} for _ in range(101)]
    for items in ([one, one], [], crowd):
        assert pointers(client.post(path, json={"items": items}, headers=manager)) == {"/items"}


def test_who_does_not_see_a_booking_does_not_even_settle_it(
    client: TestClient, session: Session, world: World
) -> None:
    """Nobody came to a visit, and nobody has written it yet."""
    past = NOW - timedelta(days=12)
    slot = make_session(session, world.venue, starts_at=NOW - timedelta(days=1))
    missed = make_booking(session, world, slot, now=past)
    move(session, world.manager, missed, "approve", past)
    body = many({"id": str(missed.id)})
    for who, status in ((make_world(session).manager, "approved"), (world.manager, "no_show")):
        told(client.post(f"{PATH}/approve", json=body, headers=signed_in(session, who)))
        session.refresh(missed)
        assert missed.status == status


def test_what_was_seen_is_part_of_a_request(
    client: TestClient, manager: dict[str, str], booking: Booking
) -> None:
    path, headers = f"{PATH}/{booking.id}/approve", keyed(manager)
    told(client.post(path, headers=seen(headers, 1)))
    refused(client.post(path, headers=seen(headers, 2)), 422, "idempotency-key-reused")
