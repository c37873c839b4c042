"""The special fund: its accounts and its ledger."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Row, known, make_append_only


class FundAccount(StrEnum):
    """Where a fund's money stands."""

    SOURCE = "source"
    AVAILABLE = "available"
    RESERVED = "reserved"
    PAYABLE = "payable"
    PAID = "paid"


class EntryKind(StrEnum):
    """拨入、预留、释放、增补、确认、支付."""

    APPROPRIATE = "appropriate"
    RESERVE = "reserve"
    RELEASE = "release"
    TOP_UP = "top_up"
    COMMIT = "commit"
    PAY = "pay"


ACCOUNTS: dict[EntryKind, tuple[FundAccount, FundAccount]] = {
    EntryKind.APPROPRIATE: (FundAccount.SOURCE, FundAccount.AVAILABLE),
    EntryKind.RESERVE: (FundAccount.AVAILABLE, FundAccount.RESERVED),
    EntryKind.RELEASE: (FundAccount.RESERVED, FundAccount.AVAILABLE),
    EntryKind.TOP_UP: (FundAccount.AVAILABLE, FundAccount.PAYABLE),
    EntryKind.COMMIT: (FundAccount.RESERVED, FundAccount.PAYABLE),
    EntryKind.PAY: (FundAccount.PAYABLE, FundAccount.PAID),
}
"""Which account each kind takes from, and which it gives to."""

NOT_OVERDRAWN = "fund_balance_not_overdrawn_check"


class WhenExhausted(StrEnum):
    """What an approval does that the fund cannot cover: be refused, or go on without money."""

    REFUSE = "refuse"
    UNFUNDED = "unfunded"


class Fund(Row, table=True):
    """The money of one organisation for one calendar year.

    `last_number` numbers the ledger without a gap; its row is the lock of all postings.
    """

    __tablename__ = "fund"
    __table_args__: Any = (
        known("when_exhausted", WhenExhausted),
        UniqueConstraint("organisation_id", "fiscal_year", name="fund_year_once"),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id")
    fiscal_year: int
    name: str = Field(max_length=80)
    when_exhausted: str = WhenExhausted.REFUSE
    last_number: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class FundBalance(SQLModel, table=True):
    """What stands in one account of a fund, fen; the sum of its ledger rows."""

    __tablename__ = "fund_balance"
    __table_args__: Any = (
        known("account", FundAccount),
        CheckConstraint("account = 'source' OR balance_fen >= 0", name="not_overdrawn"),
    )

    fund_id: UUID = Field(primary_key=True, foreign_key="fund.id")
    account: str = Field(primary_key=True)
    balance_fen: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


def _pairs() -> str:
    rows = ", ".join(f"('{kind}', '{a}', '{b}')" for kind, (a, b) in ACCOUNTS.items())
    return f"(kind, from_account, to_account) IN ({rows})"


class LedgerEntry(Row, table=True):
    """One posting: `amount_fen` leaves `from_account` (credit) and enters `to_account` (debit).

    One row is both sides, so an unbalanced posting cannot be written. `step` names what it was
    for and is unique, so that nothing is posted twice. Written once, never changed.
    """

    __tablename__ = "ledger_entry"
    __table_args__: Any = (
        CheckConstraint(_pairs(), name="kind_fixes_accounts"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        UniqueConstraint("fund_id", "number", name="ledger_entry_number_once"),
        UniqueConstraint("step", name="ledger_entry_step_once"),
        Index("ledger_entry_booking_id_idx", "booking_id"),
    )

    fund_id: UUID = Field(foreign_key="fund.id")
    number: int = Field(sa_column=Column(BigInteger, nullable=False))
    kind: str
    from_account: str
    to_account: str
    amount_fen: int = Field(sa_column=Column(BigInteger, nullable=False))
    step: str = Field(max_length=120)
    booking_id: UUID | None = Field(default=None, foreign_key="booking.id")
    claim_id: UUID | None = Field(default=None, foreign_key="claim.id")
    document: str | None = Field(default=None, max_length=80)


make_append_only(LedgerEntry)
