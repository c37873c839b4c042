"""Webhooks of a district over HTTP: made, tried, read, given a new secret, deleted."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from app.models import (
    ClaimStatus,
    DeliveryState,
    OrganisationKind,
    Role,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)
from app.services import privacy, webhook_deliveries, webhooks
from tests.api.replies import Body, refused, told, walked
from tests.conftest import NOW
from tests.makers import (
    World,
    make_account,
    make_claim,
    make_completed,
    make_organisation,
    make_world,
    signed_in,
)
from tests.services.claim_steps import bring

API = "/api/v1/webhooks"
PUBLIC = "https://8.8.8.8/hook"
"""Nobody is asked there: an address is looked up when it is saved, and called by a job alone."""


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def staff(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.district_staff)


def wanted(world: World, **said: object) -> Body:
    return {"district_id": str(world.district.id), "url": PUBLIC, "events": ["booking.*"]} | said


def make(client: TestClient, world: World, staff: dict[str, str], **said: object) -> Body:
    return told(client.post(API, json=wanted(world, **said), headers=staff), 201)


def test_its_secret_is_shown_once_and_kept_sealed(
    client: TestClient, session: Session, world: World, staff: dict[str, str]
) -> None:
    made = make(client, world, staff)
    assert made["secret"].startswith("whsec_")
    (listed,) = told(client.get(API, headers=staff))["items"]
    assert listed == {name: made[name] for name in made if name != "secret"}
    kept = session.exec(select(Webhook)).one().secret_sealed
    assert privacy.unseal_bytes(kept) != kept
    turned = told(client.post(f"{API}/{made['id']}/rotate-secret", headers=staff))
    assert turned["secret"] != made["secret"]
    session.expire_all()
    assert privacy.unseal_bytes(session.exec(select(Webhook)).one().secret_sealed) != (
        privacy.unseal_bytes(kept)
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.0.0.8/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "http://8.8.8.8/",
        "https://8.8.8.8:22/",
        "https://somebody@8.8.8.8/",
        "https://8.8.8.8/#part",
        "ftp://8.8.8.8/",
        "no address",
    ],
)
def test_where_nobody_else_is_nothing_is_sent(
    client: TestClient, session: Session, world: World, staff: dict[str, str], url: str
) -> None:
    reply = client.post(API, json=wanted(world, url=url), headers=staff)
    assert refused(reply, 422, "webhook-url-refused")["rule"]
    assert session.exec(select(Webhook)).all() == []


def test_a_district_has_so_many(
    client: TestClient, world: World, staff: dict[str, str], session: Session
) -> None:
    for _ in range(webhooks.MOST):
        make(client, world, staff)
    reply = client.post(API, json=wanted(world), headers=staff)
    assert refused(reply, 409, "too-many-webhooks")["limit"] == webhooks.MOST
    assert len(session.exec(select(Webhook)).all()) == webhooks.MOST


@pytest.mark.parametrize("events", [[], ["booking.*", "booking.exploded"], ["*"], "booking.*"])
def test_events_are_of_the_list(
    client: TestClient, world: World, staff: dict[str, str], events: object
) -> None:
    reply = client.post(API, json=wanted(world, events=events), headers=staff)
    refused(reply, 422, "malformed-request")


def test_somebody_elses_is_not_there(
    client: TestClient, session: Session, world: World, staff: dict[str, str]
) -> None:
    made = make(client, world, staff)
    elsewhere = make_organisation(session, kind=OrganisationKind.DISTRICT)
    stranger = signed_in(session, make_account(session, Role.DISTRICT_STAFF, at=elsewhere))
    assert told(client.get(API, headers=stranger))["items"] == []
    refused(client.delete(f"{API}/{made['id']}", headers=stranger), 404, "webhook-not-found")
    refused(client.post(API, json=wanted(world), headers=stranger), 404, "organisation-not-found")


@pytest.fixture
def hook(client: TestClient, world: World, staff: dict[str, str]) -> str:
    return str(make(client, world, staff)["id"])


def test_a_ping_is_in_the_log_with_its_attempts_and_is_sent_again(
    client: TestClient, session: Session, staff: dict[str, str], hook: str
) -> None:
    pinged = told(client.post(f"{API}/{hook}/ping", headers=staff), 202)
    assert (pinged["type"], pinged["state"], pinged["attempts"]) == ("ping", "waiting", [])
    again = f"{API}/{hook}/deliveries/{pinged['id']}/resend"
    leased = webhook_deliveries.lease(session, now=NOW)
    assert leased is not None
    refused(client.post(again, headers=staff), 409, "delivery-under-way")
    assert webhook_deliveries.settle(
        session, leased=leased, status=500, error=None, now=NOW, chance=0.5
    )
    (shown,) = told(client.get(f"{API}/{hook}/deliveries", headers=staff))["items"]
    assert [(one["number"], one["status"]) for one in shown["attempts"]] == [(1, 500)]
    assert shown["state"] == "waiting"
    sent = told(client.post(again, headers=staff), 202)
    assert (sent["id"], sent["state"]) == (pinged["id"], "waiting")
    gone = f"{API}/{hook}/deliveries/{hook}/resend"
    refused(client.post(gone, headers=staff), 404, "webhook-delivery-not-found")


def test_the_log_is_read_page_by_page(client: TestClient, staff: dict[str, str], hook: str) -> None:
    made = [told(client.post(f"{API}/{hook}/ping", headers=staff), 202)["id"] for _ in range(5)]
    assert walked(client, f"{API}/{hook}/deliveries", staff, 2) == made[::-1]


def test_one_that_is_stopped_is_told_nothing(
    client: TestClient, session: Session, staff: dict[str, str], hook: str
) -> None:
    pinged = told(client.post(f"{API}/{hook}/ping", headers=staff), 202)
    leased = webhook_deliveries.lease(session, now=NOW)
    assert leased is not None
    webhook_deliveries.settle(session, leased=leased, status=410, error=None, now=NOW, chance=0.5)
    session.expire_all()
    (listed,) = told(client.get(API, headers=staff))["items"]
    assert (listed["stopped_reason"], bool(listed["stopped_at"])) == ("410", True)
    for path in ("ping", f"deliveries/{pinged['id']}/resend"):
        refused(client.post(f"{API}/{hook}/{path}", headers=staff), 409, "webhook-stopped")


def test_deleted_it_takes_its_log_along(
    client: TestClient, session: Session, staff: dict[str, str], hook: str
) -> None:
    told(client.post(f"{API}/{hook}/ping", headers=staff), 202)
    assert client.delete(f"{API}/{hook}", headers=staff).status_code == 204
    session.expire_all()
    assert session.exec(select(WebhookDelivery)).all() == []
    assert told(client.get(API, headers=staff))["items"] == []


def test_claims_are_told_step_by_step(
    client: TestClient, session: Session, world: World, staff: dict[str, str]
) -> None:
    make(client, world, staff, events=["claim.*"])
    make_completed(session, world)
    claim = make_claim(session, world)
    bring(session, world, claim, ClaimStatus.PAID)
    rows = session.exec(select(WebhookDelivery).order_by(col(WebhookDelivery.sequence))).all()
    assert [row.type for row in rows] == [
        "claim.created", "claim.submitted", "claim.reviewed", "claim.approved", "claim.paid",
    ]  # fmt: skip
    assert [row.sequence for row in rows] == sorted({row.sequence for row in rows})
    assert {row.facts["claim_id"] for row in rows} == {str(claim.id)}


def test_what_ended_long_ago_is_forgotten(
    client: TestClient, session: Session, staff: dict[str, str], hook: str
) -> None:
    for age in (timedelta(), timedelta(seconds=1)):
        told(client.post(f"{API}/{hook}/ping", headers=staff), 202)
        leased = webhook_deliveries.lease(session, now=NOW)
        assert leased is not None
        ended = NOW - webhook_deliveries.KEPT - age
        webhook_deliveries.settle(
            session, leased=leased, status=204, error=None, now=ended, chance=0
        )
    assert webhook_deliveries.forget_old(session, NOW) == 1
    (left,) = session.exec(select(WebhookDelivery)).all()
    assert left.state == DeliveryState.DELIVERED
    assert len(session.exec(select(WebhookAttempt)).all()) == 1
