"""Orders refused for want of room: counted without anybody's name, for what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import delete, text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col

from app.errors import DomainError
from app.models import RefusedOrder
from app.services import idempotency, unmet_searches
from app.services.calendar import ZONE, local_date
from app.services.refusals import Refused

MOST_A_DAY = 1_000
"""Rows of one site and day; whoever wants ever new things then only adds to those there are."""
PATIENCE_MS = 50
"""How long to wait for a request with the same key."""

log = structlog.get_logger()

_SAME = """refused_on = :refused_on AND site_id = :site_id AND wanted_on = :wanted_on
        AND hour = :hour AND people = :people AND rule = :rule"""
# Whoever finds the row in somebody's hands takes another one or makes one: nobody ever waits, and
# there are never more rows of the same than were written at once.
_COUNT = text(f"""
    WITH free AS (
        SELECT id FROM refused_order WHERE {_SAME} LIMIT 1 FOR UPDATE SKIP LOCKED
    ), added AS (
        UPDATE refused_order r SET times = r.times + 1 FROM free WHERE r.id = free.id
        RETURNING r.id
    )
    INSERT INTO refused_order (id, refused_on, site_id, wanted_on, hour, people, rule, times)
    SELECT uuid7(), :refused_on, :site_id, :wanted_on, :hour, :people, :rule, 1
    WHERE NOT EXISTS (SELECT FROM added) AND (
        SELECT count(*) FROM (
            SELECT FROM refused_order
            WHERE refused_on = :refused_on AND site_id = :site_id LIMIT :most
        ) today
    ) < :most
""")  # noqa: S608  # constants
# A count may be lost with the machine; nobody waits for the disk to be told the truth.
_HASTE = text("SET LOCAL synchronous_commit = 'off'")
_PATIENCE = text(f"SET LOCAL lock_timeout = '{PATIENCE_MS}ms'; {_HASTE}")


@dataclass(frozen=True)
class Sent:
    """The `Idempotency-Key` that an account sent with its order, if it sent one."""

    account_id: UUID
    key: UUID | None


def short(refusals: Sequence[DomainError | None]) -> list[Refused]:
    """Return those of some refusals that more room would have spared."""
    return [one for one in refusals if isinstance(one, Refused) and one.want is not None]


def count(session: Session, *, refused: Sequence[Refused], now: datetime) -> None:
    """Count refusals beside what was booked; if that fails, nobody is the worse for it.

    Args:
        session: open transaction; it goes on whatever happens here.
        refused: of those `short` returns.
        now: the present instant, aware.
    """
    try:
        with session.begin_nested():
            _count(session, refused, now)
    except SQLAlchemyError:
        log.warning("refusal-not-counted", exc_info=True)


def count_once(session: Session, *, refused: Sequence[Refused], sent: Sent, now: datetime) -> None:
    """Count what an order was refused for, unless it was sent before with the same key.

    Args:
        session: transaction of its own, after that of the order was rolled back.
        refused: of those `short` returns.
        sent: by whom, and with which key; neither is kept with the count.
        now: the present instant, aware.
    """
    session.connection().execute(_PATIENCE if sent.key else _HASTE)
    if sent.key is None or idempotency.mark(
        session, account_id=sent.account_id, key=sent.key, now=now
    ):
        _count(session, refused, now)


def forget_old(session: Session, now: datetime) -> int:
    """Delete what was refused longer ago than searches are kept; return how many rows."""
    old = col(RefusedOrder.refused_on) < local_date(now - unmet_searches.KEPT)
    return session.exec(delete(RefusedOrder).where(old)).rowcount


def _count(session: Session, refused: Sequence[Refused], now: datetime) -> None:
    for refusal in refused:
        assert refusal.want is not None  # noqa: S101
        starts_at = refusal.want.starts_at.astimezone(ZONE)
        facts = {
            "refused_on": local_date(now),
            "site_id": refusal.want.site_id,
            "wanted_on": starts_at.date(),
            "hour": starts_at.hour,
            "people": unmet_searches.group_size(refusal.want.people),
            "rule": refusal.slug(),
            "most": MOST_A_DAY,
        }
        session.connection().execute(_COUNT, facts)
