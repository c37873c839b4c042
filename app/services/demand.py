"""Demand (需求): searches for a free place that found nothing, by where and when it was wanted."""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sqlalchemy import text
from sqlmodel import Session

from app.services.access import OVERSEERS, Actor

NEAR_M = 30_000
"""A search further than this from every town is nobody's."""
MOST_KEYS = 3


class By(StrEnum):
    """What searches are told apart by; a weekday is that of the wanted day, Monday is 1."""

    TOWN = "town"
    CATEGORY = "category"
    PROGRAMME_KIND = "programme_kind"
    PEOPLE = "people"
    DAY = "day"
    MONTH = "month"
    WEEKDAY = "weekday"


_WANTED = "timezone('Asia/Shanghai', u.wanted_from)"
_KEYS = {
    By.TOWN: "p.name",
    By.CATEGORY: "nullif(u.category, '')",
    By.PROGRAMME_KIND: "nullif(u.programme_kind, '')",
    By.PEOPLE: "u.people::text",
    By.DAY: "to_char(u.asked_on, 'YYYY-MM-DD')",
    By.MONTH: "to_char(u.asked_on, 'YYYY-MM')",
    By.WEEKDAY: f"to_char({_WANTED}, 'ID')",
}

# Towns have no outlines: a search belongs to the nearest of them. Places were rounded when they
# were asked for, so there are far fewer of them than searches.
_SOURCE = """
    WITH places AS (
        SELECT DISTINCT longitude, latitude FROM unmet_search
        WHERE asked_on >= :since AND asked_on < :until
    ), placed AS MATERIALIZED (
        SELECT c.longitude, c.latitude, t.name, t.path
        FROM places c CROSS JOIN LATERAL (
            SELECT ST_SetSRID(ST_MakePoint(c.longitude, c.latitude), 4326) AS point
        ) at JOIN LATERAL (
            SELECT o.name, o.path,
                CAST(o.location AS geography) <-> CAST(at.point AS geography) AS m
            FROM organisation o WHERE o.kind = 'town' AND o.location IS NOT NULL
            ORDER BY m, o.id LIMIT 1
        ) t ON t.m <= :near_m
        WHERE t.path <@ ANY(CAST(:paths AS ltree[]))
    )"""


@dataclass(frozen=True)
class Query:
    """What is asked: searches of days `[since, until)`, at most three keys, so many cells."""

    since: date
    until: date
    group_by: tuple[By, ...]
    limit: int


@dataclass(frozen=True)
class Cell:
    """Searches that found nothing: how many, and for how many people each, added up.

    A key is None where the search did not say.
    """

    keys: tuple[str | None, ...]
    searches: int
    people: int


def demand(session: Session, *, actor: Actor, query: Query) -> list[Cell]:
    """Return one more than `limit` cells, most searches first, of the towns an actor oversees.

    Args:
        session: open transaction.
        actor: who reads.
        query: what is asked.
    """
    keys = [_KEYS[key] for key in query.group_by]
    columns = "".join(f"{key}, " for key in keys)
    group = f"GROUP BY {', '.join(str(n) for n in range(1, len(keys) + 1))}" if keys else ""
    order = ", ".join([str(len(keys) + 1) + " DESC", *(str(n + 1) for n in range(len(keys)))])
    statement = f"""{_SOURCE}
        SELECT {columns} coalesce(sum(u.times), 0), coalesce(sum(u.times * u.people), 0)
        FROM unmet_search u JOIN placed p USING (longitude, latitude)
        WHERE u.asked_on >= :since AND u.asked_on < :until
        {group} ORDER BY {order} LIMIT :limit"""
    facts = {
        "since": query.since,
        "until": query.until,
        "near_m": NEAR_M,
        "paths": actor.paths(*OVERSEERS),
        "limit": query.limit + 1,
    }
    rows = session.connection().execute(text(statement), facts)
    return [Cell(tuple(row[: len(keys)]), int(row[-2]), int(row[-1])) for row in rows]
