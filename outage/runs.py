"""Workers that are killed and stopped while they send, and what is left when all is still."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import Event
from uuid import UUID

import psycopg

from app import clock, sending
from app.models import Way
from app.services.letters import ZONE
from outage import ground, judge
from outage.guards import SINGLE
from outage.judge import Caught, Verdict
from outage.worker import PACE

WORKERS = 5
STOPPED = PACE.lease.total_seconds() + 1
"""Seconds that a worker is stopped for: longer than its lease."""
PATIENCE = 60.0
"""Seconds without any progress until what is left counts as lost."""
_PAUSE = 0.02
_LOOKS = 0.25
"""Seconds between two looks at what is owed; each counts all there is."""
OWED = (
    "SELECT (SELECT count(*) FROM notification WHERE delivered_at IS NULL AND missed_at IS NULL)"
    " + (SELECT count(*) FROM delivery WHERE status IN ('waiting', 'leased'))"
)
UNMARKED = "SELECT id FROM delivery WHERE id = ANY(%s) AND status IN ('waiting', 'leased')"


@dataclass(frozen=True)
class Plan:
    """What is played: letters, kills and stops, chance, and what the provider and workers lack."""

    letters: int
    kills: int = 0
    stops: int = 0
    seed: int = 0
    honours: bool = True
    guard: str = ""
    off: timedelta = timedelta()
    patience: float = PATIENCE

    @property
    def at_once(self) -> int:
        """How many letters a worker has under way to such a provider."""
        many = self.honours or self.guard == SINGLE
        return (sending.PACES[Way.SMS] if many else sending.Pace()).at_once


@dataclass(frozen=True)
class Played:
    """A verdict, and the seconds all took."""

    verdict: Verdict
    seconds: float


@dataclass
class Crew:
    """The workers of one run, and what was under way whenever one was stopped."""

    url: str
    folder: Path
    offset: timedelta
    plan: Plan
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    asleep: dict[int, float] = field(default_factory=dict)
    caught: list[Caught] = field(default_factory=list)

    def start(self) -> None:
        """Start one more."""
        how = [str(self.offset.total_seconds()), str(self.plan.at_once)]
        command = [sys.executable, "-m", "outage.worker", self.url, str(self.folder), *how]
        self.running.append(
            subprocess.Popen(  # noqa: S603 - our own
                [*command, *([self.plan.guard] if self.plan.guard else [])],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what went well is in the database
            )
        )

    def ready(self) -> None:
        """Return once all work.

        Raises:
            RuntimeError: one ended.
        """
        pause = Event()
        for worker in self.running:
            while not (self.folder / f"ready-{worker.pid}").exists():
                if worker.poll() is not None:
                    raise RuntimeError("a worker does not start")
                pause.wait(_PAUSE)

    def kill(self, chance: Random) -> bool:
        """End one that works as a power cut would, and start another."""
        victim = self._victim(chance)
        if victim is None:
            return False
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self._note(victim.pid)
        self.running.remove(victim)
        self.start()
        return True

    def stop(self, chance: Random) -> bool:
        """Stop one that works for longer than its leases last."""
        victim = self._victim(chance)
        if victim is None:
            return False
        victim.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, victim.pid, os.WSTOPPED)
        self._note(victim.pid)
        self.asleep[victim.pid] = time.monotonic() + STOPPED
        return True

    def wake(self) -> None:
        """Let those go on that were stopped for long enough."""
        for pid, until in list(self.asleep.items()):
            if time.monotonic() > until:
                os.kill(pid, signal.SIGCONT)
                del self.asleep[pid]

    def end(self) -> None:
        """Kill all."""
        for worker in self.running:
            worker.kill()
            worker.wait()

    def _victim(self, chance: Random) -> subprocess.Popen[bytes] | None:
        live = [
            worker
            for worker in self.running
            if worker.pid not in self.asleep and (self.folder / f"started-{worker.pid}").exists()
        ]
        return chance.choice(live) if live else None

    def _note(self, pid: int) -> None:
        """Note what a worker had begun and not marked."""
        begun = (self.folder / f"started-{pid}").read_text().split("\n")[:-1]
        with psycopg.connect(self.url) as connection:
            ids = [UUID(key) for key in begun]
            unmarked = frozenset(id_ for (id_,) in connection.execute(UNMARKED, [ids]))
        self.caught.append(Caught(pid, unmarked))


def play(url: str, plan: Plan) -> Played:
    """Have so many letters sent, and judge what came of them.

    Args:
        url: of an empty database, as libpq reads it.
        plan: what happens meanwhile.
    """
    real = clock.now()
    noon = datetime.combine(real.astimezone(ZONE).date(), datetime.min.time(), ZONE).replace(
        hour=12
    )
    offset = noon - real  # by day, or nothing would be sent
    accounts = ground.people(url, -(-plan.letters // ground.EACH))
    with tempfile.TemporaryDirectory() as name, _provider(Path(name), honours=plan.honours):
        crew = Crew(url, Path(name), offset, plan)
        try:
            return _play(crew, accounts)
        finally:
            crew.end()


def _play(crew: Crew, accounts: list[UUID]) -> Played:
    plan = crew.plan
    if not plan.off:
        for _ in range(WORKERS):
            crew.start()
        crew.ready()
    at = (clock.now() + crew.offset).astimezone(UTC)
    if plan.off:
        # Due all through the time that nobody was there; a half would be of no use any more.
        half = plan.letters // 2
        due = at - plan.off
        ground.owe(crew.url, accounts, half, due_at=due, useless_at=at - timedelta(minutes=1))
        ground.owe(crew.url, accounts, plan.letters - half, due_at=due + timedelta(hours=1))
        began = time.monotonic()
        for _ in range(WORKERS):
            crew.start()
    else:
        ground.owe(crew.url, accounts, plan.letters, due_at=at)
        began = time.monotonic()
    still = _disturb(crew, plan)
    found = judge.verdict(crew.url, crew.folder, caught=crew.caught, at=at)
    return Played(found, still - began)


def _disturb(crew: Crew, plan: Plan) -> float:
    """Kill and stop by chance while there is progress; return when nothing was owed any more."""
    chance = Random(plan.seed)
    acts = [crew.kill] * plan.kills + [crew.stop] * plan.stops
    chance.shuffle(acts)
    done, moved, least, pause = 0, time.monotonic(), plan.letters * 3, Event()
    asked, taken = 0.0, Taken(crew.folder)
    with psycopg.connect(crew.url, autocommit=True) as connection:
        while True:
            crew.wake()
            if done < len(acts) and taken.count() * (len(acts) + 1) > plan.letters * (done + 1):
                done += acts[done](chance)
            if time.monotonic() - asked > _LOOKS:
                row = connection.execute(OWED).fetchone()
                owed, asked = row[0] if row else 0, time.monotonic()
                if owed < least:
                    least, moved = owed, asked
                if (not owed and not crew.asleep) or asked - moved > plan.patience:
                    break
            pause.wait(_PAUSE)
    pause.wait(1.0 if plan.stops else 0.0)  # whoever woke up last would send now
    return asked


class Taken:
    """Counts what the provider took; each look reads only what is new, or it would take a core."""

    def __init__(self, folder: Path) -> None:
        self._path, self._at, self._count = folder / "accepted", 0, 0

    def count(self) -> int:
        """Return how many letters it has taken by now."""
        with self._path.open("rb") as lines:
            lines.seek(self._at)
            fresh = lines.read()
        self._at += len(fresh)
        self._count += fresh.count(b"\n")
        return self._count


@contextmanager
def _provider(folder: Path, *, honours: bool) -> Iterator[None]:
    word = "honours" if honours else "ignores"
    command = [sys.executable, "-m", "outage.provider", str(folder), word]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        pause = Event()
        while not (folder / "port").exists():
            pause.wait(_PAUSE)
        yield
    finally:
        process.kill()
        process.wait()
