"""What keeps the statistics' facts in step: marks, folding and building anew; all the owner's.

The service may read the facts and call what folds and rebuilds them, and no more.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from sqlalchemy import event
from sqlmodel import SQLModel

from app.db import SERVICE
from app.models.base import ddl
from app.models.usage import COUNTED, EVERY_HOME, Grain

_COUNTS = ", ".join(COUNTED)

LIVE = """\
CREATE FUNCTION usage_live() RETURNS SETOF usage_fact LANGUAGE sql STABLE AS $$
SELECT 1::bigint, (b.status = 'pending')::integer::bigint,
    (b.status = 'approved')::integer::bigint, (b.status = 'rejected')::integer::bigint,
    (b.status = 'expired')::integer::bigint, (b.status = 'cancelled')::integer::bigint,
    (b.status = 'no_show')::integer::bigint, (b.status = 'arrived')::integer::bigint,
    (b.status = 'completed')::integer::bigint, b.late_cancelled::integer::bigint,
    (v.booking_id IS NOT NULL)::integer::bigint, coalesce(v.people_attended, 0)::bigint,
    coalesce((SELECT max(s.people_limit) FROM booking_session i
        JOIN venue_session s ON s.id = i.session_id WHERE i.booking_id = v.booking_id), 0)::bigint,
    (r.id IS NOT NULL)::integer::bigint,
    coalesce(r.content + r.reception + r.facilities, 0)::bigint,
    a.answers, a.answer_us, coalesce(c.committed_fen, 0),
    b.id, b.site_id, b.organisation_id,
    CASE WHEN o.kind = 'branch' THEN o.parent_id ELSE o.id END,
    (b.starts_at AT TIME ZONE 'Asia/Shanghai')::date
FROM booking b
JOIN organisation o ON o.id = b.organisation_id
LEFT JOIN visit v ON v.booking_id = b.id
LEFT JOIN review r ON r.booking_id = b.id
LEFT JOIN subsidy c ON c.booking_id = b.id
CROSS JOIN LATERAL (
    SELECT count(*) AS answers,
        coalesce(sum((extract(epoch FROM e.at - b.created_at) * 1000000)::bigint), 0)::bigint
            AS answer_us
    FROM booking_event e WHERE e.booking_id = b.id
    AND e.to_status IN ('approved', 'rejected') AND e.actor_id IS NOT NULL) a
$$"""
"""What each booking counts for by the rows; planned into the statement that asks, so by index."""

OF = """\
CREATE FUNCTION usage_of(ids uuid[]) RETURNS SETOF usage_fact LANGUAGE plpgsql STABLE ROWS 100 AS $$
BEGIN
    IF cardinality(ids) > 0 THEN
        RETURN QUERY SELECT * FROM usage_live() u WHERE u.booking_id = ANY(ids);
    END IF;
END
$$"""
"""What some bookings count for by the rows; planned once, and not by each statement that asks."""

_SUMS = ", ".join(f"sum(c.{name})::bigint" for name in COUNTED)
_SIGNED = ", ".join(f"sum(f.sign * f.{name})::bigint" for name in COUNTED)
_ADDED = ", ".join(f"{name} = usage_cell.{name} + excluded.{name}" for name in COUNTED)
_WHERE = "booking_id, site_id, organisation_id, home_id, day"
_NEW = ", ".join(
    f"{name} = excluded.{name}"
    for name in (*COUNTED, *_WHERE.removeprefix("booking_id, ").split(", "))
)
_KEPT = f"{_COUNTS}, {_WHERE}"
_GRAINS = ", ".join(f"('{grain}')" for grain in Grain)
_TOGETHER = """\
f.site_id, g.grain, date_trunc(g.grain, f.day::timestamp)::date, h.home_id"""
_HOMES = f"(VALUES (f.home_id), ('{EVERY_HOME}')) h (home_id)"
_EACH = f"(VALUES {_GRAINS}) g (grain) CROSS JOIN LATERAL {_HOMES}"
_DAYS = "home_id, year, organisation_id, days"
NO_DAY = "B'0'::bit(366)"
"""SQL for the days of a year on which nothing was."""
OF_DAY = f"set_bit({NO_DAY}, extract(doy FROM f.day)::integer - 1, 1)"
"""SQL for the day of `f` among the days of its year."""
OF_YEAR = "f.home_id, extract(year FROM f.day)::integer AS year, f.organisation_id"
"""SQL for what the days of `f` are kept under."""

FOLD = f"""\
CREATE FUNCTION usage_fold(most integer) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    folded bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('usage', 0));
    WITH taken AS (
        DELETE FROM usage_mark WHERE booking_id IN (
            SELECT m.booking_id FROM usage_mark m
            GROUP BY m.booking_id ORDER BY min(m.id) LIMIT most)
        RETURNING booking_id
    ), touched AS (
        SELECT DISTINCT booking_id FROM taken
    ), before AS (
        SELECT f.* FROM usage_fact f JOIN touched t ON t.booking_id = f.booking_id
    ), fresh AS (
        SELECT l.* FROM touched t
        CROSS JOIN LATERAL (SELECT * FROM usage_live() u WHERE u.booking_id = t.booking_id) l
    ), changed AS (
        SELECT 1 AS sign, n.* FROM fresh n UNION ALL SELECT -1, o.* FROM before o
    ), gone AS (
        DELETE FROM usage_fact f USING touched t WHERE f.booking_id = t.booking_id
        AND NOT EXISTS (SELECT FROM fresh n WHERE n.booking_id = t.booking_id)
    ), kept AS (
        INSERT INTO usage_fact ({_KEPT}) SELECT {_KEPT} FROM fresh
        ON CONFLICT (booking_id) DO UPDATE SET {_NEW}
    ), moved AS (
        INSERT INTO usage_cell (site_id, grain, day, home_id, {_COUNTS})
        SELECT {_TOGETHER}, {_SIGNED}
        FROM changed f CROSS JOIN {_EACH}
        GROUP BY 1, 2, 3, 4
        ON CONFLICT (site_id, grain, day, home_id) DO UPDATE SET {_ADDED}
    ), came AS (
        SELECT {OF_YEAR}, {OF_DAY} AS day,
            bool_or(f.sign = 1 AND f.visits > 0) OR EXISTS (
                SELECT FROM usage_fact k WHERE k.organisation_id = f.organisation_id
                AND k.day = f.day AND k.home_id = f.home_id AND k.visits > 0
                AND k.booking_id NOT IN (SELECT booking_id FROM touched)) AS still
        FROM changed f GROUP BY f.home_id, f.organisation_id, f.day
    ), told AS (
        INSERT INTO usage_days ({_DAYS})
        SELECT home_id, year, organisation_id, (coalesce(d.days, {NO_DAY}) & ~bit_or(c.day))
            | coalesce(bit_or(c.day) FILTER (WHERE c.still), {NO_DAY})
        FROM came c LEFT JOIN usage_days d USING (home_id, year, organisation_id)
        GROUP BY home_id, year, organisation_id, d.days
        ON CONFLICT (home_id, year, organisation_id) DO UPDATE SET days = excluded.days
    )
    SELECT count(*) INTO folded FROM touched;
    RETURN folded;
END
$$"""
"""Fold so many marked bookings, the oldest marks first; return how many there were.

One statement, so one snapshot: a mark it does not see stays, and with it the change it stands for.
The lock is taken by the statement before, so that whoever waited sees what the other one folded.
"""

CAME_ON = f"""
    SELECT {OF_YEAR}, bit_or({OF_DAY}) AS days FROM usage_fact f WHERE f.visits > 0
    GROUP BY 1, 2, 3"""
"""The days on which organisations came, by the facts."""

REBUILD = f"""\
CREATE FUNCTION usage_rebuild() RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('usage', 0));
    DELETE FROM usage_days;
    DELETE FROM usage_cell;
    DELETE FROM usage_fact;
    WITH taken AS (
        DELETE FROM usage_mark
    )
    INSERT INTO usage_fact ({_KEPT}) SELECT {_KEPT} FROM usage_live();
    GET DIAGNOSTICS counted = ROW_COUNT;
    INSERT INTO usage_cell (site_id, grain, day, home_id, {_COUNTS})
    SELECT {_TOGETHER}, {_SUMS.replace("c.", "f.")}
    FROM usage_fact f CROSS JOIN {_EACH}
    GROUP BY 1, 2, 3, 4;
    INSERT INTO usage_days ({_DAYS}){CAME_ON};
    RETURN counted;
END
$$"""
"""Build all facts from the rows; readers have the old ones until it is committed."""

MARK = """\
CREATE FUNCTION usage_mark() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'booking' THEN
        INSERT INTO usage_mark (booking_id) VALUES (coalesce(NEW.id, OLD.id));
    WHEN 'organisation' THEN
        INSERT INTO usage_mark (booking_id)
        SELECT b.id FROM booking b WHERE b.organisation_id = NEW.id;
    WHEN 'venue_session' THEN
        INSERT INTO usage_mark (booking_id)
        SELECT i.booking_id FROM booking_session i WHERE i.session_id = NEW.id;
    ELSE
        INSERT INTO usage_mark (booking_id) VALUES (coalesce(NEW.booking_id, OLD.booking_id));
    END CASE;
    RETURN NULL;
END
$$"""

_CHANGES = {
    "booking": "status, site_id, organisation_id, starts_at, late_cancelled, created_at",
    "visit": "people_attended",
    "review": "content, reception, facilities",
    "subsidy": "committed_fen",
    "organisation": "parent_id, kind",
    "venue_session": "people_limit",
}


def _differs(columns: str) -> str:
    names = columns.split(", ")
    was, became = (", ".join(f"{row}.{name}" for name in names) for row in ("OLD", "NEW"))
    return f"(({was}) IS DISTINCT FROM ({became}))"


def _trigger(name: str, when: str, table: str, condition: str = "") -> str:
    return (
        f"CREATE TRIGGER {table}_{name} AFTER {when} ON {table} FOR EACH ROW{condition}"
        " EXECUTE FUNCTION usage_mark()"
    )


MARKS = (
    *(
        _trigger("usage_changed", "UPDATE", table, f" WHEN {_differs(columns)}")
        for table, columns in _CHANGES.items()
    ),
    *(
        _trigger("usage_made", "INSERT OR DELETE", table)
        for table in ("booking", "visit", "review")
    ),
    _trigger("usage_made", "INSERT", "subsidy", " WHEN (NEW.committed_fen IS NOT NULL)"),
)
"""An answer is a step of its booking, whose row changes with it; so steps leave no mark."""

GUARDED = (
    "REVOKE INSERT, UPDATE, DELETE ON usage_fact, usage_cell, usage_days, usage_mark"
    f" FROM {SERVICE}",
    "REVOKE EXECUTE ON FUNCTION usage_fold(integer), usage_rebuild() FROM PUBLIC",
    f"GRANT EXECUTE ON FUNCTION usage_fold(integer), usage_rebuild() TO {SERVICE}",
)

for _statement in (LIVE, OF, FOLD, REBUILD, MARK, *MARKS, *GUARDED):
    event.listen(SQLModel.metadata, "after_create", ddl(_statement))
