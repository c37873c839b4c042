"""Requests that may be sent twice: the first answer is kept with what it did."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Executable, and_, bindparam, case, delete, null, or_, update
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.errors import Malformed
from app.models import IdempotencyKey
from app.models.base import Instant
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


def _claim() -> Executable:
    names = ("account_id", "key", "request_hash", "made_at")
    wanted = insert(IdempotencyKey).values({name: bindparam(name) for name in names})
    kept, sent = IdempotencyKey, wanted.excluded
    fresh = bindparam("fresh", type_=Instant)
    old = or_(col(kept.made_at) <= fresh, col(kept.status).is_(None))
    # What is kept stays as it is, and locked, so that no job deletes it before it is read; what is
    # too old begins anew, as does what was only marked.
    said = {
        "request_hash": case((old, sent.request_hash), else_=kept.request_hash),
        "made_at": case((old, sent.made_at), else_=kept.made_at),
        "status": case((old, null()), else_=kept.status),
        "answer": case((old, null()), else_=kept.answer),
    }
    return wanted.on_conflict_do_update(constraint="idempotency_key_pkey", set_=said).returning(
        col(kept.status), col(kept.answer), col(kept.request_hash)
    )


_THIS = and_(
    col(IdempotencyKey.account_id) == bindparam("of"), col(IdempotencyKey.key) == bindparam("by")
)
_CLAIM = _claim()
_KEEP = (
    update(IdempotencyKey)
    .where(_THIS)
    .values(status=bindparam("status"), answer=bindparam("answer"))
)
_MARK = (
    insert(IdempotencyKey)
    .values({n: bindparam(n) for n in ("account_id", "key", "request_hash", "made_at")})
    .on_conflict_do_nothing()
    .returning(col(IdempotencyKey.key))
)
_LEAVE = delete(IdempotencyKey).where(_THIS)


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
    asked = {
        "account_id": account_id,
        "key": key,
        "request_hash": request_hash,
        "made_at": now,
        "fresh": now - KEPT,
    }
    kept = session.connection().execute(_CLAIM, asked).one()
    if kept.status is None:
        return None
    if kept.request_hash != request_hash:
        raise IdempotencyKeyReused
    return Answer(kept.status, privacy.unseal_bytes(kept.answer))


def keep(session: Session, *, account_id: UUID, key: UUID, answer: Answer) -> None:
    """Keep the answer to a claimed key, in the transaction that did what it tells."""
    kept = {
        "of": account_id,
        "by": key,
        "status": answer.status,
        "answer": privacy.seal_bytes(answer.body),
    }
    session.connection().execute(_KEEP, kept)


def leave(session: Session, *, account_id: UUID, key: UUID) -> None:
    """Give up a claimed key, as if it had never been sent."""
    session.connection().execute(_LEAVE, {"of": account_id, "by": key})


def mark(session: Session, *, account_id: UUID, key: UUID, now: datetime) -> bool:
    """Note that a request with this key came to nothing; tell whether it is the first time.

    The key is as free as before; one that was answered meanwhile stays as it is.

    Args:
        session: open transaction, not that of the request.
        account_id: whose key.
        key: as sent.
        now: the present instant, aware.
    """
    marked = {"account_id": account_id, "key": key, "request_hash": b"", "made_at": now}
    return session.connection().execute(_MARK, marked).first() is not None


def forget_old(session: Session, now: datetime) -> int:
    """Delete keys older than `KEPT` and return how many; a job."""
    done = session.exec(delete(IdempotencyKey).where(col(IdempotencyKey.made_at) <= now - KEPT))
    return int(done.rowcount)
