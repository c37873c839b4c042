"""How orders were answered: how fast, by whom passed on, why refused, and who did not come.

Orders count on the day, in Shanghai, on which they begin, as in the usage of sites. Medians cannot
be added up, so rows are read: the time grows with the bookings of the period.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlmodel import Session

from app.services.access import OVERSEERS, Actor
from app.services.calendar import midnight
from app.services.usage import Key

MOST_REASONS = 20
"""Different reasons that are told; what was said less often is counted together."""


class By(StrEnum):
    """What answers are told apart by."""

    SITE = "site"
    TOWN = "town"
    MONTH = "month"


MOST_KEYS = 2


@dataclass(frozen=True)
class Asked:
    """Days `[since, until)`, keys, and filters; None filters nothing."""

    since: date
    until: date
    group_by: tuple[By, ...] = ()
    site_id: UUID | None = None
    outside: bool | None = None
    limit: int = 1000


@dataclass(frozen=True)
class Measures:
    """Of orders; `answers` are those by a person, `in_time` those before the town was asked.

    Minutes are from the order to the answer; None without one. `p90_minutes` is not exceeded by
    nine of ten, between two answers in proportion.
    """

    bookings: int
    answers: int
    in_time: int
    mean_minutes: float | None
    median_minutes: float | None
    p90_minutes: float | None
    escalated: int
    expired: int
    rejected: int
    no_shows: int
    late_cancels: int


@dataclass(frozen=True)
class Cell:
    """The measures of one combination of keys."""

    keys: tuple[Key, ...]
    measures: Measures


@dataclass(frozen=True)
class Reason:
    """Why orders were rejected, in the words of who did, and how often."""

    reason: str
    count: int


@dataclass(frozen=True)
class Answers:
    """Cells, whether there are `more`, the totals of all, and reasons, the most frequent first.

    `other_reasons` counts the rejections whose reason is not among those.
    """

    cells: list[Cell]
    more: bool
    totals: Measures
    reasons: list[Reason]
    other_reasons: int


_KEYS = {
    By.SITE: ("s.id::text", "s.short_name"),
    By.TOWN: ("t.id::text", "t.place"),
    By.MONTH: ("c.month", "c.month"),
}
_SEEN = """
    seen AS MATERIALIZED (
        SELECT b.id, b.site_id, b.status, b.late_cancelled, b.escalated_at, b.created_at,
            to_char(b.starts_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') AS month
        FROM booking b JOIN organisation o ON o.id = b.organisation_id
        JOIN site s ON s.id = b.site_id JOIN organisation t ON t.id = s.town_id
        WHERE b.starts_at >= :since AND b.starts_at < :until
        AND (t.path <@ ANY(CAST(:paths AS ltree[])) OR o.path <@ ANY(CAST(:paths AS ltree[])))
        AND (CAST(:site_id AS uuid) IS NULL OR b.site_id = :site_id)
        AND (CAST(:outside AS boolean) IS NULL OR o.outside = :outside))"""
_ANSWERED = "e.to_status IN ('approved', 'rejected') AND e.actor_id IS NOT NULL"
_COUNTED = f"""
    SELECT site_id, month, 1 AS bookings, (escalated_at IS NOT NULL)::int AS escalated,
        (status = 'expired')::int AS expired, (status = 'rejected')::int AS rejected,
        (status = 'no_show')::int AS no_shows, late_cancelled::int AS late_cancels,
        NULL::float8 AS minutes, 0 AS in_time
    FROM seen
    UNION ALL
    SELECT a.site_id, a.month, 0, 0, 0, 0, 0, 0,
        extract(epoch FROM e.at - a.created_at)::float8 / 60,
        (a.escalated_at IS NULL OR e.at < a.escalated_at)::int
    FROM seen a JOIN booking_event e ON e.booking_id = a.id AND {_ANSWERED}"""
_MEASURES = """
    coalesce(sum(c.bookings), 0) AS bookings, count(c.minutes) AS answers,
    coalesce(sum(c.in_time), 0) AS in_time, avg(c.minutes) AS mean_minutes,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY c.minutes) AS median_minutes,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY c.minutes) AS p90_minutes,
    coalesce(sum(c.escalated), 0) AS escalated, coalesce(sum(c.expired), 0) AS expired,
    coalesce(sum(c.rejected), 0) AS rejected, coalesce(sum(c.no_shows), 0) AS no_shows,
    coalesce(sum(c.late_cancels), 0) AS late_cancels"""
_REASONS = text(f"""
    WITH {_SEEN}
    SELECT btrim(e.reason), count(*) AS n, sum(count(*)) OVER () AS total
    FROM seen a JOIN booking_event e ON e.booking_id = a.id AND e.to_status = 'rejected'
    WHERE e.reason IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT :most""")


def answers(session: Session, *, actor: Actor, asked: Asked) -> Answers:
    """Tell how orders of an overseer's subtree were answered, in two statements.

    Args:
        session: open transaction.
        actor: who reads; orders of branches and at sites they oversee are counted.
        asked: what is asked.
    """
    given = {
        "paths": actor.paths(*OVERSEERS),
        "since": midnight(asked.since),
        "until": midnight(asked.until),
        "site_id": asked.site_id,
        "outside": asked.outside,
    }
    connection = session.connection()
    found = connection.execute(_statement(asked.group_by), {**given, "limit": asked.limit + 2})
    # The totals come first.
    whole, *rows = found.mappings().all()
    said = connection.execute(_REASONS, {**given, "most": MOST_REASONS}).all()
    reasons = [Reason(row[0], row[1]) for row in said]
    rejections = int(said[0].total) if said else 0
    return Answers(
        cells=[Cell(tuple(_keys(row, asked.group_by)), _measures(row)) for row in rows][
            : asked.limit
        ],
        more=len(rows) > asked.limit,
        totals=_measures(whole),
        reasons=reasons,
        other_reasons=rejections - sum(reason.count for reason in reasons),
    )


def _statement(keys: tuple[By, ...]) -> TextClause:
    columns = [sql for key in keys for sql in _KEYS[key]]
    named = "".join(f"{sql} AS key_{n}, " for n, sql in enumerate(columns))
    sets = f"(), ({', '.join(columns)})" if keys else "()"
    grouped = f"GROUPING({columns[0]}) DESC, " if keys else ""
    order = grouped + ", ".join(str(n + 1) for n in range(len(columns)))
    return text(f"""
        WITH {_SEEN}, c AS ({_COUNTED})
        SELECT {named}{_MEASURES} FROM c JOIN site s ON s.id = c.site_id
        JOIN organisation t ON t.id = s.town_id
        GROUP BY GROUPING SETS ({sets}) {f"ORDER BY {order}" if keys else ""} LIMIT :limit""")


def _keys(row: RowMapping, keys: tuple[By, ...]) -> Iterator[Key]:
    for n in range(len(keys)):
        yield Key(row[f"key_{2 * n}"], row[f"key_{2 * n + 1}"])


def _measures(row: RowMapping) -> Measures:
    def minutes(name: str) -> float | None:
        return None if row[name] is None else round(row[name], 1)

    return Measures(
        bookings=int(row["bookings"]),
        answers=int(row["answers"]),
        in_time=int(row["in_time"]),
        mean_minutes=minutes("mean_minutes"),
        median_minutes=minutes("median_minutes"),
        p90_minutes=minutes("p90_minutes"),
        escalated=int(row["escalated"]),
        expired=int(row["expired"]),
        rejected=int(row["rejected"]),
        no_shows=int(row["no_shows"]),
        late_cancels=int(row["late_cancels"]),
    )
