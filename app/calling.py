"""Calling webhooks: leased in one transaction, sent in none, settled in another."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import Engine
from sqlmodel import Session

from app.channels import webhook
from app.channels.webhook import Call, Outcome
from app.services import webhook_deliveries, webhooks

CALLERS = 4
"""Threads of one process that call."""
Send = Callable[[Call, datetime], Outcome]


def send(wanted: Call, now: datetime) -> Outcome:
    """Send an event as the settings allow."""
    return webhook.call(wanted, now=now, allowed=webhooks.allowed())


def call_one(engine: Engine, now: Callable[[], datetime], send: Send = send) -> bool:
    """Send the event that is due longest; tell whether there was one.

    Args:
        engine: its transactions are short; none is open while the receiver thinks.
        now: the clock.
        send: what sends.
    """
    with Session(engine) as session, session.begin():
        leased = webhook_deliveries.lease(session, now=now())
    if leased is None:
        return False
    outcome = send(Call(leased.id, leased.url, leased.secret, leased.body), now())
    with Session(engine) as session, session.begin():
        webhook_deliveries.settle(
            session,
            leased=leased,
            status=outcome.status,
            error=outcome.error,
            now=now(),
            chance=random.random(),  # noqa: S311  # nobody gains by guessing it
        )
    return True


def call_due(engine: Engine, now: Callable[[], datetime], send: Send = send) -> int:
    """Send all that is due, several at a time; return how many attempts that took."""

    def until_none(_: int) -> int:
        made = 0
        while call_one(engine, now, send):
            made += 1
        return made

    with ThreadPoolExecutor(CALLERS) as pool:
        return sum(pool.map(until_none, range(CALLERS)))
