"""The inbox."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import AwareDatetime, BaseModel, Field

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
from app.api.problems import language_of, problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Notification
from app.services import messages, notifications

router = Router(prefix="/notifications", tags=["notifications"])


class NotificationPublic(BaseModel):
    """A message, in the reader's language."""

    id: UUID
    kind: str
    title: str
    body: str
    booking_id: UUID | None
    created_at: AwareDatetime
    read_at: AwareDatetime | None


class NotificationPage(BaseModel):
    """A page of messages, newest first, and how many are unread in all."""

    items: list[NotificationPublic]
    unread: int
    next_cursor: str | None


class ReadIn(BaseModel):
    """Messages that were read."""

    ids: list[UUID] = Field(min_length=1, max_length=200)


class ReadOut(BaseModel):
    """How many were not read before."""

    marked: int


@router.get(
    "",
    operation_id="listNotifications",
    summary="My messages",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_notifications(
    request: Request,
    actor: ActorDep,
    session: SessionDep,
    unread: Annotated[bool, Query(description="Only those not read")] = False,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> NotificationPage:
    """List what was delivered to the reader's inbox."""
    found = notifications.page(
        session,
        account_id=actor.account_id,
        only_unread=unread,
        after=read_cursor(cursor, datetime, UUID),
        limit=limit,
    )
    rows = found[:limit]
    language = language_of(request)
    return NotificationPage(
        items=[_public(row, language) for row in rows],
        unread=notifications.unread(session, account_id=actor.account_id),
        next_cursor=write_cursor(str(rows[-1].delivered_at), rows[-1].id)
        if len(found) > limit
        else None,
    )


def _public(row: Notification, language: str) -> NotificationPublic:
    message = messages.written(row.kind, row.facts, language)
    return NotificationPublic(
        id=row.id,
        kind=row.kind,
        title=message.title,
        body=message.body,
        booking_id=row.booking_id,
        created_at=row.due_at,
        read_at=row.read_at,
    )


@router.post(
    "/read",
    operation_id="markNotificationsRead",
    summary="Mark my messages as read",
    responses=problems(Unauthenticated),
)
def mark_read(said: ReadIn, actor: ActorDep, session: SessionDep, now: NowDep) -> ReadOut:
    """Mark messages as read; other people's are passed over."""
    marked = notifications.mark_read(session, account_id=actor.account_id, ids=said.ids, now=now)
    return ReadOut(marked=marked)
