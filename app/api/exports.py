"""Tables that are too long to be waited for: asked for, watched, fetched."""

from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

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
from app.api.photos import StorageDep
from app.api.problems import problems
from app.api.reach import MOST_RADIUS_M
from app.api.router import Router
from app.api.statistics import PeriodTooLong
from app.api.table_exports import MOST_SILENT_DAYS, TYPES, get_asked, headers_of
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Export, ExportState
from app.services import export_orders, exports, idempotency
from app.services.access import NotInScope
from app.services.exports import Media
from app.services.table_notes import RADIUS_M
from app.storage import StorageUnavailable

router = Router(prefix="/exports", tags=["statistics"])

FIRST, LAST = date(1900, 1, 1), date(2199, 12, 31)
EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f71",
    "table": "bookings",
    "media": "xlsx",
    "from": "2026-01-01",
    "to": "2026-11-30",
    "state": "running",
    "rows_total": 84211,
    "rows_done": 35000,
    "size_bytes": None,
    "sha256": None,
    "problem": None,
    "created_at": "2026-12-01T01:00:00Z",
    "finished_at": None,
    "expires_at": "2026-12-08T01:00:00Z",
}
Name = StrEnum("Name", {name: name for name in exports.TABLES})  # type: ignore[misc]


class ExportCreate(BaseModel):
    """Which table, as what, of which days; both count.

    `silent_days` is of `coverage`; `radius_m`, as the crow flies, and free places for `people` are
    of `reach`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "table": "bookings",
                "media": "xlsx",
                "from": "2026-01-01",
                "to": "2026-11-30",
            }
        }
    )

    table: Name
    media: Media
    from_: date = Field(alias="from", ge=FIRST, le=LAST)
    to: date = Field(ge=FIRST, le=LAST)
    silent_days: int = Field(90, ge=1, le=MOST_SILENT_DAYS)
    radius_m: int = Field(RADIUS_M, ge=1, le=MOST_RADIUS_M)
    people: int = Field(1, ge=1, le=MOST_PEOPLE)


class ExportPublic(BaseModel):
    """An export and how far it is; `rows_total` is known once it is begun.

    The file can be fetched while `state` is `done`, until `expires_at`; `sha256` is hexadecimal.
    `problem` is the code of what went wrong: for good if it `failed`, else it is tried again.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": EXAMPLE}, serialize_by_alias=True, populate_by_name=True
    )

    id: UUID
    table: str
    media: Media
    from_: date = Field(alias="from")
    to: date
    state: ExportState
    rows_total: int | None
    rows_done: int
    size_bytes: int | None
    sha256: str | None
    problem: str | None
    created_at: AwareDatetime
    finished_at: AwareDatetime | None
    expires_at: AwareDatetime


class ExportPage(BaseModel):
    """One page, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[ExportPublic]
    next_cursor: str | None


def _public(export: Export) -> ExportPublic:
    hidden = {"account_id", "name", "since", "until", "options", "attempt", "lease_until", "scope"}
    return ExportPublic(
        **export.model_dump(exclude=hidden),
        table=export.name,
        from_=export.since,
        to=export.until - timedelta(days=1),
    )


@router.post(
    "",
    operation_id="createExport",
    summary="Have a long table made",
    status_code=202,
    response_model=ExportPublic,
    responses=problems(
        Unauthenticated, NotInScope, PeriodTooLong, idempotency.IdempotencyKeyReused
    ),
)
def create_export(
    said: Annotated[ExportCreate, Body()], actor: ActorDep, once: OnceDep
) -> Response:
    """Put it in the queue; what is in it is decided by the reader's roles when it is made."""
    made = export_orders.ask(
        once.session,
        actor=actor,
        name=said.table,
        media=said.media,
        asked=replace(
            get_asked(once.now, said.from_, said.to),
            silent_days=said.silent_days,
            radius_m=said.radius_m,
            people=said.people,
        ),
    )
    once.session.refresh(made)
    return once.answer(202, _public(made))


@router.get(
    "",
    operation_id="listExports",
    summary="The tables I asked for",
    responses=problems(Unauthenticated, CursorUnreadable),
)
def list_exports(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ExportPage:
    """List one's own, the newest first."""
    before = read_cursor(cursor, UUID)
    found = export_orders.page(
        session, actor=actor, now=now, before=before[0] if before else None, limit=limit
    )
    return ExportPage(
        items=[_public(export) for export in found[:limit]],
        next_cursor=write_cursor(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get(
    "/{export_id}",
    operation_id="getExport",
    summary="How far a table is",
    responses=problems(Unauthenticated, export_orders.ExportNotFound),
)
def get_export(export_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> ExportPublic:
    """Answer one of one's own."""
    return _public(export_orders.get(session, actor=actor, export_id=export_id, now=now))


@router.get(
    "/{export_id}/file",
    operation_id="getExportFile",
    summary="Fetch a table",
    response_class=StreamingResponse,
    responses={
        200: {
            "content": {
                type_: {"schema": {"type": "string", "format": "binary"}}
                for type_ in TYPES.values()
            }
        },
        **problems(
            Unauthenticated,
            NotInScope,
            export_orders.ExportNotFound,
            export_orders.ExportNotReady,
            StorageUnavailable,
        ),
    },
)
def get_export_file(
    export_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep, storage: StorageDep
) -> StreamingResponse:
    """Answer the file to its owner, while they oversee all that is in it; an audit event."""
    found = export_orders.fetch(session, actor=actor, export_id=export_id, now=now)
    media = Media(found.media)
    session.expunge(found)  # it is read on when the transaction is over
    return StreamingResponse(
        export_orders.pieces(found, storage),
        media_type=exports.media_type(media),
        headers=headers_of(
            f"{found.name}-{found.since}-{found.until - timedelta(days=1)}",
            media,
            found.size_bytes or 0,
        ),
    )
