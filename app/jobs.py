"""What happens by the clock; run as `python -m app.jobs`, in as many processes as wanted.

APScheduler only ticks. What is due lives in tables: rows are claimed with FOR UPDATE SKIP LOCKED,
and a day's work with its (job, period) in `job_run`, in the transaction that does it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from uuid import UUID

import structlog
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import ColumnElement, Engine, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app import clock, logs
from app.db import create_engine
from app.models import JobRun
from app.services import (
    audit,
    claim_drafts,
    facts,
    fund_periods,
    idempotency,
    identities,
    notifications,
    one_time_codes,
    overdue,
    photos,
    queues,
    rates,
    sessions,
    site_cards,
    site_words,
    throttles,
    tokens,
    unmet_searches,
)
from app.services.calendar import local_date
from app.settings import load
from app.storage import storage_of

log = structlog.get_logger()

Now = Callable[[], datetime]
Work = Callable[[Session, datetime], int]
Find = Callable[[Session, datetime], list[UUID]]
One = Callable[[Session, UUID, datetime], int]
Run = Callable[["Job", Engine, Now], int]


@dataclass(frozen=True)
class Job:
    """A service function and how often to look whether it has work; it returns rows touched."""

    name: str
    seconds: int
    run: Run


def _rows(find: Find, one: One, job: Job, engine: Engine, now: Now) -> int:
    """Do the work on each due row in a transaction of its own; one that fails stops no other."""
    instant, touched, failed = now(), 0, []
    with Session(engine) as session:
        ids = find(session, instant)
    for id_ in ids:
        try:
            with Session(engine) as session, session.begin():
                touched += one(session, id_, instant)
        except Exception as exc:  # whatever it was, the next row may be sound
            log.exception("job-row-failed", job=job.name, row=str(id_))
            failed.append(f"{id_}: {exc!r}")
    if touched or failed:
        _note(engine, job, instant, now(), touched, failed)
    return touched


def _bookings(due: Callable[[datetime], ColumnElement[bool]]) -> Run:
    """Catch up with each booking that one of the conditions of `overdue` holds for."""

    def find(session: Session, now: datetime) -> list[UUID]:
        return overdue.due_ids(session, due=due(now))

    def one(session: Session, booking_id: UUID, now: datetime) -> int:
        return overdue.catch_up_one(session, booking_id=booking_id, now=now)

    return partial(_rows, find, one)


def _untended(session: Session, now: datetime) -> list[UUID]:
    return queues.untended(session, now=now)


def _tend(session: Session, session_id: UUID, now: datetime) -> int:
    return queues.tend(session, session_ids=[session_id], now=now)


def _note(
    engine: Engine, job: Job, started: datetime, ended: datetime, touched: int, failed: list[str]
) -> None:
    reason = "; ".join(failed)[:500] or None
    with Session(engine) as session, session.begin():
        session.add(
            JobRun(
                job=job.name,
                started_at=started,
                finished_at=ended,
                touched=touched,
                failed=reason,
            )
        )


def _whenever(work: Work, _: Job, engine: Engine, now: Now) -> int:
    """Do the work in one transaction, as often as the ticker says."""
    with Session(engine) as session, session.begin():
        return work(session, now())


def _drained(work: Work, job: Job, engine: Engine, now: Now) -> int:
    """Do the work piece by piece, each in a transaction of its own, until there is none."""
    touched = 0
    while done := _whenever(work, job, engine, now):
        touched += done
    return touched


def _daily(work: Work, job: Job, engine: Engine, now: Now) -> int:
    """Do the work once a day here, whichever process comes first; a failed one may try again."""
    instant = now()
    with Session(engine) as session, session.begin():
        period = local_date(instant)
        if not _claim(session, job, period, instant):
            return 0
        touched = work(session, instant)
        session.exec(
            update(JobRun)
            .where(col(JobRun.job) == job.name, col(JobRun.period) == period)
            .values(touched=touched, finished_at=now())
        )
        return touched


def _claim(session: Session, job: Job, period: date, now: datetime) -> bool:
    free = func.pg_try_advisory_xact_lock(func.hashtextextended(job.name, 0))
    if not session.exec(select(free)).one():
        return False
    claim = insert(JobRun).values(
        id=uuid7(), job=job.name, period=period, started_at=now, finished_at=now, touched=0
    )
    # Told by what comes back: the driver counts no rows (-1) of such a statement.
    claimed = claim.on_conflict_do_nothing().returning(col(JobRun.id))
    return session.exec(claimed).first() is not None


def _sessions(session: Session, now: datetime) -> int:
    return sessions.catch_up(session, now=now)


def _photos(session: Session, now: datetime) -> int:
    return photos.clear_dropped(session, now, storage=storage_of(load()))


JOBS = (
    Job("make-sessions-ahead", 10, partial(_whenever, _sessions)),
    Job("draft-claims", 600, partial(_daily, claim_drafts.draft_last_month)),
    Job("lapse-funds", 600, partial(_daily, fund_periods.lapse)),
    Job("answer-overdue", 20, _bookings(overdue.unanswered)),
    Job("mark-no-shows", 60, _bookings(overdue.missed)),
    Job("close-finished", 60, _bookings(overdue.finished)),
    Job("tend-waitlists", 30, partial(_rows, _untended, _tend)),
    Job("deliver-messages", 5, partial(_whenever, notifications.deliver_due)),
    Job("clear-photos", 60, partial(_whenever, _photos)),
    Job("write-site-words", 3600, partial(_drained, site_words.catch_up)),
    Job("forget-audit", 3600, partial(_whenever, audit.forget_old)),
    Job("forget-keys", 3600, partial(_whenever, idempotency.forget_old)),
    Job("forget-counts", 3600, partial(_whenever, rates.forget_old)),
    Job("forget-tokens", 3600, partial(_whenever, tokens.forget_expired)),
    Job("forget-codes", 3600, partial(_whenever, one_time_codes.forget_expired)),
    Job("forget-failures", 3600, partial(_whenever, throttles.forget_old)),
    Job("forget-sign-ins", 3600, partial(_whenever, identities.forget_expired)),
    Job("forget-searches", 3600, partial(_whenever, unmet_searches.forget_old)),
    Job("fold-usage", 10, partial(_drained, facts.fold)),
    Job("recount-usage", 600, partial(_daily, facts.prove)),
    # The last, for what the others change may be on a card.
    Job("refresh-cards", 2, partial(_drained, site_cards.refresh)),
)


def run(job: Job, engine: Engine, now: Now = clock.now) -> int:
    """Do what is due of one job; return rows touched. A failure is logged, and tried again."""
    try:
        touched = job.run(job, engine, now)
    except Exception:
        log.exception("job-failed", job=job.name)
        return 0
    if touched:
        log.info("job-ran", job=job.name, touched=touched)
    return touched


def schedule(scheduler: BaseScheduler, engine: Engine) -> None:
    """Put every job on a ticker, the first tick at once."""
    for job in JOBS:
        scheduler.add_job(
            run,
            IntervalTrigger(seconds=job.seconds),
            args=[job, engine],
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            next_run_time=clock.now(),
        )


def main() -> None:
    """Run every job until told to stop.

    Raises:
        ValueError: no database is named.
    """
    settings = load()
    logs.configure(settings)
    url = settings.database_url
    if url is None:
        raise ValueError("set APP_DATABASE_URL")
    scheduler = BlockingScheduler()
    schedule(scheduler, create_engine(url, pool_size=len(JOBS)))
    scheduler.start()


if __name__ == "__main__":
    main()
