"""Waiting for places in a session that is full."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, text
from sqlmodel import Field, SQLModel

from app.models.base import MOST_PEOPLE, Instant, Row, known
from app.models.booking import Purpose

WAITS_ONCE = "waitlist_entry_waits_once"


class WaitlistStatus(StrEnum):
    """候补中、待确认、已确认、已过期、已撤回、未候到."""

    WAITING = "waiting"
    OFFERED = "offered"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


IN_LINE = (WaitlistStatus.WAITING, WaitlistStatus.OFFERED)
"""The states in which an entry still stands in its line."""


class WaitlistEntry(Row, table=True):
    """A branch's wish for places in a full session; first come, first offered.

    While `offered` the entry holds its places in the session, until `confirm_by`. `number` is its
    place in the line, for it is drawn under the session's lock. A confirmed one became a booking;
    one that is still waiting when the session begins has lapsed.
    """

    __tablename__ = "waitlist_entry"
    __table_args__: Any = (
        known("status", WaitlistStatus),
        known("purpose", Purpose),
        CheckConstraint(f"people_expected BETWEEN 1 AND {MOST_PEOPLE}", name="people_expected"),
        CheckConstraint("(status = 'offered') = (confirm_by IS NOT NULL)", name="offered_has_date"),
        CheckConstraint(
            "(status = 'confirmed') = (booking_id IS NOT NULL)", name="confirmed_is_booked"
        ),
        Index(
            WAITS_ONCE,
            "session_id",
            "organisation_id",
            unique=True,
            postgresql_where=text("status IN ('waiting', 'offered')"),
        ),
        Index(
            "waitlist_entry_line_idx",
            "session_id",
            "number",
            postgresql_where=text("status = 'waiting'"),
        ),
        Index(
            "waitlist_entry_unconfirmed_idx",
            "confirm_by",
            postgresql_where=text("status = 'offered'"),
        ),
        Index("waitlist_entry_organisation_id_created_at_idx", "organisation_id", "created_at"),
        Index("waitlist_entry_site_id_created_at_idx", "site_id", "created_at"),
    )

    number: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, Identity(always=True), nullable=False, unique=True),
    )
    session_id: UUID = Field(foreign_key="venue_session.id")
    site_id: UUID = Field(foreign_key="site.id")
    organisation_id: UUID = Field(foreign_key="organisation.id")
    made_by: UUID = Field(foreign_key="account.id")
    status: str = WaitlistStatus.WAITING
    people_expected: int
    purpose: str
    contact_name: str = Field(max_length=40)
    contact_phone_hash: bytes | None = Field(default=None, index=True)
    contact_phone_sealed: bytes | None = None
    note: str | None = Field(default=None, max_length=500)
    confirm_by: datetime | None = Field(default=None, sa_type=Instant)
    booking_id: UUID | None = Field(default=None, foreign_key="booking.id", unique=True)


class WaitlistProgramme(SQLModel, table=True):
    """That whoever waits would order this menu item."""

    __tablename__ = "waitlist_programme"

    entry_id: UUID = Field(primary_key=True, foreign_key="waitlist_entry.id")
    programme_id: UUID = Field(primary_key=True, foreign_key="programme.id")
