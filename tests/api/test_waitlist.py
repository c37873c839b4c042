"""Waiting for a full session over HTTP."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Booking, Role, WaitlistEntry
from tests.api.replies import Body, done_once, pointers, refused, sent_raw, told, walked
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_booking,
    make_session,
    make_world,
    move,
    signed_in,
)
from tests.services.lines import Party, join, make_parties
from tests.services.statements import counted

PATH = "/api/v1/waitlist"


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def booking(session: Session, world: World) -> Booking:
    return make_booking(session, world)


@pytest.fixture
def party(session: Session, world: World) -> Party:
    return make_parties(session, world, 1)[0]


@pytest.fixture
def who(session: Session, party: Party) -> dict[str, str]:
    return signed_in(session, party.organiser)


def wish(world: World, party: Party, **others: object) -> Body:
    return {
        "programme_ids": [str(world.programme.id)],
        "organisation_id": str(party.branch.id),
        "people_expected": 20,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
        "note": "带旗",
        **others,
    }


def path_of(world: World) -> str:
    return f"/api/v1/sessions/{world.slot.id}/waitlist"


def test_a_branch_waits_is_offered_and_orders(
    client: TestClient,
    session: Session,
    world: World,
    booking: Booking,
    party: Party,
    who: dict[str, str],
) -> None:
    entry = done_once(client, path_of(world), who, wish(world, party), 201)
    assert (entry["status"], entry["ahead"], entry["moves"]) == ("waiting", 0, ["withdraw"])
    assert entry["session_id"] == str(world.slot.id)
    assert (entry["contact_name"], entry["contact_phone"]) == ("王组织", "+8613800000000")
    assert (entry["confirm_by"], entry["booking_id"]) == (None, None)
    move(session, world.manager, booking, "reject")
    offered = told(client.get(PATH, headers=who))["items"][0]
    assert (offered["status"], offered["ahead"]) == ("offered", None)
    assert offered["moves"] == ["confirm", "withdraw"]
    assert offered["confirm_by"] == "2026-11-26T01:00:00Z"
    made = done_once(client, f"{PATH}/{entry['id']}/confirm", who, None, 201)
    assert (made["status"], made["session_ids"]) == ("pending", [entry["session_id"]])
    done = told(client.get(PATH, headers=who))["items"][0]
    assert (done["status"], done["booking_id"], done["moves"]) == ("confirmed", made["id"], [])


def test_who_waits_is_offered_what_a_larger_hall_has_at_once(
    client: TestClient,
    session: Session,
    world: World,
    booking: Booking,
    who: dict[str, str],
    party: Party,
) -> None:
    told(client.post(path_of(world), json=wish(world, party), headers=who), 201)
    keeper = signed_in(session, world.manager) | {"If-Match": f'"{world.venue.version}"'}
    hall = f"/api/v1/venues/{world.venue.id}"
    changed = told(client.patch(hall, json={"name": "大厅"}, headers=keeper))
    assert told(client.get(PATH, headers=who))["items"][0]["status"] == "waiting"
    keeper["If-Match"] = f'"{changed["version"]}"'
    told(client.patch(hall, json={"groups_limit": 2}, headers=keeper))
    assert told(client.get(PATH, headers=who))["items"][0]["status"] == "offered"


def test_each_refusal_has_its_name(
    client: TestClient,
    session: Session,
    world: World,
    party: Party,
    who: dict[str, str],
) -> None:
    body = wish(world, party)
    roomy = refused(client.post(path_of(world), json=body, headers=who), 409, "session-has-room")
    assert roomy["people_free"] == 60
    make_booking(session, world)
    large = wish(world, party, people_expected=61)
    problem = refused(client.post(path_of(world), json=large, headers=who), 409, "party-too-large")
    assert problem["limit"] == 60
    entry = told(client.post(path_of(world), json=body, headers=who), 201)
    refused(client.post(path_of(world), json=body, headers=who), 409, "already-waiting")
    path = f"{PATH}/{entry['id']}/confirm"
    conflict = refused(client.post(path, headers=who), 409, "waitlist-state-conflict")
    assert (conflict["current_status"], conflict["allowed_moves"]) == ("waiting", ["withdraw"])


def test_what_is_not_there_is_not_found(
    client: TestClient, world: World, party: Party, who: dict[str, str]
) -> None:
    nowhere = uuid7()
    body = wish(world, party)
    path = f"/api/v1/sessions/{nowhere}/waitlist"
    refused(client.post(path, json=body, headers=who), 404, "session-not-found")
    path = f"{PATH}/{nowhere}"
    refused(client.post(f"{path}/confirm", headers=who), 404, "waitlist-entry-not-found")
    refused(client.delete(path, headers=who), 404, "waitlist-entry-not-found")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("people_expected", 0),
        ("people_expected", 10**9),
        ("purpose", "party"),
        ("contact_name", ""),
        ("note", "x" * 501),
        ("note", "\x00"),
        ("programme_ids", ["x"]),
    ],
)
def test_what_cannot_be_meant_is_pointed_at(
    client: TestClient, world: World, party: Party, who: dict[str, str], field: str, value: object
) -> None:
    body = wish(world, party, **{field: value})
    assert any(
        at.startswith(f"/{field}") for at in pointers(sent_raw(client, path_of(world), who, body))
    )


def test_a_number_that_is_none_is_refused(
    client: TestClient, world: World, booking: Booking, party: Party, who: dict[str, str]
) -> None:
    body = wish(world, party, contact_phone="12")
    refused(client.post(path_of(world), json=body, headers=who), 422, "invalid-phone")


def test_who_withdraws_twice_has_withdrawn(
    client: TestClient,
    session: Session,
    world: World,
    booking: Booking,
    party: Party,
    who: dict[str, str],
) -> None:
    entry = join(session, world, party)
    for _ in range(2):
        assert client.delete(f"{PATH}/{entry.id}", headers=who).status_code == 204
    assert told(client.get(PATH, headers=who))["items"][0]["status"] == "withdrawn"


def test_a_site_sees_who_waits_but_not_whom_to_call(
    client: TestClient, session: Session, world: World, booking: Booking
) -> None:
    parties = make_parties(session, world, 2)
    for party in parties:
        join(session, world, party)
    member = make_account(session, Role.MEMBER, at=parties[1].branch)
    for reader in (world.manager, member):
        item = told(client.get(PATH, headers=signed_in(session, reader)))["items"][0]
        assert (item["organisation"]["id"], item["ahead"]) == (str(parties[1].branch.id), 1)
        assert (item["contact_name"], item["contact_phone"], item["note"]) == (None, None, None)
        assert item["moves"] == []


@pytest.fixture
def many(session: Session, world: World) -> list[str]:
    """Entries of one branch in five sessions, newest first."""
    party = make_parties(session, world, 1)[0]
    entries: list[WaitlistEntry] = []
    for number in range(5):
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + (3 + 3 * number) * HOUR)
        make_booking(session, world, slot)
        entries.append(join(session, world, party, slot))
    return sorted((str(entry.id) for entry in entries), reverse=True)


def test_pages_have_every_entry_once(
    client: TestClient, session: Session, world: World, many: list[str]
) -> None:
    manager = signed_in(session, world.manager)
    assert walked(client, PATH, manager, 2) == many
    assert walked(client, PATH, manager, 2, scope="site", status="waiting") == many
    assert walked(client, PATH, manager, 2, scope="mine") == []
    assert walked(client, PATH, manager, 2, status="offered") == []
    refused(client.get(PATH, params={"cursor": "x"}, headers=manager), 422, "cursor-unreadable")


def test_a_page_costs_the_same_however_long(
    client: TestClient, session: Session, world: World, many: list[str]
) -> None:
    manager = signed_in(session, world.manager)

    def cost(limit: int) -> int:
        with counted(session) as statements:
            told(client.get(PATH, params={"limit": limit}, headers=manager))
        return len(statements)

    assert cost(1) == cost(5)
