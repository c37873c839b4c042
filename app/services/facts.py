"""The statistics' facts kept in step: folding what changed, and the proof that none drifted."""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from datetime import datetime

import structlog
from sqlalchemy import text
from sqlmodel import Session

from app.models import COUNTED, EVERY_HOME, Grain
from app.models.folding import CAME_ON, NO_DAY

MOST_AT_ONCE = 1_000
"""Bookings folded in one transaction; folding more takes no lock that anybody else waits for."""

log = structlog.get_logger()

_COUNTS = ", ".join(COUNTED)
_NEGATED = ", ".join(f"-{name}" for name in COUNTED)
_GRAINS = ", ".join(f"('{grain}')" for grain in Grain)
_LEFT = " OR ".join(f"sum({name}) <> 0" for name in COUNTED)

DRIFTED_FACTS = """
    SELECT coalesce(l.booking_id, f.booking_id)
    FROM usage_live() l FULL JOIN usage_fact f ON f.booking_id = l.booking_id
    WHERE to_jsonb(l) IS DISTINCT FROM to_jsonb(f)
    AND NOT EXISTS (
        SELECT FROM usage_mark m WHERE m.booking_id = coalesce(l.booking_id, f.booking_id))"""
"""Bookings without a mark whose fact is not what the rows say."""

DRIFTED_CELLS = f"""
    SELECT site_id || ' ' || home_id || ' ' || grain || ' ' || day FROM (
        SELECT f.site_id, h.home_id, g.grain, {_COUNTS},
               date_trunc(g.grain, f.day::timestamp)::date AS day
        FROM usage_fact f CROSS JOIN (VALUES {_GRAINS}) g (grain)
        CROSS JOIN LATERAL (VALUES (f.home_id), ('{EVERY_HOME}')) h (home_id)
        UNION ALL
        SELECT site_id, home_id, grain, {_NEGATED}, day FROM usage_cell) c
    GROUP BY site_id, home_id, grain, day HAVING {_LEFT}"""
"""Sums that are not the sums of their facts."""

DRIFTED_DAYS = f"""
    SELECT organisation_id || ' ' || home_id || ' ' || year
    FROM ({CAME_ON}) f FULL JOIN usage_days d USING (home_id, year, organisation_id)
    WHERE coalesce(f.days, {NO_DAY}) <> coalesce(d.days, {NO_DAY})"""
"""Years of an organisation whose days are not those of its facts."""

CHECKS = {
    "a booking counts for something else than its rows say": DRIFTED_FACTS,
    "a sum of the statistics is not that of its facts": DRIFTED_CELLS,
    "the days of the statistics are not those of their facts": DRIFTED_DAYS,
}


def fold(session: Session, now: datetime) -> int:  # noqa: ARG001 - the shape of a job
    """Fold some of the bookings that changed into the sums; return how many."""
    folded = session.connection().execute(text("SELECT usage_fold(:most)"), {"most": MOST_AT_ONCE})
    return int(folded.scalar_one())


def recount(session: Session) -> list[str]:
    """Recount all facts and sums from the rows; return those that differ, none when all is well."""
    return [
        f"{name}: {row}"
        for name, sql in CHECKS.items()
        for (row,) in session.connection().execute(text(sql))
    ]


def prove(session: Session, now: datetime) -> int:  # noqa: ARG001 - the shape of a job
    """Recount, and say in the log and by the number returned how many facts and sums differ."""
    session.connection().execute(text("SET LOCAL statement_timeout = 0"))
    differing = recount(session)
    tell = log.error if differing else log.info
    tell("usage-recounted", differing=len(differing), first=differing[:10])
    return len(differing)


def rebuild(session: Session) -> int:
    """Build all facts and sums anew from the rows; return how many bookings they count."""
    session.connection().execute(text("SET LOCAL statement_timeout = 0"))
    return int(session.connection().execute(text("SELECT usage_rebuild()")).scalar_one())
