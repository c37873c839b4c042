"""Addresses of other programs that are told what happens in a district, and what they were told."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlmodel import Session

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    NowDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.channels.webhook import shown as told_secret
from app.errors import Unauthenticated
from app.models import DeliveryState, EventType, WebhookDelivery
from app.services import idempotency, organisations, tokens, webhook_deliveries, webhooks
from app.services.access import NotInScope

router = Router(prefix="/webhooks", tags=["webhooks"])

WANTED: JsonDict = {
    "district_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "url": "https://oa.example.cn/hooks/party-map",
    "events": ["booking.*", "claim.paid"],
}
EXAMPLE: JsonDict = {
    **WANTED,
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f90",
    "created_at": "2026-11-25T01:00:00Z",
    "stopped_at": None,
    "stopped_reason": None,
}
DELIVERY: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f91",
    "type": "booking.approved",
    "subject_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "sequence": 2,
    "occurred_at": "2026-11-25T01:00:00Z",
    "state": "delivered",
    "due_at": "2026-11-25T01:00:00Z",
    "ended_at": "2026-11-25T01:00:04Z",
    "status": 204,
    "error": None,
    "attempts": [{"number": 1, "at": "2026-11-25T01:00:04Z", "status": 204, "error": None}],
}


class WebhookIn(BaseModel):
    """An address to be told of events of a district."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": WANTED})

    district_id: UUID
    url: Annotated[str, Field(min_length=1, max_length=500)]
    events: Annotated[list[EventType], Field(min_length=1, max_length=len(EventType))]


class WebhookPublic(BaseModel):
    """A webhook; once it is stopped, nothing is sent there."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    district_id: UUID
    url: str
    events: list[EventType]
    created_at: AwareDatetime
    stopped_at: AwareDatetime | None
    stopped_reason: str | None


class WebhookMade(WebhookPublic):
    """A webhook with its secret, which is never shown again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {**EXAMPLE, "secret": "whsec_…"}}
    )

    secret: str


class WebhookList(BaseModel):
    """The webhooks of my districts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE]}}
    )

    items: list[WebhookPublic]


class AttemptPublic(BaseModel):
    """One attempt: the receiver's status, or why there is none."""

    number: int
    at: AwareDatetime
    status: int | None
    error: str | None


class DeliveryPublic(BaseModel):
    """An event owed to a webhook; `due_at` is the next attempt while it waits."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": DELIVERY})

    id: UUID
    type: str
    subject_id: UUID
    sequence: int
    occurred_at: AwareDatetime
    state: DeliveryState
    due_at: AwareDatetime
    ended_at: AwareDatetime | None
    status: int | None
    error: str | None
    attempts: list[AttemptPublic]


class DeliveryPage(BaseModel):
    """One page of the log."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [DELIVERY], "next_cursor": None}}
    )

    items: list[DeliveryPublic]
    next_cursor: str | None


READING = (Unauthenticated, tokens.InvalidToken)
KEEPING = (*READING, webhooks.WebhookNotFound, NotInScope)
SENDING = (*KEEPING, webhooks.WebhookStopped, idempotency.IdempotencyKeyReused)


def _made(made: webhooks.Made) -> WebhookMade:
    return WebhookMade(**made.webhook.model_dump(), secret=told_secret(made.secret))


def _log(session: Session, rows: list[WebhookDelivery]) -> list[DeliveryPublic]:
    tried: dict[UUID, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for attempt in webhook_deliveries.attempts(session, delivery_ids=list(tried)):
        tried[attempt.delivery_id].append(attempt.model_dump())
    return [DeliveryPublic(**row.model_dump() | {"attempts": tried[row.id]}) for row in rows]


@router.get(
    "",
    operation_id="listWebhooks",
    summary="The webhooks of my district",
    responses=problems(*READING, NotInScope),
)
def list_webhooks(actor: ActorDep, session: SessionDep) -> WebhookList:
    """List them, the oldest first."""
    found = webhooks.mine(session, actor=actor)
    return WebhookList(items=[WebhookPublic(**one.model_dump()) for one in found])


@router.post(
    "",
    status_code=201,
    operation_id="createWebhook",
    summary="Have events sent to an address",
    response_model=WebhookMade,
    responses=problems(
        *READING,
        organisations.OrganisationNotFound,
        NotInScope,
        webhooks.WebhookUrlRefused,
        webhooks.TooManyWebhooks,
    ),
)
def create_webhook(wanted: WebhookIn, actor: ActorDep, session: SessionDep) -> WebhookMade:
    """Make a webhook; the answer is the only one that has its secret, so no key replays it."""
    return _made(
        webhooks.create(
            session,
            actor=actor,
            district_id=wanted.district_id,
            url=wanted.url,
            events=wanted.events,
        )
    )


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="deleteWebhook",
    summary="Delete a webhook and its log",
    responses=problems(*KEEPING),
)
def delete_webhook(webhook_id: UUID, actor: ActorDep, session: SessionDep) -> None:
    """Send nothing there any more."""
    webhooks.delete(session, actor=actor, webhook_id=webhook_id)


@router.post(
    "/{webhook_id}/rotate-secret",
    operation_id="rotateWebhookSecret",
    summary="Give a webhook a new secret",
    responses=problems(*KEEPING),
)
def rotate_secret(webhook_id: UUID, actor: ActorDep, session: SessionDep) -> WebhookMade:
    """Sign with a new secret from now on; the old one is worth nothing."""
    return _made(webhooks.rotate(session, actor=actor, webhook_id=webhook_id))


@router.post(
    "/{webhook_id}/ping",
    status_code=202,
    operation_id="pingWebhook",
    summary="Send an event that tells nothing",
    response_model=DeliveryPublic,
    responses=problems(*SENDING),
)
def ping_webhook(webhook_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Have a `ping` sent, to see whether it arrives."""
    owed = webhooks.ping(once.session, actor=actor, webhook_id=webhook_id, now=once.now)
    return once.answer(202, _log(once.session, [owed])[0])


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="listWebhookDeliveries",
    summary="What a webhook was told, and what it answered",
    responses=problems(*READING, webhooks.WebhookNotFound, CursorUnreadable),
)
def list_deliveries(
    webhook_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> DeliveryPage:
    """List deliveries, the newest first, each with its attempts."""
    after = read_cursor(cursor, UUID)
    found = webhook_deliveries.page(
        session,
        actor=actor,
        webhook_id=webhook_id,
        before=after[0] if after else None,
        limit=limit,
    )
    items, more = found[:limit], len(found) > limit
    return DeliveryPage(
        items=_log(session, items), next_cursor=write_cursor(items[-1].id) if more else None
    )


@router.post(
    "/{webhook_id}/deliveries/{webhook_delivery_id}/resend",
    status_code=202,
    operation_id="resendWebhookDelivery",
    summary="Send an event again",
    response_model=DeliveryPublic,
    responses=problems(
        *SENDING, webhook_deliveries.WebhookDeliveryNotFound, webhook_deliveries.DeliveryUnderWay
    ),
)
def resend_delivery(
    webhook_id: UUID, webhook_delivery_id: UUID, actor: ActorDep, once: OnceDep, now: NowDep
) -> Response:
    """Have it sent again under the same `webhook-id`, whatever became of it."""
    owed = webhook_deliveries.resend(
        once.session, actor=actor, webhook_id=webhook_id, delivery_id=webhook_delivery_id, now=now
    )
    return once.answer(202, _log(once.session, [owed])[0])
