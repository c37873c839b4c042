"""What bookings of a period count for, exactly: sums and facts, put right for what is marked.

Pieces of SQL for one statement, so that a change is seen together with its mark or not at all
(docs/decisions/0016). Their parameters are `given`.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

from app.models import COUNTED, EVERY_HOME, Grain
from app.services.access import OVERSEERS, Actor

SUMS = ", ".join(f"coalesce(sum(c.{name}), 0)::bigint AS {name}" for name in COUNTED)
"""All measures of rows `c`."""
MARKED = "marked AS MATERIALIZED (SELECT DISTINCT booking_id FROM usage_mark)"
"""What changed since it was folded."""
SCOPE = f"""
    own_site AS MATERIALIZED (
        SELECT s.id FROM site s JOIN organisation t ON t.id = s.town_id
        WHERE t.path <@ ANY(CAST(:paths AS ltree[]))
    ), own_home AS MATERIALIZED (
        SELECT id FROM organisation
        WHERE kind <> 'branch' AND path <@ ANY(CAST(:paths AS ltree[]))
    ), {MARKED}, span AS MATERIALIZED (
        SELECT * FROM unnest(CAST(:grains AS text[]), CAST(:sinces AS date[]),
            CAST(:untils AS date[]), CAST(:signs AS bigint[])) u (grain, since, until, sign)
    )"""
"""Whom and what the reader oversees, what is marked, and which sums the days are made of."""
IN_YEARS = """
    c.grain = 'year' AND c.day < :until
    AND c.day >= date_trunc('year', CAST(:since AS timestamp))::date"""
"""That a sum `c` is of a year of which some days are asked for."""
# Nearly all that own branches do is at own sites: those years are passed by within the index.
_ABROAD = f"""
    abroad AS MATERIALIZED (
        SELECT DISTINCT c.site_id, c.home_id FROM own_home h JOIN usage_cell c ON c.home_id = h.id
        WHERE {IN_YEARS} AND c.site_id NOT IN (SELECT id FROM own_site))"""
WITHIN = "day >= :since AND day < :until"
OF_MARKED = "usage_of(ARRAY(SELECT booking_id FROM marked))"
"""What the rows say of what is marked."""
EITHER = "(f.site_id IN (SELECT id FROM own_site) OR f.home_id IN (SELECT id FROM own_home))"
"""That a fact `f` is of a site or of a branch the reader oversees."""
_DAYS = 366
_COUNTS = ", ".join(COUNTED)
_NEGATED = ", ".join(f"-f.{name}" for name in COUNTED)
_SIGNED = ", ".join(f"p.sign * c.{name} AS {name}" for name in COUNTED)
# Without OFFSET all sums there are would be read, for how few they are is not known beforehand.
_CELLS = """
    (SELECT * FROM usage_cell u WHERE {where} AND u.grain = p.grain
        AND u.day >= p.since AND u.day < p.until OFFSET 0)"""
_AT_OWN_SITES = f"""
    span p CROSS JOIN own_site o CROSS JOIN LATERAL
    {_CELLS.format(where=f"u.site_id = o.id AND u.home_id = '{EVERY_HOME}'")} c"""
_ELSEWHERE = f"""
    span p CROSS JOIN abroad a CROSS JOIN LATERAL
    {_CELLS.format(where="u.site_id = a.site_id AND u.home_id = a.home_id")} c"""
_REACHES = (
    "site_id IN (SELECT id FROM own_site)",
    "home_id IN (SELECT id FROM own_home) AND site_id NOT IN (SELECT id FROM own_site)",
)


def of_facts() -> str:
    """Return the SQL of what counts, booking by booking."""
    kept = "booking_id, organisation_id, site_id, home_id, day"
    return _put_right(
        kept, *(f"usage_fact WHERE {WITHIN} AND {reach}" for reach in _REACHES), counts=_COUNTS
    )


def of_cells(unit: Grain) -> str:
    """Return the SQL of what counts, by site and day or first day of the month; to be added up."""
    rows = _put_right("site_id, day", _AT_OWN_SITES, _ELSEWHERE, counts=_SIGNED, of="c.")
    day = f"date_trunc('{unit}', day::timestamp)::date"
    return f"WITH {_ABROAD} SELECT site_id, {day} AS day, {_COUNTS} FROM ({rows}) u"


def _put_right(kept: str, *sources: str, counts: str, of: str = "") -> str:
    """Take what is marked out of what was folded, and add what its rows say."""
    columns = kept.split(", ")
    kept, of_mark = (", ".join(f"{table}{name}" for name in columns) for table in (of, "f."))
    return "\n    UNION ALL ".join(
        (
            *(f"SELECT {kept}, {counts} FROM {source}" for source in sources),
            f"SELECT {of_mark}, {_NEGATED} FROM marked m JOIN usage_fact f"
            f" ON f.booking_id = m.booking_id WHERE f.{WITHIN} AND {EITHER}",
            f"SELECT {of_mark}, {_COUNTS} FROM {OF_MARKED} f WHERE f.{WITHIN} AND {EITHER}",
        )
    )


class Span(NamedTuple):
    """Sums of `[since, until)` to be added; to be taken away, if the sign is -1."""

    grain: Grain
    since: date
    until: date
    sign: int


def given(actor: Actor, since: date, until: date, *, by_day: bool = False) -> dict[str, Any]:
    """Return the parameters of the pieces.

    Args:
        actor: who reads; what they oversee is counted.
        since: first day.
        until: day after the last.
        by_day: whether days are told apart, so that no sum of a month will do.
    """
    whole = [Span(Grain.DAY, since, until, 1)]
    spans = whole if by_day else list(_spans(since, until))
    return {
        "paths": actor.paths(*OVERSEERS),
        "since": since,
        "until": until,
        "grains": [str(span.grain) for span in spans],
        "sinces": [span.since for span in spans],
        "untils": [span.until for span in spans],
        "signs": [span.sign for span in spans],
    }


def days_of_years(since: date, until: date) -> dict[str, Any]:
    """Return `[since, until)` as parameters: `years`, and `masks` of 366 days for each."""
    years = list(range(since.year, until.year + 1))
    masks = []
    for year in years:
        first = date(year, 1, 1)
        begin, end = (min(max((day - first).days, 0), _DAYS) for day in (since, until))
        masks.append("0" * begin + "1" * (end - begin) + "0" * (_DAYS - end))
    return {"years": years, "masks": masks}


def _spans(since: date, until: date) -> Iterator[Span]:
    """Make days of months, and of what a month at either end has too much or too little.

    A month of which most is asked for is taken whole, and the other days are taken away.
    """
    first, last = _nearest(since), _nearest(until)
    if first >= last:
        yield Span(Grain.DAY, since, until, 1)
        return
    yield Span(Grain.MONTH, first, last, 1)
    yield Span(Grain.DAY, min(since, first), max(since, first), 1 if since < first else -1)
    yield Span(Grain.DAY, min(until, last), max(until, last), 1 if last < until else -1)


def _nearest(day: date) -> date:
    """Return the first day of a month that is nearest to a day."""
    first = day.replace(day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return first if day - first <= following - day else following
