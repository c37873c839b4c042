"""The special fund: its accounts and its ledger.

What writes the ledger is in `app/models/posting.py`.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row, known, make_append_only


class FundAccount(StrEnum):
    """Where a fund's money stands."""

    SOURCE = "source"
    AVAILABLE = "available"
    RESERVED = "reserved"
    PAYABLE = "payable"
    PAID = "paid"


class EntryKind(StrEnum):
    """拨入、预留、释放、增补、确认、支付、年末收回、冲正."""

    APPROPRIATE = "appropriate"
    RESERVE = "reserve"
    RELEASE = "release"
    TOP_UP = "top_up"
    COMMIT = "commit"
    PAY = "pay"
    LAPSE = "lapse"
    REVERSE_APPROPRIATE = "reverse_appropriate"
    REVERSE_COMMIT = "reverse_commit"
    REVERSE_TOP_UP = "reverse_top_up"
    REVERSE_PAY = "reverse_pay"


ACCOUNTS: dict[EntryKind, tuple[FundAccount, FundAccount]] = {
    EntryKind.APPROPRIATE: (FundAccount.SOURCE, FundAccount.AVAILABLE),
    EntryKind.RESERVE: (FundAccount.AVAILABLE, FundAccount.RESERVED),
    EntryKind.RELEASE: (FundAccount.RESERVED, FundAccount.AVAILABLE),
    EntryKind.TOP_UP: (FundAccount.AVAILABLE, FundAccount.PAYABLE),
    EntryKind.COMMIT: (FundAccount.RESERVED, FundAccount.PAYABLE),
    EntryKind.PAY: (FundAccount.PAYABLE, FundAccount.PAID),
    EntryKind.LAPSE: (FundAccount.AVAILABLE, FundAccount.SOURCE),
    EntryKind.REVERSE_APPROPRIATE: (FundAccount.AVAILABLE, FundAccount.SOURCE),
    EntryKind.REVERSE_COMMIT: (FundAccount.PAYABLE, FundAccount.RESERVED),
    EntryKind.REVERSE_TOP_UP: (FundAccount.PAYABLE, FundAccount.AVAILABLE),
    EntryKind.REVERSE_PAY: (FundAccount.PAID, FundAccount.PAYABLE),
}
"""Which account each kind takes from, and which it gives to."""

MIRRORS: dict[EntryKind, EntryKind] = {
    EntryKind.APPROPRIATE: EntryKind.REVERSE_APPROPRIATE,
    EntryKind.COMMIT: EntryKind.REVERSE_COMMIT,
    EntryKind.TOP_UP: EntryKind.REVERSE_TOP_UP,
    EntryKind.PAY: EntryKind.REVERSE_PAY,
}
"""The kinds that can be reversed, and the kind of what reverses them."""

NOT_OVERDRAWN = "fund_balance_not_overdrawn_check"


class WhenExhausted(StrEnum):
    """What an approval does that the fund cannot cover: be refused, or go on without money."""

    REFUSE = "refuse"
    UNFUNDED = "unfunded"


class Fund(Row, table=True):
    """The money of one organisation for one calendar year.

    `last_number` numbers the ledger without a gap and `head` is the hash of its last entry; only
    `ledger_post` writes them, and the row is the lock of all postings. Nothing is booked on a day
    up to `closed_through`, the last of a month, any more.
    """

    __tablename__ = "fund"
    __table_args__: Any = (
        known("when_exhausted", WhenExhausted),
        UniqueConstraint("organisation_id", "fiscal_year", name="fund_year_once"),
        CheckConstraint("EXTRACT(day FROM closed_through + 1) = 1", name="closed_by_the_month"),
    )

    organisation_id: UUID = Field(foreign_key="organisation.id")
    fiscal_year: int
    name: str = Field(max_length=80)
    when_exhausted: str = WhenExhausted.REFUSE
    closed_through: date | None = None
    last_number: int = Field(
        default=None, sa_column=Column(BigInteger, nullable=False, server_default="0")
    )
    head: bytes = Field(
        default=None, sa_column_kwargs={"server_default": text("'\\x'::bytea")}, nullable=False
    )


class FundBalance(SQLModel, table=True):
    """What stands in one account of a fund, fen; the sum of its ledger rows.

    Made with the fund by the database, and moved by `ledger_post` alone.
    """

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
    for and is unique, so that nothing is posted twice. `booked_on` is the day in the district,
    never before that of the entry before; `hash` covers the row and the hash before it. An entry
    is reversed by one other at most. Written once by `ledger_post`, never changed.
    """

    __tablename__ = "ledger_entry"
    __table_args__: Any = (
        CheckConstraint(_pairs(), name="kind_fixes_accounts"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        UniqueConstraint("fund_id", "number", name="ledger_entry_number_once"),
        CheckConstraint(
            "starts_with(kind, 'reverse_') = (reverses_id IS NOT NULL)", name="reversal_has_entry"
        ),
        UniqueConstraint("step", name="ledger_entry_step_once"),
        UniqueConstraint("reverses_id", name="ledger_entry_reversed_once"),
        Index("ledger_entry_booking_id_idx", "booking_id"),
        Index("ledger_entry_claim_id_idx", "claim_id"),
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
    reverses_id: UUID | None = Field(default=None, foreign_key="ledger_entry.id")
    booked_on: date
    hash: bytes


make_append_only(LedgerEntry)


class ReversalStatus(StrEnum):
    """待复核、已冲正、已驳回."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Reversal(Row, table=True):
    """Somebody asks for an entry to be reversed, and somebody else answers."""

    __tablename__ = "reversal"
    __table_args__: Any = (
        known("status", ReversalStatus),
        CheckConstraint("asked_by <> answered_by", name="asker_does_not_answer"),
        CheckConstraint(
            "(status = 'asked') = (num_nulls(answered_by, answered_at) = 2)"
            " AND num_nulls(answered_by, answered_at) <> 1",
            name="answered_by_somebody",
        ),
        Index(
            "reversal_entry_once",
            "entry_id",
            unique=True,
            postgresql_where=text("status <> 'refused'"),
        ),
        Index("reversal_fund_id_id_idx", "fund_id", "id"),
    )

    fund_id: UUID = Field(foreign_key="fund.id")
    entry_id: UUID = Field(foreign_key="ledger_entry.id")
    reason: str = Field(max_length=500)
    status: str = ReversalStatus.ASKED
    asked_by: UUID = Field(foreign_key="account.id")
    answered_by: UUID | None = Field(default=None, foreign_key="account.id")
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
