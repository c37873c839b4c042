"""What was looked for and found nothing: kept without anybody's name, for what is missing."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col

from app.models import UnmetSearch
from app.services.availability import Wish
from app.services.calendar import local_date

KEPT = timedelta(days=730)
MOST_A_DAY = 10_000
"""Rows of one day; whoever asks for ever new things then only adds to those that are there."""
RADII_M = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
PEOPLE = (5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1_000, 10_000)
PATIENCE_MS = 50
"""How long to wait for somebody who counts the same."""

log = structlog.get_logger()

_SAME = (
    "asked_on, longitude, latitude, radius_m, wanted_from, wanted_to, people, minutes, category,"
    " programme_kind"
)
_COUNT = text(f"""
    WITH asked ({_SAME}) AS (
        VALUES (
            CAST(:asked_on AS date), CAST(:longitude AS float8), CAST(:latitude AS float8),
            CAST(:radius_m AS integer), CAST(:wanted_from AS timestamptz),
            CAST(:wanted_to AS timestamptz), CAST(:people AS integer), CAST(:minutes AS integer),
            CAST(:category AS text), CAST(:programme_kind AS text)
        )
    )
    INSERT INTO unmet_search (id, times, {_SAME})
    SELECT uuid7(), 1, {_SAME} FROM asked
    WHERE EXISTS (
        SELECT FROM unmet_search JOIN asked USING ({_SAME})
    ) OR (
        SELECT count(*) FROM (
            SELECT FROM unmet_search WHERE asked_on = :asked_on LIMIT :most
        ) today
    ) < :most
    ON CONFLICT ({_SAME}) DO UPDATE SET times = unmet_search.times + 1
""")  # noqa: S608  # constants


def count(session: Session, *, wish: Wish, now: datetime) -> None:
    """Count a search that found nothing; if that fails, nobody is the worse for it.

    What was asked is rounded, so that like searches count as one: the place to the middle of a
    cell of a hundredth of a degree, times to whole hours, radius and people to the next step.

    Args:
        session: open transaction; it goes on whatever happens here.
        wish: what was looked for.
        now: the present instant, aware.
    """
    facts = {
        "asked_on": local_date(now),
        "longitude": _middle(wish.near.lon),
        "latitude": _middle(wish.near.lat),
        "radius_m": _step(wish.radius_m, RADII_M),
        "wanted_from": wish.since.replace(minute=0, second=0, microsecond=0),
        "wanted_to": _full_hour(wish.until),
        "people": group_size(wish.people),
        "minutes": -(-(wish.minutes or 0) // 30) * 30,
        "category": wish.category or "",
        "programme_kind": wish.programme_kind or "",
        "most": MOST_A_DAY,
    }
    try:
        with session.begin_nested():
            connection = session.connection()
            connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_MS}ms'"))
            connection.execute(_COUNT, facts)
    except SQLAlchemyError:
        log.warning("unmet-search-not-counted", exc_info=True)


def group_size(people: int) -> int:
    """Return the next step above the size of a group (1 to 10,000), so that like ones are one."""
    return _step(people, PEOPLE)


def forget_old(session: Session, now: datetime) -> int:
    """Delete what was asked longer than `KEPT` ago, and return how much that was."""
    old = col(UnmetSearch.asked_on) < local_date(now - KEPT)
    return session.exec(delete(UnmetSearch).where(old)).rowcount


def _middle(degrees: float) -> float:
    hundredths = min(int((degrees + 180) * 100), 36_000)
    return round(hundredths / 100 - 180 + 0.005, 3)


def _step(value: int, steps: tuple[int, ...]) -> int:
    return next(step for step in steps if value <= step)


def _full_hour(instant: datetime) -> datetime:
    full = instant.replace(minute=0, second=0, microsecond=0)
    return full if full == instant else full + timedelta(hours=1)
