"""The outbox and the choice of ways, over HTTP."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import Session, select

from app.models import Account, AuditEvent, ChannelChoice, Delivery, Notification
from app.services import privacy
from tests.api.replies import refused, told
from tests.conftest import NOW
from tests.makers import World, make_booking, make_delivery, make_world, signed_in

API = "/api/v1"
MAILBOX = "zhao@example.com"


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def failed(session: Session, world: World, **facts: object) -> Delivery:
    booking = make_booking(session, world)
    message = session.exec(select(Notification).where(Notification.booking_id == booking.id))
    return make_delivery(session, message.all()[0], district=world.district, **facts)


def ids(client: TestClient, session: Session, who: Account, **query: str) -> list[str]:
    page = told(client.get(f"{API}/outbox", params=query, headers=signed_in(session, who)))
    return [item["id"] for item in page["items"]]


def test_staff_see_what_failed_and_why_without_addresses(
    client: TestClient, session: Session, world: World
) -> None:
    delivery = failed(session, world, last_error="13800000000 refused")
    answer = client.get(f"{API}/outbox", headers=signed_in(session, world.district_staff))
    (item,) = told(answer)["items"]
    assert (item["id"], item["status"], item["reason"]) == (str(delivery.id), "failed", "refused")
    assert item["reason_text"] == "服务商拒绝发送"
    assert "13800000000" not in answer.text


def test_filters_leave_out_the_others(client: TestClient, session: Session, world: World) -> None:
    delivery = failed(session, world)
    staff = world.district_staff
    for query in ({"status": "failed"}, {"channel": "sms"}, {"kind": "booking-pending"}):
        assert ids(client, session, staff, **query) == [str(delivery.id)]
    for query in ({"status": "missed"}, {"channel": "email"}, {"kind": "site-closed"}):
        assert ids(client, session, staff, **query) == []


def test_pages_follow_one_another(client: TestClient, session: Session, world: World) -> None:
    booking = make_booking(session, world)
    message = session.exec(select(Notification).where(Notification.booking_id == booking.id)).all()[
        0
    ]
    made = [
        str(make_delivery(session, message, district=world.district, channel=way).id)
        for way in ("sms", "email", "wecom")
    ]
    staff, seen, cursor = signed_in(session, world.district_staff), [], None
    while True:
        query = {"limit": 2, "cursor": cursor} if cursor else {"limit": 2}
        page = told(client.get(f"{API}/outbox", params=query, headers=staff))
        seen += [item["id"] for item in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == made[::-1]


def test_a_letter_never_tried_is_not_shown(
    client: TestClient, session: Session, world: World
) -> None:
    fresh = {"status": "waiting", "reason": None, "settled_at": None}
    failed(session, world, **fresh, attempts=0)
    assert ids(client, session, world.district_staff) == []


def test_another_district_sees_nothing(client: TestClient, session: Session, world: World) -> None:
    delivery = failed(session, world)
    stranger = make_world(session).district_staff
    assert ids(client, session, stranger) == []
    path = f"{API}/outbox/{delivery.id}/retry"
    refused(client.post(path, headers=signed_in(session, stranger)), 404, "delivery-not-found")


def test_a_failed_letter_is_tried_again(client: TestClient, session: Session, world: World) -> None:
    delivery = failed(session, world, attempts=6)
    path = f"{API}/outbox/{delivery.id}/retry"
    again = told(client.post(path, headers=signed_in(session, world.district_staff)))
    assert (again["status"], again["attempts"], again["reason"]) == ("waiting", 0, None)
    session.refresh(delivery)
    assert (delivery.next_attempt_at, delivery.fence) == (NOW, 1)


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "missed", "reason": "cancelled"},
        {"status": "delivered", "reason": None},
        {"status": "leased", "reason": None, "settled_at": None, "lease_until": NOW},
    ],
)
def test_nothing_else_is(
    client: TestClient, session: Session, world: World, facts: dict[str, object]
) -> None:
    delivery = failed(session, world, **facts)
    path = f"{API}/outbox/{delivery.id}/retry"
    answer = client.post(path, headers=signed_in(session, world.district_staff))
    refused(answer, 409, "not-failed")


def choose(
    client: TestClient, session: Session, who: Account, *wishes: dict[str, object]
) -> Response:
    body = {"channels": list(wishes)}
    return client.put(f"{API}/me/channels", json=body, headers=signed_in(session, who))


EMAIL = {"channel": "email", "enabled": True, "address": MAILBOX}
SMS = {"channel": "sms", "enabled": False}


def test_ways_are_kept_in_their_order_and_addresses_sealed(
    client: TestClient, session: Session, world: World
) -> None:
    shown = told(choose(client, session, world.manager, EMAIL, SMS))["channels"]
    assert [one["channel"] for one in shown] == ["email", "sms"]
    assert [one["address"] for one in shown] == ["z***@example.com", None]
    row = session.exec(select(ChannelChoice).where(ChannelChoice.channel == "email")).one()
    assert row.address_sealed
    assert MAILBOX.encode() not in row.address_sealed
    assert privacy.unseal_bytes(row.address_sealed).decode() == MAILBOX
    headers = signed_in(session, world.manager)
    assert told(client.get(f"{API}/me/channels", headers=headers))["channels"] == shown


def test_an_address_left_out_stays(client: TestClient, session: Session, world: World) -> None:
    choose(client, session, world.manager, EMAIL)
    again = {"channel": "email", "enabled": False}
    (shown,) = told(choose(client, session, world.manager, SMS, again))["channels"][1:]
    assert (shown["enabled"], shown["address"]) == (False, "z***@example.com")


@pytest.mark.parametrize(
    "wish",
    [
        {"channel": "email", "enabled": True},
        {"channel": "email", "enabled": True, "address": "zhao"},
        {"channel": "email", "enabled": True, "address": "a@b.c>, <x@y.z"},
        {"channel": "wecom", "enabled": True, "address": "https://elsewhere.example/key"},
        {"channel": "sms", "enabled": True, "address": "13800000000"},
    ],
)
def test_what_is_no_address_for_a_way_is_refused(
    client: TestClient, session: Session, world: World, wish: dict[str, object]
) -> None:
    refused(choose(client, session, world.manager, wish), 422, "address-unfit")


def test_a_way_is_named_once_and_the_inbox_is_none(
    client: TestClient, session: Session, world: World
) -> None:
    refused(choose(client, session, world.manager, SMS, SMS), 422, "malformed-request")
    inbox = {"channel": "inbox", "enabled": False}
    refused(choose(client, session, world.manager, inbox), 422, "malformed-request")


def test_the_audit_log_masks_the_address(
    client: TestClient, session: Session, world: World
) -> None:
    choose(client, session, world.manager, EMAIL)
    from tests.conftest import as_owner

    as_owner(session)
    events = session.exec(select(AuditEvent).where(AuditEvent.noun == "channel_choice")).all()
    assert [event.after["address_sealed"] for event in events] == ["***"]
