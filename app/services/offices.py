"""The offices that are never left vacant."""

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, col, select

from app.errors import Conflict
from app.models import Account, Grant, Role
from app.services.access import in_force

NEVER_VACANT = (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN)
"""Without one of each nobody could make accounts, or give roles, any more."""


class LastOfItsOffice(Conflict):
    """Nobody else holds this office; appoint a successor first."""

    zh = "该岗位别无他人，请先任命继任者"


def leave(
    session: Session,
    *,
    account: Account,
    now: datetime,
    left: Iterable[Role] = NEVER_VACANT,
) -> None:
    """Pass if `account` may leave its offices: another active person holds each of them.

    All holders of an office are locked first, so that of two who remove one another the second
    sees what the first has done.

    Args:
        session: open transaction.
        account: who leaves, locked; one who is not active holds no office.
        now: the present instant, aware.
        left: the offices; others than `NEVER_VACANT` do not matter.

    Raises:
        LastOfItsOffice: nobody else holds it.
    """
    if not account.active:
        return
    theirs = select(Grant.role).where(Grant.account_id == account.id, in_force(now))
    for office in set(session.exec(theirs).all()).intersection(NEVER_VACANT, left):
        of_office = col(Grant.role) == office
        session.exec(select(Grant.id).where(of_office).order_by(col(Grant.id)).with_for_update())
        # Asked anew: the locking statement saw the accounts as they were before it waited.
        holders = session.exec(
            select(Grant.account_id)
            .join(Account, col(Account.id) == Grant.account_id)
            .where(of_office, in_force(now), col(Account.active))
        ).all()
        if set(holders) == {account.id}:
            raise LastOfItsOffice(role=office)
