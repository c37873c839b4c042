"""People of a site who show groups round: there are only so many."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, func, literal_column
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row

GUIDE_NO_OVERLAP = "guide_duty_no_overlap"


class Guide(Row, table=True):
    """讲解员: somebody who shows groups round a site; one who is not active gets no new duty."""

    __tablename__ = "guide"

    site_id: UUID = Field(foreign_key="site.id", index=True)
    name: str = Field(max_length=40)
    active: bool = True
    version: int = 1


class GuideDuty(SQLModel, table=True):
    """That a guide is with a booking for `[starts_at, ends_at)`, while it holds its places."""

    __tablename__ = "guide_duty"
    __table_args__: Any = (
        CheckConstraint("starts_at < ends_at", name="times_in_order"),
        ExcludeConstraint(
            (literal_column("guide_id"), "="),
            (func.tstzrange(literal_column("starts_at"), literal_column("ends_at")), "&&"),
            name=GUIDE_NO_OVERLAP,
            using="gist",
        ),
    )

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    guide_id: UUID = Field(foreign_key="guide.id")
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant)
