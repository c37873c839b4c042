"""Addresses of other programs that are told what happens in a district, and what they are owed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ForeignKey, Index, UniqueConstraint, event, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row, ddl, known


class EventType(StrEnum):
    """What a webhook may be told of; `booking.*` and `claim.*` stand for all of a kind."""

    BOOKINGS = "booking.*"
    BOOKING_CREATED = "booking.created"
    BOOKING_CHANGED = "booking.changed"
    BOOKING_PENDING = "booking.pending"
    BOOKING_APPROVED = "booking.approved"
    BOOKING_REJECTED = "booking.rejected"
    BOOKING_EXPIRED = "booking.expired"
    BOOKING_CANCELLED = "booking.cancelled"
    BOOKING_NO_SHOW = "booking.no_show"
    BOOKING_ARRIVED = "booking.arrived"
    BOOKING_COMPLETED = "booking.completed"
    CLAIMS = "claim.*"
    CLAIM_CREATED = "claim.created"
    CLAIM_CHANGED = "claim.changed"
    CLAIM_SUBMITTED = "claim.submitted"
    CLAIM_REVIEWED = "claim.reviewed"
    CLAIM_APPROVED = "claim.approved"
    CLAIM_PAID = "claim.paid"
    CLAIM_RETURNED = "claim.returned"


class DeliveryState(StrEnum):
    """等待、发送中、已送达、已放弃、已停止."""

    WAITING = "waiting"
    LEASED = "leased"
    DELIVERED = "delivered"
    FAILED = "failed"
    STOPPED = "stopped"


class Webhook(Row, table=True):
    """Where a district has its events sent; nothing goes there once it is stopped."""

    __tablename__ = "webhook"
    __table_args__: Any = (
        Index("webhook_district_id_idx", "district_id"),
        Index("webhook_created_by_idx", "created_by"),
    )

    district_id: UUID = Field(foreign_key="organisation.id")
    url: str = Field(max_length=500)
    secret_sealed: bytes
    events: list[str] = Field(sa_column=Column(ARRAY(TEXT), nullable=False))
    created_by: UUID = Field(foreign_key="account.id")
    stopped_at: datetime | None = Field(default=None, sa_type=Instant)
    stopped_reason: str | None = Field(default=None, max_length=200)


class WebhookDelivery(Row, table=True):
    """One event owed to one webhook; its id is the `webhook-id` by which a receiver knows it again.

    `sequence` grows with each step of the subject. While it waits, `due_at` is when it is tried
    next; while it is leased, when the lease ends and anybody may try again. Whoever leases it
    raises `fence`, and only who still has the same one may say how it ended.
    """

    __tablename__ = "webhook_delivery"
    __table_args__: Any = (
        known("state", DeliveryState),
        UniqueConstraint("webhook_id", "subject_id", "sequence", name="webhook_delivery_step_once"),
        Index(
            "webhook_delivery_owed_idx",
            "webhook_id",
            "due_at",
            postgresql_where=text("state IN ('waiting', 'leased')"),
        ),
        Index("webhook_delivery_webhook_id_id_idx", "webhook_id", "id"),
    )

    webhook_id: UUID = Field(
        sa_column=Column(ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False)
    )
    type: str
    subject_id: UUID
    sequence: int
    occurred_at: datetime = Field(sa_type=Instant)
    facts: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    state: str = Field(
        default=DeliveryState.WAITING, sa_column_kwargs={"server_default": "waiting"}
    )
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    fence: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    due_at: datetime = Field(sa_type=Instant)
    first_tried_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    status: int | None = None
    error: str | None = Field(default=None, max_length=200)


class WebhookAttempt(Row, table=True):
    """How one attempt ended: the receiver's status, or why there is none."""

    __tablename__ = "webhook_attempt"
    __table_args__: Any = (Index("webhook_attempt_delivery_id_idx", "delivery_id"),)

    delivery_id: UUID = Field(
        sa_column=Column(ForeignKey("webhook_delivery.id", ondelete="CASCADE"), nullable=False)
    )
    number: int
    at: datetime = Field(sa_type=Instant)
    status: int | None = None
    error: str | None = Field(default=None, max_length=200)


OWE = """\
CREATE FUNCTION webhook_owe(
    district uuid, noun text, what text, subject uuid, step integer, since timestamptz, told jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_delivery (
        id, webhook_id, type, subject_id, sequence, occurred_at, facts, due_at)
    SELECT uuid7(), w.id, noun || '.' || what, subject, step, since, told, since
    FROM webhook w
    WHERE w.district_id = district AND w.stopped_at IS NULL
    AND w.events && ARRAY[noun || '.*', noun || '.' || what]
    FOR KEY SHARE SKIP LOCKED; -- what is being deleted is owed nothing, and nobody waits for it
END
$$"""

BOOKING_STEP = """\
CREATE FUNCTION webhook_booking() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    b booking;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE stopped_at IS NULL) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO b FROM booking WHERE id = NEW.booking_id;
    PERFORM webhook_owe(
        b.district_id, 'booking',
        CASE WHEN NEW.from_status IS NULL THEN 'created'
            WHEN NEW.from_status = NEW.to_status THEN 'changed' ELSE NEW.to_status END,
        b.id, NEW.version, NEW.at, jsonb_build_object(
            'booking_id', b.id, 'number', b.number, 'status', NEW.to_status,
            'from_status', NEW.from_status, 'district_id', b.district_id, 'site_id', b.site_id,
            'venue_id', b.venue_id, 'organisation_id', b.organisation_id, 'group_id', b.group_id,
            'starts_at', b.starts_at, 'ends_at', b.ends_at,
            'people_expected', b.people_expected, 'purpose', b.purpose));
    RETURN NULL;
END
$$"""
"""The reason of a step is left out: people write it, and may name somebody."""

CLAIM_STEP = """\
CREATE FUNCTION webhook_claim() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := CASE TG_OP WHEN 'UPDATE' THEN OLD.status END;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE stopped_at IS NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM webhook_owe(
        s.district_id, 'claim',
        CASE WHEN was IS NULL THEN 'created' WHEN was = NEW.status THEN 'changed'
            ELSE NEW.status END,
        NEW.id, NEW.version, now(), jsonb_build_object(
            'claim_id', NEW.id, 'status', NEW.status, 'from_status', was,
            'district_id', s.district_id, 'site_id', s.id, 'fund_id', NEW.fund_id,
            'month', to_char(NEW.month, 'YYYY-MM'), 'amount_fen', NEW.amount_fen))
    FROM site s WHERE s.id = NEW.site_id;
    RETURN NULL;
END
$$"""

TRIGGERS = (
    "CREATE TRIGGER booking_event_webhook AFTER INSERT ON booking_event"
    " FOR EACH ROW EXECUTE FUNCTION webhook_booking()",
    "CREATE TRIGGER claim_webhook_made AFTER INSERT ON claim"
    " FOR EACH ROW EXECUTE FUNCTION webhook_claim()",
    "CREATE TRIGGER claim_webhook_moved AFTER UPDATE ON claim"
    " FOR EACH ROW WHEN (NEW.version > OLD.version) EXECUTE FUNCTION webhook_claim()",
)

for _statement in (OWE, BOOKING_STEP, CLAIM_STEP, *TRIGGERS):
    event.listen(SQLModel.metadata, "after_create", ddl(_statement))
