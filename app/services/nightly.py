"""The nightly reconciliation (夜间对账), and what is thrown away when it is old."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import delete, text
from sqlmodel import Session, col, select

from app.models import (
    JobRun,
    Notification,
    Organisation,
    OrganisationKind,
    ReconciliationReport,
)
from app.services import notifications, verify
from app.services.calendar import local_date

MOST_FINDINGS = 200
"""Findings kept of a night; there are more where something is badly wrong."""
MOST_REPORTS = 90
RUNS_KEPT = timedelta(days=180)
"""How long a run of a job stays in the log."""
MESSAGES_KEPT = timedelta(days=730)
"""How long a message stays in the inbox after it was delivered."""
BATCH = 5000
_PATIENT = text("SET LOCAL statement_timeout = '10min'")


def reconcile(session: Session, now: datetime) -> int:
    """Compare all records with one another, keep a report, tell staff what differs; a job.

    Returns:
        Reports written: 1.
    """
    session.connection().execute(_PATIENT)
    found = verify.violations(session, now=now)
    kept = list(islice(found, MOST_FINDINGS))
    report = ReconciliationReport(
        day=local_date(now), found=len(kept) + sum(1 for _ in found), findings=kept
    )
    session.add(report)
    session.flush()
    if report.found:
        _tell(session, report, now)
    return 1


def _tell(session: Session, report: ReconciliationReport, now: datetime) -> None:
    districts = select(Organisation.id).where(Organisation.kind == OrganisationKind.DISTRICT)
    for district_id in session.exec(districts).all():
        notifications.owe(
            session,
            to=notifications.staff_of(district_id),
            kind="records-differ",
            booking_id=None,
            facts={"day": report.day.isoformat(), "findings": str(report.found)},
            due_at=now,
        )


def reports(session: Session) -> Sequence[ReconciliationReport]:
    """Return the latest reports, the newest first."""
    newest = col(ReconciliationReport.day).desc()
    return session.exec(select(ReconciliationReport).order_by(newest).limit(MOST_REPORTS)).all()


def forget_runs(session: Session, now: datetime) -> int:
    """Delete runs of jobs older than `RUNS_KEPT`, and return how many; a job."""
    old = col(JobRun.started_at) < now - RUNS_KEPT
    return int(session.exec(delete(JobRun).where(old)).rowcount)


def forget_messages(session: Session, now: datetime) -> int:
    """Delete messages delivered longer than `MESSAGES_KEPT` ago, a batch; a job.

    A reminder of so long ago is never written anew: what was missed then is let be.
    """
    old = (
        select(Notification.id)
        .where(col(Notification.due_at) < now - MESSAGES_KEPT)
        .where(col(Notification.delivered_at) < now - MESSAGES_KEPT)
        .limit(BATCH)
    )
    return int(session.exec(delete(Notification).where(col(Notification.id).in_(old))).rowcount)
