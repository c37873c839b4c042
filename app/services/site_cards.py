"""Cards made ahead: kept by a job, read with whatever is not right at the moment made anew.

A reader never depends on the job: a card counts only at instants it was made for and while no note
says that something has changed since. Where all cards of a window count, one short statement
answers. Else another one takes those that do and reckons the rest, by the query that the job itself
uses. Each statement sees one snapshot, and is right alone.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, func, text
from sqlmodel import Session, select

from app.models import Crs
from app.reader import Facts, Reader
from app.services import cards
from app.services.calendar import ZONE

BATCH = 2000
"""Cards made in one transaction: well below a second's work."""

_TODAY = f"CAST(CAST(:now AT TIME ZONE '{ZONE}' AS date) AS timestamp) AT TIME ZONE '{ZONE}'"
_NEVER = "CAST('9999-01-01 UTC' AS timestamptz)"  # infinity is no date to Python
_COLUMNS = (
    "town_id", "category", "name", "short_name", "location", "next_free_at",
    "feature", "digest", "good_from", "good_until",
)  # fmt: skip


def _told(where: str) -> str:
    """Return SQL for published sites, each with its GeoJSON Feature.

    OFFSET 0 keeps the planner from reckoning twice what is told and returned besides.
    """
    return f"""
        SELECT c.*,
            '{{"type":"Feature","id":"' || c.id || '","geometry":' || ST_AsGeoJSON(c.location, 6)
            || ',"properties":' || row_to_json(p) || '}}' AS feature
        FROM ({cards.published(where)} OFFSET 0) c CROSS JOIN LATERAL (
            SELECT c.id, c.name, c.short_name, c.category, c.kinds, c.town, c.address, c.summary,
                to_char(
                    c.next_free_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'
                ) AS next_free_at,
                c.rating, c.photo_url
        ) p
    """  # noqa: S608  # constants


def computed(where: str) -> str:
    """Return SQL for the cards of published sites as they are at `:now`, from their sources.

    Args:
        where: more conditions on `site s`.
    """
    return f"""
        SELECT f.id AS site_id, f.*, hashtextextended(f.feature, 0) AS digest
        FROM ({_told(where)}) f
    """  # noqa: S608  # constants


class Reading(NamedTuple):
    """Two statements for one question: by the cards alone, and whatever the cards are worth.

    The first column of `short` tells whether its answer may be believed.
    """

    short: TextClause
    whole: TextClause


# NOT IN, for its table is hashed once: however many notes there are, each is looked at once.
_GOOD = """
    (c.good_from <= :now AND :now < c.good_until
        AND c.site_id NOT IN (SELECT n.site_id FROM site_card_stale n))
"""


def reading(columns: str, *, where: str, near: str, answer: str) -> Reading:
    """Return the statements that answer a question about the sites in a part of the world.

    Args:
        columns: of `SiteCard`, joined by commas; `site_id` is there anyway.
        where: a condition with `{row}` for either `site_card` or `site`, and `{id}` for its key;
            it may use what both tables have by the same name.
        near: the part of `where` about `{row}.location`.
        answer: selects one row `FROM shown`, which has these columns and `good`; its first column
            is `{clean}`, an aggregate over the rows of `shown` that matter.
    """
    of_card, of_site = where.format(row="c", id="c.site_id"), where.format(row="s", id="s.id")
    live = computed(
        f"{of_site} AND NOT EXISTS (SELECT FROM site_card c WHERE c.site_id = s.id AND {_GOOD})"
    )
    by_cards = f"SELECT c.site_id, {columns}, {_GOOD} AS good FROM site_card c WHERE {of_card}"  # noqa: S608
    by_all = f"""
        SELECT c.site_id, {columns}, TRUE AS good FROM site_card c WHERE {of_card} AND {_GOOD}
        UNION ALL SELECT site_id, {columns}, TRUE FROM ({live}) l
    """  # noqa: S608  # constants
    # Of a site that has no card here yet, or had it elsewhere, the note knows where it is now.
    clean = (
        "coalesce(bool_and(good), TRUE) AND NOT EXISTS"
        f" (SELECT FROM site_card_stale n WHERE {near.format(row='n')})"
    )
    return Reading(
        text(f"WITH shown AS ({by_cards}) {answer.replace('{clean}', clean)}"),
        text(f"WITH shown AS ({by_all}) {answer.replace('{clean}', 'TRUE')}"),
    )


def read(reader: Reader, question: Reading, facts: Facts) -> tuple[Any, ...]:
    """Return the answer to a question, without the first column."""
    clean, *answer = reader.row(question.short, facts)
    if not clean:
        _, *answer = reader.row(question.whole, facts)
    return tuple(answer)


def told(site_id: str) -> str:
    """Return SQL for a table `told` of one row: what lists say of a published site, as `site`.

    Args:
        site_id: SQL for its key, of a table to the left.
    """
    degrees = [
        f"round(CAST(ST_{axis}(c.location) AS numeric), CAST(:digits AS integer))" for axis in "XY"
    ]
    lon, lat = degrees
    # Reckoned only where the card is not good, for one row is enough.
    return f"""
        CROSS JOIN LATERAL (
            SELECT left(CAST(CAST(c.feature AS json) -> 'properties' AS text), -1)
                || ',"point":{{"lon":' || {lon} || ',"lat":' || {lat}
                || ',"crs":"wgs84"}}}}' AS site
            FROM site_card c WHERE c.site_id = {site_id} AND {_GOOD}
            UNION ALL
            SELECT CAST({cards.TOLD} AS text) FROM ({cards.published(f"s.id = {site_id}")}) c
            LIMIT 1
        ) told
    """  # noqa: S608  # constants


_LISTED = text(f"""
    SELECT convert_to(coalesce(string_agg(told.site, ',' ORDER BY asked.n), ''), 'UTF8')
    FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY asked (id, n) {told("asked.id")}
""")  # noqa: S608  # constants


def listed(reader: Reader, *, ids: Sequence[UUID], crs: Crs, now: datetime) -> bytes:
    """Return what lists say of those of these sites that are published, as a JSON array.

    Args:
        reader: reads one statement.
        ids: of sites, in the order of the list.
        crs: of the sites' points in the answer.
        now: the present instant, aware.
    """
    if not ids:
        return b"[]"
    [items] = reader.row(_LISTED, {"ids": list(ids), "now": now, "digits": cards.digits(crs)})
    sites = b"[%s]" % items
    if crs is Crs.WGS84:
        return sites
    moved = [cards.moved(one, crs) for one in json.loads(sites)]
    return json.dumps(moved, ensure_ascii=False).encode()


# The notes go and the cards come in one statement, so of one snapshot: a note that arrives while it
# runs is not seen by it, and stays.
_REFRESH = text(f"""
    WITH noted AS (
        DELETE FROM site_card_stale WHERE id = ANY(ARRAY(
            SELECT id FROM site_card_stale ORDER BY id LIMIT :batch
        )) RETURNING site_id
    ),
    wanted AS (
        SELECT site_id FROM noted UNION (
            SELECT site_id FROM site_card WHERE good_until <= :now LIMIT :batch
        )
    ),
    opening AS MATERIALIZED (SELECT ({cards.OPENS}) AS opens),
    made AS MATERIALIZED (
        SELECT m.*, span.* FROM (
            {computed("s.id = ANY(ARRAY(SELECT site_id FROM wanted))")}
        ) m CROSS JOIN opening CROSS JOIN LATERAL (
            SELECT
                coalesce(max(t.at) FILTER (WHERE t.at <= :now), '-infinity') AS ruled_since,
                coalesce(min(t.at) FILTER (WHERE t.at > :now), {_NEVER}) AS ruled_until
            FROM policy p CROSS JOIN LATERAL (VALUES (p.effective_at), (p.ends_at)) t (at)
            WHERE p.district_id = m.district_id AND (p.site_id = m.id OR p.site_id IS NULL)
        ) rules CROSS JOIN LATERAL (
            SELECT
                CASE WHEN m.lead > 0 THEN greatest(rules.ruled_since, {_TODAY}) ELSE :now END
                    AS good_from,
                least(rules.ruled_until, CASE
                    WHEN m.lead > 0 THEN
                        opens[width_bucket(m.next_free_at, opens) - m.lead + 1]
                    ELSE m.next_free_at
                END) AS good_until
        ) span
    ),
    gone AS (
        DELETE FROM site_card WHERE site_id = ANY(ARRAY(
            SELECT site_id FROM wanted EXCEPT SELECT site_id FROM made
        ))
    ),
    kept AS (
        INSERT INTO site_card (site_id, {", ".join(_COLUMNS)})
        SELECT site_id, {", ".join(_COLUMNS)} FROM made
        ON CONFLICT (site_id) DO UPDATE
        SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS)}
    )
    SELECT count(*) FROM wanted
""")  # noqa: S608  # constants


WRONG = f"""
    SELECT coalesce(c.site_id, l.site_id)
    FROM site_card c FULL JOIN ({computed("TRUE")}) l ON l.site_id = c.site_id
    WHERE (c.site_id IS NULL OR (c.good_from <= :now AND :now < c.good_until))
        AND (c.digest, c.town_id, c.category, c.name, c.short_name, c.location, c.next_free_at)
        IS DISTINCT FROM
            (l.digest, l.town_id, l.category, l.name, l.short_name, l.location, l.next_free_at)
        AND NOT EXISTS (
            SELECT FROM site_card_stale n WHERE n.site_id IN (c.site_id, l.site_id)
        )
"""  # noqa: S608  # constants
"""Sites whose card readers would believe at `:now` though it is wrong; there should be none."""


def refresh(session: Session, now: datetime) -> int:
    """Make up to `BATCH` cards anew that are noted or too old, and return how many were looked at.

    Whoever comes while another does it returns 0: a card must not be written by two statements of
    which one has seen less.

    Args:
        session: open transaction; the lock is kept to its end.
        now: the present instant, aware.
    """
    free = func.pg_try_advisory_xact_lock(func.hashtextextended("site-cards", 0))
    if not session.exec(select(free)).one():
        return 0
    facts = {"now": now, "batch": BATCH}
    touched: int = session.connection().execute(_REFRESH, facts).scalar_one()
    return touched
