"""Requests that may be sent twice: the first answer is kept with what it did."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import IdempotencyKey
from app.services import privacy

KEPT = timedelta(hours=24)


class IdempotencyKeyReused(Malformed):
    """This Idempotency-Key came with another request before."""

    zh = "该 Idempotency-Key 已用于另一请求"


@dataclass(frozen=True)
class Answer:
    """What was answered the first time."""

    status: int
    body: bytes


def begin(
    session: Session, *, account_id: UUID, key: UUID, request_hash: bytes, now: datetime
) -> Answer | None:
    """Claim a key, or return the answer it already has.

    The same key from two processes at once: the second waits here until the first has committed,
    and then gets its answer, or until it has rolled back, and then goes first.

    Args:
        session: open transaction.
        account_id: whose key.
        key: as sent.
        request_hash: of method, path and body.
        now: the present instant, aware.

    Raises:
        IdempotencyKeyReused: it belongs to another request of the last 24 hours.
    """
    claim = insert(IdempotencyKey).values(
        account_id=account_id, key=key, request_hash=request_hash, made_at=now
    )
    # The update changes nothing; it locks the row, so that no job deletes it before it is read.
    same = {"made_at": IdempotencyKey.made_at}
    session.exec(claim.on_conflict_do_update(constraint="idempotency_key_pkey", set_=same))
    kept = session.exec(
        select(IdempotencyKey)
        .where(IdempotencyKey.account_id == account_id, IdempotencyKey.key == key)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if kept.status is None or kept.answer is None or kept.made_at <= now - KEPT:
        kept.request_hash, kept.made_at = request_hash, now
        return None
    if kept.request_hash != request_hash:
        raise IdempotencyKeyReused
    return Answer(kept.status, privacy.unseal_bytes(kept.answer))


def keep(session: Session, *, account_id: UUID, key: UUID, answer: Answer) -> None:
    """Keep the answer to a claimed key, in the transaction that did what it tells."""
    kept = session.get_one(IdempotencyKey, (account_id, key))
    kept.status, kept.answer = answer.status, privacy.seal_bytes(answer.body)
    session.flush()


def leave(session: Session, *, account_id: UUID, key: UUID) -> None:
    """Give up a claimed key, as if it had never been sent."""
    session.delete(session.get_one(IdempotencyKey, (account_id, key)))
    session.flush()


def forget_old(session: Session, now: datetime) -> int:
    """Delete keys older than `KEPT` and return how many; a job."""
    done = session.exec(delete(IdempotencyKey).where(col(IdempotencyKey.made_at) <= now - KEPT))
    return int(done.rowcount)
