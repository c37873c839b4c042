"""The statistics' facts: what each booking counts for, and sums of it, kept beside the rows.

Whatever changes what a booking counts for leaves a mark in its own transaction, an insert that
waits for nobody. A job folds marked bookings into the sums. Until then a reader takes from the sums
what they have of the marked bookings and adds what the rows say, in one statement; so every answer
is exact, before, while and after somebody folds.
"""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import BIT
from sqlmodel import Field, SQLModel

from app.models.base import known


class Grain(StrEnum):
    """What a sum is over: one day, or one month or year from its first day on."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"


class Counted(SQLModel):
    """Measures that add up; what each means is told in docs/domain.md.

    `places` is the largest people limit of the sessions a visit took place in, `stars` the sum of a
    review's three notes, and `answer_us` how long a person's answers took, in microseconds.
    """

    bookings: int = Field(sa_type=BigInteger)
    pending: int = Field(sa_type=BigInteger)
    approved: int = Field(sa_type=BigInteger)
    rejected: int = Field(sa_type=BigInteger)
    expired: int = Field(sa_type=BigInteger)
    cancelled: int = Field(sa_type=BigInteger)
    no_shows: int = Field(sa_type=BigInteger)
    arrived: int = Field(sa_type=BigInteger)
    completed: int = Field(sa_type=BigInteger)
    late_cancels: int = Field(sa_type=BigInteger)
    visits: int = Field(sa_type=BigInteger)
    people: int = Field(sa_type=BigInteger)
    places: int = Field(sa_type=BigInteger)
    reviews: int = Field(sa_type=BigInteger)
    stars: int = Field(sa_type=BigInteger)
    answers: int = Field(sa_type=BigInteger)
    answer_us: int = Field(sa_type=BigInteger)
    subsidy_fen: int = Field(sa_type=BigInteger)


COUNTED = tuple(Counted.model_fields)


class UsageFact(Counted, table=True):
    """What a booking counted for when it was last folded; `day` is its first, in Shanghai.

    `home_id` is the organisation its branch hangs under; an organisation that is no branch is its
    own home. Without foreign keys: a row here follows from others, and is no reason to keep them.
    """

    __tablename__ = "usage_fact"
    __table_args__: Any = (
        Index("usage_fact_site_id_day_idx", "site_id", "day"),
        Index("usage_fact_home_id_day_idx", "home_id", "day"),
        Index(
            "usage_fact_came_idx",
            "organisation_id",
            "day",
            postgresql_include=["booking_id", "site_id"],
            postgresql_where=text("visits > 0"),
        ),
    )

    booking_id: UUID = Field(primary_key=True)
    site_id: UUID
    organisation_id: UUID
    home_id: UUID
    day: date


EVERY_HOME = UUID(int=0)
"""In the place of a home: the sums of a site over all homes, so that its readers read one row."""


class UsageCell(Counted, table=True):
    """The sums of the facts of one site, of one home or of all, of a day, a month or a year."""

    __tablename__ = "usage_cell"
    __table_args__: Any = (
        known("grain", Grain),
        Index(
            "usage_cell_home_id_grain_day_idx",
            "home_id",
            "grain",
            "day",
            postgresql_include=["site_id"],
        ),
        Index(
            "usage_cell_site_id_grain_day_idx",
            "site_id",
            "grain",
            "day",
            postgresql_where=text(f"home_id = '{EVERY_HOME}'"),
        ),
    )

    site_id: UUID = Field(primary_key=True)
    grain: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    home_id: UUID = Field(primary_key=True)


class UsageDays(SQLModel, table=True):
    """The days of a year on which an organisation came to some site, the first of January first."""

    __tablename__ = "usage_days"
    # A year of a district is read whole, and its rows lie all over the table.
    __table_args__: Any = (
        PrimaryKeyConstraint("home_id", "year", "organisation_id", postgresql_include=["days"]),
    )

    home_id: UUID = Field(primary_key=True)
    year: int = Field(primary_key=True)
    organisation_id: UUID = Field(primary_key=True)
    days: str = Field(sa_column=Column(BIT(366), nullable=False))


class UsageMark(SQLModel, table=True):
    """That a booking may count for something else than its fact says."""

    __tablename__ = "usage_mark"
    __table_args__: Any = (Index("usage_mark_booking_id_idx", "booking_id"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    booking_id: UUID
