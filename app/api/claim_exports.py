"""Claims (补单) as files: a sheet to count with, a paper to sign."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Response

from app.api.deps import ActorDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import claim_forms, claims

router = Router(prefix="/claims", tags=["claims"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
REFUSALS = problems(Unauthenticated, claims.ClaimNotFound, claim_forms.ClaimTooLong)


def _file(media_type: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"content": content}}


def _answer(content: bytes, form: claim_forms.Form, ending: str, media_type: str) -> Response:
    name = quote(f"补单-{form.unit}-{form.month}.{ending}", safe="")
    plain = f'attachment; filename="claim.{ending}"'
    headers = {
        "Content-Disposition": f"{plain}; filename*=UTF-8''{name}",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type=media_type, headers=headers)


@router.get(
    "/{claim_id}.xlsx",
    operation_id="getClaimSheet",
    summary="A claim as a spreadsheet",
    response_class=Response,
    responses={**_file(XLSX), **REFUSALS},
)
def get_claim_sheet(claim_id: UUID, actor: ActorDep, session: SessionDep) -> Response:
    """Answer the claim in the layout finance offices file; the export is an audit event."""
    from app.services import claim_sheets

    form = claim_forms.export(session, actor=actor, claim_id=claim_id, media="xlsx")
    return _answer(claim_sheets.write(form), form, "xlsx", XLSX)


@router.get(
    "/{claim_id}.pdf",
    operation_id="getClaimPaper",
    summary="A claim as a paper to sign",
    response_class=Response,
    responses={**_file(PDF), **REFUSALS},
)
def get_claim_paper(claim_id: UUID, actor: ActorDep, session: SessionDep) -> Response:
    """Answer the claim as A4 pages; the export is an audit event."""
    from app.services import claim_papers

    form = claim_forms.export(session, actor=actor, claim_id=claim_id, media="pdf")
    return _answer(claim_papers.write(form), form, "pdf", PDF)
