"""What did not reach people, for staff of the district."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import language_of, problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Delivery, DeliveryStatus, Way
from app.services import idempotency, outbox, tokens, truths
from app.services.access import NotInScope

router = Router(prefix="/outbox", tags=["notifications"])

Shown = Literal["waiting", "leased", "failed", "missed"]
EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "notification_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "account_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f30",
    "kind": "booking-approved",
    "channel": "sms",
    "status": "failed",
    "reason": "refused",
    "reason_text": "服务商拒绝发送",
    "attempts": 1,
    "due_at": "2026-11-25T01:00:00Z",
    "next_attempt_at": None,
    "settled_at": "2026-11-25T01:00:04Z",
}


class DeliveryPublic(BaseModel):
    """One message by one way; `reason_text` is `reason` in the reader's language."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    notification_id: UUID
    account_id: UUID
    kind: str
    channel: Way
    status: Shown
    reason: str | None
    reason_text: str | None
    attempts: int
    due_at: AwareDatetime
    next_attempt_at: AwareDatetime | None
    settled_at: AwareDatetime | None


class OutboxPage(BaseModel):
    """One page, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[DeliveryPublic]
    next_cursor: str | None


@router.get(
    "",
    operation_id="listOutbox",
    summary="Messages of my district that failed, wait for another attempt or were missed",
    responses=problems(Unauthenticated, tokens.InvalidToken, NotInScope, CursorUnreadable),
)
def list_outbox(
    request: Request,
    actor: ActorDep,
    session: SessionDep,
    status: Annotated[Shown | None, Query(description="Only these")] = None,
    channel: Annotated[Way | None, Query(description="Only by this way")] = None,
    kind: Annotated[Line | None, Query(max_length=40, description="Only of this kind")] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> OutboxPage:
    """List them; addresses are in none."""
    after = read_cursor(cursor, UUID)
    found = outbox.page(
        session,
        actor=actor,
        status=DeliveryStatus(status) if status else None,
        channel=channel,
        kind=kind,
        after=after[0] if after else None,
        limit=limit,
    )
    rows, language = found[:limit], language_of(request)
    return OutboxPage(
        items=[_public(*row, language) for row in rows],
        next_cursor=write_cursor(rows[-1][0].id) if len(found) > limit else None,
    )


@router.post(
    "/{delivery_id}/retry",
    operation_id="retryDelivery",
    summary="Try a letter again",
    response_model=DeliveryPublic,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        outbox.DeliveryNotFound,
        outbox.NotFailed,
        idempotency.IdempotencyKeyReused,
    ),
)
def retry_delivery(request: Request, delivery_id: UUID, actor: ActorDep, once: OnceDep) -> Response:
    """Have it sent with the next letters; what is no longer true is still not sent."""
    row = outbox.retry(once.session, actor=actor, delivery_id=delivery_id, now=once.now)
    return once.answer(200, _public(*row, language_of(request)))


def _public(delivery: Delivery, kind: str, language: str) -> DeliveryPublic:
    reason = delivery.reason
    return DeliveryPublic(
        kind=kind,
        reason_text=truths.told(reason, language) if reason else None,
        next_attempt_at=None if delivery.settled_at else delivery.next_attempt_at,
        **delivery.model_dump(
            include={*DeliveryPublic.model_fields} - {"kind", "reason_text", "next_attempt_at"}
        ),
    )
