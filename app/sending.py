"""Sending what is owed: a worker for each way out, so that a slow provider stalls no other.

An event loop speaks to the provider, and threads of its pool to the database and by protocols that
wait. A letter is claimed, sent outside of any transaction, and marked under its fence. No send
begins unless enough of the lease is left for it to end, so a worker that was stopped and wakes up
sends nothing that somebody else may have by then.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from sqlalchemy import Engine, RowMapping
from sqlmodel import Session

from app.channels import posting, ways
from app.channels.asking import NoAnswer
from app.channels.sending import Channel, Letter, Refused
from app.models import Way
from app.services import (
    deliveries,
    letters,
    messages,
    notifications,
    privacy,
    provider_tokens,
    wechat_grants,
)
from app.services.deliveries import Held, Outcome
from app.services.truths import Why
from app.settings import load

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = structlog.get_logger()

Now = Callable[[], datetime]
LANGUAGE = "zh"
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=20), timedelta(minutes=30)
WAYS = tuple(way for way in Way if way is not Way.INBOX)
TOGETHER = timedelta(milliseconds=50)
"""How long to wait for others that can be marked in the same transaction."""
SAID = 300
"""Most characters kept of what a provider answered."""


@dataclass(frozen=True)
class Pace:
    """How a worker works.

    Attributes:
        batch: most letters claimed at once.
        at_once: most letters under way to the provider. One, unless it knows ids of ours: whoever
            dies then has sent one that goes out again at most.
        lease: for how long a claim holds; renewed while the work lasts.
        needed: what must be left of it for a send to begin, which is given up after so long.
        attempts: after so many without success another way is tried.
    """

    batch: int = 100
    at_once: int = 1
    lease: timedelta = timedelta(seconds=60)
    needed: timedelta = timedelta(seconds=20)
    attempts: int = 6


PACES: Mapping[str, Pace] = {Way.SMS: Pace(at_once=100), Way.WECOM: Pace(batch=20)}
"""The gateway for SMS takes an id once; robots count the messages of a minute."""


ADDRESSES: Mapping[str, str] = {
    Way.WECHAT: "subject_sealed",
    Way.SMS: "phone_sealed",
    Way.EMAIL: "address_sealed",
    Way.WECOM: "address_sealed",
}
"""Which column an address is sealed in."""


def channels_of(engine: Engine) -> Mapping[str, Channel]:
    """Return the ways out that are set up, beside the inbox."""
    tokens, consents = provider_tokens.Tokens(engine), wechat_grants.Consents(engine)
    return ways.channels_of(load(), tokens=tokens, consents=consents)


def fall_due(session: Session, now: datetime) -> int:
    """Put what is due into the inboxes, and write a letter for each by its reader's first way."""
    set_up = channels_of(session.connection().engine)
    return notifications.deliver_due(session, now, ways=tuple(set_up))


def pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: three times longer each, by chance half."""
    longest = min(FIRST_PAUSE * pow(3.0, attempts - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing


@dataclass
class Worker:
    """Sends what is due by one way.

    Attributes:
        engine: of the database.
        way: the one.
        channel: how to go it.
        now: the clock; read again before each send.
        ways: all that there is a channel for; a letter that fails goes on by the next.
        pace: how much at once, and for how long.
        base_url: where people find the pages.
    """

    engine: Engine
    way: str
    channel: Channel
    now: Now
    ways: Sequence[str]
    pace: Pace = field(default_factory=Pace)
    base_url: str = ""
    _leases: dict[UUID, datetime] = field(default_factory=dict, init=False)

    def run(self) -> int:
        """Send until nothing is due, or people sleep; return letters that were taken on."""
        held = self._claim()
        if not held:
            return 0
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self._all(held))

    async def _all(self, held: Sequence[Held]) -> int:
        taken = 0
        loop = asyncio.get_running_loop()
        # A thread for each letter, where the protocol waits, and one for the database.
        loop.set_default_executor(ThreadPoolExecutor(self.pace.at_once + 1))
        async with posting.client() as over:
            while held:
                taken += len(held)
                await self._send_all(over, held)
                held = await asyncio.to_thread(self._claim)
        return taken

    def _claim(self) -> list[Held]:
        now = self.now()
        if letters.awake(now) != now:
            return []
        with Session(self.engine) as session, session.begin():
            return deliveries.claim(
                session, channel=self.way, now=now, lease=self.pace.lease, batch=self.pace.batch
            )

    async def _send_all(self, over: "ClientSession", held: Sequence[Held]) -> None:
        self._leases = {one.id: one.until for one in held}
        fences = {one.id: one.fence for one in held}
        waiting = iter(held)
        running: set[asyncio.Task[Outcome | None]] = set()
        renewed_at = self.now()
        third = self.pace.lease / 3
        # No more are begun than that before it is marked what became of the others.
        while running := running | {
            asyncio.create_task(self._send(over, one))
            for one in islice(waiting, self.pace.at_once - len(running))
        }:
            done, running = await asyncio.wait(running, timeout=TOGETHER.total_seconds())
            outcomes = [said for one in done if (said := one.result())]
            if outcomes:
                await asyncio.to_thread(self._mark, outcomes)
            for said in outcomes:
                fences.pop(said.id, None)
            if fences and self.now() - renewed_at > third:
                renewed_at = self.now()
                await asyncio.to_thread(self._renew, fences, renewed_at)

    def _mark(self, outcomes: Sequence[Outcome]) -> None:
        with Session(self.engine) as session, session.begin():
            marked = deliveries.mark(session, outcomes=outcomes, ways=self.ways, now=self.now())
        if len(marked) < len(outcomes):
            log.warning("letters-taken-over", way=self.way, count=len(outcomes) - len(marked))

    def _renew(self, fences: Mapping[UUID, int], now: datetime) -> None:
        with Session(self.engine) as session, session.begin():
            kept = deliveries.renew(session, held=fences, now=now, lease=self.pace.lease)
        self._leases = dict.fromkeys(kept, now + self.pace.lease)

    async def _send(self, over: "ClientSession", held: Held) -> Outcome | None:
        """Send one letter and return what came of it; None when it is no longer this worker's."""
        try:
            letter = composed(held, self.way, self.base_url)
        # No traceback is logged here or below: it may show addresses.
        except Exception as exc:  # noqa: BLE001 - a text that cannot be written stops no other
            log.warning("letter-unwritable", letter=str(held.id), fault=type(exc).__name__)
            return Outcome(held.id, held.fence, Why.UNWRITABLE, error=type(exc).__name__)
        if letter is None:
            return Outcome(held.id, held.fence, Why.NO_ADDRESS)
        if not self._holds(held.id):
            return None
        try:
            async with asyncio.timeout(self.pace.needed.total_seconds()):
                said = await self.channel.send(letter, now=self.now(), over=over)
        except Refused as exc:
            return Outcome(held.id, held.fence, Why.REFUSED, error=str(exc)[:SAID])
        except NoAnswer as exc:
            return self._later(held, str(exc)[:SAID])
        except Exception as exc:  # noqa: BLE001 - a fault of one channel stops no other letter
            log.warning("channel-failed", way=self.way, fault=type(exc).__name__)
            return self._later(held, type(exc).__name__)
        return Outcome(held.id, held.fence, provider_id=said)

    def _holds(self, letter_id: UUID) -> bool:
        until = self._leases.get(letter_id)
        return until is not None and self.now() + self.pace.needed < until

    def _later(self, held: Held, error: str) -> Outcome:
        if held.attempts >= self.pace.attempts:
            return Outcome(held.id, held.fence, Why.NO_ANSWER, error=error)
        again_at = letters.awake(self.now() + pause(held.attempts))
        return Outcome(held.id, held.fence, again_at=again_at, error=error)


def composed(held: Held, way: str, base_url: str) -> Letter | None:
    """Return the letter, ready to go; None where its reader has no address for this way."""
    first = held.parts[0]
    address = _address(first, way)
    if address is None:
        return None
    written = [messages.written(part["kind"], part["facts"], LANGUAGE) for part in held.parts]
    gathered = len(written) > 1
    text = (
        messages.gathered([part["kind"] for part in held.parts], written, LANGUAGE)
        if gathered
        else written[0]
    )
    return Letter(
        id=held.id,
        address=address,
        kind=messages.GATHERED if gathered else first["kind"],
        title=text.title,
        body=text.body,
        facts={"count": str(len(written))} if gathered else first["facts"],
        language=LANGUAGE,
        url=f"{base_url}/#/inbox",
    )


def _address(part: RowMapping, way: str) -> str | None:
    sealed: bytes | None = part[ADDRESSES[way]]
    return None if sealed is None else privacy.unseal_bytes(sealed).decode()


def send_due(way: str, engine: Engine, now: Now) -> int:
    """Send what is due by one way and return how many letters were taken on; a job."""
    channels = channels_of(engine)
    if way not in channels:
        return 0
    worker = Worker(
        engine,
        way,
        channels[way],
        now,
        tuple(channels),
        PACES.get(way, Pace()),
        base_url=load().public_url or "",
    )
    return worker.run()
