"""Claims (补单): what a site asks the fund for."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row, known


class ClaimStatus(StrEnum):
    """草稿、已提交、已审核、已批准、已支付、已退回."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REVIEWED = "reviewed"
    APPROVED = "approved"
    PAID = "paid"
    RETURNED = "returned"


class Claim(Row, table=True):
    """The visits of one site in one month, put before the fund; `month` is its first day.

    Who reviews it neither approves nor pays it.
    """

    __tablename__ = "claim"
    __table_args__: Any = (
        known("status", ClaimStatus),
        CheckConstraint("EXTRACT(day FROM month) = 1", name="month_is_first_day"),
        CheckConstraint("reviewed_by <> approved_by", name="reviewer_is_not_approver"),
        CheckConstraint("reviewed_by <> paid_by", name="reviewer_is_not_payer"),
        CheckConstraint(
            "status NOT IN ('approved', 'paid') OR num_nulls(reviewed_by, approved_by) = 0",
            name="approved_after_review",
        ),
        CheckConstraint("(status = 'paid') = (voucher_number IS NOT NULL)", name="paid_by_voucher"),
        UniqueConstraint("fund_id", "site_id", "month", name="claim_month_once"),
        Index("claim_site_id_idx", "site_id"),
    )

    fund_id: UUID = Field(foreign_key="fund.id")
    site_id: UUID = Field(foreign_key="site.id")
    month: date
    status: str = ClaimStatus.DRAFT
    amount_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    submitted_by: UUID | None = Field(default=None, foreign_key="account.id")
    reviewed_by: UUID | None = Field(default=None, foreign_key="account.id")
    approved_by: UUID | None = Field(default=None, foreign_key="account.id")
    paid_by: UUID | None = Field(default=None, foreign_key="account.id")
    paid_at: datetime | None = Field(default=None, sa_type=Instant)
    voucher_number: str | None = Field(default=None, max_length=40)
    returned_reason: str | None = Field(default=None, max_length=500)
    version: int = 1


class ClaimLine(SQLModel, table=True):
    """One completed visit in a claim, fen; a visit is claimed once."""

    __tablename__ = "claim_line"
    __table_args__: Any = (
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        Index("claim_line_claim_id_idx", "claim_id"),
    )

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    claim_id: UUID = Field(foreign_key="claim.id")
    people_attended: int
    amount_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
