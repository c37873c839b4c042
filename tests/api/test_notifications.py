"""The inbox over HTTP."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Notification
from app.services import notifications
from tests.api.replies import pointers, refused, told, walked
from tests.conftest import NOW
from tests.makers import World, make_booking, make_world, signed_in

PATH = "/api/v1/notifications"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(session: Session) -> World:
    world = make_world(session)
    make_booking(session, world)
    notifications.deliver_due(session, NOW)
    return world


@pytest.fixture
def manager(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.manager)


def test_a_message_is_written_in_the_readers_language(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    inbox = told(client.get(PATH, headers=manager))
    (chinese,) = inbox["items"]
    assert (chinese["kind"], chinese["title"]) == ("booking-pending", "新预约待接单")
    assert world.branch.name in chinese["body"]
    assert (inbox["unread"], inbox["next_cursor"], chinese["read_at"]) == (1, None, None)
    english = told(client.get(PATH, headers=manager | {"Accept-Language": "en-GB,en"}))
    assert english["items"][0]["title"] == "A booking awaits you"


def test_reading_is_counted_once(client: TestClient, manager: dict[str, str]) -> None:
    (message,) = told(client.get(PATH, headers=manager))["items"]
    body = {"ids": [message["id"], str(uuid7())]}
    marked = [told(client.post(f"{PATH}/read", json=body, headers=manager)) for _ in range(2)]
    assert marked == [{"marked": 1}, {"marked": 0}]
    inbox = told(client.get(PATH, headers=manager))
    assert (inbox["unread"], inbox["items"][0]["read_at"]) == (0, "2026-11-25T01:00:00Z")
    assert told(client.get(PATH, params={"unread": "true"}, headers=manager))["items"] == []


def test_another_persons_messages_are_neither_seen_nor_read(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    (message,) = told(client.get(PATH, headers=manager))["items"]
    organiser = signed_in(session, world.organiser)
    assert told(client.get(PATH, headers=organiser))["items"] == []
    body = {"ids": [message["id"]]}
    assert told(client.post(f"{PATH}/read", json=body, headers=organiser)) == {"marked": 0}
    assert told(client.get(PATH, headers=manager))["unread"] == 1


def test_visitors_have_no_inbox(client: TestClient) -> None:
    refused(client.get(PATH), 401, "unauthenticated")
    refused(client.post(f"{PATH}/read", json={"ids": [str(uuid7())]}), 401, "unauthenticated")


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_show_every_message_once(
    client: TestClient, session: Session, world: World, manager: dict[str, str], limit: int
) -> None:
    made = [
        Notification(
            account_id=world.manager.id,
            kind="booking-completed",
            facts={"site": "阵地", "when": "昨日"},
            due_at=NOW + n * MINUTE,
            delivered_at=NOW + (1 + n // 2) * MINUTE,
            read_at=NOW if n % 2 else None,
        )
        for n in range(6)
    ]
    session.add_all(made)
    session.flush()
    pairs = [made[at : at + 2] for at in (4, 2, 0)]
    expected = [str(m.id) for pair in pairs for m in sorted(pair, key=lambda m: m.id, reverse=True)]
    assert walked(client, PATH, manager, limit)[:-1] == expected
    unread = [str(message.id) for pair in pairs for message in pair if message.read_at is None]
    assert walked(client, PATH, manager, limit, unread="true")[:-1] == unread


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/ids"),
        ({"ids": []}, "/ids"),
        ({"ids": ["\x00"]}, "/ids/0"),
        ({"ids": [10**40]}, "/ids/0"),
        ({"ids": [str(uuid7())] * 201}, "/ids"),
    ],
)
def test_a_malformed_list_is_told_where(
    client: TestClient, manager: dict[str, str], body: dict[str, list[object]], pointer: str
) -> None:
    assert pointers(client.post(f"{PATH}/read", json=body, headers=manager)) == {pointer}
