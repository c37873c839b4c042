"""Branches from outside the district that ask to be let in."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field

from app.models.base import MOST_PEOPLE, Instant, Row, known


class RegistrationStatus(StrEnum):
    """待审核、已通过、未通过."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Registration(Row, table=True):
    """What an outside branch says of itself, and what became of it.

    `organisation_id` is where it was asked for, a district or a town; `branch_id` is the branch
    that an approval made. Who asks twice while unanswered has asked once. The contact's phone goes
    when they are erased.
    """

    __tablename__ = "registration"
    __table_args__: Any = (
        known("status", RegistrationStatus),
        CheckConstraint(f"member_count BETWEEN 1 AND {MOST_PEOPLE}", name="member_count"),
        CheckConstraint(
            "(status = 'approved') = (branch_id IS NOT NULL)", name="approved_has_branch"
        ),
        CheckConstraint("(status = 'rejected') = (reason IS NOT NULL)", name="rejected_has_reason"),
        CheckConstraint(
            "(status = 'pending') = (decided_at IS NULL AND decided_by IS NULL)",
            name="decided_by_somebody",
        ),
        CheckConstraint(
            "status <> 'pending' OR num_nulls(contact_phone_hash, contact_phone_sealed) = 0",
            name="pending_can_be_called",
        ),
        Index(
            "registration_pending_once",
            "organisation_id",
            "contact_phone_hash",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index("registration_organisation_id_status_idx", "organisation_id", "status"),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id")
    name: str = Field(max_length=120)
    home: str = Field(max_length=120)
    sector: str | None = None
    member_count: int
    contact_name: str = Field(max_length=40)
    contact_phone_hash: bytes | None = None
    contact_phone_sealed: bytes | None = None
    note: str | None = Field(default=None, max_length=500)
    status: str = RegistrationStatus.PENDING
    decided_by: UUID | None = Field(default=None, foreign_key="account.id")
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    reason: str | None = Field(default=None, max_length=500)
    branch_id: UUID | None = Field(default=None, foreign_key="organisation.id")
