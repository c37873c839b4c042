"""What the nightly reconciliation (夜间对账) found."""

from datetime import date
from typing import Any

from sqlalchemy import CheckConstraint, Column, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import Row


class ReconciliationReport(Row, table=True):
    """One night's look at all records: how many rows break a rule, and the first of them."""

    __tablename__ = "reconciliation_report"
    __table_args__: Any = (
        UniqueConstraint("day", name="reconciliation_report_once_a_day"),
        CheckConstraint("found >= 0", name="found_counted"),
    )

    day: date
    found: int
    findings: list[str] = Field(sa_column=Column(JSONB, nullable=False))
