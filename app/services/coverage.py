"""Coverage: which branches came, which never did, and which have been silent for long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.services.access import OVERSEERS, Actor
from app.services.calendar import local_date, midnight


class State(StrEnum):
    """来过、从未来过、长期未来."""

    CAME = "came"
    NEVER = "never"
    SILENT = "silent"


# A visit counts for the branch that made it, wherever it went; by the index of its bookings.
_SEEN = """
    SELECT o.id, o.name, o.code, o.sector, town.name AS town, seen.last_at,
        coalesce(seen.visits, 0) AS visits
    FROM organisation o
    LEFT JOIN LATERAL (
        SELECT t.name FROM organisation t WHERE t.path @> o.path AND t.kind = 'town'
        ORDER BY nlevel(t.path) DESC LIMIT 1
    ) town ON TRUE
    LEFT JOIN LATERAL (
        SELECT max(b.starts_at) AS last_at,
            count(*) FILTER (WHERE b.starts_at >= :since AND b.starts_at < :until) AS visits
        FROM booking b JOIN visit v ON v.booking_id = b.id
        WHERE b.organisation_id = o.id AND b.starts_at < :until
    ) seen ON TRUE
    WHERE o.kind = 'branch' AND o.active AND o.path <@ ANY(CAST(:paths AS ltree[]))"""
_IS = {
    State.CAME: "visits > 0",
    State.NEVER: "last_at IS NULL",
    State.SILENT: "last_at < :silent_since",
}
_COUNT = text(f"""
    SELECT town, count(*), count(*) FILTER (WHERE {_IS[State.CAME]}),
        count(*) FILTER (WHERE {_IS[State.NEVER]}), count(*) FILTER (WHERE {_IS[State.SILENT]})
    FROM ({_SEEN}) s GROUP BY town ORDER BY town NULLS LAST""")  # noqa: S608  # constants
_LIST = {
    state: text(f"""
    SELECT id, name, town, last_at, visits FROM ({_SEEN}) s
    WHERE {condition} AND id > :after ORDER BY id LIMIT :limit""")  # noqa: S608  # constants
    for state, condition in _IS.items()
}
_OVERSEEN = text("""
    SELECT count(*) FROM organisation o
    WHERE o.kind = 'branch' AND o.active AND o.path <@ ANY(CAST(:paths AS ltree[]))""")
_ALL = text(f"""
    SELECT code, name, sector, town, last_at, visits, {_IS[State.CAME]} AS came,
        {_IS[State.NEVER]} AS never, coalesce({_IS[State.SILENT]}, false) AS silent
    FROM ({_SEEN}) s ORDER BY town NULLS LAST, code, id""")  # noqa: S608  # constants


class Standing(NamedTuple):
    """A branch by its code, with what it is of `State`; it may have come and be silent since."""

    code: str
    name: str
    sector: str | None
    town: str | None
    last_at: datetime | None
    visits: int
    came: bool
    never: bool
    silent: bool


class Counts(NamedTuple):
    """Branches of a town; one that hangs below no town has none.

    `came` had a visit in the period, `never` none up to its end, and `silent` had its last one
    longer ago than was asked.
    """

    town: str | None
    branches: int
    came: int
    never: int
    silent: int


@dataclass(frozen=True)
class Branch:
    """A branch, its last visit up to the end of the period, and how many it had in it."""

    id: UUID
    name: str
    town: str | None
    last_visit_on: date | None
    visits: int


@dataclass(frozen=True)
class Asked:
    """Days `[since, until)`; `silent` are those whose last visit was before `silent_since`."""

    since: date
    until: date
    silent_since: date

    def facts(self, actor: Actor) -> dict[str, Any]:
        """Return what the statements of this file want to know."""
        return {
            "since": midnight(self.since),
            "until": midnight(self.until),
            "silent_since": midnight(self.silent_since),
            "paths": actor.paths(*OVERSEERS),
        }


def counts(session: Session, *, actor: Actor, asked: Asked) -> list[Counts]:
    """Count the active branches an actor oversees, town by town, in one statement."""
    rows = session.connection().execute(_COUNT, asked.facts(actor))
    return [Counts(*row) for row in rows]


def page(
    session: Session, *, actor: Actor, asked: Asked, state: State, after: UUID, limit: int
) -> Sequence[Branch]:
    """Return one more than `limit` branches of a state, by id.

    Args:
        session: open transaction.
        actor: who reads.
        asked: the period.
        state: which of them.
        after: the last one of the page before; the nil UUID for the first page.
        limit: length of a page.
    """
    facts = asked.facts(actor) | {"after": after, "limit": limit + 1}
    rows = session.connection().execute(_LIST[state], facts)
    return [Branch(id_, name, town, _day(at), visits) for id_, name, town, at, visits in rows]


def overseen(session: Session, *, actor: Actor) -> int:
    """Return how many active branches an actor oversees."""
    paths = {"paths": actor.paths(*OVERSEERS)}
    return int(session.execute(_OVERSEEN, paths).scalar_one())


def standings(
    session: Session, *, actor: Actor, asked: Asked, at_a_time: int
) -> Iterator[Standing]:
    """Yield every active branch an actor oversees, town by town, by a cursor of the server."""
    how = {"yield_per": at_a_time}
    for row in session.execute(_ALL, asked.facts(actor), execution_options=how):
        yield Standing(*row)


def _day(at: datetime | None) -> date | None:
    return None if at is None else local_date(at)
