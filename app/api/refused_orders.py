"""Counting orders that were refused for want of room."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated

import structlog
from anyio import to_thread
from fastapi import Depends, Query, Request
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from app.api.deps import NowDep
from app.services import refused_orders
from app.services.booking_groups import GroupRefused
from app.services.refusals import Refused
from app.services.refused_orders import Sent

log = structlog.get_logger()


async def get_dry_run(
    dry_run: Annotated[
        bool, Query(description="Answer 200 with what it would be, and leave no trace")
    ] = False,
) -> bool:
    """Give whether an order is only tried."""
    return dry_run


DryRunDep = Annotated[bool, Depends(get_dry_run)]


async def count_refused(request: Request, dry_run: DryRunDep, now: NowDep) -> AsyncIterator[None]:
    """Count what an order is refused for, once its own transaction is over.

    First among the dependencies of an operation, it is left last: the connection is back by then,
    and the request still has its turn, so that there is one to be had.

    Raises:
        Refused: as the operation did.
        GroupRefused: likewise.
    """
    try:
        yield
    except (Refused, GroupRefused) as refusal:
        outcomes = refusal.outcomes if isinstance(refusal, GroupRefused) else ()
        refused = refused_orders.short([refusal, *(one.refusal for one in outcomes)])
        if refused and not dry_run:
            sent = Sent(request.state.once.account_id, request.state.once.key)
            await to_thread.run_sync(_count, request.app.state.engine, refused, sent, now)
        raise


RefusalsCounted = Depends(count_refused, scope="function")


def _count(engine: Engine, refused: Sequence[Refused], sent: Sent, now: datetime) -> None:
    try:
        with Session(engine) as session, session.begin():
            refused_orders.count_once(session, refused=refused, sent=sent, now=now)
    except SQLAlchemyError:  # the refusal is the answer all the same
        log.warning("refusal-not-counted", exc_info=True)
