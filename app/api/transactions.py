"""The ledger of a fund, entry by entry, and its corrections by two people."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    Prose,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import EntryKind, FundAccount, LedgerEntry, Reversal, ReversalStatus
from app.services import funds, idempotency, ledger, reversals
from app.services.access import NotInScope

router = Router(tags=["fund"])

ENTRY: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f62",
    "fund_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60",
    "number": 1,
    "kind": "appropriate",
    "from_account": "source",
    "to_account": "available",
    "amount_fen": 45000000,
    "step": "fund:019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60:appropriate:示例〔2026〕1 号",
    "booking_id": None,
    "claim_id": None,
    "document": "示例〔2026〕1 号",
    "reverses_id": None,
    "booked_on": "2026-01-05",
    "created_at": "2026-01-05T02:00:00Z",
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
REVERSAL: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f63",
    "fund_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60",
    "transaction_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f62",
    "reason": "金额录入有误",
    "status": "asked",
    "asked_by": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f64",
    "asked_at": "2026-01-06T02:00:00Z",
    "answered_by": None,
    "answered_at": None,
}


class TransactionPublic(BaseModel):
    """One entry: `amount_fen` went from one account to the other.

    `number` has no gap, `booked_on` is a day of the district, and `hash` (SHA-256, hexadecimal)
    covers all the rest and the hash of the entry before.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": ENTRY})

    id: UUID
    fund_id: UUID
    number: int
    kind: EntryKind
    from_account: FundAccount
    to_account: FundAccount
    amount_fen: int
    step: str
    booking_id: UUID | None
    claim_id: UUID | None
    document: str | None
    reverses_id: UUID | None
    booked_on: date
    created_at: AwareDatetime
    hash: str


class TransactionPage(BaseModel):
    """A page of a ledger, the newest entry first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [ENTRY], "next_cursor": None}}
    )

    items: list[TransactionPublic]
    next_cursor: str | None


class ReverseIn(BaseModel):
    """Why the entry must not stand."""

    reason: Prose = Field(min_length=1, max_length=500, examples=["金额录入有误"])


class ReversalPublic(BaseModel):
    """A correction that somebody asked for, and how somebody else answered."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": REVERSAL})

    id: UUID
    fund_id: UUID
    transaction_id: UUID
    reason: str
    status: ReversalStatus
    asked_by: UUID
    asked_at: AwareDatetime
    answered_by: UUID | None
    answered_at: AwareDatetime | None


class ReversalPage(BaseModel):
    """A page of a fund's reversals, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [REVERSAL], "next_cursor": None}}
    )

    items: list[ReversalPublic]
    next_cursor: str | None


def shown(entry: LedgerEntry) -> TransactionPublic:
    """Return an entry as it is told."""
    return TransactionPublic(**entry.model_dump(exclude={"hash"}), hash=entry.hash.hex())


def _reversal(row: Reversal) -> ReversalPublic:
    same = row.model_dump(exclude={"entry_id", "created_at"})
    return ReversalPublic(**same, transaction_id=row.entry_id, asked_at=row.created_at)


def _cursor(rows: Sequence[LedgerEntry] | Sequence[Reversal], limit: int) -> str | None:
    if len(rows) <= limit:
        return None
    last = rows[limit - 1]
    return write_cursor(str(last.number if isinstance(last, LedgerEntry) else last.id))


@router.get(
    "/funds/{fund_id}/transactions",
    operation_id="listTransactions",
    summary="The ledger of a fund",
    responses=problems(Unauthenticated, ledger.FundNotFound, CursorUnreadable),
)
def list_transactions(
    fund_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    kind: EntryKind | None = None,
    booking_id: UUID | None = None,
    claim_id: UUID | None = None,
    since: Annotated[DateDep | None, Query(alias="from")] = None,
    until: Annotated[DateDep | None, Query(alias="to")] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> TransactionPage:
    """List entries, the newest first; both days of the period count."""
    after = read_cursor(cursor, int)
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    rows = funds.entries(
        session,
        fund_id=fund.id,
        wanted=funds.Wanted(kind, booking_id, claim_id, since, until),
        before=after[0] if after else None,
        limit=limit,
    )
    return TransactionPage(
        items=[shown(row) for row in rows[:limit]], next_cursor=_cursor(rows, limit)
    )


@router.post(
    "/transactions/{transaction_id}/reverse",
    operation_id="reverseTransaction",
    summary="Ask for an entry to be reversed",
    status_code=201,
    response_model=ReversalPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        reversals.TransactionNotFound,
        reversals.NotReversible,
        reversals.VisitClaimed,
        reversals.ReversalPending,
        idempotency.IdempotencyKeyReused,
    ),
)
def reverse(
    transaction_id: UUID,
    said: Annotated[ReverseIn, Body()],
    actor: ActorDep,
    once: OnceDep,
) -> Response:
    """Ask, as the fund's officer; its approver confirms, who is somebody else.

    Appropriations and payments can be reversed, and what a completed visit cost, all of it at
    once, while no claim holds it.
    """
    asked = reversals.ask(
        once.session, actor=actor, entry_id=transaction_id, reason=said.reason, now=once.now
    )
    return once.answer(201, _reversal(asked))


@router.get(
    "/funds/{fund_id}/reversals",
    operation_id="listReversals",
    summary="Corrections asked for in a fund",
    responses=problems(Unauthenticated, ledger.FundNotFound, CursorUnreadable),
)
def list_reversals(
    fund_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ReversalPage:
    """List them, the newest first."""
    after = read_cursor(cursor, UUID)
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    rows = reversals.page(session, fund_id=fund.id, before=after[0] if after else None, limit=limit)
    return ReversalPage(
        items=[_reversal(row) for row in rows[:limit]], next_cursor=_cursor(rows, limit)
    )


ANSWERS = problems(
    Unauthenticated,
    NotInScope,
    reversals.ReversalNotFound,
    reversals.ReversalAnswered,
    reversals.AskerAnswers,
    idempotency.IdempotencyKeyReused,
)


@router.post(
    "/reversals/{reversal_id}/confirm",
    operation_id="confirmReversal",
    summary="Reverse what was asked for",
    response_model=ReversalPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        reversals.ReversalNotFound,
        reversals.ReversalAnswered,
        reversals.AskerAnswers,
        reversals.VisitClaimed,
        ledger.FundExhausted,
        ledger.PeriodClosed,
        idempotency.IdempotencyKeyReused,
    ),
)
def confirm(reversal_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Write the mirror image, as the fund's approver; a claim that was paid is approved again."""
    done = reversals.confirm(once.session, actor=actor, reversal_id=reversal_id, now=once.now)
    return once.answer(200, _reversal(done))


@router.post(
    "/reversals/{reversal_id}/refuse",
    operation_id="refuseReversal",
    summary="Let an entry stand",
    response_model=ReversalPublic,
    responses=ANSWERS,
)
def refuse(reversal_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Refuse a reversal, as the fund's approver; it may be asked for again."""
    done = reversals.refuse(once.session, actor=actor, reversal_id=reversal_id, now=once.now)
    return once.answer(200, _reversal(done))
