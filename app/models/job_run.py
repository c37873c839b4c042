"""What the scheduler did."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from app.models.base import Instant, Row


class JobRun(Row, table=True):
    """One run of a job that touched rows, failed, or was the only one of its period.

    `period` is empty for jobs that run whenever something is due.
    """

    __tablename__ = "job_run"
    __table_args__: Any = (
        UniqueConstraint("job", "period", name="job_run_once_a_period"),
        Index("job_run_started_at_idx", "started_at"),
    )

    job: str = Field(max_length=40)
    period: date | None = None
    started_at: datetime = Field(sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    touched: int = 0
    failed: str | None = Field(default=None, max_length=500)
