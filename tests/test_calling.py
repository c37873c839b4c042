"""Webhooks from the step of a booking to a receiver's socket."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app import calling
from app.channels import webhook
from app.channels.webhook import Call, Outcome
from app.models import Webhook, WebhookAttempt, WebhookDelivery
from app.services import webhook_deliveries
from app.services.privacy import seal_bytes
from tests.conftest import NOW
from tests.fakes import receiver
from tests.fakes.receiver import Receiver
from tests.makers import HOUR, World, make_booking, make_session, make_world, move
from tests.races import at_once, replaced_sql

SECRET = b"0123456789abcdef0123456789abcdef"
FENCE = "webhook_delivery.fence = %(fence_1)s::INTEGER"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver.running() as running:
        yield running


def make_webhook(session: Session, world: World, url: str, *events: str) -> Webhook:
    made = Webhook(
        district_id=world.district.id,
        url=url,
        secret_sealed=seal_bytes(SECRET),
        events=list(events or ("booking.*", "claim.*")),
        created_by=world.district_staff.id,
    )
    session.add(made)
    session.flush()
    return made


def sender(hook: Receiver, seconds: float = 5.0) -> calling.Send:
    def send(wanted: Call, now: datetime) -> Outcome:
        return webhook.call(wanted, now=now, allowed=frozenset({hook.host}), seconds=seconds)

    return send


def rows(engine: Engine) -> list[WebhookDelivery]:
    with Session(engine, expire_on_commit=False) as session:
        ordered = select(WebhookDelivery).order_by(col(WebhookDelivery.sequence))
        return list(session.exec(ordered).all())


def booked(engine: Engine, hook: Receiver, *events: str, times: int = 1) -> None:
    """A district with a webhook, and bookings that are ordered and approved."""
    with Session(engine) as session, session.begin():
        world = make_world(session)
        make_webhook(session, world, hook.url, *events)
        for number in range(times):
            slot = make_session(
                session, world.venue, starts_at=world.slot.starts_at + (4 + 2 * number) * HOUR
            )
            booking = make_booking(session, world, slot)
            move(session, world.manager, booking, "approve")


def call_all(engine: Engine, hook: Receiver, now: datetime = NOW, seconds: float = 5.0) -> int:
    return calling.call_due(engine, lambda: now, sender(hook, seconds))


def test_the_golden_signature() -> None:
    made = webhook.signature(
        SECRET, id="msg_1", timestamp=1_764_032_400, body=b'{"type":"booking.approved"}'
    )
    assert webhook.shown(SECRET) == "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    assert made == "v1,EVuImoRLrBhIs2Upclnvp3sFjYKu94XLe6vOgG+Ev+o="


def test_a_booking_is_told_step_by_step_and_signed(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook)
    assert call_all(own_engine, hook) == 2
    told = [json.loads(one.body) for one in hook.got]
    assert [(one["type"], one["sequence"]) for one in told] == [
        ("booking.created", 1),
        ("booking.approved", 2),
    ]
    for one in hook.got:
        h = one.headers
        signed = b".".join([h["webhook-id"].encode(), h["webhook-timestamp"].encode(), one.body])
        made = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        assert h["webhook-signature"] == f"v1,{made}"
        assert "王组织" not in one.body.decode()
        assert "13800000000" not in one.body.decode()
    assert len(told[0]["data"]["code"]) == 10
    assert "number" not in told[0]["data"]
    assert call_all(own_engine, hook) == 0


def test_what_is_rolled_back_is_told_to_nobody(own_engine: Engine, hook: Receiver) -> None:
    with Session(own_engine) as session:
        world = make_world(session)
        make_webhook(session, world, hook.url)
        make_booking(session, world)
        session.rollback()
    assert rows(own_engine) == []


def test_another_district_and_other_events_are_not_told(session: Session) -> None:
    ours, theirs = make_world(session), make_world(session)
    mine = make_webhook(session, ours, "https://a.example/", "booking.approved")
    make_webhook(session, theirs, "https://b.example/")
    move(session, ours.manager, make_booking(session, ours), "approve")
    owed = session.exec(select(WebhookDelivery)).all()
    assert [(one.webhook_id, one.type) for one in owed] == [(mine.id, "booking.approved")]


def test_a_failing_step_holds_up_its_own_booking_only(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook, times=2)
    stuck = rows(own_engine)[0].subject_id

    def choose(came: receiver.Received) -> int | None:
        return 500 if json.loads(came.body)["data"]["booking_id"] == str(stuck) else None

    hook.choose = choose
    at_once(2, lambda _: call_all(own_engine, hook))
    states = {(one.subject_id == stuck, one.sequence): one.state for one in rows(own_engine)}
    assert states == {
        (True, 1): "waiting",
        (True, 2): "waiting",
        (False, 1): "delivered",
        (False, 2): "delivered",
    }
    hook.choose = lambda _: None
    call_all(own_engine, hook, NOW + timedelta(minutes=1))
    told = [json.loads(one.body) for one in hook.got]
    assert [one["sequence"] for one in told if one["data"]["booking_id"] == str(stuck)] == [1, 1, 2]


def test_it_is_tried_for_three_days_and_then_given_up(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook, "booking.approved")
    hook.choose = lambda _: 503
    now, tries = NOW, 0
    while (row := rows(own_engine)[0]).state == "waiting":
        now = max(now, row.due_at)
        tries += call_all(own_engine, hook, now)
    assert row.state == "failed"
    assert now - NOW == timedelta(days=3)
    assert 15 <= tries <= 25
    with Session(own_engine) as session:
        assert len(session.exec(select(WebhookAttempt)).all()) == tries


def test_gone_stops_the_webhook_and_the_rest(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook)
    hook.acts.append(410)
    assert call_all(own_engine, hook) == 1
    assert [one.state for one in rows(own_engine)] == ["stopped", "stopped"]
    with Session(own_engine) as session:
        assert session.exec(select(Webhook)).one().stopped_at == NOW


@pytest.mark.parametrize(
    ("act", "status"),
    [
        (receiver.hang, None),
        (receiver.drip, None),
        (receiver.junk, None),
        (receiver.drop, None),
        (receiver.redirect_to("/elsewhere"), 302),
    ],
)
def test_a_receiver_that_misbehaves_is_tried_again(
    own_engine: Engine, hook: Receiver, act: receiver.Act, status: int | None
) -> None:
    booked(own_engine, hook, "booking.approved")
    hook.acts.append(act)
    assert call_all(own_engine, hook, seconds=0.4) == 1
    (row,) = rows(own_engine)
    assert (row.state, row.status) == ("waiting", status)
    assert (row.error is None) == (status is not None)
    assert len(hook.got) == 1


def test_a_body_without_end_is_not_read_to_it(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook, "booking.approved")
    hook.acts.append(receiver.flood)
    call_all(own_engine, hook)
    assert rows(own_engine)[0].state == "delivered"


def test_who_dies_after_sending_has_the_same_id_sent_again(
    own_engine: Engine, hook: Receiver
) -> None:
    booked(own_engine, hook, "booking.approved")

    def die(wanted: Call, now: datetime) -> Outcome:
        sender(hook)(wanted, now)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calling.call_one(own_engine, lambda: NOW, die)
    assert call_all(own_engine, hook) == 0
    assert call_all(own_engine, hook, NOW + webhook_deliveries.LEASE) == 1
    first, second = (one.headers["webhook-id"] for one in hook.got)
    assert first == second


def outlived(engine: Engine) -> bool:
    """Somebody whose lease ran out says it was delivered; tell whether they are believed."""
    with Session(engine) as session, session.begin():
        old = webhook_deliveries.lease(session, now=NOW)
    with Session(engine) as session, session.begin():
        assert webhook_deliveries.lease(session, now=NOW + webhook_deliveries.LEASE)
    assert old
    with Session(engine) as session, session.begin():
        return webhook_deliveries.settle(
            session, leased=old, status=200, error=None, now=NOW, chance=0.5
        )


def test_an_old_lease_says_nothing(own_engine: Engine, hook: Receiver) -> None:
    booked(own_engine, hook, "booking.approved")
    assert not outlived(own_engine)
    assert rows(own_engine)[0].state == "leased"


def test_without_the_fence_an_old_lease_would_be_believed(
    own_engine: Engine, hook: Receiver
) -> None:
    booked(own_engine, hook, "booking.approved")
    with replaced_sql(own_engine, FENCE, "%(fence_1)s::INTEGER IS NOT NULL"):
        assert outlived(own_engine)
