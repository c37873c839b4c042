"""A fund's months and its year: closing, statements, and what lapses at the end."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, func
from sqlmodel import Session, col, select

from app.errors import Conflict
from app.models import ACCOUNTS, EntryKind, Fund, FundAccount, FundBalance, LedgerEntry, Role
from app.services import funds, ledger
from app.services.access import Actor
from app.services.calendar import local_date

LONGEST_MONTH = 31


class PeriodNotOver(Conflict):
    """A month is closed when it is over, not before."""

    zh = "该月份尚未结束，不能结账"


@dataclass(frozen=True)
class Sum:
    """The entries of one kind in a month."""

    kind: EntryKind
    entries: int
    amount_fen: int


@dataclass(frozen=True)
class Statement:
    """A month of a fund; a later one begins where it ends, in balances and in the chain.

    Attributes:
        opening: fen in each account before its first entry.
        closing: the same after its last one.
        sums: each kind that occurs.
        last_number: of the newest entry up to the month's end; 0 where there is none.
        head: its hash.
        closed: whether the books of the month are closed.
    """

    opening: dict[FundAccount, int]
    closing: dict[FundAccount, int]
    sums: list[Sum]
    last_number: int
    head: bytes
    closed: bool


def last_day(month: date) -> date:
    """Return the last day of a month, given its first."""
    return (month + timedelta(days=LONGEST_MONTH)).replace(day=1) - timedelta(days=1)


def close(session: Session, *, actor: Actor, fund_id: UUID, month: date, now: datetime) -> Fund:
    """Close a month and all before it: nothing is booked on their days any more.

    Closing what is closed changes nothing; the database itself opens no month again.

    Args:
        session: open transaction.
        actor: the fund's officer.
        fund_id: which fund.
        month: its first day.
        now: the present instant, aware.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
        NotInScope: they see it, but are not its officer.
        PeriodNotOver: the month is not over.
    """
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    funds.require(actor, fund, Role.FUND_OFFICER)
    end = last_day(month)
    if local_date(now) <= end:
        raise PeriodNotOver
    ledger.lock(session, fund_id=fund_id)
    if fund.closed_through is None or fund.closed_through < end:
        fund.closed_through = end
        session.flush()
    return fund


def statement(session: Session, *, fund: Fund, month: date) -> Statement:
    """Return the statement of a month, given its first day; all of it is added up from entries."""
    end = last_day(month)
    opening, closing = dict.fromkeys(FundAccount, 0), dict.fromkeys(FundAccount, 0)
    sums = []
    earlier = col(LedgerEntry.booked_on) < month
    rows = session.exec(
        select(LedgerEntry.kind, earlier, func.count(), func.sum(LedgerEntry.amount_fen))
        .where(LedgerEntry.fund_id == fund.id, col(LedgerEntry.booked_on) <= end)
        .group_by(LedgerEntry.kind, earlier)
        .order_by(LedgerEntry.kind)
    )
    for name, before, count, total in rows.all():
        kind, fen = EntryKind(name), int(total)
        giver, taker = ACCOUNTS[kind]
        for balances in (opening, closing) if before else (closing,):
            balances[giver] -= fen
            balances[taker] += fen
        if not before:
            sums.append(Sum(kind, count, fen))
    last = session.exec(
        select(LedgerEntry.number, LedgerEntry.hash)
        .where(LedgerEntry.fund_id == fund.id, col(LedgerEntry.booked_on) <= end)
        .order_by(col(LedgerEntry.number).desc())
        .limit(1)
    ).first()
    number, head = last or (0, b"")
    closed = fund.closed_through is not None and fund.closed_through >= end
    return Statement(opening, closing, sums, number, head, closed)


def lapse(session: Session, now: datetime) -> int:
    """Give back what is left in the funds of past years; return how many had something; a job.

    A fund waits until nothing is reserved in it and its claims are paid. What comes back later, by
    a reversal, lapses the next day; so doing it again changes nothing.
    """
    held = {
        account: select(FundBalance.balance_fen)
        .where(FundBalance.fund_id == Fund.id, FundBalance.account == account)
        .correlate(Fund)
        .scalar_subquery()
        for account in (FundAccount.AVAILABLE, FundAccount.RESERVED, FundAccount.PAYABLE)
    }
    settled = and_(held[FundAccount.RESERVED] == 0, held[FundAccount.PAYABLE] == 0)
    over = col(Fund.fiscal_year) < local_date(now).year
    due = select(Fund.id).where(over, settled, held[FundAccount.AVAILABLE] > 0)
    found = session.exec(due.order_by(col(Fund.id))).all()
    return sum(_lapse(session, fund_id, now) for fund_id in found)


def _lapse(session: Session, fund_id: UUID, now: datetime) -> int:
    held = ledger.lock(session, fund_id=fund_id)
    left = held[FundAccount.AVAILABLE]
    if left == 0 or held[FundAccount.RESERVED] or held[FundAccount.PAYABLE]:
        return 0
    number = session.get_one(Fund, fund_id).last_number
    ledger.post(
        session,
        fund_id=fund_id,
        kind=EntryKind.LAPSE,
        amount_fen=left,
        step=f"fund:{fund_id}:lapse:{number}",
        now=now,
    )
    return 1
