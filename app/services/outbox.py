"""The outbox as staff see it: what did not reach people by some way, and why."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, case, or_, update
from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound
from app.models import Delivery, DeliveryStatus, Notification, Role, Way
from app.services.access import Actor

S = DeliveryStatus
STAFF = (Role.DISTRICT_STAFF,)
OPEN = (S.WAITING, S.LEASED, S.FAILED, S.MISSED)
"""What the outbox shows; a letter that waits is shown once an attempt has failed."""


class DeliveryNotFound(NotFound):
    """There is no such delivery, or it is not in your district."""

    zh = "未找到该发送记录"


class NotFailed(Conflict):
    """Only what has failed, or waits for its next attempt, can be tried again."""

    zh = "仅发送失败或待重试的消息可以重发"


def _scope(actor: Actor) -> ColumnElement[bool]:
    """Say in SQL that a delivery is of the actor's districts."""
    return col(Delivery.district_id).in_(actor.organisations(*STAFF))


def page(
    session: Session,
    *,
    actor: Actor,
    status: DeliveryStatus | None,
    channel: Way | None,
    kind: str | None,
    after: UUID | None,
    limit: int,
) -> Sequence[tuple[Delivery, str]]:
    """Return one more than `limit` deliveries with the kind of their message, the newest first.

    Args:
        session: open transaction.
        actor: staff of a district.
        status: only those; `waiting` are those that an attempt has failed of.
        channel: only those by this way.
        kind: only those of this kind of message.
        after: id of the last one of the page before.
        limit: length of a page.

    Raises:
        NotInScope: they are not staff of a district.
    """
    actor.require(*STAFF)
    tried = or_(col(Delivery.status).in_((S.FAILED, S.MISSED)), col(Delivery.attempts) > 0)
    wanted = (
        select(Delivery, Notification.kind)
        .join(Notification, col(Notification.id) == Delivery.notification_id)
        .where(_scope(actor), col(Delivery.status).in_(OPEN), tried)
    )
    if status is not None:
        wanted = wanted.where(Delivery.status == status)
    if channel is not None:
        wanted = wanted.where(Delivery.channel == channel)
    if kind is not None:
        wanted = wanted.where(Notification.kind == kind)
    if after is not None:
        wanted = wanted.where(col(Delivery.id) < after)
    return session.exec(wanted.order_by(col(Delivery.id).desc()).limit(limit + 1)).all()


def retry(
    session: Session, *, actor: Actor, delivery_id: UUID, now: datetime
) -> tuple[Delivery, str]:
    """Have a letter tried again at once, with all attempts before it; return it, and its kind.

    Args:
        session: open transaction.
        actor: staff of its district.
        delivery_id: the letter, or a message in it.
        now: the present instant, aware.

    Raises:
        DeliveryNotFound: there is none, or not in their district.
        NotFailed: it is under way, went out, or would come too late.
    """
    found = session.exec(
        select(Delivery, Notification.kind)
        .join(Notification, col(Notification.id) == Delivery.notification_id)
        .where(_scope(actor), Delivery.id == delivery_id)
    ).one_or_none()
    if found is None:
        raise DeliveryNotFound
    delivery, kind = found
    actor.act_as(STAFF)
    failed = col(Delivery.status) == S.FAILED
    # The fence is not touched: who holds it may mark it, and then it is nothing to be retried.
    again = session.exec(
        update(Delivery)
        .where(
            col(Delivery.letter_id) == delivery.letter_id,
            col(Delivery.status).in_((S.WAITING, S.FAILED)),
        )
        .values(
            status=S.WAITING,
            reason=None,
            settled_at=None,
            attempts=0,
            next_attempt_at=now,
            # What stood for the letter may have been missed; alone, each stands for itself.
            letter_id=case((failed, col(Delivery.id)), else_=col(Delivery.letter_id)),
        )
        .execution_options(synchronize_session=False)
    )
    if not again.rowcount:
        raise NotFailed(status=delivery.status)
    session.refresh(delivery)
    return delivery, kind
