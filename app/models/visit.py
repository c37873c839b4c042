"""What took place, and what the branch thought of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from app.models.base import MOST_PEOPLE, Instant, Row, known


class Means(StrEnum):
    """How an arrival was confirmed."""

    MANAGER = "manager"


class Visit(SQLModel, table=True):
    """The use of a booking: a group came, so many of them, and who says so.

    `completed_at` is empty between arrival and completion; `completed_by` stays empty where the
    clock completed it with the number given at arrival.
    """

    __tablename__ = "visit"
    __table_args__: Any = (
        known("means", Means),
        CheckConstraint(f"people_attended BETWEEN 0 AND {MOST_PEOPLE}", name="people_attended"),
        CheckConstraint("arrived_at <= completed_at", name="times_in_order"),
    )

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    arrived_at: datetime = Field(sa_type=Instant)
    people_attended: int
    means: str = Means.MANAGER
    confirmed_by: UUID = Field(foreign_key="account.id")
    completed_at: datetime | None = Field(default=None, sa_type=Instant)
    completed_by: UUID | None = Field(default=None, foreign_key="account.id")


class Review(Row, table=True):
    """A branch's opinion of one completed visit, 1 (poor) to 5 (excellent); one a booking."""

    __tablename__ = "review"
    __table_args__: Any = (
        CheckConstraint("content BETWEEN 1 AND 5", name="content_in_range"),
        CheckConstraint("reception BETWEEN 1 AND 5", name="reception_in_range"),
        CheckConstraint("facilities BETWEEN 1 AND 5", name="facilities_in_range"),
    )

    booking_id: UUID = Field(foreign_key="booking.id", unique=True)
    site_id: UUID = Field(foreign_key="site.id", index=True)
    written_by: UUID = Field(foreign_key="account.id")
    content: int
    reception: int
    facilities: int
    text: str = Field(default="", max_length=1000)
