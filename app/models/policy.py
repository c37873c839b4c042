"""The rules a booking is judged by."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, UniqueConstraint
from sqlmodel import Field

from app.models.base import Instant, Row, known

MOST_LEAD_DAYS = 60


class ApprovalMode(StrEnum):
    """Whether a manager answers each order, or the rules alone do."""

    MANUAL = "manual"
    AUTO = "auto"


class Policy(Row, table=True):
    """One version of a district's rules, or of one site's own; a booking keeps the one it met.

    The newest version that is effective holds; a site's own goes before its district's.
    """

    __tablename__ = "policy"
    __table_args__: Any = (
        known("approval_mode", ApprovalMode),
        CheckConstraint(
            "least(lead_working_days, lead_working_days_large, horizon_days, answer_working_days,"
            " free_cancel_working_days) >= 0",
            name="days_not_negative",
        ),
        CheckConstraint(
            f"greatest(lead_working_days, lead_working_days_large) <= {MOST_LEAD_DAYS}",
            name="lead_bounded",
        ),
        CheckConstraint("answer_working_days >= 1", name="answer_takes_a_day"),
        UniqueConstraint(
            "district_id",
            "site_id",
            "version",
            name="policy_version_once",
            postgresql_nulls_not_distinct=True,
        ),
    )

    district_id: UUID = Field(foreign_key="organisation.id")
    site_id: UUID | None = Field(default=None, foreign_key="site.id")
    version: int = 1
    effective_at: datetime = Field(sa_type=Instant)
    lead_working_days: int = 3
    lead_working_days_large: int = 5
    large_party_people: int = 50
    horizon_days: int = 60
    answer_working_days: int = 1
    free_cancel_working_days: int = 2
    approval_mode: str = ApprovalMode.MANUAL
