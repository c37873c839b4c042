"""Webhooks of a district: made, seen, tried, given a new secret, deleted."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app import outward, settings
from app.errors import Conflict, Malformed, NotFound
from app.models import EventType, Organisation, Role, Webhook, WebhookDelivery
from app.services import privacy
from app.services.access import Actor, NotInScope
from app.services.organisations import OrganisationNotFound

SECRET_BYTES = 32
MOST = 10
"""Webhooks of one district."""
READERS = (Role.DISTRICT_STAFF, Role.AUDITOR)


class WebhookNotFound(NotFound):
    """There is no such webhook, or it is not yours to see."""

    zh = "未找到该回调"


class WebhookUrlRefused(Malformed):
    """This address may not be called."""

    zh = "不允许使用该回调地址"
    detail_en = "The address may not be called: {rule}"
    detail_zh = "该回调地址不可用：{rule}"


class TooManyWebhooks(Conflict):
    """The district has as many webhooks as it may have."""

    zh = "本区县的回调数量已达上限"


class WebhookStopped(Conflict):
    """The receiver has said that it wants nothing any more; make a new webhook."""

    zh = "该回调已停止，请新建回调"


@dataclass(frozen=True)
class Made:
    """A webhook and its secret, which is shown this once."""

    webhook: Webhook
    secret: bytes


def allowed() -> frozenset[str]:
    """Return the hosts with ports that need not be public, for demonstrations and tests."""
    return frozenset(filter(None, settings.load().webhook_hosts.split(",")))


def create(
    session: Session,
    *,
    actor: Actor,
    district_id: UUID,
    url: str,
    events: Sequence[EventType],
    lookup: outward.Resolve = outward.resolve,
) -> Made:
    """Have events of a district sent to an address from now on.

    Args:
        session: open transaction.
        actor: staff of the district.
        district_id: which.
        url: where to; checked now, and again each time it is called.
        events: what it wants, at least one.
        lookup: the resolver.

    Raises:
        OrganisationNotFound: there is no such district for them.
        NotInScope: they may only read there.
        WebhookUrlRefused: the address may not be called.
        TooManyWebhooks: there are `MOST`.
    """
    if district_id not in actor.organisations(*READERS):
        raise OrganisationNotFound
    _require_staff(actor, district_id)
    try:
        outward.addresses(outward.target(url, allowed=allowed()), lookup)
    except outward.NotPublic as exc:
        raise WebhookUrlRefused(rule=str(exc)) from None
    own = select(Organisation).where(Organisation.id == district_id)
    session.exec(own.with_for_update(key_share=True)).one()  # else two make the last one
    count = select(func.count()).where(col(Webhook.district_id) == district_id)
    if session.exec(count).one() >= MOST:
        raise TooManyWebhooks(limit=MOST)
    secret = secrets.token_bytes(SECRET_BYTES)
    webhook = Webhook(
        district_id=district_id,
        url=url,
        secret_sealed=privacy.seal_bytes(secret),
        events=sorted(set(events)),
        created_by=actor.account_id,
    )
    session.add(webhook)
    session.flush()
    session.refresh(webhook)
    return Made(webhook, secret)


def mine(session: Session, *, actor: Actor) -> list[Webhook]:
    """Return the webhooks of the actor's districts, the oldest first; `MOST` for each at most.

    Raises:
        NotInScope: they are neither staff nor auditor of one.
    """
    actor.require(*READERS)
    own = col(Webhook.district_id).in_(actor.organisations(*READERS))
    return list(session.exec(select(Webhook).where(own).order_by(col(Webhook.id))).all())


def get(session: Session, *, actor: Actor, webhook_id: UUID) -> Webhook:
    """Return a webhook of one of the actor's districts.

    Raises:
        WebhookNotFound: there is none, or it is not theirs to see.
    """
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.district_id not in actor.organisations(*READERS):
        raise WebhookNotFound
    return webhook


def keep(session: Session, *, actor: Actor, webhook_id: UUID) -> Webhook:
    """Return a webhook that the actor may change.

    Raises:
        WebhookNotFound: as `get`.
        NotInScope: they may only read it.
    """
    webhook = get(session, actor=actor, webhook_id=webhook_id)
    _require_staff(actor, webhook.district_id)
    return webhook


def delete(session: Session, *, actor: Actor, webhook_id: UUID) -> None:
    """Delete a webhook with its log.

    Raises:
        WebhookNotFound: as `get`.
        NotInScope: they may only read it.
    """
    session.delete(keep(session, actor=actor, webhook_id=webhook_id))
    session.flush()


def rotate(session: Session, *, actor: Actor, webhook_id: UUID) -> Made:
    """Give a webhook a new secret; what is sent from now on is signed with it.

    Raises:
        WebhookNotFound: as `get`.
        NotInScope: they may only read it.
    """
    webhook = keep(session, actor=actor, webhook_id=webhook_id)
    secret = secrets.token_bytes(SECRET_BYTES)
    webhook.secret_sealed = privacy.seal_bytes(secret)
    session.flush()
    return Made(webhook, secret)


def ping(session: Session, *, actor: Actor, webhook_id: UUID, now: datetime) -> WebhookDelivery:
    """Owe a webhook an event that tells nothing.

    Raises:
        WebhookNotFound: as `get`.
        NotInScope: they may only read it.
        WebhookStopped: nothing is sent there any more.
    """
    webhook = keep(session, actor=actor, webhook_id=webhook_id)
    if webhook.stopped_at:
        raise WebhookStopped
    id_: UUID = uuid7()
    facts: dict[str, Any] = {"district_id": str(webhook.district_id)}
    owed = WebhookDelivery(
        id=id_,
        webhook_id=webhook.id,
        type="ping",
        subject_id=id_,
        sequence=1,
        occurred_at=now,
        facts=facts,
        due_at=now,
    )
    session.add(owed)
    session.flush()
    return owed


def _require_staff(actor: Actor, district_id: UUID) -> None:
    if district_id not in actor.organisations(Role.DISTRICT_STAFF):
        raise NotInScope(roles=[Role.DISTRICT_STAFF])
    actor.act_as([Role.DISTRICT_STAFF])
