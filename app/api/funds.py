"""The fund: opened, filled, closed by the month, and as its officers and overseers see it."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlmodel import Session

from app.api import burn_down
from app.api.burn_down import BurnDown
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    NowDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.transactions import TransactionPublic
from app.api.transactions import shown as entry_shown
from app.errors import Unauthenticated
from app.models import Fund, WhenExhausted
from app.services import fund_outlook, fund_periods, funds, idempotency, ledger, organisations
from app.services.access import NotInScope

router = Router(prefix="/funds", tags=["fund"])

MOST_FEN = 10**13
"""A hundred thousand million yuan: more than any fund, and far from where sums overflow."""
EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60",
    "organisation_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f61",
    "fiscal_year": 2026,
    "name": "2026 年度党员教育阵地专项经费（示例）",
    "when_exhausted": "refuse",
    "closed_through": "2026-10-31",
    "balances_fen": {
        "source": -45000000,
        "available": 44981000,
        "reserved": 0,
        "payable": 19000,
        "paid": 0,
    },
}


class Balances(BaseModel):
    """Fen in each account; `source` is minus what was appropriated."""

    source: int
    available: int
    reserved: int
    payable: int
    paid: int


class FundPublic(BaseModel):
    """A fund of one calendar year; nothing is booked on days up to `closed_through` any more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    organisation_id: UUID
    fiscal_year: int
    name: str
    when_exhausted: WhenExhausted
    closed_through: date | None
    balances_fen: Balances


class FundDetail(FundPublic):
    """A fund, and how it burns down."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": EXAMPLE | {"burn_down": burn_down.EXAMPLE}}
    )

    burn_down: BurnDown


class FundPage(BaseModel):
    """A page of funds, latest year first."""

    items: list[FundPublic]
    next_cursor: str | None


class FundIn(BaseModel):
    """A fund to be; what an approval does that it cannot cover is in `when_exhausted`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                name: EXAMPLE[name]
                for name in ("organisation_id", "fiscal_year", "name", "when_exhausted")
            }
        }
    )

    organisation_id: UUID
    fiscal_year: int = Field(strict=True, ge=2000, le=2199)
    name: Line = Field(max_length=80)
    when_exhausted: WhenExhausted


class AppropriationIn(BaseModel):
    """What a document brings, in fen."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"amount_fen": 45000000, "document": "示例〔2026〕1 号"}}
    )

    amount_fen: int = Field(strict=True, ge=1, le=MOST_FEN)
    document: Line = Field(max_length=60)


Month = Annotated[str, Field(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$", examples=["2026-10"])]
"""A month, as YYYY-MM."""


class ClosingIn(BaseModel):
    """The month to close; those before it are closed with it."""

    month: Month


def first_day(month: str) -> date:
    """Return the first day of a month written as YYYY-MM."""
    return date.fromisoformat(f"{month}-01")


def _public(session: Session, fund: Fund) -> FundPublic:
    return _all_public(session, [fund])[0]


def _all_public(session: Session, rows: Sequence[Fund]) -> list[FundPublic]:
    balances = ledger.balances_of(session, fund_ids=[fund.id for fund in rows])
    return [
        FundPublic(
            id=fund.id,
            organisation_id=fund.organisation_id,
            fiscal_year=fund.fiscal_year,
            name=fund.name,
            when_exhausted=WhenExhausted(fund.when_exhausted),
            closed_through=fund.closed_through,
            balances_fen=Balances.model_validate(balances[fund.id]),
        )
        for fund in rows
    ]


@router.get(
    "",
    operation_id="listFunds",
    summary="Funds I keep or oversee",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_funds(
    actor: ActorDep, session: SessionDep, limit: LimitDep = 50, cursor: CursorDep = None
) -> FundPage:
    """List the funds in the reader's scope; there is one a year and organisation."""
    after = read_cursor(cursor, _year, UUID)
    found = funds.page(session, actor=actor, after=after, limit=limit)
    rows = found[:limit]
    more = len(found) > limit
    return FundPage(
        items=_all_public(session, rows),
        next_cursor=write_cursor(str(rows[-1].fiscal_year), rows[-1].id) if more else None,
    )


def _year(given: str) -> int:
    return date(int(given), 1, 1).year


@router.post(
    "",
    operation_id="openFund",
    summary="Open a fund for a year",
    status_code=201,
    response_model=FundPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        organisations.OrganisationNotFound,
        ledger.FundYearTaken,
        idempotency.IdempotencyKeyReused,
    ),
)
def open_fund(said: Annotated[FundIn, Body()], actor: ActorDep, once: OnceDep) -> Response:
    """Open it, empty; by staff of the district."""
    fund = funds.open_fund(once.session, actor=actor, **said.model_dump())
    return once.answer(201, _public(once.session, fund))


@router.get(
    "/{fund_id}",
    operation_id="getFund",
    summary="A fund and its balances",
    responses=problems(Unauthenticated, ledger.FundNotFound),
)
def get_fund(fund_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> FundDetail:
    """Show one fund, month by month, with what it will have paid for by the end of its year."""
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    outlook = fund_outlook.of(session, fund=fund, now=now)
    return FundDetail(**vars(_public(session, fund)), burn_down=burn_down.shown(outlook))


@router.post(
    "/{fund_id}/appropriations",
    operation_id="appropriate",
    summary="Bring the money of a document into a fund",
    status_code=201,
    response_model=TransactionPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        ledger.FundNotFound,
        ledger.PostingDiffers,
        ledger.DocumentReversed,
        ledger.PeriodClosed,
        idempotency.IdempotencyKeyReused,
    ),
)
def appropriate(
    fund_id: UUID, said: Annotated[AppropriationIn, Body()], actor: ActorDep, once: OnceDep
) -> Response:
    """Bring it, by staff of the district; the same document again gives the same transaction."""
    entry = funds.appropriate(
        once.session, actor=actor, fund_id=fund_id, now=once.now, **said.model_dump()
    )
    return once.answer(201, entry_shown(entry))


@router.post(
    "/{fund_id}/closings",
    operation_id="closeFundMonth",
    summary="Close a month of a fund, for good",
    response_model=FundPublic,
    responses=problems(
        Unauthenticated,
        NotInScope,
        ledger.FundNotFound,
        fund_periods.PeriodNotOver,
        idempotency.IdempotencyKeyReused,
    ),
)
def close_month(
    fund_id: UUID, said: Annotated[ClosingIn, Body()], actor: ActorDep, once: OnceDep
) -> Response:
    """Close it, by the fund's officer; doing it again changes nothing."""
    fund = fund_periods.close(
        once.session, actor=actor, fund_id=fund_id, month=first_day(said.month), now=once.now
    )
    return once.answer(200, _public(once.session, fund))
