"""Claims (补单): what a site asks the fund for."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row, known, make_append_only


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

    Who submits it, who reviews it and who approves it are three people. Who approved may pay: both
    are the approver's office. A claim that was sent back has no reviewer until it has one again.
    """

    __tablename__ = "claim"
    __table_args__: Any = (
        known("status", ClaimStatus),
        CheckConstraint("EXTRACT(day FROM month) = 1", name="month_is_first_day"),
        CheckConstraint("submitted_by <> reviewed_by", name="submitter_is_not_reviewer"),
        CheckConstraint("submitted_by <> approved_by", name="submitter_is_not_approver"),
        CheckConstraint("submitted_by <> paid_by", name="submitter_is_not_payer"),
        CheckConstraint("reviewed_by <> approved_by", name="reviewer_is_not_approver"),
        CheckConstraint("reviewed_by <> paid_by", name="reviewer_is_not_payer"),
        CheckConstraint(
            "status NOT IN ('approved', 'paid') OR num_nulls(reviewed_by, approved_by) = 0",
            name="approved_after_review",
        ),
        CheckConstraint(
            "(status IN ('reviewed', 'approved', 'paid')) = (reviewed_by IS NOT NULL)",
            name="reviewed_by_somebody",
        ),
        CheckConstraint("(status = 'paid') = (voucher_number IS NOT NULL)", name="paid_by_voucher"),
        UniqueConstraint("fund_id", "site_id", "month", name="claim_month_once"),
        UniqueConstraint("fund_id", "voucher_number", name="claim_voucher_once"),
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


class ReturnedLine(SQLModel, table=True):
    """A visit that was taken out of a claim, and why; a later claim takes it up again.

    Written once, never changed. A claim gets no more lines once it was submitted, so no visit comes
    back into the claim it was taken out of.
    """

    __tablename__ = "returned_line"
    __table_args__: Any = (Index("returned_line_booking_id_idx", "booking_id"),)

    claim_id: UUID = Field(primary_key=True, foreign_key="claim.id")
    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    people_attended: int
    amount_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    reason: str = Field(max_length=500)
    returned_by: UUID = Field(foreign_key="account.id")
    returned_at: datetime = Field(sa_type=Instant)


make_append_only(ReturnedLine)


class ExceptionKind(StrEnum):
    """实到多于预约、支部未确认、同时两地、金额临界、久未确认、收费景区."""

    ATTENDED_ABOVE_EXPECTED = "attended_above_expected"
    UNCONFIRMED_BY_BRANCH = "unconfirmed_by_branch"
    AT_TWO_SITES = "at_two_sites"
    JUST_UNDER_THRESHOLD = "just_under_threshold"
    RESERVED_TOO_LONG = "reserved_too_long"
    TICKETED_SITE = "ticketed_site"


class ExceptionLook(SQLModel, table=True):
    """That a person looked at one thing that does not match about a booking, and what they found.

    Written once, never changed.
    """

    __tablename__ = "exception_look"
    __table_args__: Any = (known("kind", ExceptionKind),)

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    kind: str = Field(primary_key=True)
    note: str = Field(max_length=500)
    looked_by: UUID = Field(foreign_key="account.id")
    looked_at: datetime = Field(sa_type=Instant)


make_append_only(ExceptionLook)
