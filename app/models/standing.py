"""What a branch has against it: strikes, and the suspension they lead to."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, func, literal_column
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field

from app.models.base import Instant, Row, known


class StrikeKind(StrEnum):
    """逾期取消、爽约."""

    LATE_CANCEL = "late_cancel"
    NO_SHOW = "no_show"


class Suspension(Row, table=True):
    """That a branch makes no new booking in `[starts_at, ends_at)`, or until staff lifted it.

    `district_id` is that of the site whose booking led to it.
    """

    __tablename__ = "suspension"
    __table_args__: Any = (
        CheckConstraint("starts_at < ends_at", name="times_in_order"),
        CheckConstraint(
            "num_nulls(lifted_at, lifted_by, lift_reason) IN (0, 3)", name="lifted_by_somebody"
        ),
        CheckConstraint("lifted_at >= starts_at", name="lifted_afterwards"),
        ExcludeConstraint(
            (literal_column("organisation_id"), "="),
            (
                func.tstzrange(
                    literal_column("starts_at"), literal_column("coalesce(lifted_at, ends_at)")
                ),
                "&&",
            ),
            name="suspension_one_at_a_time",
            using="gist",
        ),
    )

    district_id: UUID = Field(foreign_key="organisation.id")
    organisation_id: UUID = Field(foreign_key="organisation.id")
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant)
    lifted_at: datetime | None = Field(default=None, sa_type=Instant)
    lifted_by: UUID | None = Field(default=None, foreign_key="account.id")
    lift_reason: str | None = Field(default=None, max_length=500)


class Strike(Row, table=True):
    """That a booking was cancelled late, or nobody came; at most one for each booking.

    `suspension_id` is the suspension it led to; it counts for no other.
    """

    __tablename__ = "strike"
    __table_args__: Any = (
        known("kind", StrikeKind),
        CheckConstraint("points >= 1", name="points_counted"),
        Index("strike_organisation_id_at_idx", "organisation_id", "at"),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id")
    booking_id: UUID = Field(foreign_key="booking.id", unique=True)
    kind: str
    points: int
    at: datetime = Field(sa_type=Instant)
    suspension_id: UUID | None = Field(default=None, foreign_key="suspension.id")
