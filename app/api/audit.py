"""The audit log, for auditors."""

import csv
import io
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Query, Response
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
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.harmless import harmless
from app.models import AuditEvent
from app.services import audit, tokens
from app.services.access import NotInScope

router = Router(tags=["audit"])

EXAMPLE: JsonDict = {
    "district_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "number": 4711,
    "at": "2026-11-25T01:00:00Z",
    "actor_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "actor_name": "赵管理",
    "actor_role": "site_manager",
    "request_id": "0f3c9d7e5b1a4c2e8d6f",
    "address": "192.0.2.7",
    "login": "party_map",
    "action": "update",
    "noun": "booking",
    "row_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f30",
    "before": {"status": "pending"},
    "after": {"status": "approved"},
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class AuditEventPublic(BaseModel):
    """Who did what to which row, when and from where.

    `number` counts without a gap in each district's log and `hash` covers the event and all before
    it. Without an actor it was the clock, or somebody in the database itself, known by `login`.
    `before` and `after` hold the columns that differ, personal data masked.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    district_id: UUID
    number: int
    at: datetime
    actor_id: UUID | None
    actor_name: str | None
    actor_role: str | None
    request_id: str | None
    address: str | None
    login: str
    action: str
    noun: str
    row_id: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    hash: str


class AuditEventPage(BaseModel):
    """One page, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[AuditEventPublic]
    next_cursor: str | None


def get_wanted(
    noun: Annotated[Line | None, Query(max_length=40, description="Table")] = None,
    row_id: Annotated[Line | None, Query(max_length=40)] = None,
    action: Annotated[Line | None, Query(max_length=40)] = None,
    actor_id: UUID | None = None,
    since: Annotated[AwareDatetime | None, Query(description="First instant")] = None,
    until: Annotated[AwareDatetime | None, Query(description="First instant after")] = None,
) -> audit.Wanted:
    """Give which events are asked for."""
    return audit.Wanted(noun, row_id, action, actor_id, since, until)


WantedDep = Annotated[audit.Wanted, Depends(get_wanted)]


@router.get(
    "/audit-events",
    operation_id="listAuditEvents",
    summary="The audit log of my districts",
    responses=problems(Unauthenticated, tokens.InvalidToken, NotInScope, CursorUnreadable),
)
def list_audit_events(
    actor: ActorDep,
    session: SessionDep,
    wanted: WantedDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> AuditEventPage:
    """List what was done, the newest first; for auditors of a district."""
    after = read_cursor(cursor, UUID, int)
    query = audit.events(actor=actor, wanted=wanted, after=after, limit=limit + 1)
    found = session.execute(query).all()
    last = found[limit - 1][0] if len(found) > limit else None
    return AuditEventPage(
        items=[_public(*row) for row in found[:limit]],
        next_cursor=write_cursor(last.district_id, str(last.number)) if last else None,
    )


class Csv(Response):
    """A table for spreadsheets."""

    media_type = "text/csv; charset=utf-8"


@router.get(
    "/audit-events.csv",
    operation_id="exportAuditEvents",
    summary="The audit log as a table",
    response_class=Csv,
    responses=problems(Unauthenticated, tokens.InvalidToken, NotInScope, audit.ExportTooLarge),
)
def export_audit_events(actor: ActorDep, session: SessionDep, wanted: WantedDep) -> Csv:
    """Answer the wanted events as CSV, UTF-8 with a byte order mark; this is an event too."""
    text = _table(_public(*row) for row in audit.export(session, actor=actor, wanted=wanted))
    name = 'attachment; filename="audit-events.csv"'
    return Csv(text, headers={"Content-Disposition": name})


def _public(event: AuditEvent, actor_name: str | None) -> AuditEventPublic:
    kept = event.model_dump(exclude={"hash"})
    return AuditEventPublic(**kept, actor_name=actor_name, hash=event.hash.hex())


def _table(events: Iterable[AuditEventPublic]) -> str:
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(AuditEventPublic.model_fields)
    for event in events:
        rows.writerow(map(_cell, event.model_dump(mode="json").values()))
    return f"\ufeff{written.getvalue()}"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else harmless(str(value))
