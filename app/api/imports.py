"""Importing tables of organisations."""

from typing import Annotated, Any, ClassVar

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from app.api.deps import ActorDep
from app.api.once import OnceDep
from app.api.problems import MalformedRequest, problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import idempotency, import_tables, imports, organisations, sheets, tokens, tree
from app.services.access import NotInScope

router = Router(prefix="/organisations", tags=["organisations"])


def form(headings: str) -> dict[str, Any]:
    """Return what the contract says of a form with a table of such headings."""
    schema = {
        "type": "string",
        "contentMediaType": "application/octet-stream",
        "description": "CSV (UTF-8 or GB18030) or XLSX, at most 10 MB and 20,000 rows;"
        f" headings {headings}",
    }
    body = {"type": "object", "required": ["file"], "properties": {"file": schema}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


class ImportedPublic(BaseModel):
    """What was done, or with `dry_run` what would be."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "dry_run": False,
                "rows": 1812,
                "created": 12,
                "changed": 3,
                "unchanged": 1797,
            }
        },
    )

    dry_run: bool
    rows: int
    created: int
    changed: int
    unchanged: int


async def get_file(request: Request) -> bytes:
    """Give the bytes of the uploaded file.

    Read by hand and not as a parameter of the endpoint, for then the body would be gone before
    what tells one request from another is made of it.

    Raises:
        MalformedRequest: the form has no file of that name.
    """
    await request.body()
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if isinstance(file, UploadFile):
            return await file.read()
    raise MalformedRequest(faults=1, errors=[{"pointer": "/file", "detail": "Field required"}])


@router.post(
    "/import",
    operation_id="importOrganisations",
    summary="Plant, change and move organisations as a table says",
    response_model=ImportedPublic,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        sheets.SheetTooLarge,
        sheets.SheetUnreadable,
        import_tables.ImportRefused,
        organisations.OrganisationCodeTaken,
        tree.TreeTooDeep,
        idempotency.IdempotencyKeyReused,
    ),
    openapi_extra=form(
        "党组织代码 code, 名称 name, 类型 kind, 上级代码 parent_code, 行业 sector,"
        " 党员数 member_count, 地图名称 place"
    ),
)
def import_organisations(
    file: Annotated[bytes, Depends(get_file)],
    actor: ActorDep,
    once: OnceDep,
    dry_run: Annotated[bool, Query(description="Only tell what would happen")] = False,
) -> Response:
    """Take all of it or nothing; rows are known by their codes, and may come in any order."""
    done = imports.run(once.session, actor=actor, data=file, dry_run=dry_run)
    return once.answer(
        200,
        ImportedPublic(
            dry_run=dry_run,
            rows=done.rows,
            created=done.created,
            changed=done.changed,
            unchanged=done.unchanged,
        ),
    )
