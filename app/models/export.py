"""Tables that are made while nobody waits."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from app.models.base import Instant, Row, known


class ExportState(StrEnum):
    """排队、生成中、完成、失败."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Export(Row, table=True):
    """One table that somebody asked for, of days `[since, until)`, and how far it is.

    `options` is what was asked beside the days, by the names of `table_notes.Asked`.

    A process that makes it has it until `lease_until`; then another one begins anew, and `attempt`
    tells whose work counts. `problem` is the code of what last went wrong: one that `failed` is
    over, one that waits is tried again. `scope` are the organisations that its owner oversaw when
    it was made. Row and file are gone after `expires_at`.
    """

    __tablename__ = "export"
    __table_args__: Any = (
        known("state", ExportState),
        CheckConstraint("since < until", name="dates_in_order"),
        CheckConstraint("rows_done >= 0 AND attempt >= 0", name="counts"),
        CheckConstraint(
            "(state = 'running') = (lease_until IS NOT NULL)", name="running_has_lease"
        ),
        CheckConstraint(
            "state <> 'done' OR num_nulls(size_bytes, sha256, scope, finished_at) = 0",
            name="done_has_file",
        ),
        CheckConstraint("state <> 'failed' OR problem IS NOT NULL", name="failed_has_problem"),
        Index("export_due_idx", "id", postgresql_where=text("state IN ('waiting', 'running')")),
        Index("export_account_id_idx", "account_id", "id"),
        Index("export_expires_at_idx", "expires_at"),
    )

    account_id: UUID = Field(foreign_key="account.id")
    name: str = Field(max_length=40)
    media: str = Field(max_length=8)
    since: date
    until: date
    options: dict[str, int] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}")
    )
    state: str = ExportState.WAITING
    attempt: int = 0
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    problem: str | None = Field(default=None, max_length=60)
    rows_total: int | None = None
    rows_done: int = 0
    size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    sha256: str | None = Field(default=None, max_length=64)
    scope: list[UUID] | None = Field(default=None, sa_column=Column(ARRAY(Uuid)))
    finished_at: datetime | None = Field(default=None, sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
