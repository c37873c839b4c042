"""How the jobs are: when each last ran, and the rows that it cannot get done."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row


class JobRow(Row, table=True):
    """A row that a job failed on: tried again from `next_try_at` on, or parked for a person.

    `row_id` is of whatever table the job works on. It goes when the job gets the row done.
    """

    __tablename__ = "job_row"
    __table_args__: Any = (
        UniqueConstraint("job", "row_id", name="job_row_once"),
        CheckConstraint("attempts >= 1", name="attempts_counted"),
    )

    job: str = Field(max_length=40)
    row_id: UUID
    attempts: int = 1
    next_try_at: datetime = Field(sa_type=Instant)
    last_error: str = Field(max_length=500)
    parked_at: datetime | None = Field(default=None, sa_type=Instant)


_COUNT: dict[str, Any] = {"nullable": False, "server_default": text("0")}


class JobBeat(SQLModel, table=True):
    """When a job last began, ended and succeeded in any process, and its sums since `known_since`.

    `seconds` is how often it should run.
    """

    __tablename__ = "job_beat"

    job: str = Field(primary_key=True, max_length=40)
    seconds: int
    known_since: datetime = Field(sa_type=Instant)
    last_started_at: datetime | None = Field(default=None, sa_type=Instant)
    last_finished_at: datetime | None = Field(default=None, sa_type=Instant)
    last_ok_at: datetime | None = Field(default=None, sa_type=Instant)
    last_error: str | None = Field(default=None, max_length=500)
    touched: int = Field(default=0, sa_column=Column(BigInteger, **_COUNT))
    failed: int = Field(default=0, sa_column=Column(BigInteger, **_COUNT))
