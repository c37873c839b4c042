"""Funds as read: who sees which."""

from uuid import UUID

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import Fund, Role
from app.services.access import OVERSEERS, Actor, below
from app.services.ledger import FundNotFound

KEEPERS = (Role.FUND_OFFICER, Role.FUND_APPROVER)


def visible(actor: Actor) -> SelectOfScalar[Fund]:
    """Return the funds an actor keeps or oversees, latest year first."""
    return (
        select(Fund)
        .where(below(col(Fund.organisation_id), actor.paths(*KEEPERS, *OVERSEERS)))
        .order_by(col(Fund.fiscal_year).desc(), col(Fund.id))
    )


def get(session: Session, *, actor: Actor, fund_id: UUID) -> Fund:
    """Return one fund in the actor's scope.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
    """
    fund = session.exec(visible(actor).where(Fund.id == fund_id)).first()
    if fund is None:
        raise FundNotFound(fund_id=fund_id)
    return fund
