"""What a district sees of its year.

Counts come from the sums that usage reads, so their time does not grow with the years.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from app.models import EVERY_HOME, BookingStatus, FundAccount, Grain
from app.services.access import OVERSEERS, Actor
from app.services.usage import measures
from app.services.usage_sums import (
    EITHER,
    IN_YEARS,
    OF_MARKED,
    SCOPE,
    SUMS,
    WITHIN,
    days_of_years,
    given,
    of_cells,
)

TOP = 10
_MEASURES = {str(status): str(status) for status in BookingStatus} | {"no_show": "no_shows"}
"""The measure that counts bookings in each status."""
# What a row is of: the bits of GROUPING of whatever it is not told apart by.
_WHOLE, _MONTH, _CATEGORY, _TOWN, _SITE = 15, 7, 11, 13, 14
_PARTS = text(f"""
    WITH {SCOPE}, c AS ({of_cells(Grain.MONTH)})
    SELECT GROUPING(c.day, s.category, t.id, s.id) AS part, coalesce(t.id, s.id) AS id,
        coalesce(to_char(c.day, 'YYYY-MM'), s.category, t.place, s.short_name) AS name, {SUMS}
    FROM c JOIN site s ON s.id = c.site_id JOIN organisation t ON t.id = s.town_id
    GROUP BY GROUPING SETS ((), (c.day), (s.category), (t.id, t.place), (s.id, s.short_name))
    HAVING sum(c.bookings) <> 0 OR GROUPING(c.day, s.category, t.id, s.id) = {_WHOLE}""")
# The days an organisation came on are right but for what is marked: who had a visit among that is
# looked up among the other facts, until one is found.
_LOOKED_UP = f"""
    SELECT FROM usage_fact f WHERE f.organisation_id = o.id AND f.visits > 0 AND f.{WITHIN}
    AND f.booking_id NOT IN (SELECT booking_id FROM marked)"""
_COUNTS = text(f"""
    WITH {SCOPE}, doubted AS MATERIALIZED (
        SELECT DISTINCT f.organisation_id AS id FROM marked JOIN usage_fact f USING (booking_id)
    ), guest AS (
        SELECT DISTINCT c.site_id, c.home_id FROM own_site o JOIN usage_cell c ON c.site_id = o.id
        WHERE {IN_YEARS}
        AND c.home_id <> '{EVERY_HOME}' AND c.home_id NOT IN (SELECT id FROM own_home))
    SELECT (SELECT count(*) FROM own_site JOIN site USING (id) WHERE status = 'published') AS sites,
    (SELECT count(*) FROM organisation
        WHERE kind = 'branch' AND path <@ ANY(CAST(:paths AS ltree[]))) AS branches,
    (SELECT count(*) FROM booking b JOIN organisation o ON o.id = b.organisation_id
        WHERE b.status = 'pending' AND (b.site_id IN (SELECT id FROM own_site)
            OR o.path <@ ANY(CAST(:paths AS ltree[])))) AS waiting,
    (SELECT count(*) FROM (
        SELECT d.organisation_id
        FROM unnest(CAST(:years AS integer[]), CAST(:masks AS bit(366)[])) y (year, days)
        CROSS JOIN own_home h CROSS JOIN LATERAL (
            SELECT * FROM usage_days u WHERE u.home_id = h.id AND u.year = y.year OFFSET 0) d
        WHERE bit_count(d.days & y.days) > 0 AND d.organisation_id NOT IN (SELECT id FROM doubted)
        UNION
        SELECT o.id FROM doubted JOIN organisation o USING (id)
        CROSS JOIN LATERAL ({_LOOKED_UP} LIMIT 1) came
        WHERE o.path <@ ANY(CAST(:paths AS ltree[]))
        UNION
        SELECT o.id FROM guest g JOIN organisation o ON o.id = g.home_id OR o.parent_id = g.home_id
        CROSS JOIN LATERAL ({_LOOKED_UP} AND f.site_id = g.site_id LIMIT 1) came
        UNION
        SELECT f.organisation_id FROM {OF_MARKED} f
        WHERE f.visits > 0 AND f.{WITHIN} AND {EITHER}) b) AS came,
    (SELECT jsonb_object_agg(account, fen) FROM (
        SELECT b.account, sum(b.balance_fen) AS fen
        FROM fund_balance b JOIN fund f ON f.id = b.fund_id
        WHERE f.organisation_id = ANY(CAST(:organisations AS uuid[])) AND f.fiscal_year = :year
        GROUP BY b.account) b) AS balances""")


@dataclass(frozen=True)
class Use:
    """How much one site, town, category or month was used; `name` says which."""

    id: UUID | None
    name: str
    bookings: int
    visits: int
    people: int


@dataclass(frozen=True)
class Overview:
    """A dashboard for `[since, until)`, within the reader's subtree."""

    since: date
    until: date
    sites: int
    branches: int
    branches_came: int
    waiting: int
    statuses: dict[str, int]
    visits: int
    people: int
    late_cancels: int
    rating: float | None
    answer_minutes: float | None
    by_month: list[Use]
    by_category: list[Use]
    by_town: list[Use]
    top_sites: list[Use]
    balances_fen: dict[str, int]


def overview(session: Session, *, actor: Actor, since: date, until: date) -> Overview:
    """Count what took place in an overseer's subtree.

    Args:
        session: open transaction.
        actor: who reads; only bookings they oversee are counted.
        since: first day.
        until: day after the last.
    """
    asked = given(actor, since, until)
    parts: dict[int, list[RowMapping]] = defaultdict(list)
    for row in session.connection().execute(_PARTS, asked).mappings():
        parts[row["part"]].append(row)
    (whole,) = parts[_WHOLE]
    totals = measures(whole)
    asked |= days_of_years(since, until)
    asked["organisations"] = actor.organisations(*OVERSEERS)
    asked["year"] = (until - timedelta(days=1)).year
    counts = session.connection().execute(_COUNTS, asked).one()
    return Overview(
        since=since,
        until=until,
        sites=counts.sites,
        branches=counts.branches,
        branches_came=counts.came,
        waiting=counts.waiting,
        statuses={status: whole[name] for status, name in _MEASURES.items() if whole[name]},
        visits=totals.visits,
        people=totals.people,
        late_cancels=totals.late_cancels,
        rating=totals.rating,
        answer_minutes=totals.answer_minutes,
        by_month=sorted(map(_use, parts[_MONTH]), key=lambda use: use.name),
        by_category=_busiest(parts[_CATEGORY]),
        by_town=_busiest(parts[_TOWN]),
        top_sites=_busiest(parts[_SITE])[:TOP],
        balances_fen=dict.fromkeys(FundAccount, 0) | (counts.balances or {}),
    )


def _use(row: RowMapping) -> Use:
    return Use(row["id"], row["name"], row["bookings"], row["visits"], row["people"])


def _busiest(rows: list[RowMapping]) -> list[Use]:
    return sorted(map(_use, rows), key=lambda use: (-use.people, use.name))
