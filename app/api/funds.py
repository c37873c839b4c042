"""The fund, as its officers and overseers see it."""

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import Session

from app.api.deps import ActorDep, SessionDep
from app.api.problems import problems
from app.errors import Unauthenticated
from app.models import Fund, WhenExhausted
from app.services import funds, ledger

router = APIRouter(prefix="/funds", tags=["fund"])


class Balances(BaseModel):
    """Fen in each account; `source` is minus what was appropriated."""

    source: int
    available: int
    reserved: int
    payable: int
    paid: int


class FundPublic(BaseModel):
    """A fund of one calendar year."""

    id: UUID
    organisation_id: UUID
    fiscal_year: int
    name: str
    when_exhausted: WhenExhausted
    balances_fen: Balances


class Funds(BaseModel):
    """Funds, latest year first."""

    items: list[FundPublic]


def _public(session: Session, fund: Fund) -> FundPublic:
    return FundPublic(
        id=fund.id,
        organisation_id=fund.organisation_id,
        fiscal_year=fund.fiscal_year,
        name=fund.name,
        when_exhausted=WhenExhausted(fund.when_exhausted),
        balances_fen=Balances.model_validate(ledger.balances(session, fund_id=fund.id)),
    )


@router.get(
    "",
    operation_id="listFunds",
    summary="Funds I keep or oversee",
    responses=problems(Unauthenticated),
)
def list_funds(actor: ActorDep, session: SessionDep) -> Funds:
    """List the funds in the reader's scope; there is one a year and organisation."""
    rows = session.exec(funds.visible(actor)).all()
    return Funds(items=[_public(session, fund) for fund in rows])


@router.get(
    "/{fund_id}",
    operation_id="getFund",
    summary="A fund and its balances",
    responses=problems(Unauthenticated, ledger.FundNotFound),
)
def get_fund(fund_id: UUID, actor: ActorDep, session: SessionDep) -> FundPublic:
    """Show one fund."""
    return _public(session, funds.get(session, actor=actor, fund_id=fund_id))
