"""Runs: many histories, some at a time, each judged; and what came out of all of them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from sqlalchemy import Engine
from sqlmodel import Session

from app.services import verify
from race.client import Client, connected
from race.ground import Kind, Scene, build
from race.judge import judge
from race.stories import Fault, Found, Story, rows_of

_BATCH, _AT_ONCE = 100, 4
"""Histories that share districts, and how many are played at a time."""

Play = Callable[[Client, Scene, str, Random], Awaitable[Story]]


@dataclass(frozen=True)
class Phase:
    """So many histories of one kind, in districts of some kinds."""

    name: str
    play: Play
    count: int
    kinds: Sequence[Kind] = tuple(Kind)
    at_once: int = _AT_ONCE


@dataclass
class Score:
    """What came out of a phase.

    Attributes:
        histories: that were played.
        requests: that were sent.
        answers: how often each act was answered in each way.
        found: what cannot be.
    """

    histories: int = 0
    requests: int = 0
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)

    def faults(self, *kinds: Fault) -> int:
        """Return how many faults there are of some kinds; of all without any."""
        return sum(not kinds or found.fault in kinds for found in self.found)

    def add(self, story: Story, faults: Iterator[Found]) -> None:
        """Add a history that is over."""
        self.histories += 1
        self.requests += len(story.notes)
        for note in story.notes:
            self.answers[note.act, note.reply.code or "done"] += 1
        self.found.extend(faults)


@dataclass(frozen=True)
class Runner:
    """Plays phases against servers of one database.

    Attributes:
        engine: of the database.
        bases: addresses of the servers.
        seed: where chance comes from.
        clock: gives the present instant.
    """

    engine: Engine
    bases: Sequence[str]
    seed: int
    clock: Callable[[], datetime]

    def run(self, phase: Phase, told: Callable[[Score], None] = lambda _: None) -> Score:
        """Play a phase, and look at the whole database at its end.

        Args:
            phase: what to play.
            told: is called with what came out so far, now and then.
        """
        score = Score()
        for first in range(0, phase.count, _BATCH):
            stories = self._batch(phase, range(first, min(first + _BATCH, phase.count)))
            with Session(self.engine) as session:
                rows = rows_of(session, stories, now=self.clock())
            for story in stories:
                score.add(story, judge(story, rows))
            told(score)
        with Session(self.engine) as session:
            broken = verify.violations(session, now=self.clock())
            score.found += [Found(Fault.INVARIANT, phase.name, line) for line in broken]
        return score

    def _batch(self, phase: Phase, numbers: range) -> list[Story]:
        rng = Random(f"{self.seed}/{phase.name}/{numbers.start}")
        with Session(self.engine) as session, session.begin():
            scenes = build(
                session, rng=rng, scenes=len(numbers), now=self.clock(), kinds=phase.kinds
            )
        return asyncio.run(self._play(phase, numbers, scenes))

    async def _play(self, phase: Phase, numbers: range, scenes: list[Scene]) -> list[Story]:
        turns = asyncio.Semaphore(phase.at_once)

        async with connected(self.bases) as client:

            async def one(number: int, scene: Scene) -> Story:
                async with turns:
                    name = f"{phase.name} {number}"
                    return await phase.play(client, scene, name, Random(f"{self.seed}/{name}"))

            return await asyncio.gather(*map(one, numbers, scenes))
