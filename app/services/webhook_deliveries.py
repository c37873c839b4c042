"""What webhooks are owed: leased, settled, tried again for three days, shown, sent again."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text, update
from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound
from app.models import DeliveryState, Webhook, WebhookAttempt, WebhookDelivery
from app.services import privacy, webhooks
from app.services.access import Actor
from app.services.codes import code_of

LEASE = timedelta(seconds=90)
"""Longer than a call may last, looking the name up included."""
PERSISTENCE = timedelta(days=3)
"""How long an event is tried, from the first attempt on."""
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=6)
AT_ONCE = 2
"""Calls to one webhook at a time, so that a slow receiver does not keep the others waiting."""
KEPT = timedelta(days=30)

S = DeliveryState

# The next of a subject waits for all before it; nobody else's does.
_LEASE = text("""
    UPDATE webhook_delivery d SET state = 'leased', fence = d.fence + 1,
        attempts = d.attempts + 1, first_tried_at = coalesce(d.first_tried_at, :now),
        due_at = :until
    FROM webhook w
    WHERE w.id = d.webhook_id AND d.id = (
        SELECT n.id FROM webhook v CROSS JOIN LATERAL (
            SELECT c.id, c.due_at FROM webhook_delivery c
            WHERE c.webhook_id = v.id AND c.state IN ('waiting', 'leased') AND c.due_at <= :now
            AND NOT EXISTS (
                SELECT FROM webhook_delivery e
                WHERE e.webhook_id = c.webhook_id AND e.subject_id = c.subject_id
                AND e.sequence < c.sequence AND e.state IN ('waiting', 'leased'))
            ORDER BY c.due_at, c.id LIMIT 1 FOR UPDATE SKIP LOCKED
        ) n
        WHERE v.stopped_at IS NULL AND :most > (
            SELECT count(*) FROM webhook_delivery l
            WHERE l.webhook_id = v.id AND l.state = 'leased' AND l.due_at > :now)
        ORDER BY n.due_at LIMIT 1
    )
    RETURNING d.id, d.fence, d.type, d.sequence, d.occurred_at, d.facts, w.url, w.secret_sealed
""")


class WebhookDeliveryNotFound(NotFound):
    """The webhook has no such delivery."""

    zh = "未找到该投递记录"


class DeliveryUnderWay(Conflict):
    """It is being sent at this moment."""

    zh = "该投递正在进行中"


@dataclass(frozen=True)
class Leased:
    """An event to send now, by whoever holds `fence`."""

    id: UUID
    fence: int
    url: str
    secret: bytes
    body: bytes


def lease(session: Session, *, now: datetime) -> Leased | None:
    """Take the event that is due longest, unless another of its subject must go before it.

    Args:
        session: open transaction; commit it before anything is sent.
        now: the present instant, aware.
    """
    asked = {"now": now, "until": now + LEASE, "most": AT_ONCE}
    row = session.connection().execute(_LEASE, asked).one_or_none()
    if row is None:
        return None
    body = _body(row.id, row.type, row.occurred_at, row.sequence, row.facts)
    return Leased(row.id, row.fence, row.url, privacy.unseal_bytes(row.secret_sealed), body)


def _body(
    id_: UUID, type_: str, occurred_at: datetime, sequence: int, facts: dict[str, Any]
) -> bytes:
    data = {key: value for key, value in facts.items() if key != "number"}
    if "number" in facts:
        data["code"] = code_of(facts["number"])
    told = {
        "id": str(id_),
        "type": type_,
        "occurred_at": occurred_at.isoformat(),
        "sequence": sequence,
        "data": data,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def settle(
    session: Session,
    *,
    leased: Leased,
    status: int | None,
    error: str | None,
    now: datetime,
    chance: float,
) -> bool:
    """Write down how an attempt ended; tell whether it was still the writer's to say.

    Args:
        session: open transaction.
        leased: what was sent.
        status: what the receiver answered: 2xx took it, 410 wants no more; None without an answer.
        error: why there is no answer.
        now: the present instant, aware.
        chance: in [0, 1); spreads attempts out.
    """
    is_gone = status == 410
    webhook_id = _webhook_of(session, leased.id, lock=is_gone)
    row = session.exec(
        select(WebhookDelivery)
        .where(
            WebhookDelivery.id == leased.id,
            WebhookDelivery.fence == leased.fence,
            WebhookDelivery.state == S.LEASED,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None or webhook_id is None:
        return False
    session.add(
        WebhookAttempt(delivery_id=row.id, number=row.fence, at=now, status=status, error=error)
    )
    row.status, row.error = status, error
    if status is not None and 200 <= status < 300:
        row.state, row.ended_at = S.DELIVERED, now
    elif is_gone:
        row.state, row.ended_at = S.STOPPED, now
        _stop(session, webhook_id, now)
    else:
        _again_or_never(row, now, chance)
    session.flush()
    return True


def _webhook_of(session: Session, delivery_id: UUID, *, lock: bool) -> UUID | None:
    """Return a delivery's webhook; locked before the delivery, as deleting it does."""
    owner = select(WebhookDelivery.webhook_id).where(WebhookDelivery.id == delivery_id)
    id_ = session.exec(owner).one_or_none()
    if id_ is not None and lock:
        session.exec(select(Webhook.id).where(Webhook.id == id_).with_for_update(key_share=True))
    return id_


def _stop(session: Session, webhook_id: UUID, now: datetime) -> None:
    session.exec(
        update(Webhook)
        .where(col(Webhook.id) == webhook_id, col(Webhook.stopped_at).is_(None))
        .values(stopped_at=now, stopped_reason="410")
    )
    session.exec(
        update(WebhookDelivery)
        .where(
            col(WebhookDelivery.webhook_id) == webhook_id, col(WebhookDelivery.state) == S.WAITING
        )
        .values(state=S.STOPPED, ended_at=now)
    )


def _again_or_never(row: WebhookDelivery, now: datetime, chance: float) -> None:
    last = (row.first_tried_at or now) + PERSISTENCE
    if now >= last:
        row.state, row.ended_at = S.FAILED, now
        return
    row.state = S.WAITING
    row.due_at = min(now + wait(row.attempts, chance), last)


def wait(attempts: int, chance: float) -> timedelta:
    """Return how long to wait after so many attempts: threefold each time, up to `LONGEST_WAIT`.

    Args:
        attempts: at least 1.
        chance: in [0, 1); up to a fifth more or less.
    """
    threefold: int = 3 ** min(attempts - 1, 20)
    plain = min(FIRST_WAIT * threefold, LONGEST_WAIT)
    return plain * (0.8 + 0.4 * chance)


def page(
    session: Session, *, actor: Actor, webhook_id: UUID, before: UUID | None, limit: int
) -> list[WebhookDelivery]:
    """Return one more than `limit` deliveries of a webhook, the newest first.

    Args:
        session: open transaction.
        actor: who asks.
        webhook_id: which.
        before: id of the last one of the page before.
        limit: length of a page.

    Raises:
        WebhookNotFound: there is none, or it is not theirs to see.
    """
    webhook = webhooks.get(session, actor=actor, webhook_id=webhook_id)
    wanted = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)
    if before is not None:
        wanted = wanted.where(col(WebhookDelivery.id) < before)
    latest = wanted.order_by(col(WebhookDelivery.id).desc()).limit(limit + 1)
    return list(session.exec(latest).all())


def attempts(session: Session, *, delivery_ids: list[UUID]) -> list[WebhookAttempt]:
    """Return every attempt at some deliveries, in order."""
    wanted = select(WebhookAttempt).where(col(WebhookAttempt.delivery_id).in_(delivery_ids))
    return list(session.exec(wanted.order_by(col(WebhookAttempt.number))).all())


def resend(
    session: Session, *, actor: Actor, webhook_id: UUID, delivery_id: UUID, now: datetime
) -> WebhookDelivery:
    """Have an event sent again under the same id, and tried for three days once more.

    Raises:
        WebhookNotFound: there is none, or it is not theirs to see.
        NotInScope: they may only read it.
        WebhookStopped: nothing is sent there any more.
        WebhookDeliveryNotFound: the webhook has no such delivery.
        DeliveryUnderWay: it is being sent.
    """
    webhook = webhooks.keep(session, actor=actor, webhook_id=webhook_id)
    if webhook.stopped_at:
        raise webhooks.WebhookStopped
    row = session.exec(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook.id)
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise WebhookDeliveryNotFound
    if row.state == S.LEASED:
        raise DeliveryUnderWay
    row.state, row.due_at, row.attempts = S.WAITING, now, 0
    row.first_tried_at = row.ended_at = None
    session.flush()
    return row


def forget_old(session: Session, now: datetime) -> int:
    """Delete what ended longer than `KEPT` ago, with its attempts; return how much that was."""
    old = col(WebhookDelivery.ended_at) < now - KEPT
    return session.exec(delete(WebhookDelivery).where(old)).rowcount
