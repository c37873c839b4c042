"""Messages owed to people: an outbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from app.models.base import Instant, Row


class Notification(Row, table=True):
    """A message written in the same transaction as the fact it tells of, delivered later.

    One reason, one message: the key is (person, kind, what it is about, due time). From
    `useless_at` on it would tell nothing any more. At `delivered_at` it came into the inbox; what
    came too late or was no longer true has `missed_at` instead, and the reason in its delivery.
    """

    __tablename__ = "notification"
    __table_args__: Any = (
        UniqueConstraint(
            "account_id",
            "kind",
            "booking_id",
            "waitlist_entry_id",
            "due_at",
            name="notification_once",
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("useless_at > due_at", name="useless_later"),
        CheckConstraint("num_nulls(delivered_at, missed_at) > 0", name="not_both"),
        Index(
            "notification_undelivered_idx",
            "due_at",
            postgresql_where=text("delivered_at IS NULL AND missed_at IS NULL"),
        ),
        Index("notification_account_id_delivered_at_idx", "account_id", "delivered_at"),
    )

    account_id: UUID = Field(foreign_key="account.id")
    kind: str
    booking_id: UUID | None = Field(default=None, foreign_key="booking.id")
    waitlist_entry_id: UUID | None = Field(default=None, foreign_key="waitlist_entry.id")
    facts: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    due_at: datetime = Field(sa_type=Instant)
    useless_at: datetime | None = Field(default=None, sa_type=Instant)
    delivered_at: datetime | None = Field(default=None, sa_type=Instant)
    missed_at: datetime | None = Field(default=None, sa_type=Instant)
    read_at: datetime | None = Field(default=None, sa_type=Instant)
