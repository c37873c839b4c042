"""Usage of sites, counted over what a reader oversees, by up to three things at a time.

What each measure means is told in docs/domain.md.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlmodel import Session

from app.models import COUNTED, Grain
from app.services.access import Actor
from app.services.usage_sums import SCOPE, SUMS, given, of_cells, of_facts


class By(StrEnum):
    """What usage is told apart by; an order of several menu items counts for each of them."""

    SITE = "site"
    CATEGORY = "category"
    TOWN = "town"
    SECTOR = "sector"
    BRANCH = "branch"
    PROGRAMME = "programme"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


TIMES = frozenset({By.DAY, By.WEEK, By.MONTH, By.QUARTER, By.YEAR})
_NEED_DAYS = frozenset({By.DAY, By.WEEK})
_NEED_FACTS = frozenset({By.SECTOR, By.BRANCH, By.PROGRAMME})
MOST_KEYS = 3


@dataclass(frozen=True)
class Measures:
    """What was counted; `occupancy` 0 to 1 and more, `rating` 1 to 5, money in fen."""

    bookings: int
    rejected: int
    visits: int
    people: int
    occupancy: float | None
    no_shows: int
    late_cancels: int
    rating: float | None
    answer_minutes: float | None
    subsidy_fen: int


Sums = Mapping[str, Any] | RowMapping
"""A row of `statement`: `key_0`, `key_1` and so on, two for each key, and each of `COUNTED`."""


@dataclass(frozen=True)
class Query:
    """What is asked: days `[since, until)`, at most three keys, and filters; None filters nothing.

    `sort` is a measure, the largest first; without it cells come in the order of their keys.
    `compare` adds to each cell and the totals what they were in as many days right before.
    """

    since: date
    until: date
    group_by: tuple[By, ...] = ()
    site_id: UUID | None = None
    town_id: UUID | None = None
    category: str | None = None
    outside: bool | None = None
    sort: str | None = None
    limit: int = 1000
    compare: bool = False


@dataclass(frozen=True)
class Key:
    """What a cell is of: an id or a code (a month is 2026-11), and the name to show for it.

    Both are empty for bookings that have none, such as those of a branch without a sector.
    """

    id: str | None
    name: str | None


@dataclass(frozen=True)
class Cell:
    """The measures of one combination of keys, and what they were before, if that was asked."""

    keys: tuple[Key, ...]
    measures: Measures
    before: Measures | None = None


@dataclass(frozen=True)
class Usage:
    """Cells, whether there are `more` than were asked for, and the totals of all of them."""

    cells: list[Cell]
    more: bool
    totals: Measures
    totals_before: Measures | None


def usage(session: Session, *, actor: Actor, query: Query) -> Usage:
    """Count what took place in an overseer's subtree, exactly, in at most four statements.

    Args:
        session: open transaction.
        actor: who reads; only bookings they oversee are counted.
        query: what is asked.
    """
    rows = _rows(session, actor, query, query.group_by)
    before = earlier(query)
    then = _rows(session, actor, before, query.group_by, every=True) if query.compare else []
    was = {keys_of(row, query.group_by): measures(row) for row in then}
    cells = [
        Cell(keys, measures(row), was.get(keys, NOTHING) if query.compare else None)
        for row in rows[: query.limit]
        for keys in (keys_of(row, query.group_by),)
    ]
    return Usage(
        cells=cells,
        more=len(rows) > query.limit,
        totals=_whole(session, actor, query, rows),
        totals_before=totals(session, actor=actor, query=before) if query.compare else None,
    )


def totals(session: Session, *, actor: Actor, query: Query) -> Measures:
    """Count everything a query is about as one."""
    return measures(_rows(session, actor, query, ())[0])


def _whole(session: Session, actor: Actor, query: Query, rows: Sequence[Sums]) -> Measures:
    """Add cells up where all are there and none counts what another does, else ask again."""
    if len(rows) > query.limit or By.PROGRAMME in query.group_by or not query.group_by:
        return totals(session, actor=actor, query=query)
    return measures({name: sum(row[name] for row in rows) for name in COUNTED})


def earlier(query: Query) -> Query:
    """Return the same query for as many days right before."""
    since = query.since - (query.until - query.since)
    return replace(query, since=since, until=query.since)


def measures(row: Sums) -> Measures:
    """Make measures of sums; a mean of nothing is None."""
    return Measures(
        bookings=row["bookings"],
        rejected=row["rejected"],
        visits=row["visits"],
        people=row["people"],
        occupancy=_mean(row["people"], row["places"], 4),
        no_shows=row["no_shows"],
        late_cancels=row["late_cancels"],
        rating=_mean(row["stars"], 3 * row["reviews"], 2),
        answer_minutes=_mean(row["answer_us"], 60e6 * row["answers"], 1),
        subsidy_fen=row["subsidy_fen"],
    )


def _mean(total: int, count: float, digits: int) -> float | None:
    return round(total / count, digits) if count else None


NOTHING = measures(dict.fromkeys(COUNTED, 0))

_KEPT = 256
"""Statements that are not written anew; so many ways of asking are common at once."""
_COMMON = 4096
"""Keys that are not made anew: a town is one of hundreds of cells."""
_COLUMNS = tuple((f"key_{2 * n}", f"key_{2 * n + 1}") for n in range(MOST_KEYS))
_NONE = "NULL"
"""Of a name that is the id's own."""
_KEYS = {
    By.SITE: ("s.id", "s.short_name"),
    By.CATEGORY: ("s.category", _NONE),
    By.TOWN: ("t.id", "t.place"),
    By.SECTOR: ("o.sector", _NONE),
    By.BRANCH: ("o.id", "o.name"),
    By.PROGRAMME: ("p.id", "p.name"),
    By.DAY: ("to_char(c.day, 'YYYY-MM-DD')", _NONE),
    By.WEEK: ("to_char(c.day, 'IYYY-\"W\"IW')", _NONE),
    By.MONTH: ("to_char(c.day, 'YYYY-MM')", _NONE),
    By.QUARTER: ("to_char(c.day, 'YYYY-\"Q\"Q')", _NONE),
    By.YEAR: ("to_char(c.day, 'YYYY')", _NONE),
}
_ORDERS = {
    "occupancy": "sum(c.people) / nullif(sum(c.places), 0)",
    "rating": "sum(c.stars) / nullif(sum(c.reviews), 0)",
    "answer_minutes": "sum(c.answer_us) / nullif(sum(c.answers), 0)",
}


_FILTERS = {
    "site_id": "s.id = :site_id",
    "town_id": "s.town_id = :town_id",
    "category": "s.category = :category",
    "outside": "o.outside = :outside",
}


def _rows(
    session: Session, actor: Actor, query: Query, keys: tuple[By, ...], *, every: bool = False
) -> list[Sums]:
    wanted, asked = statement(actor, query, keys, every=every)
    found = session.connection().execute(wanted, asked)
    names = tuple(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found]


def statement(
    actor: Actor, query: Query, keys: tuple[By, ...], *, every: bool
) -> tuple[TextClause, dict[str, Any]]:
    """Return what reads the sums by so many keys, of every combination or of one above `limit`."""
    by_day = bool(_NEED_DAYS & set(keys))
    values = {name: getattr(query, name) for name in _FILTERS}
    filters = tuple(name for name, value in values.items() if value is not None)
    wanted, names = _written(keys, filters, query.sort, every=every, by_day=by_day)
    span = given(actor, query.since, query.until, by_day=by_day)
    asked = {**span, **values, "limit": query.limit + 1}
    return wanted, {name: asked[name] for name in names}


@lru_cache(_KEPT)
def _written(
    keys: tuple[By, ...], filters: tuple[str, ...], sort: str | None, *, every: bool, by_day: bool
) -> tuple[TextClause, frozenset[str]]:
    """Write the SQL, and return it with the names of its parameters."""
    facts = bool(_NEED_FACTS & set(keys)) or "outside" in filters
    wanted = [sql for key in keys for sql in _KEYS[key]]
    named = "".join(f"{sql} AS key_{n}, " for n, sql in enumerate(wanted))
    columns = ", ".join(str(n + 1) for n in range(len(wanted)))
    order = ", ".join(str(2 * n + 1) for n in range(len(keys)))
    if sort:
        order = f"{_ORDERS.get(sort, f'sum(c.{sort})')} DESC NULLS LAST, {order}"
    counted = of_facts() if facts else of_cells(Grain.DAY if by_day else Grain.MONTH)
    sql = f"""
        WITH {SCOPE}, c AS ({counted})
        SELECT {named}{SUMS} FROM c {_joins(keys, filters, facts=facts)}"""
    if keys:
        # What cancels out was counted elsewhere meanwhile: such a group has no booking.
        sql += f" GROUP BY {columns} HAVING sum(c.bookings) <> 0 ORDER BY {order}"
        sql += "" if every else " LIMIT :limit"
    written = text(sql)
    return written, frozenset(written.compile().params)


def _joins(keys: tuple[By, ...], filters: tuple[str, ...], *, facts: bool) -> str:
    joins = ["JOIN site s ON s.id = c.site_id", "JOIN organisation t ON t.id = s.town_id"]
    if facts:
        joins.append("JOIN organisation o ON o.id = c.organisation_id")
    if By.PROGRAMME in keys:
        joins.append("LEFT JOIN booking_programme i ON i.booking_id = c.booking_id")
        joins.append("LEFT JOIN programme p ON p.id = i.programme_id")
    if filters:
        joins.append("WHERE " + " AND ".join(_FILTERS[name] for name in filters))
    return " ".join(joins)


def keys_of(row: Sums, keys: tuple[By, ...]) -> tuple[Key, ...]:
    """Return what a row of `statement` is of."""
    return tuple([_key(row[id_], row[name]) for id_, name in _COLUMNS[: len(keys)]])


@lru_cache(_COMMON)
def _key(id_: object, name: str | None) -> Key:
    told = None if id_ is None else str(id_)
    return Key(told, name or told)
