"""Legs measured in turns, so that what else the machine does falls on each of them."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from bench.loads import Measured
from bench.questions import Asker


class Leg(Protocol):
    """Something that can be put under load."""

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        """Put it under load for so long."""


@dataclass(frozen=True)
class Effort:
    """How long is measured: so many rounds of so many seconds a leg."""

    rounds: int = 5
    seconds: int = 3
    warm_seconds: int = 2


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        id: of the line in the targets.
        what: was measured.
        value: of it.
        target: to reach; None where there is none.
        at_most: whether the target is an upper bound.
        unit: of value and target; empty for a ratio.
        ours: the raw figure of the service.
        theirs: the raw figure it was compared with.
    """

    id: str
    what: str
    value: float
    target: float | None = None
    at_most: bool = False
    unit: str = ""
    ours: str = ""
    theirs: str = ""

    @property
    def reached(self) -> bool | None:
        """Tell whether the target was; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


@dataclass(frozen=True)
class Setting:
    """What every line needs."""

    url: str
    now: datetime
    folder: Path
    seed: int
    effort: Effort = field(default_factory=Effort)

    def asker(self) -> Asker:
        """Return a maker of questions that begins anew."""
        return Asker(self.url, seed=self.seed)

    def in_turns(self, legs: Mapping[str, Leg]) -> "Turns":
        """Warm all legs, then measure them one after another, round after round.

        Raises:
            RuntimeError: one of them is too slow for rounds this short.
        """
        for leg in legs.values():
            leg.measure(self.effort.warm_seconds, self.folder, self.seed)
        found: dict[str, list[Measured]] = {name: [] for name in legs}
        for n in range(self.effort.rounds):
            for name, leg in legs.items():
                measured = leg.measure(self.effort.seconds, self.folder, self.seed + n)
                if not measured.requests:
                    raise RuntimeError(f"{name} answered nothing in {self.effort.seconds} s")
                found[name].append(measured)
        return Turns(found)


@dataclass(frozen=True)
class Turns:
    """What the legs measured, round by round."""

    found: Mapping[str, list[Measured]]

    def ratio(self, ours: str, theirs: str, of: Callable[[Measured], float]) -> float:
        """Return the median of the rounds' ratios."""
        pairs = zip(self.found[ours], self.found[theirs], strict=True)
        return statistics.median(of(a) / of(b) for a, b in pairs)

    def median(self, leg: str, of: Callable[[Measured], float]) -> float:
        """Return the median over the rounds."""
        return statistics.median(map(of, self.found[leg]))

    def told(self, leg: str) -> str:
        """Return a leg's raw figures as a text."""
        rate = self.median(leg, per_second)
        return (
            f"{rate:,.0f} /s, p50 {self.median(leg, p50):.2f}, p95 {self.median(leg, p95):.2f} ms"
        )


def per_second(measured: Measured) -> float:
    """Return the rate."""
    return measured.per_second


def p50(measured: Measured) -> float:
    """Return the median time, milliseconds."""
    return measured.p50_ms


def p95(measured: Measured) -> float:
    """Return the time within which 95 of 100 were done, milliseconds."""
    return measured.p95_ms
