"""The fund's ledger: one posting moves money from one account to another."""

from datetime import date
from uuid import UUID

from sqlalchemy import case, update
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import (
    ACCOUNTS,
    NOT_OVERDRAWN,
    EntryKind,
    Fund,
    FundAccount,
    FundBalance,
    LedgerEntry,
    WhenExhausted,
)


class FundNotFound(NotFound):
    """There is no such fund."""

    zh = "未找到该专项经费"


class FundExhausted(Conflict):
    """The fund cannot cover this."""

    zh = "专项经费余额不足"
    detail_en = "{amount_fen} fen are needed and {available_fen} are left"
    detail_zh = "需要 {amount_fen} 分，可用 {available_fen} 分"


def open_fund(
    session: Session,
    *,
    organisation_id: UUID,
    fiscal_year: int,
    name: str,
    when_exhausted: WhenExhausted = WhenExhausted.REFUSE,
) -> Fund:
    """Make a fund with empty accounts for one organisation and calendar year."""
    fund = Fund(
        organisation_id=organisation_id,
        fiscal_year=fiscal_year,
        name=name,
        when_exhausted=when_exhausted,
    )
    session.add(fund)
    session.flush()
    session.add_all(FundBalance(fund_id=fund.id, account=account) for account in FundAccount)
    session.flush()
    return fund


def fund_for(session: Session, *, organisation_id: UUID, day: date) -> Fund | None:
    """Return the fund that pays for visits on `day`, if there is one."""
    return session.exec(
        select(Fund).where(Fund.organisation_id == organisation_id, Fund.fiscal_year == day.year)
    ).first()


def balances(session: Session, *, fund_id: UUID) -> dict[FundAccount, int]:
    """Return what stands in each account, fen; `source` is minus what was appropriated."""
    rows = session.exec(select(FundBalance).where(FundBalance.fund_id == fund_id))
    return {FundAccount(row.account): row.balance_fen for row in rows.all()}


def lock(session: Session, *, fund_id: UUID) -> dict[FundAccount, int]:
    """Keep all other postings out until the transaction ends; return the balances, fen.

    Raises:
        FundNotFound: no fund has this id.
    """
    wanted = select(Fund).where(Fund.id == fund_id).with_for_update(key_share=True)
    if session.exec(wanted.execution_options(populate_existing=True)).first() is None:
        raise FundNotFound(fund_id=fund_id)
    # A second statement, so that it sees what was committed while the first one waited.
    rows = select(FundBalance).where(FundBalance.fund_id == fund_id)
    found = session.exec(rows.execution_options(populate_existing=True))
    return {FundAccount(row.account): row.balance_fen for row in found.all()}


def post(
    session: Session,
    *,
    fund_id: UUID,
    kind: EntryKind,
    amount_fen: int,
    step: str,
    booking_id: UUID | None = None,
    claim_id: UUID | None = None,
    document: str | None = None,
) -> LedgerEntry:
    """Write one entry and move its amount, or return the entry `step` already has.

    The only writer of balances. It looks for the step under the fund's lock, so that a call sent
    twice posts once.

    Args:
        session: open transaction.
        fund_id: whose ledger.
        kind: fixes the two accounts.
        amount_fen: more than 0.
        step: what this is for, unique in all ledgers.
        booking_id: the booking it is for, if any.
        claim_id: the claim it pays, if any.
        document: number of the paper it rests on, if any.

    Raises:
        FundNotFound: no fund has this id.
        FundExhausted: the account it takes from holds less.
    """
    held = lock(session, fund_id=fund_id)
    written = session.exec(select(LedgerEntry).where(LedgerEntry.step == step)).first()
    if written is not None:
        return written
    source, target = ACCOUNTS[kind]
    exhausted = FundExhausted(amount_fen=amount_fen, available_fen=held[source])
    with violating(NOT_OVERDRAWN, exhausted):
        _move(session, fund_id, source, target, amount_fen)
    fund = session.get_one(Fund, fund_id)
    fund.last_number += 1
    entry = LedgerEntry(
        fund_id=fund_id,
        number=fund.last_number,
        kind=kind,
        from_account=source,
        to_account=target,
        amount_fen=amount_fen,
        step=step,
        booking_id=booking_id,
        claim_id=claim_id,
        document=document,
    )
    session.add(entry)
    session.flush()
    return entry


def appropriate(session: Session, *, fund_id: UUID, amount_fen: int, document: str) -> LedgerEntry:
    """Bring money into the fund; the same document twice brings it once."""
    return post(
        session,
        fund_id=fund_id,
        kind=EntryKind.APPROPRIATE,
        amount_fen=amount_fen,
        step=f"fund:{fund_id}:appropriate:{document}",
        document=document,
    )


def _move(
    session: Session, fund_id: UUID, source: FundAccount, target: FundAccount, amount_fen: int
) -> None:
    account = col(FundBalance.account)
    change = case((account == target, amount_fen), else_=-amount_fen)
    session.exec(
        update(FundBalance)
        .where(col(FundBalance.fund_id) == fund_id, account.in_([source, target]))
        .values(balance_fen=col(FundBalance.balance_fen) + change)
        .execution_options(synchronize_session=False)
    )
