"""The fund's ledger: one posting moves money from one account to another.

`ledger_post` in the database does it (`app/models/posting.py`), and nobody else can.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NoReturn
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, String, Uuid, bindparam, text
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import (
    STEP_ONCE,
    EntryKind,
    Fund,
    FundAccount,
    FundBalance,
    LedgerEntry,
    WhenExhausted,
)
from app.services import audit

YEAR_ONCE = "fund_year_once"


class FundNotFound(NotFound):
    """There is no such fund."""

    zh = "未找到该专项经费"


class FundExhausted(Conflict):
    """The fund cannot cover this."""

    zh = "专项经费余额不足"
    detail_en = "{amount_fen} fen are needed and {available_fen} are left"
    detail_zh = "需要 {amount_fen} 分，可用 {available_fen} 分"


class PostingDiffers(Conflict):
    """The same thing was posted before, with another amount or for something else."""

    zh = "同一事项已入账，但内容不同"


class DocumentReversed(Conflict):
    """What this document brought was reversed; another document brings it anew."""

    zh = "该文号的拨款已冲正，请使用新的文号"


class PeriodClosed(Conflict):
    """The books of that month are closed."""

    zh = "该月份已结账"


class FundYearTaken(Conflict):
    """The organisation has a fund for this year."""

    zh = "该组织当年已有专项经费"


def open_fund(
    session: Session,
    *,
    organisation_id: UUID,
    fiscal_year: int,
    name: str,
    when_exhausted: WhenExhausted = WhenExhausted.REFUSE,
) -> Fund:
    """Make a fund for one organisation and calendar year; the database gives it empty accounts.

    Raises:
        FundYearTaken: there is one.
    """
    fund = Fund(
        organisation_id=organisation_id,
        fiscal_year=fiscal_year,
        name=name,
        when_exhausted=when_exhausted,
    )
    session.add(fund)
    with violating(YEAR_ONCE, FundYearTaken()):
        session.flush()
    return fund


_FUND_FOR = select(Fund).where(
    Fund.organisation_id == bindparam("organisation_id"), Fund.fiscal_year == bindparam("year")
)


def fund_for(session: Session, *, organisation_id: UUID, day: date) -> Fund | None:
    """Return the fund that pays for visits on `day`, if there is one."""
    asked = {"organisation_id": organisation_id, "year": day.year}
    return session.exec(_FUND_FOR, params=asked).first()


def balances(session: Session, *, fund_id: UUID) -> dict[FundAccount, int]:
    """Return what stands in each account, fen; `source` is minus what was appropriated."""
    return balances_of(session, fund_ids=[fund_id])[fund_id]


def balances_of(
    session: Session, *, fund_ids: Sequence[UUID]
) -> dict[UUID, dict[FundAccount, int]]:
    """Return what stands in each account of some funds, fen; one statement, however many."""
    found: dict[UUID, dict[FundAccount, int]] = {fund_id: {} for fund_id in fund_ids}
    # Columns and not rows, which the session would give as it first saw them.
    columns = select(FundBalance.fund_id, FundBalance.account, FundBalance.balance_fen)
    theirs = columns.where(col(FundBalance.fund_id).in_(fund_ids))
    for fund_id, account, fen in session.exec(theirs):
        found[fund_id][FundAccount(account)] = fen
    return found


def lock(session: Session, *, fund_id: UUID) -> dict[FundAccount, int]:
    """Keep all other postings out until the transaction ends; return the balances, fen.

    Raises:
        FundNotFound: no fund has this id.
    """
    wanted = select(Fund).where(Fund.id == fund_id).with_for_update(key_share=True)
    if session.exec(wanted.execution_options(populate_existing=True)).first() is None:
        raise FundNotFound(fund_id=fund_id)
    # A second statement, so that it sees what was committed while the first one waited.
    return balances(session, fund_id=fund_id)


_POST = (
    text(
        "SELECT (p.entry).id, p.refusal, p.held_fen FROM ledger_post(:fund_id, :kind, :amount_fen,"
        " :step, :booking_id, :claim_id, :document, :reverses_id, :now) p"
    )
    .bindparams(
        *(bindparam(name, type_=Uuid()) for name in ("fund_id", "booking_id", "claim_id")),
        *(bindparam(name, type_=String()) for name in ("kind", "step", "document")),
        bindparam("reverses_id", type_=Uuid()),
        bindparam("amount_fen", type_=BigInteger()),
        bindparam("now", type_=DateTime(timezone=True)),
    )
    .columns(id=Uuid(), refusal=String(), held_fen=BigInteger())
)


@dataclass(frozen=True)
class Posted:
    """What came of a posting: the entry, or why there is none.

    Attributes:
        entry_id: of the new entry, or of that the step already had; None when it was refused.
        refusal: `no fund`, `differs`, `closed` or `exhausted`; None when it was not.
        held_fen: what the account it takes from held before; None for a step posted before.
    """

    entry_id: UUID | None
    refusal: str | None
    held_fen: int | None


def attempt(
    session: Session,
    *,
    fund_id: UUID,
    kind: EntryKind,
    amount_fen: int,
    step: str,
    booking_id: UUID | None = None,
    claim_id: UUID | None = None,
    document: str | None = None,
    reverses_id: UUID | None = None,
    now: datetime | None = None,
) -> Posted:
    """Post as `post` does, or say why not; a refusal changes nothing and spoils no transaction.

    One journey to the database, which locks the fund until the transaction ends.

    Raises:
        PostingDiffers: another fund posted the same step at the same time.
    """
    audit.mark_written(session)
    with violating(STEP_ONCE, PostingDiffers()):
        row = (
            session.connection()
            .execute(
                _POST,
                {
                    "fund_id": fund_id,
                    "kind": kind,
                    "amount_fen": amount_fen,
                    "step": step,
                    "booking_id": booking_id,
                    "claim_id": claim_id,
                    "document": document,
                    "reverses_id": reverses_id,
                    "now": now,
                },
            )
            .one()
        )
    return Posted(*row)


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
    reverses_id: UUID | None = None,
    now: datetime | None = None,
) -> LedgerEntry:
    """Write one entry and move its amount, or return the entry `step` already has.

    Args:
        session: open transaction.
        fund_id: whose ledger.
        kind: fixes the two accounts.
        amount_fen: more than 0.
        step: what this is for, unique in all ledgers.
        booking_id: the booking it is for, if any.
        claim_id: the claim it pays, if any.
        document: number of the paper it rests on, if any.
        reverses_id: the entry it is the mirror image of, for a kind that reverses.
        now: the instant it is booked at, aware; the database's own clock without one.

    Raises:
        FundNotFound: no fund has this id.
        FundExhausted: the account it takes from holds less.
        PostingDiffers: `step` has an entry of another kind, amount or subject.
        PeriodClosed: the month of `now` is closed.
    """
    posted = attempt(
        session,
        fund_id=fund_id,
        kind=kind,
        amount_fen=amount_fen,
        step=step,
        booking_id=booking_id,
        claim_id=claim_id,
        document=document,
        reverses_id=reverses_id,
        now=now,
    )
    if posted.entry_id is None:
        refuse(posted, fund_id=fund_id, amount_fen=amount_fen)
    return session.get_one(LedgerEntry, posted.entry_id)


def refuse(posted: Posted, *, fund_id: UUID, amount_fen: int) -> NoReturn:
    """Raise what a posting was refused for.

    Raises:
        FundNotFound: no fund has this id.
        FundExhausted: the account it takes from holds less.
        PostingDiffers: its step has an entry of another kind, amount or subject.
        PeriodClosed: its month is closed.
    """
    if posted.refusal == "no fund":
        raise FundNotFound(fund_id=fund_id)
    if posted.refusal == "differs":
        raise PostingDiffers
    if posted.refusal == "closed":
        raise PeriodClosed
    raise FundExhausted(amount_fen=amount_fen, available_fen=posted.held_fen)


def appropriate(
    session: Session,
    *,
    fund_id: UUID,
    amount_fen: int,
    document: str,
    now: datetime | None = None,
) -> LedgerEntry:
    """Bring money into the fund; the same document twice brings it once.

    Raises:
        FundNotFound: no fund has this id.
        PostingDiffers: the document has brought another amount.
        DocumentReversed: it has brought this, and that was reversed.
        PeriodClosed: the month of `now` is closed.
    """
    entry = post(
        session,
        fund_id=fund_id,
        kind=EntryKind.APPROPRIATE,
        amount_fen=amount_fen,
        step=f"fund:{fund_id}:appropriate:{document}",
        document=document,
        now=now,
    )
    mirror = select(LedgerEntry.id).where(LedgerEntry.reverses_id == entry.id)
    if session.exec(mirror).first() is not None:
        raise DocumentReversed
    return entry
