"""What sites are found by: written anew where it does not say what it should."""

from datetime import datetime

from sqlalchemy import text
from sqlmodel import Session

from app.models.site_words import SOURCE, write_words

AT_ONCE = 2000
"""Sites written in one transaction: some seconds' work, during which they cannot be changed."""
BATCH = 250

OUTDATED = f"""
    SELECT s.id FROM site s JOIN organisation t ON t.id = s.town_id
    LEFT JOIN site_words w ON w.site_id = s.id
    WHERE w.source IS DISTINCT FROM {SOURCE}
"""  # noqa: S608  # a constant
"""SQL for the ids of the sites whose words are missing or old."""

_DUE = text(f"{OUTDATED} ORDER BY s.id LIMIT :at_once")


def catch_up(session: Session, now: datetime) -> int:  # noqa: ARG001  # a job is given the time
    """Write words that are missing or old, and return of how many sites: at most `AT_ONCE`.

    The models' listener keeps them in step with every change made through the models; what was
    copied into the tables past it is seen here.

    Args:
        session: open transaction.
        now: the present instant, aware.
    """
    due = session.connection().scalars(_DUE, {"at_once": AT_ONCE}).all()
    for n in range(0, len(due), BATCH):
        write_words(session.connection(), due[n : n + BATCH])
    return len(due)
