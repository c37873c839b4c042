"""What an auditor asks of a fund: is all of it right, and how did each month end."""

from itertools import islice
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api.deps import ActorDep, LimitDep, SessionDep
from app.api.funds import Balances, Month, first_day
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import EntryKind
from app.services import fund_periods, funds, ledger, reconciliation

router = Router(prefix="/funds/{fund_id}", tags=["fund"])

_OPENING: JsonDict = {"source": 0, "available": 0, "reserved": 0, "payable": 0, "paid": 0}
EXAMPLE: JsonDict = {
    "fund_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60",
    "month": "2026-01",
    "closed": True,
    "opening_fen": _OPENING,
    "closing_fen": {**_OPENING, "source": -45000000, "available": 45000000},
    "sums": [{"kind": "appropriate", "entries": 1, "amount_fen": 45000000}],
    "entries": 1,
    "last_number": 1,
    "head": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class Finding(BaseModel):
    """A rule, and the row that breaks it."""

    check: str
    row: str


class Reconciliation(BaseModel):
    """What is wrong with a fund; nothing when all is right. With `more`, there is still more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [], "more": False}}
    )

    items: list[Finding]
    more: bool


class KindSum(BaseModel):
    """The entries of one kind in the month."""

    kind: EntryKind
    entries: int
    amount_fen: int


class Statement(BaseModel):
    """A month of a fund, added up from its entries.

    `head` is the hash of entry `last_number`, the newest up to the month's end. Kept outside the
    database, it shows whether anything up to there was changed since.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    fund_id: UUID
    month: str
    closed: bool
    opening_fen: Balances
    closing_fen: Balances
    sums: list[KindSum]
    entries: int
    last_number: int
    head: str


@router.get(
    "/reconciliation",
    operation_id="reconcileFund",
    summary="Add everything up anew, and tell what differs",
    responses=problems(Unauthenticated, ledger.FundNotFound),
)
def reconcile(
    fund_id: UUID, actor: ActorDep, session: SessionDep, limit: LimitDep = 50
) -> Reconciliation:
    """Recompute balances, numbers, hashes, subsidies, claims and reversals from their rows."""
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    found = list(islice(reconciliation.findings(session, fund_id=fund.id), limit + 1))
    return Reconciliation(
        items=[Finding(check=one.check, row=one.row) for one in found[:limit]],
        more=len(found) > limit,
    )


@router.get(
    "/statements/{month}",
    operation_id="getFundStatement",
    summary="A month of a fund, with the hash to keep elsewhere",
    responses=problems(Unauthenticated, ledger.FundNotFound),
)
def get_statement(
    fund_id: UUID, month: Annotated[Month, Path()], actor: ActorDep, session: SessionDep
) -> Statement:
    """Show how a month began and ended."""
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    told = fund_periods.statement(session, fund=fund, month=first_day(month))
    return Statement(
        fund_id=fund.id,
        month=month,
        closed=told.closed,
        opening_fen=Balances.model_validate(told.opening),
        closing_fen=Balances.model_validate(told.closing),
        sums=[KindSum(kind=x.kind, entries=x.entries, amount_fen=x.amount_fen) for x in told.sums],
        entries=sum(x.entries for x in told.sums),
        last_number=told.last_number,
        head=told.head.hex(),
    )
