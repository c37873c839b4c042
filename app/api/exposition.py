"""The figures as Prometheus reads them; imported only when somebody asks."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST as MEDIA_TYPE
from prometheus_client import generate_latest
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Pool, QueuePool, text
from sqlmodel import Session

from app.api.measuring import BOUNDS, Figures
from app.services import lateness

__all__ = ["MEDIA_TYPE", "written"]

MOST_COUNTED = 10_000
"""Messages counted at most, so that a full outbox does not make asking slow."""

_OWED = text(f"""
    SELECT count(*), coalesce(extract(epoch FROM :now - min(due_at)), 0) FROM (
        SELECT due_at FROM notification
        WHERE delivered_at IS NULL AND missed_at IS NULL AND due_at <= :now
        ORDER BY due_at LIMIT {MOST_COUNTED}) waiting""")  # noqa: S608 - a number of our own
_AHEAD = text(f"""
    SELECT count(*) FROM (
        SELECT FROM notification
        WHERE delivered_at IS NULL AND missed_at IS NULL AND due_at > :now
        LIMIT {MOST_COUNTED}) waiting""")  # noqa: S608 - a number of our own
_TROUBLED = text("""
    SELECT b.job, count(r.id) - count(r.parked_at), count(r.parked_at)
    FROM job_beat b LEFT JOIN job_row r USING (job) GROUP BY b.job ORDER BY b.job""")


class _Families(Collector):
    """Metrics that are already there."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self.families = families

    def collect(self) -> Sequence[Metric]:
        """Return them."""
        return self.families


def written(session: Session, *, figures: Figures, pool: Pool, now: datetime) -> bytes:
    """Return all figures as text.

    Args:
        session: open transaction; a few bounded queries.
        figures: of the requests of this process.
        pool: its database connections.
        now: the present instant, aware.
    """
    registry = CollectorRegistry()
    families = [_requests(figures), *_pool(pool), *_jobs(session, now), *_messages(session, now)]
    registry.register(_Families(families))
    return generate_latest(registry)


def _requests(figures: Figures) -> Metric:
    family = HistogramMetricFamily(
        "app_request_seconds",
        "Requests answered by this process, by how long they took.",
        labels=["method", "route", "status"],
    )
    for key, counts in list(figures.counts.items()):
        total, buckets = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
            total += count
            buckets.append((bound, float(total)))
        family.add_metric([str(part) for part in key], buckets, figures.seconds[key])
    return family


def _pool(pool: Pool) -> Iterator[Metric]:
    if isinstance(pool, QueuePool):
        yield _gauge("app_database_connections_in_use", "Of this process.", pool.checkedout())
        yield _gauge("app_database_connections_most", "Of this process.", pool.size())


def _jobs(session: Session, now: datetime) -> Iterator[Metric]:
    late = GaugeMetricFamily("app_job_late_seconds", "How late a job is.", labels=["job"])
    fine = GaugeMetricFamily("app_job_ok", "1 unless somebody should look.", labels=["job"])
    touched = CounterMetricFamily("app_job_rows_touched", "Rows, all processes.", labels=["job"])
    failed = CounterMetricFamily("app_job_failures", "Failures, all processes.", labels=["job"])
    for job in lateness.of(session, now=now):
        name = [job.beat.job]
        late.add_metric(name, job.late.total_seconds())
        fine.add_metric(name, int(job.ok))
        touched.add_metric(name, job.beat.touched)
        failed.add_metric(name, job.beat.failed)
    rows = GaugeMetricFamily(
        "app_job_rows_failing", "Rows a job fails on.", labels=["job", "state"]
    )
    for name, waiting, parked in session.connection().execute(_TROUBLED):
        rows.add_metric([name, "waiting"], waiting)
        rows.add_metric([name, "parked"], parked)
    yield from (late, fine, touched, failed, rows)


def _messages(session: Session, now: datetime) -> Iterator[Metric]:
    connection = session.connection()
    owed, oldest = connection.execute(_OWED, {"now": now}).one()
    ahead = connection.execute(_AHEAD, {"now": now}).scalar_one()
    yield _gauge("app_messages_undelivered", f"Due; {MOST_COUNTED} at most.", owed)
    yield _gauge("app_messages_oldest_seconds", "How long the oldest has been due.", float(oldest))
    yield _gauge("app_messages_ahead", f"Not due yet; {MOST_COUNTED} at most.", ahead)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)
