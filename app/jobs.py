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
from sqlalchemy import ColumnElement, Engine, and_, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app import calling, clock, logs, sending
from app.db import create_engine
from app.models import Booking, JobRun
from app.services import (
    audit,
    claim_drafts,
    export_runs,
    facts,
    fund_periods,
    idempotency,
    identities,
    job_rows,
    nightly,
    one_time_codes,
    overdue,
    photos,
    public_figures,
    queues,
    rates,
    refused_orders,
    reminders,
    sessions,
    site_cards,
    site_words,
    throttles,
    tokens,
    unmet_searches,
    webhook_deliveries,
)
from app.services.calendar import local_date
from app.settings import load
from app.storage import storage_of

log = structlog.get_logger()

Now = Callable[[], datetime]
Work = Callable[[Session, datetime], int]
Held = SelectOfScalar[UUID]
Find = Callable[[Session, datetime, Held], list[UUID]]
One = Callable[[Session, UUID, datetime], int]
Run = Callable[["Job", Engine, Now], int]


@dataclass(frozen=True)
class Job:
    """A service function and how often to look whether it has work; it returns rows touched."""

    name: str
    seconds: int
    run: Run


def _rows(find: Find, one: One, job: Job, engine: Engine, now: Now) -> int:
    """Do the work on each due row in a transaction of its own; one that fails stops no other.

    It waits, longer each time, before it is tried again, and is parked at last.
    """
    instant, touched, failed = now(), 0, []
    with Session(engine) as session:
        ids = find(session, instant, job_rows.held_back(job=job.name, now=instant))
        failed_before = job_rows.failing(session, job=job.name)
    for id_ in ids:
        try:
            with Session(engine) as session, session.begin():
                touched += one(session, id_, instant)
                if id_ in failed_before:
                    job_rows.done(session, job=job.name, row_id=id_)
        except Exception as exc:  # whatever it was, the next row may be sound
            log.exception("job-row-failed", job=job.name, row=str(id_))
            told = job_rows.told(exc)
            failed.append(f"{id_}: {told}")
            with Session(engine) as session, session.begin():
                job_rows.fail(session, job=job.name, row_id=id_, error=told, now=instant)
    if touched or failed:
        _note(engine, job, instant, now(), touched, failed)
    return touched


def _bookings(due: Callable[[datetime], ColumnElement[bool]]) -> Run:
    """Catch up with each booking that one of the conditions of `overdue` holds for."""

    def find(session: Session, now: datetime, held: Held) -> list[UUID]:
        return overdue.due_ids(session, due=and_(due(now), col(Booking.id).not_in(held)))

    def one(session: Session, booking_id: UUID, now: datetime) -> int:
        return overdue.catch_up_one(session, booking_id=booking_id, now=now)

    return partial(_rows, find, one)


def _untended(session: Session, now: datetime, held: Held) -> list[UUID]:
    return queues.untended(session, now=now, besides=held)


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


def _called(_: Job, engine: Engine, now: Now) -> int:
    return calling.call_due(engine, now)


def _exports(_: Job, engine: Engine, now: Now) -> int:
    return export_runs.make_due(engine, now=now, storage=storage_of(load()))


def _sent(way: str, _: Job, engine: Engine, now: Now) -> int:
    return sending.send_due(way, engine, now)


JOBS = (
    Job("make-sessions-ahead", 10, partial(_whenever, _sessions)),
    Job("draft-claims", 600, partial(_daily, claim_drafts.draft_last_month)),
    Job("lapse-funds", 600, partial(_daily, fund_periods.lapse)),
    Job("reconcile", 600, partial(_daily, nightly.reconcile)),
    Job("answer-overdue", 20, _bookings(overdue.unanswered)),
    Job("mark-no-shows", 60, _bookings(overdue.missed)),
    Job("close-finished", 60, _bookings(overdue.finished)),
    Job("tend-waitlists", 30, partial(_rows, _untended, _tend)),
    Job("remind", 60, partial(_whenever, reminders.remind)),
    Job("deliver-messages", 2, partial(_drained, sending.fall_due)),
    *(Job(f"send-by-{way}", 2, partial(_sent, way)) for way in sending.WAYS),
    Job("call-webhooks", 5, _called),
    Job("clear-photos", 60, partial(_whenever, _photos)),
    Job("write-site-words", 3600, partial(_drained, site_words.catch_up)),
    Job(export_runs.JOB, 5, _exports),
    Job("forget-audit", 3600, partial(_whenever, audit.forget_old)),
    Job("forget-keys", 3600, partial(_whenever, idempotency.forget_old)),
    Job("forget-counts", 3600, partial(_whenever, rates.forget_old)),
    Job("forget-tokens", 3600, partial(_whenever, tokens.forget_expired)),
    Job("forget-codes", 3600, partial(_whenever, one_time_codes.forget_expired)),
    Job("forget-failures", 3600, partial(_whenever, throttles.forget_old)),
    Job("forget-sign-ins", 3600, partial(_whenever, identities.forget_expired)),
    Job("forget-failed-rows", 3600, partial(_whenever, job_rows.forget_old)),
    Job("forget-runs", 3600, partial(_whenever, nightly.forget_runs)),
    Job("forget-messages", 3600, partial(_drained, nightly.forget_messages)),
    Job("forget-searches", 3600, partial(_whenever, unmet_searches.forget_old)),
    Job("forget-refusals", 3600, partial(_whenever, refused_orders.forget_old)),
    Job("forget-deliveries", 3600, partial(_whenever, webhook_deliveries.forget_old)),
    Job("fold-usage", 10, partial(_drained, facts.fold)),
    Job("recount-usage", 600, partial(_daily, facts.prove)),
    Job("publish-figures", 600, partial(_daily, public_figures.publish)),
    # The last, for what the others change may be on a card.
    Job("refresh-cards", 2, partial(_drained, site_cards.refresh)),
)


def run(job: Job, engine: Engine, now: Now = clock.now) -> int:
    """Do what is due of one job; return rows touched. A failure is logged, and tried again."""
    started, touched, error = now(), 0, None
    try:
        with Session(engine) as session, session.begin():
            job_rows.began(session, job=job.name, seconds=job.seconds, now=started)
        touched = job.run(job, engine, now)
    except Exception as exc:
        log.exception("job-failed", job=job.name)
        error = job_rows.told(exc)
    try:
        _end(job, engine, started, now(), touched, error)
    except Exception:  # the database has gone; the beat that is missing tells so
        log.exception("job-end-not-noted", job=job.name)
    if touched:
        log.info("job-ran", job=job.name, touched=touched)
    return touched


def _end(
    job: Job, engine: Engine, started: datetime, ended: datetime, touched: int, error: str | None
) -> None:
    """Write the beat, and a run that failed otherwise than the one before; not each of many."""
    with Session(engine) as session, session.begin():
        news = job_rows.ended(session, job=job.name, touched=touched, error=error, now=ended)
    if news and error:
        _note(engine, job, started, ended, touched, [error])


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
    engine = create_engine(url, pool_size=len(JOBS))
    try:
        with Session(engine) as session, session.begin():
            periods = {job.name: job.seconds for job in JOBS}
            job_rows.register(session, periods=periods, now=clock.now())
    except Exception:  # the database may come later; each tick tries it anew
        log.exception("jobs-not-registered")
    schedule(scheduler, engine)
    scheduler.start()


if __name__ == "__main__":
    main()
