"""What jobs cannot get done, row by row, and how each job is; read and written by all processes."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app.errors import NotFound
from app.models import JobBeat, JobRow

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
MOST_ATTEMPTS = 8
"""Then a row is parked: two hours and more after it failed first."""
KEPT = timedelta(days=30)
"""How long a failure is remembered of a row that nobody tried again: it is not due any more."""
MOST_SHOWN = 200
MOST_LETTERS = 500


class JobRowNotFound(NotFound):
    """There is no such row that a job has failed on."""

    zh = "没有这条搁置的任务记录"


def held_back(*, job: str, now: datetime) -> SelectOfScalar[UUID]:
    """Return the rows that a job leaves alone at `now`: parked, or waiting for their next try."""
    waits = or_(col(JobRow.parked_at).is_not(None), col(JobRow.next_try_at) > now)
    return select(JobRow.row_id).where(JobRow.job == job, waits)


def failing(session: Session, *, job: str) -> set[UUID]:
    """Return the rows that a job failed on and has not done since."""
    return set(session.exec(select(JobRow.row_id).where(JobRow.job == job)).all())


def wait_after(attempts: int) -> timedelta:
    """Return how long a row waits after so many failures, from 1 on."""
    return min(FIRST_WAIT * (1 << min(attempts - 1, 20)), LONGEST_WAIT)


def told(error: Exception) -> str:
    """Return what is kept of a failure: not what a database adds, which are people's own words."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:MOST_LETTERS]


def fail(session: Session, *, job: str, row_id: UUID, error: str, now: datetime) -> int:
    """Note a failure, put the next try off, park the row after the last; return how many so far."""
    first = insert(JobRow).values(
        id=uuid7(),
        job=job,
        row_id=row_id,
        attempts=1,
        next_try_at=now + wait_after(1),
        last_error=error,
    )
    once_more = {"attempts": col(JobRow.attempts) + 1, "last_error": error}
    noted = first.on_conflict_do_update(constraint="job_row_once", set_=once_more)
    attempts = int(session.exec(noted.returning(col(JobRow.attempts))).scalar_one())
    session.exec(
        update(JobRow)
        .where(col(JobRow.job) == job, col(JobRow.row_id) == row_id)
        .values(
            next_try_at=now + wait_after(attempts),
            parked_at=now if attempts >= MOST_ATTEMPTS else None,
        )
    )
    beat = update(JobBeat).where(col(JobBeat.job) == job)
    session.exec(beat.values(failed=col(JobBeat.failed) + 1))
    return attempts


def done(session: Session, *, job: str, row_id: UUID) -> None:
    """Forget that a job failed on a row."""
    session.exec(delete(JobRow).where(col(JobRow.job) == job, col(JobRow.row_id) == row_id))


def troubled(session: Session) -> list[JobRow]:
    """Return the rows that failed, the parked first, then the latest; `MOST_SHOWN` at most."""
    order = (col(JobRow.parked_at).desc().nulls_last(), col(JobRow.next_try_at).desc())
    return list(session.exec(select(JobRow).order_by(*order).limit(MOST_SHOWN)).all())


def retry(session: Session, *, row_id: UUID) -> JobRow:
    """Have a job take a row again at its next look, as if it had never failed.

    Args:
        session: open transaction.
        row_id: of the `JobRow`.

    Raises:
        JobRowNotFound: there is none, or none any more.
    """
    row = session.exec(select(JobRow).where(JobRow.id == row_id).with_for_update()).first()
    if row is None:
        raise JobRowNotFound
    session.delete(row)
    session.flush()
    return row


def began(session: Session, *, job: str, seconds: int, now: datetime) -> None:
    """Note that a job begins, in whatever process."""
    first = insert(JobBeat).values(
        job=job, seconds=seconds, known_since=now, last_started_at=now, touched=0, failed=0
    )
    again = {"seconds": seconds, "last_started_at": now}
    session.exec(first.on_conflict_do_update(index_elements=["job"], set_=again))


def ended(session: Session, *, job: str, touched: int, error: str | None, now: datetime) -> bool:
    """Note how a run ended; tell whether it failed otherwise than the one before.

    Args:
        session: open transaction.
        job: which.
        touched: rows.
        error: why it failed as a whole; None if it did not.
        now: the present instant, aware.
    """
    beat = session.exec(select(JobBeat).where(JobBeat.job == job).with_for_update()).one()
    news = error is not None and error != beat.last_error
    beat.last_finished_at, beat.last_error = now, error
    beat.last_ok_at = beat.last_ok_at if error else now
    beat.touched += touched
    beat.failed += error is not None
    session.flush()
    return news


def beats(session: Session) -> list[JobBeat]:
    """Return how each job is."""
    return list(session.exec(select(JobBeat).order_by(col(JobBeat.job))).all())


def register(session: Session, *, periods: dict[str, int], now: datetime) -> None:
    """Write down which jobs there are, so that one that never ran is seen to be late."""
    for job, seconds in periods.items():
        first = insert(JobBeat).values(
            job=job, seconds=seconds, known_since=now, touched=0, failed=0
        )
        again = {"seconds": seconds}
        session.exec(first.on_conflict_do_update(index_elements=["job"], set_=again))
    session.exec(delete(JobBeat).where(col(JobBeat.job).not_in(list(periods))))


def forget_old(session: Session, now: datetime) -> int:
    """Forget failures of rows that are not parked and were long not tried again; a job."""
    idle = (col(JobRow.parked_at).is_(None), col(JobRow.next_try_at) < now - KEPT)
    return int(session.exec(delete(JobRow).where(*idle)).rowcount)
