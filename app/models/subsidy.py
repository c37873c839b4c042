"""The tariff, and what each visit costs the fund."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from app.models.base import Row, known, make_append_only
from app.models.organisation import Sector
from app.models.site import Category
from app.models.venue import ProgrammeKind

RULE_VERSION_ONCE = "subsidy_rule_version_once"
RULE_DATES_IN_ORDER = "subsidy_rule_dates_in_order_check"


class SubsidyRule(Row, table=True):
    """One version of one line of the tariff, for visits on dates `[valid_from, valid_to)`.

    Amounts in fen; empty conditions match everything, an empty cap caps nothing. From its
    `valid_from` on a version takes the place of all before it of the same code, so the one that
    holds on a day is the newest that has begun by then; with `valid_from = valid_to` it ends the
    line. Written once, never changed: what was reserved by it can always be read again.
    """

    __tablename__ = "subsidy_rule"
    __table_args__: Any = (
        CheckConstraint("valid_from <= valid_to", name="dates_in_order"),
        CheckConstraint(
            "least(base_fen, per_head_fen, head_cap, visit_cap_fen, site_month_cap_fen,"
            " branch_year_cap_fen) >= 0",
            name="not_negative",
        ),
        CheckConstraint("version >= 1", name="version_counts"),
        known("category", Category),
        known("programme_kind", ProgrammeKind),
        known("sector", Sector),
        UniqueConstraint("organisation_id", "code", "version", name=RULE_VERSION_ONCE),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id")
    code: str = Field(max_length=32)
    version: int = 1
    valid_from: date
    valid_to: date | None = None
    category: str | None = None
    programme_kind: str | None = None
    sector: str | None = None
    base_fen: int
    per_head_fen: int
    head_cap: int
    visit_cap_fen: int
    site_month_cap_fen: int | None = Field(default=None, sa_column=Column(BigInteger))
    branch_year_cap_fen: int | None = Field(default=None, sa_column=Column(BigInteger))
    made_by: UUID | None = Field(default=None, foreign_key="account.id")


make_append_only(SubsidyRule)


class SubsidyStatus(StrEnum):
    """未安排、已预留、已确认、已释放."""

    UNFUNDED = "unfunded"
    RESERVED = "reserved"
    COMMITTED = "committed"
    RELEASED = "released"


class Subsidy(SQLModel, table=True):
    """What the fund owes, or would owe, for one booking; one row a booking, made at approval.

    `round` counts approvals: a booking changed and approved again reserves anew. `ticketed` is the
    site's as it was approved: somebody looks at such a visit before it is paid. `arithmetic` is
    every number of the sum, see `app/services/tariff.py`.
    """

    __tablename__ = "subsidy"
    __table_args__: Any = (
        known("status", SubsidyStatus),
        CheckConstraint("reserved_fen >= 0 AND committed_fen >= 0", name="not_negative"),
        CheckConstraint(
            "(status = 'committed') = (committed_fen IS NOT NULL)", name="committed_has_amount"
        ),
        CheckConstraint(
            "status = 'unfunded' OR num_nulls(fund_id, rule_id, reserved_fen) = 0",
            name="funded_has_fund",
        ),
    )

    booking_id: UUID = Field(primary_key=True, foreign_key="booking.id")
    status: str
    round: int = 1
    fund_id: UUID | None = Field(default=None, foreign_key="fund.id")
    rule_id: UUID | None = Field(default=None, foreign_key="subsidy_rule.id")
    reserved_fen: int | None = Field(default=None, sa_column=Column(BigInteger))
    committed_fen: int | None = Field(default=None, sa_column=Column(BigInteger))
    arithmetic: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    ticketed: bool = False
