"""How a message goes out to a person, and the ways people chose."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from app.models.base import Instant, Row, known


class Way(StrEnum):
    """站内消息、微信、短信、邮件、企业微信."""

    INBOX = "inbox"
    WECHAT = "wechat"
    SMS = "sms"
    EMAIL = "email"
    WECOM = "wecom"


class DeliveryStatus(StrEnum):
    """待发、发送中、已发出、转其他渠道、失败、未发."""

    WAITING = "waiting"
    LEASED = "leased"
    DELIVERED = "delivered"
    PASSED_ON = "passed_on"
    FAILED = "failed"
    MISSED = "missed"


class Delivery(Row, table=True):
    """One message by one way; those that were gathered go out as one letter.

    `letter_id` is the delivery that stands for the letter, mostly itself; its id is what the
    provider is told. It is claimed when `next_attempt_at` has come; a claimed one is its worker's
    until `lease_until`, which `next_attempt_at` then is too. `fence` grows with every claim, and
    only the worker of the last one may say what became of it. By the inbox there is a row only for
    what was missed; what was put there says so itself. `last_error` holds no address.
    Where a gathered letter waits on though the message that stands for it is no longer true, that
    one has its `reason` already.
    """

    __tablename__ = "delivery"
    __table_args__: Any = (
        known("channel", Way),
        known("status", DeliveryStatus),
        CheckConstraint("(status = 'leased') = (lease_until IS NOT NULL)", name="leased_has_end"),
        CheckConstraint(
            "(status IN ('waiting', 'leased')) = (settled_at IS NULL)", name="settled_has_date"
        ),
        CheckConstraint(
            "CASE WHEN status IN ('passed_on', 'failed', 'missed') THEN reason IS NOT NULL"
            " WHEN status = 'delivered' THEN reason IS NULL ELSE TRUE END",
            name="unsent_has_reason",
        ),
        CheckConstraint("least(attempts, fence) >= 0", name="counts"),
        Index("delivery_once", "notification_id", "channel", unique=True),
        Index(
            "delivery_owed_idx",
            "channel",
            "due_at",
            "id",
            postgresql_where=text("status IN ('waiting', 'leased') AND letter_id = id"),
        ),
        Index("delivery_letter_id_idx", "letter_id"),
        Index(
            "delivery_gathering_idx",
            "account_id",
            "channel",
            postgresql_where=text("status = 'waiting' AND gathered"),
        ),
        Index(
            "delivery_outbox_idx",
            "district_id",
            "id",
            postgresql_where=text("status NOT IN ('delivered', 'passed_on')"),
        ),
    )

    notification_id: UUID = Field(foreign_key="notification.id", ondelete="CASCADE")
    account_id: UUID = Field(foreign_key="account.id")
    district_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    channel: str
    letter_id: UUID = Field(foreign_key="delivery.id", ondelete="CASCADE")
    gathered: bool = False
    status: str = DeliveryStatus.WAITING
    reason: str | None = None
    due_at: datetime = Field(sa_type=Instant)
    next_attempt_at: datetime = Field(sa_type=Instant)
    lease_until: datetime | None = Field(default=None, sa_type=Instant)
    attempts: int = 0
    fence: int = 0
    provider_id: str | None = None
    last_error: str | None = None
    settled_at: datetime | None = Field(default=None, sa_type=Instant)


class ChannelChoice(Row, table=True):
    """That a person wants messages by a way, or not; the lowest `place` is tried first.

    The address is kept encrypted, and only where the account has none of its own: a mailbox, or
    the key of a group's robot.
    """

    __tablename__ = "channel_choice"
    __table_args__: Any = (
        known("channel", Way),
        CheckConstraint("channel <> 'inbox'", name="inbox_is_no_choice"),
        CheckConstraint(
            "(channel IN ('email', 'wecom')) = (address_sealed IS NOT NULL)",
            name="address_where_needed",
        ),
        CheckConstraint("place >= 0", name="place_counts"),
        Index("channel_choice_once", "account_id", "channel", unique=True),
    )

    account_id: UUID = Field(foreign_key="account.id")
    channel: str
    enabled: bool
    place: int
    address_sealed: bytes | None = None
