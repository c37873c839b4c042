"""Demand (需求): searches that found nothing, and orders refused for want of room."""

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
    """What demand is told apart by; day and month are those of the asking, the rest was wanted.

    Monday is weekday 1, and an hour is 00 to 23 in Shanghai. Searches have no site, hour or rule,
    and orders no kind of menu item.
    """

    TOWN = "town"
    SITE = "site"
    CATEGORY = "category"
    PROGRAMME_KIND = "programme_kind"
    PEOPLE = "people"
    DAY = "day"
    MONTH = "month"
    WEEKDAY = "weekday"
    HOUR = "hour"
    RULE = "rule"


_KEYS = {
    By.TOWN: "w.town",
    By.SITE: "w.site",
    By.CATEGORY: "w.category",
    By.PROGRAMME_KIND: "w.programme_kind",
    By.PEOPLE: "w.people::text",
    By.DAY: "to_char(w.day, 'YYYY-MM-DD')",
    By.MONTH: "to_char(w.day, 'YYYY-MM')",
    By.WEEKDAY: "to_char(w.wanted_on, 'ID')",
    By.HOUR: "lpad(w.hour::text, 2, '0')",
    By.RULE: "w.rule",
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
    ), w AS NOT MATERIALIZED (
        SELECT p.name AS town, NULL AS site, CAST(NULL AS uuid) AS site_id,
            nullif(u.category, '') AS category,
            nullif(u.programme_kind, '') AS programme_kind, u.people, u.asked_on AS day,
            CAST(timezone('Asia/Shanghai', u.wanted_from) AS date) AS wanted_on,
            CAST(NULL AS integer) AS hour, NULL AS rule,
            CAST(u.times AS bigint) AS searches, CAST(0 AS bigint) AS refusals
        FROM unmet_search u JOIN placed p USING (longitude, latitude)
        WHERE u.asked_on >= :since AND u.asked_on < :until
        UNION ALL
        SELECT t.name, s.name, s.id, s.category, NULL, r.people, r.refused_on, r.wanted_on,
            r.hour, r.rule, 0, r.times
        FROM refused_order r
        JOIN site s ON s.id = r.site_id JOIN organisation t ON t.id = s.town_id
        WHERE r.refused_on >= :since AND r.refused_on < :until
            AND t.path <@ ANY(CAST(:paths AS ltree[]))
    )"""


@dataclass(frozen=True)
class Query:
    """What is asked: days of asking `[since, until)`, by which keys, and how many cells."""

    since: date
    until: date
    group_by: tuple[By, ...]
    limit: int


@dataclass(frozen=True)
class Cell:
    """Searches that found nothing and orders refused for want of room, with their people added up.

    People are counted in steps, see `unmet_searches`. A key is None where nobody said.
    """

    keys: tuple[str | None, ...]
    searches: int
    people: int
    refusals: int
    refused_people: int


def demand(session: Session, *, actor: Actor, query: Query) -> list[Cell]:
    """Return one more than `limit` cells, those with most first, of the towns an actor oversees.

    A search is of the nearest town, an order of its site's.

    Args:
        session: open transaction.
        actor: who reads.
        query: what is asked.
    """
    keys = [_KEYS[key] for key in query.group_by]
    columns = "".join(f"{key}, " for key in keys)
    apart = [str(n + 1) for n in range(len(keys))]
    if By.SITE in query.group_by:
        apart.append("w.site_id")  # several may have one name
    group = f"GROUP BY {', '.join(apart)}" if apart else ""
    order = ", ".join(["sum(w.searches + w.refusals) DESC", *apart])
    statement = f"""{_SOURCE}
        SELECT {columns} coalesce(sum(w.searches), 0), coalesce(sum(w.searches * w.people), 0),
            coalesce(sum(w.refusals), 0), coalesce(sum(w.refusals * w.people), 0)
        FROM w {group} ORDER BY {order} LIMIT :limit"""
    facts = {
        "since": query.since,
        "until": query.until,
        "near_m": NEAR_M,
        "paths": actor.paths(*OVERSEERS),
        "limit": query.limit + 1,
    }
    rows = session.connection().execute(text(statement), facts)
    return [Cell(tuple(row[: len(keys)]), *map(int, row[len(keys) :])) for row in rows]
