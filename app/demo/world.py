"""What all parts of the simulated year share: the clock, the people, the places."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import event
from sqlmodel import Session

from app.demo.places import Place
from app.demo.staff import Branch, Staff
from app.demo.tree import Tree
from app.models.base import Row
from app.services import access
from app.services.access import Actor
from app.services.calendar import ZONE, Calendar, local_date
from app.services.policies import Policies

OPENS, SHUTS = time(8, 30), time(18)
"""Office hours, in which people answer."""


@dataclass
class Agenda:
    """What happens when; whatever lies after `until` stays undone, as it has not happened yet."""

    now: datetime
    until: datetime
    _due: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _entered: int = 0

    def enter(self, at: datetime, what: Callable[[], None]) -> None:
        """Have `what` called with the clock at `at`; equals in the order they were entered."""
        if at <= self.until:
            self._entered += 1
            heapq.heappush(self._due, (at, self._entered, what))

    def run(self) -> None:
        """Let time pass until `until`."""
        while self._due:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = self.until


@dataclass
class World:
    """A district that lives through its year inside one transaction."""

    session: Session
    agenda: Agenda
    luck: Random
    tree: Tree
    places: list[Place]
    branches: list[Branch]
    staff: Staff
    days: Calendar
    rules: Policies
    tally: Counter[str] = field(default_factory=Counter)
    called_off: set[UUID] = field(default_factory=set)
    """Bookings that a closure cancelled, so that nobody comes for them."""
    _actors: dict[UUID, Actor] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The simulated instant."""
        return self.agenda.now

    @property
    def today(self) -> date:
        """The simulated date."""
        return local_date(self.now)

    def actor(self, account_id: UUID) -> Actor:
        """Return somebody as their access token would name them; grants here never change."""
        if account_id not in self._actors:
            found = access.load(self.session, account_id=account_id, now=self.now)
            self._actors[account_id] = found
        return self._actors[account_id]

    def soon(self, since: datetime, hours: tuple[float, float]) -> datetime:
        """Draw an instant so many hours after `since`, moved to the next morning if too late."""
        at = since + timedelta(hours=self.luck.uniform(*hours))
        local = at.astimezone(ZONE)
        if OPENS <= local.time() < SHUTS:
            return at
        morning = local.date() + timedelta(days=local.time() >= SHUTS)
        return at_local(morning, OPENS) + timedelta(minutes=self.luck.uniform(0, 90))

    def chance(self, share: float) -> bool:
        """Tell whether something that happens in `share` of all cases happens now."""
        return self.luck.random() < share


def at_local(day: date, wall: time) -> datetime:
    """Return the instant of a wall clock in Shanghai."""
    return datetime.combine(day, wall, ZONE)


def pick(luck: Random, weights: Mapping[str, float]) -> str:
    """Draw one of the names, each as often as its weight says."""
    return luck.choices(list(weights), list(weights.values()))[0]


@contextmanager
def dated(session: Session, clock: Callable[[], datetime]) -> Iterator[None]:
    """Give every new row the simulated birth date, where its service leaves it to the database."""

    def stamp(_: Session, *__: object) -> None:
        for row in session.new:
            if isinstance(row, Row) and row.created_at is None:
                row.created_at = clock()

    event.listen(session, "before_flush", stamp)
    try:
        yield
    finally:
        event.remove(session, "before_flush", stamp)
