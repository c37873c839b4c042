"""How late each job is, by the tables alone, so that any process can tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import Session

from app.models import JobBeat
from app.services import job_rows
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER

PATIENCE = timedelta(minutes=1)
"""How late a job may be, at least; one that looks seldom may be late by one period."""

_NOT_PARKED = """NOT EXISTS (SELECT FROM job_row r
    WHERE r.job = '{}' AND r.row_id = b.id AND r.parked_at IS NOT NULL)"""


def _oldest(job: str, column: str, status: str) -> str:
    return f"""SELECT {column} FROM booking b WHERE status = '{status}'
        AND {_NOT_PARKED.format(job)} ORDER BY {column} LIMIT 1"""  # noqa: S608 - all ours


OLDEST_DUE: Mapping[str, tuple[str, timedelta]] = {
    "answer-overdue": (_oldest("answer-overdue", "respond_by", "pending"), timedelta()),
    "mark-no-shows": (_oldest("mark-no-shows", "ends_at", "approved"), NO_SHOW_AFTER),
    "close-finished": (_oldest("close-finished", "ends_at", "arrived"), CLOSES_AFTER),
    "deliver-messages": (
        """SELECT due_at FROM notification WHERE delivered_at IS NULL AND missed_at IS NULL
        ORDER BY due_at LIMIT 1""",
        timedelta(),
    ),
}
"""Of jobs that work row by row: the time of the oldest row, read from the end of an index, and how
long after it the row is due. Parked rows are shown as such, and not counted."""


@dataclass(frozen=True)
class Late:
    """How a job is at some instant; `late` is zero for one in time."""

    beat: JobBeat
    late: timedelta

    @property
    def ok(self) -> bool:
        """Tell whether nobody needs to look after it."""
        return self.late <= max(PATIENCE, timedelta(seconds=self.beat.seconds))


def of(session: Session, *, now: datetime) -> list[Late]:
    """Return how late each job is: since its oldest row fell due, or since it should have run."""
    return [Late(beat, _late(session, beat, now)) for beat in job_rows.beats(session)]


def _late(session: Session, beat: JobBeat, now: datetime) -> timedelta:
    since = [(beat.last_ok_at or beat.known_since) + timedelta(seconds=beat.seconds)]
    if beat.job in OLDEST_DUE:
        statement, after = OLDEST_DUE[beat.job]
        oldest = session.connection().execute(text(statement)).scalar()
        since += [oldest + after] if oldest else []
    return max(timedelta(), now - min(since))
