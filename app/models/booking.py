"""Orders of branches for sessions."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, Integer, text
from sqlmodel import Field, SQLModel

from app.models.base import MOST_PEOPLE, Instant, Row, known, make_append_only

OPEN_NUMBER_TAKEN = "booking_open_number_key"


class BookingStatus(StrEnum):
    """待接单、已接单、已拒单、已超时、已取消、爽约、已到场、已完成."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    ARRIVED = "arrived"
    COMPLETED = "completed"


HOLDING = (
    BookingStatus.PENDING,
    BookingStatus.APPROVED,
    BookingStatus.ARRIVED,
    BookingStatus.COMPLETED,
)
"""The states in which a booking holds its places."""

OPEN = (BookingStatus.PENDING, BookingStatus.APPROVED)
"""The states in which a booking is still to be used; only so many of a branch at a site."""

PATHS: tuple[tuple[BookingStatus | None, BookingStatus], ...] = (
    (None, BookingStatus.PENDING),
    (BookingStatus.PENDING, BookingStatus.PENDING),
    (BookingStatus.PENDING, BookingStatus.APPROVED),
    (BookingStatus.PENDING, BookingStatus.REJECTED),
    (BookingStatus.PENDING, BookingStatus.EXPIRED),
    (BookingStatus.PENDING, BookingStatus.CANCELLED),
    (BookingStatus.APPROVED, BookingStatus.PENDING),
    (BookingStatus.APPROVED, BookingStatus.APPROVED),
    (BookingStatus.APPROVED, BookingStatus.CANCELLED),
    (BookingStatus.APPROVED, BookingStatus.ARRIVED),
    (BookingStatus.APPROVED, BookingStatus.NO_SHOW),
    (BookingStatus.ARRIVED, BookingStatus.COMPLETED),
)
"""Every step a booking may take; an automatic approval is two of them, and a step that stays where
it is tells of an escalation, or of a new purpose, contact or note."""


class Purpose(StrEnum):
    """主题党日、党课、党员大会、支委会、党小组会、组织生活会、民主评议、志愿服务、培训、参观."""

    THEME_PARTY_DAY = "theme_party_day"
    PARTY_LECTURE = "party_lecture"
    MEMBERS_MEETING = "members_meeting"
    COMMITTEE_MEETING = "committee_meeting"
    GROUP_MEETING = "group_meeting"
    ORGANISATION_LIFE_MEETING = "organisation_life_meeting"
    DEMOCRATIC_APPRAISAL = "democratic_appraisal"
    VOLUNTEERING = "volunteering"
    TRAINING = "training"
    VISIT = "visit"


_VERSION = Column("version", Integer, nullable=False)


class Booking(Row, table=True):
    """One branch's order for `[starts_at, ends_at)` of one venue: one or more sessions in a row.

    `number` is what the public code is made of. `open_number` is the booking's among those of the
    branch at the site that are open: no two share one, and it is at most what the policy allows.
    `group_id` is the route or series it was made with. `respond_by` is when a pending order goes on
    to the town (`escalated_at` is empty) or expires; `free_cancel_until` is the last instant of a
    change, or of a cancellation that does not count as late. `version` grows with every move. The
    contact's phone goes when they are erased.
    """

    __tablename__ = "booking"
    # Compare and swap: an update that did not see the last version changes nothing, and fails.
    __mapper_args__: Any = {"version_id_col": _VERSION, "version_id_generator": False}  # noqa: RUF012
    __table_args__: Any = (
        known("status", BookingStatus),
        known("purpose", Purpose),
        CheckConstraint("starts_at < ends_at", name="times_in_order"),
        CheckConstraint(f"people_expected BETWEEN 1 AND {MOST_PEOPLE}", name="people_expected"),
        CheckConstraint("(status = 'pending') = (respond_by IS NOT NULL)", name="pending_has_date"),
        CheckConstraint("status = 'cancelled' OR NOT late_cancelled", name="late_is_cancelled"),
        CheckConstraint("open_number >= 1", name="open_number_counts"),
        Index(
            OPEN_NUMBER_TAKEN,
            "organisation_id",
            "site_id",
            "open_number",
            unique=True,
            postgresql_where=text("status IN ('pending', 'approved')"),
        ),
        Index("booking_group_id_idx", "group_id", postgresql_where=text("group_id IS NOT NULL")),
        Index("booking_organisation_id_starts_at_idx", "organisation_id", "starts_at"),
        Index("booking_site_id_status_starts_at_idx", "site_id", "status", "starts_at"),
        Index("booking_district_id_starts_at_idx", "district_id", "starts_at"),
        Index("booking_unanswered_idx", "respond_by", postgresql_where=text("status = 'pending'")),
        Index(
            "booking_under_way_idx",
            "status",
            "ends_at",
            postgresql_where=text("status IN ('approved', 'arrived')"),
        ),
    )

    number: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, Identity(always=True), nullable=False, unique=True),
    )
    district_id: UUID = Field(foreign_key="organisation.id")
    site_id: UUID = Field(foreign_key="site.id")
    venue_id: UUID = Field(foreign_key="venue.id")
    organisation_id: UUID = Field(foreign_key="organisation.id")
    policy_id: UUID = Field(foreign_key="policy.id")
    group_id: UUID | None = Field(default=None, foreign_key="booking_group.id")
    open_number: int
    made_by: UUID = Field(foreign_key="account.id")
    status: str = BookingStatus.PENDING
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant)
    people_expected: int
    purpose: str
    contact_name: str = Field(max_length=40)
    contact_phone_hash: bytes | None = Field(default=None, index=True)
    contact_phone_sealed: bytes | None = None
    note: str | None = Field(default=None, max_length=500)
    respond_by: datetime | None = Field(default=None, sa_type=Instant)
    escalated_at: datetime | None = Field(default=None, sa_type=Instant)
    free_cancel_until: datetime = Field(sa_type=Instant)
    late_cancelled: bool = False
    version: int = Field(default=1, sa_column=_VERSION)


class BookingSession(SQLModel, table=True):
    """That a booking is for this session; it holds places there while its status says so."""

    __tablename__ = "booking_session"
    __table_args__: Any = (Index("booking_session_session_id_idx", "session_id"),)

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    session_id: UUID = Field(primary_key=True, foreign_key="venue_session.id")


class BookingProgramme(SQLModel, table=True):
    """That a booking orders this menu item."""

    __tablename__ = "booking_programme"

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    programme_id: UUID = Field(primary_key=True, foreign_key="programme.id")


def _paths() -> str:
    made, taken = PATHS[0][1], PATHS[1:]
    pairs = ", ".join(f"('{a}', '{b}')" for a, b in taken)
    return (
        f"CASE WHEN from_status IS NULL THEN to_status = '{made}' AND version = 1"
        f" ELSE (from_status, to_status) IN ({pairs}) END"
    )


class BookingEvent(Row, table=True):
    """One step of a booking: who, when, why. Written once, never changed.

    `version` is the booking's after the step, so the steps are numbered from 1 without a gap.
    `actor_id` is empty where the clock was the actor.
    """

    __tablename__ = "booking_event"
    __table_args__: Any = (
        CheckConstraint(_paths(), name="path_known"),
        Index("booking_event_booking_id_version_key", "booking_id", "version", unique=True),
    )

    booking_id: UUID = Field(foreign_key="booking.id")
    version: int
    at: datetime = Field(sa_type=Instant)
    from_status: str | None = None
    to_status: str
    actor_id: UUID | None = Field(default=None, foreign_key="account.id")
    reason: str | None = Field(default=None, max_length=500)


make_append_only(BookingEvent)
