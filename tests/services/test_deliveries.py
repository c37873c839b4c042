"""Letters: written once, claimed by one, marked by whoever still holds them."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Barrier, Event
from uuid import UUID

import pytest
from aiohttp import ClientSession
from sqlalchemy import Engine
from sqlmodel import Session

from app import sending
from app.channels.asking import Passing
from app.channels.sending import Letter, Refused
from app.models import Booking, Provider, Way
from app.sending import Pace, Worker
from app.services import deliveries, identities, letters, notifications
from app.services.deliveries import Outcome
from app.services.notifications import deliver_due
from tests.channels.letters import OPENID, gateway
from tests.conftest import NOW
from tests.fakes import sms
from tests.makers import World, make_booking, make_world, move
from tests.races import at_once, replaced_sql
from tests.services.letters import MINUTE, Outbound, choose, owe, rows, worker

LEASE = timedelta(minutes=1)
TOGETHER = 40
"""More than an event loop has threads for by itself."""


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
    setup.commit()
    return made


def due(
    session: Session,
    world: World,
    booking: Booking,
    count: int = 1,
    ways: tuple[Way, ...] = (Way.SMS,),
) -> None:
    """Have so many messages to the organiser fall due, each with a letter."""
    choose(session, world.organiser, *ways)
    for number in range(count):  # not at `NOW`, when they were told by the move itself
        due_at = NOW - (number + 1) * MINUTE
        owe(session, notifications.organisers_of(world.branch.id), booking, due_at)
    deliver_due(session, NOW, ways=ways)
    session.commit()


def states(session: Session) -> list[tuple[str, str, str | None]]:
    return [(row.channel, row.status, row.reason) for row in rows(session)]


def test_a_letter_goes_out_once_under_its_deliverys_id(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    channel = Outbound()
    assert worker(own_engine, channel).run() == 1
    assert worker(own_engine, channel).run() == 0
    (row,) = rows(setup)
    assert [letter.id for letter in channel.sent] == [row.id]
    assert (row.status, row.provider_id, row.attempts) == ("delivered", "provider-1", 1)
    assert channel.sent[0].address.startswith("+86")


def test_the_oldest_goes_first(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, 3)
    channel = Outbound()
    worker(own_engine, channel, pace=Pace(at_once=1)).run()
    assert [letter.id for letter in channel.sent] == [row.id for row in rows(setup)]


def test_what_fails_is_tried_again_later_and_then_by_the_next_way(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    ways = (Way.SMS, Way.EMAIL)
    due(setup, world, booking, ways=ways)
    sms, email = Outbound(), Outbound()
    sms.faults.extend([Passing("status 503"), Passing("status 503")])
    pace, now = Pace(attempts=2), NOW
    for _ in range(2):
        worker(own_engine, sms, ways=ways, pace=pace, now=now).run()
        assert worker(own_engine, sms, ways=ways, pace=pace, now=now).run() == 0
        now += 2 * MINUTE
    assert states(setup) == [("sms", "passed_on", "no-answer"), ("email", "waiting", None)]
    worker(own_engine, email, way=Way.EMAIL, ways=ways, now=now).run()
    assert states(setup)[1] == ("email", "delivered", None)
    assert email.sent[0].address == "someone@example.com"


def test_at_last_it_has_failed_for_all_to_see(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    channel = Outbound()
    channel.faults.append(Refused("code 7"))
    worker(own_engine, channel).run()
    assert states(setup) == [("sms", "failed", "refused")]
    assert rows(setup)[0].last_error == "code 7"


def test_two_claim_no_letter_twice(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, 6)

    def claim(_: int) -> list[object]:
        with Session(own_engine) as session, session.begin():
            return [
                held.id
                for held in deliveries.claim(session, channel="sms", now=NOW, lease=LEASE, batch=4)
            ]

    one, other = at_once(2, claim)
    assert len({*one, *other}) == len(one) + len(other) >= 4


def test_a_lease_ends_and_who_had_it_may_not_mark(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    with Session(own_engine) as session, session.begin():
        (stopped,) = deliveries.claim(session, channel="sms", now=NOW, lease=LEASE, batch=9)
    with Session(own_engine) as session, session.begin():
        assert deliveries.claim(session, channel="sms", now=NOW, lease=LEASE, batch=9) == []
    with Session(own_engine) as session, session.begin():
        (taken,) = deliveries.claim(session, channel="sms", now=NOW + LEASE, lease=LEASE, batch=9)
    late = NOW + LEASE
    assert (stopped.id, stopped.fence + 1) == (taken.id, taken.fence)
    with Session(own_engine) as session, session.begin():
        mine = [Outcome(stopped.id, stopped.fence, provider_id="zombie")]
        assert deliveries.mark(session, outcomes=mine, ways=[], now=late) == set()
        assert (
            deliveries.renew(session, held={stopped.id: stopped.fence}, now=late, lease=LEASE)
            == set()
        )
        assert deliveries.renew(session, held={taken.id: taken.fence}, now=late, lease=LEASE)
    assert rows(setup)[0].status == "leased"


def test_without_the_fence_a_zombie_would_mark(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    for now in (NOW, NOW + LEASE):
        with Session(own_engine) as session, session.begin():
            (held,) = deliveries.claim(session, channel="sms", now=now, lease=LEASE, batch=9)
    mine = [Outcome(held.id, held.fence - 1)]
    with replaced_sql(own_engine, "AND d.fence = said.fence"), Session(own_engine) as session:
        assert deliveries.mark(session, outcomes=mine, ways=[], now=NOW) == {held.id}


def test_nothing_is_sent_that_the_lease_is_too_short_for(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking)
    channel = Outbound()
    short = Pace(lease=timedelta(seconds=20), needed=timedelta(seconds=20))
    assert worker(own_engine, channel, pace=short).run() == 1
    assert channel.sent == []
    assert rows(setup)[0].status == "leased"


@dataclass
class Slow(Outbound):
    """A provider that takes 15 seconds for each letter, while a rival looks for letters."""

    engine: Engine | None = None
    now: datetime = NOW
    claimed: list[UUID] = field(default_factory=list)

    async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
        said = await super().send(letter, now=now, over=over)
        self.now += timedelta(seconds=15)
        with Session(self.engine) as session, session.begin():
            found = deliveries.claim(session, channel="sms", now=self.now, lease=LEASE, batch=9)
            self.claimed += [one.id for one in found]
        return said


def slowly(engine: Engine) -> Slow:
    """Send nine letters one after another, by a lease of a minute."""
    channel = Slow(engine=engine)
    pace = Pace(at_once=1, lease=LEASE, needed=timedelta(seconds=20))
    Worker(engine, Way.SMS, channel, lambda: channel.now, (Way.SMS,), pace).run()
    return channel


def test_a_lease_lasts_as_long_as_the_work(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, 9)
    channel = slowly(own_engine)
    assert channel.now - NOW > 2 * LEASE
    assert channel.claimed == []
    assert len(channel.sent) == 9
    assert {row.status for row in rows(setup)} == {"delivered"}


def test_without_the_renewal_others_would_take_the_rest(
    own_engine: Engine,
    setup: Session,
    world: World,
    booking: Booking,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    due(setup, world, booking, 9)
    monkeypatch.setattr(Worker, "_renew", lambda *_: None)
    channel = slowly(own_engine)
    assert len(channel.sent) == 3  # each began with more than 20 seconds left
    with Session(own_engine) as rival, rival.begin():
        left = deliveries.claim(rival, channel="sms", now=NOW + LEASE, lease=LEASE, batch=9)
    assert len(left) == 6


def test_a_way_that_is_slow_keeps_no_other_waiting(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    """While one provider says nothing, all that goes by another way is sent."""
    due(setup, world, booking, 2)
    choose(setup, world.town_staff, Way.EMAIL)
    owe(setup, notifications.staff_of(world.town.id), booking, NOW - MINUTE)
    deliver_due(setup, NOW, ways=(Way.SMS, Way.EMAIL))
    setup.commit()
    said, quick = Event(), Outbound()

    class Silent(Outbound):
        async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
            await asyncio.to_thread(said.wait)
            return await super().send(letter, now=now, over=over)

    silent = Silent()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(worker(own_engine, silent).run)
        try:
            gathered = NOW + letters.GATHERED_FOR
            assert worker(own_engine, quick, way=Way.EMAIL, now=gathered).run() == 1
            assert silent.sent == []
        finally:
            said.set()
        assert slow.result() == 2


def test_letters_under_way_to_the_gateway_are_one_request(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, 5)
    with sms.running() as server:
        assert worker(own_engine, gateway(server), pace=Pace(at_once=3)).run() == 5
    assert [len(seen.json["messages"]) for seen in server.seen] == [3, 2]
    assert {row.status for row in rows(setup)} == {"delivered"}
    assert len({row.provider_id for row in rows(setup)}) == 5


def test_a_send_without_an_end_is_given_up(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    """A provider that says a little now and then would otherwise hold a letter for ever."""
    due(setup, world, booking, 2)

    class Endless(Outbound):
        async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
            if self.sent:
                await asyncio.Event().wait()
            return await super().send(letter, now=now, over=over)

    assert worker(own_engine, Endless(), pace=Pace(needed=timedelta(seconds=0.1))).run() == 2
    assert sorted((row.status, row.last_error) for row in rows(setup)) == [
        ("delivered", None),
        ("waiting", "TimeoutError"),
    ]


@dataclass
class Meeting(Outbound):
    """A protocol that waits: no letter ends before so many are under way."""

    met: Barrier = field(default_factory=lambda: Barrier(TOGETHER, timeout=20))
    under_way: int = 0
    most: int = 0

    async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.to_thread(self.met.wait)
        self.under_way -= 1
        return await super().send(letter, now=now, over=over)


def test_so_many_are_under_way_and_no_more(
    own_engine: Engine, setup: Session, world: World, booking: Booking
) -> None:
    due(setup, world, booking, 2 * TOGETHER)
    channel = Meeting()
    assert worker(own_engine, channel, pace=Pace(at_once=TOGETHER)).run() == 2 * TOGETHER
    assert (channel.most, len(channel.sent)) == (TOGETHER, 2 * TOGETHER)


@dataclass
class Crowd(Outbound):
    """Counts the letters that are under way together."""

    under_way: int = 0
    most: int = 0

    async def send(self, letter: Letter, *, now: datetime, over: ClientSession) -> str | None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return await super().send(letter, now=now, over=over)


@pytest.mark.parametrize(
    ("way", "most"), [(Way.SMS, 3), (Way.WECHAT, 1), (Way.EMAIL, 1), (Way.WECOM, 1)]
)
def test_to_a_provider_without_ids_one_letter_is_under_way_at_a_time(
    own_engine: Engine,
    setup: Session,
    world: World,
    booking: Booking,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
    most: int,
) -> None:
    """Or whoever dies then would have sent many that go out again."""
    identities.link(setup, account=world.organiser, provider=Provider.WECHAT, subject=OPENID)
    due(setup, world, booking, 3, ways=(way,))
    crowd = Crowd()
    monkeypatch.setattr(sending, "channels_of", lambda _: {way: crowd})
    assert sending.send_due(way, own_engine, lambda: NOW) == 3
    assert crowd.most == most
