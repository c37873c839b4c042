"""Figures for everybody: of sites and months in which at least three branches came.

What fewer branches did is in no answer, nor in any sum of one, so that nobody can reckon it from
them; see docs/decisions/0019. Published once a night, so that nobody sees a single visit arrive.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlmodel import Session

from app.errors import NotFound
from app.models import Organisation, OrganisationKind
from app.services.calendar import local_date
from app.services.cards import FEWEST_BRANCHES
from app.services.usage import Key
from app.services.usage_sums import MARKED, OF_MARKED


class DistrictNotFound(NotFound):
    """There is no such district."""

    zh = "没有该区县"


class By(StrEnum):
    """What figures are told apart by."""

    MONTH = "month"
    SITE = "site"
    TOWN = "town"
    CATEGORY = "category"


@dataclass(frozen=True)
class Figures:
    """Visits, people who came, and sites that were visited."""

    visits: int
    people: int
    sites: int


@dataclass(frozen=True)
class Cell:
    """The figures of one key."""

    key: Key
    figures: Figures


@dataclass(frozen=True)
class Published:
    """The months of a year that are over, up to before `until`; the totals are of the cells."""

    until: date
    cells: list[Cell]
    totals: Figures


SETTLED_AFTER = timedelta(days=5)
"""How long after a month's end it is told; until then the last visits are closed and corrected."""

_PUBLISH = text(f"""
    WITH {MARKED}, fact AS (
        SELECT site_id, organisation_id, day, visits, people FROM usage_fact
        WHERE booking_id NOT IN (SELECT booking_id FROM marked)
        UNION ALL SELECT site_id, organisation_id, day, visits, people FROM {OF_MARKED}
    ), open AS MATERIALIZED (
        SELECT site_id, date_trunc('month', day::timestamp)::date AS month,
            sum(visits) AS visits, sum(people) AS people
        FROM fact WHERE visits > 0 AND day < :until
        GROUP BY 1, 2 HAVING count(DISTINCT organisation_id) >= {FEWEST_BRANCHES}
    ), gone AS (
        DELETE FROM public_figure p WHERE NOT EXISTS (
            SELECT FROM open o WHERE (o.site_id, o.month) = (p.site_id, p.month))
        RETURNING 1
    ), told AS (
        INSERT INTO public_figure (site_id, month, visits, people)
        SELECT site_id, month, visits, people FROM open
        ON CONFLICT (site_id, month) DO UPDATE
        SET visits = excluded.visits, people = excluded.people
        WHERE (public_figure.visits, public_figure.people) <> (excluded.visits, excluded.people)
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM told)""")


def publish(session: Session, now: datetime) -> int:
    """Write what may be told of months that are over, as corrected since; return rows changed."""
    session.connection().execute(text("SET LOCAL statement_timeout = 0"))
    given = {"until": _until(now)}
    return int(session.connection().execute(_PUBLISH, given).scalar_one())


_KEYS = {
    By.MONTH: ("to_char(p.month, 'YYYY-MM')",) * 2,
    By.SITE: ("s.id::text", "s.short_name"),
    By.TOWN: ("t.id::text", "t.place"),
    By.CATEGORY: ("s.category", "s.category"),
}
_FIGURES = {
    by: text(f"""
    SELECT {key}, {name}, sum(p.visits) AS visits, sum(p.people) AS people,
        count(DISTINCT p.site_id) AS sites
    FROM public_figure p JOIN site s ON s.id = p.site_id JOIN organisation t ON t.id = s.town_id
    WHERE s.status = 'published' AND p.month >= :since AND p.month < :until
    AND (CAST(:district_id AS uuid) IS NULL OR s.district_id = :district_id)
    GROUP BY GROUPING SETS ((), ({key}, {name})) ORDER BY GROUPING({key}) DESC, 2, 1""")
    for by, (key, name) in _KEYS.items()
}


def figures(
    session: Session, *, district_id: UUID | None, year: int, by: By, now: datetime
) -> Published:
    """Return what was published of a year.

    Args:
        session: open transaction.
        district_id: whose sites; all, if none is named.
        year: which.
        by: what to tell apart.
        now: the present instant, aware; its month is not told.

    Raises:
        DistrictNotFound: there is no such district.
    """
    if district_id is not None:
        district = session.get(Organisation, district_id)
        if district is None or district.kind != OrganisationKind.DISTRICT:
            raise DistrictNotFound
    since = date(year, 1, 1)
    until = max(since, min(date(year + 1, 1, 1), _until(now)))
    given = {"district_id": district_id, "since": since, "until": until}
    whole, *rows = session.connection().execute(_FIGURES[by], given).all()
    return Published(
        until=until,
        cells=[Cell(Key(row[0], row[1]), _figures(row)) for row in rows],
        totals=_figures(whole),
    )


def _until(now: datetime) -> date:
    """Return the first day of the first month that is not told yet."""
    return local_date(now - SETTLED_AFTER).replace(day=1)


def _figures(row: Row[Any]) -> Figures:
    return Figures(int(row.visits or 0), int(row.people or 0), row.sites)
