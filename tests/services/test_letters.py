"""What is still true, what waits for the morning or for others, and what is missed."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.models import Account, Booking, Notification, Role, Way
from app.services import letters, notifications, truths
from app.services.notifications import deliver_due
from tests.conftest import NOW
from tests.makers import World, make_account, make_booking, make_world, move
from tests.services.letters import MINUTE, Outbound, choose, owe, rows, status_set, worker

WAYS = (Way.SMS,)
EVENING = NOW.replace(hour=14)  # 22:00 in Shanghai
MORNING = NOW.replace(hour=23)  # 07:00 of the next day


@pytest.fixture
def setup(own_engine: Engine) -> Iterator[Session]:
    with Session(own_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def world(setup: Session) -> World:
    return make_world(setup)


@pytest.fixture
def booking(setup: Session, world: World) -> Booking:
    made = make_booking(setup, world)
    move(setup, world.manager, made, "approve")
    deliver_due(setup, NOW)
    choose(setup, world.organiser, *WAYS)
    choose(setup, world.manager, *WAYS)
    setup.commit()
    return made


def due(session: Session, world: World, booking: Booking, **facts: object) -> None:
    to = notifications.organisers_of(world.branch.id)
    owe(session, to, booking, NOW - MINUTE, **facts)  # type: ignore[arg-type]
    deliver_due(session, NOW, ways=WAYS)
    session.commit()


def outcome(session: Session) -> list[tuple[str, str, str | None]]:
    return [(row.channel, row.status, row.reason) for row in rows(session)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "cancelled"}, "cancelled"),
        ({"starts_at": NOW + timedelta(hours=1)}, "moved"),
        ({"status": "no_show"}, "overtaken"),
    ],
)
def test_nothing_goes_out_that_is_no_longer_true(
    own_engine: Engine,
    setup: Session,
    world: World,
    booking: Booking,
    change: dict[str, object],
    why: str,
) -> None:
    due(setup, world, booking)
    status_set(own_engine, booking, **change)
    channel = Outbound()
    worker(own_engine, channel).run()
    assert channel.sent == []
    assert outcome(setup) == [("sms", "missed", why)]


def test_who_closed_their_account_is_told_nothing(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    world.organiser.active = False
    setup.add(world.organiser)
    setup.commit()
    worker(own_engine, channel := Outbound()).run()
    assert (channel.sent, outcome(setup)) == ([], [("sms", "missed", "account-closed")])


def test_what_is_useless_is_not_even_in_the_inbox(
    setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, useless_at=NOW)
    assert outcome(setup) == [("inbox", "missed", "too-late")]
    message = setup.get_one(Notification, rows(setup)[0].notification_id)
    assert (message.delivered_at, message.missed_at) == (None, NOW)


def test_a_letter_that_became_useless_is_not_sent(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, useless_at=NOW + MINUTE)
    worker(own_engine, channel := Outbound(), now=NOW + MINUTE).run()
    assert (channel.sent, outcome(setup)) == ([], [("sms", "missed", "too-late")])


@pytest.mark.parametrize(
    ("instant", "awake"),
    [
        (EVENING - MINUTE, EVENING - MINUTE),
        (EVENING, MORNING),
        (NOW.replace(hour=20), MORNING),
        (MORNING - MINUTE, MORNING),
        (MORNING, MORNING),
    ],
)
def test_nobody_is_woken(instant: datetime, awake: datetime) -> None:
    assert letters.awake(instant) == awake


def test_at_night_letters_wait_and_the_inbox_does_not(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    to = notifications.organisers_of(world.branch.id)
    owe(setup, to, booking, EVENING)
    owe(setup, to, booking, EVENING + MINUTE, useless_at=MORNING)
    deliver_due(setup, EVENING + MINUTE, ways=WAYS)
    setup.commit()
    assert outcome(setup) == [("sms", "waiting", None), ("sms", "missed", "quiet-hours")]
    channel = Outbound()
    assert worker(own_engine, channel, now=MORNING - MINUTE).run() == 0
    assert worker(own_engine, channel, now=MORNING).run() == 1
    assert len(channel.sent) == 1


def orders(session: Session, world: World, booking: Booking, *minutes: int) -> None:
    """Tell the managers of so many orders, and have each fall due in its minute."""
    for minute in minutes:
        at = NOW + minute * MINUTE
        to = notifications.managers_of(world.site.id)
        owe(session, to, booking, at, kind="site-closed" if minute == 9 else "booking-completed")
        deliver_due(session, at, ways=WAYS)
    session.commit()


def test_who_answers_orders_gets_one_letter_for_many(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    status_set(own_engine, booking, status="completed")
    orders(setup, world, booking, 1, 2, 3, 9)
    channel = Outbound()
    assert worker(own_engine, channel, now=NOW + 10 * MINUTE).run() == 1  # urgent
    assert worker(own_engine, channel, now=NOW + 16 * MINUTE).run() == 1
    urgent, gathered = channel.sent
    assert (urgent.kind, gathered.kind, gathered.title) == ("site-closed", "gathered", "3 条新消息")
    assert gathered.body.count("\n") == 2
    assert [row.status for row in rows(setup, world.manager.id)] == ["delivered"] * 4
    assert {row.letter_id for row in rows(setup)[:3]} == {gathered.id}


def test_what_falls_due_after_the_claim_goes_with_the_next(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    status_set(own_engine, booking, status="completed")
    orders(setup, world, booking, 1)
    channel = Outbound()
    worker(own_engine, channel, now=NOW + 16 * MINUTE).run()
    orders(setup, world, booking, 17)
    worker(own_engine, channel, now=NOW + 40 * MINUTE).run()
    assert len(channel.sent) == len({letter.id for letter in channel.sent}) == 2


def test_a_gathered_letter_leaves_out_what_is_not_true_any_more(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    status_set(own_engine, booking, status="completed")
    to = notifications.managers_of(world.site.id)
    for minute, kind in ((1, "booking-pending"), (2, "booking-completed")):
        owe(setup, to, booking, NOW + minute * MINUTE, kind=kind)  # type: ignore[arg-type]
    deliver_due(setup, NOW + 2 * MINUTE, ways=WAYS)
    setup.commit()
    channel = Outbound()
    worker(own_engine, channel, now=NOW + 20 * MINUTE).run()
    (letter,) = channel.sent
    assert letter.kind == "booking-completed"
    assert outcome(setup) == [("sms", "missed", "overtaken"), ("sms", "delivered", None)]


def test_who_chose_nothing_has_the_inbox_alone(
    setup: Session, world: World, booking: Booking
) -> None:
    other: Account = make_account(setup, Role.ORGANISER, at=world.branch)
    due(setup, world, booking)
    assert rows(setup, other.id) == []


def test_every_reason_has_a_text() -> None:
    assert truths.TEXTS.keys() == set(truths.Why)
    assert truths.told("moved", "en") == "The booking was moved"
