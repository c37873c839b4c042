"""What bookings of a period count for, exactly: sums and facts, put right for what is marked.

Pieces of SQL for one statement, so that a change is seen together with its mark or not at all
(docs/decisions/0016). They read `:paths`, the subtrees of who asks, and the days of `period`.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from datetime import date

from app.models import COUNTED

SUMS = ", ".join(f"coalesce(sum(c.{name}), 0) AS {name}" for name in COUNTED)
"""All measures of the rows `c` that `counted` gives."""
SCOPE = """
    own_site AS MATERIALIZED (
        SELECT s.id FROM site s JOIN organisation t ON t.id = s.town_id
        WHERE t.path <@ ANY(CAST(:paths AS ltree[]))
    ), own_home AS MATERIALIZED (
        SELECT id FROM organisation WHERE path <@ ANY(CAST(:paths AS ltree[]))
    ), marked AS MATERIALIZED (SELECT DISTINCT booking_id FROM usage_mark)"""
"""Whom and what the reader oversees, and what is marked: the first parts of a WITH."""
WITHIN = "day >= :since AND day < :until"
EITHER = """(f.site_id IN (SELECT id FROM own_site) OR f.home_id IN (SELECT id FROM own_home))"""
"""That a fact `f` is of a site or of a branch the reader oversees."""
OF_CELLS = """(
        grain = 'month' AND day >= :month_since AND day < :month_until
        OR grain = 'day' AND day >= :since AND day < :month_since
        OR grain = 'day' AND day >= :month_until AND day < :until)"""
_COUNTS = ", ".join(COUNTED)
_NEGATED = ", ".join(f"-f.{name} AS {name}" for name in COUNTED)
_REACHES = (
    "site_id IN (SELECT id FROM own_site)",
    "home_id IN (SELECT id FROM own_home) AND site_id NOT IN (SELECT id FROM own_site)",
)


def counted(*, facts: bool) -> str:
    """Return the SQL of all that counts: by site, home and day or month, or booking by booking."""
    kept, table = ("site_id, home_id, day", "usage_cell")
    within = OF_CELLS
    if facts:
        kept, table, within = f"booking_id, organisation_id, {kept}", "usage_fact", WITHIN
    of_mark = ", ".join(f"f.{name}" for name in kept.split(", "))
    return "\n    UNION ALL ".join(
        (
            *(
                f"SELECT {kept}, {_COUNTS} FROM {table} WHERE {within} AND {reach}"
                for reach in _REACHES
            ),
            f"SELECT {of_mark}, {_NEGATED} FROM marked m JOIN usage_fact f"
            f" ON f.booking_id = m.booking_id WHERE f.{WITHIN} AND {EITHER}",
            f"SELECT {of_mark}, {_COUNTS} FROM marked m CROSS JOIN LATERAL"
            " (SELECT * FROM usage_live() u WHERE u.booking_id = m.booking_id) f"
            f" WHERE f.{WITHIN} AND {EITHER}",
        )
    )


def period(since: date, until: date, *, by_day: bool = False) -> dict[str, date]:
    """Return the days `[since, until)` and the whole months in them, which sums of months count.

    Args:
        since: first day.
        until: day after the last.
        by_day: whether days are told apart, so that no sum of a month will do.
    """
    following = date(since.year + since.month // 12, since.month % 12 + 1, 1)
    first, last = (since if since.day == 1 else following), until.replace(day=1)
    if by_day or first >= last:
        first = last = until
    return {"since": since, "until": until, "month_since": first, "month_until": last}
