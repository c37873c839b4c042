"""The monthly bulletin."""

from datetime import date
from typing import Annotated

from fastapi import Query, Response

from app.api.deps import ActorDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.table_exports import headers_of
from app.errors import Unauthenticated
from app.services import bulletins, exports
from app.services.access import NotInScope
from app.services.calendar import local_date
from app.services.table_notes import Asked

router = Router(prefix="/statistics", tags=["statistics"])

PDF = "application/pdf"
MonthDep = Annotated[
    str | None,
    Query(
        pattern=r"^(19|20|21)\d\d-(0[1-9]|1[0-2])$",
        description="YYYY-MM; else the last one that is over",
        examples=["2026-11"],
    ),
]


@router.get(
    "/bulletin.pdf",
    operation_id="getBulletin",
    summary="The bulletin of a month",
    response_class=Response,
    responses={
        200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **problems(Unauthenticated, NotInScope),
    },
)
def get_bulletin(
    actor: ActorDep, session: SessionDep, now: NowDep, month: MonthDep = None
) -> Response:
    """Answer the figures of the reader's scope as A4 pages; the export is an audit event."""
    from app.services import bulletin_papers

    first = date.fromisoformat(f"{month}-01") if month else bulletins.last_month(local_date(now))
    told = bulletins.bulletin(session, actor=actor, month=first, now=now)
    exports.note(
        session,
        action="export",
        actor=actor,
        table="bulletin",
        media="pdf",
        asked=Asked(told.this.since, told.this.until, now),
        rows=None,
    )
    content = bulletin_papers.write(told)
    return Response(
        content, media_type=PDF, headers=headers_of(f"月报-{first:%Y-%m}", "pdf", len(content))
    )
