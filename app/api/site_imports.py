"""Importing tables of sites."""

from typing import Annotated

from fastapi import Depends, Query, Response

from app.api.deps import ActorDep
from app.api.imports import ImportedPublic, form, get_file
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import (
    idempotency,
    import_tables,
    sheets,
    site_imports,
    site_lines,
    sites,
    tokens,
)
from app.services.access import NotInScope

router = Router(prefix="/sites", tags=["sites at the desk"])


@router.post(
    "/import",
    operation_id="importSites",
    summary="Draft and change sites as a table says",
    response_model=ImportedPublic,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        sheets.SheetTooLarge,
        sheets.SheetUnreadable,
        import_tables.ImportRefused,
        sites.SiteCodeTaken,
        idempotency.IdempotencyKeyReused,
    ),
    openapi_extra=form(", ".join(f"{said} {name}" for name, said in site_lines.COLUMNS.items())),
)
def import_sites(
    file: Annotated[bytes, Depends(get_file)],
    actor: ActorDep,
    once: OnceDep,
    dry_run: Annotated[bool, Query(description="Only tell what would happen")] = False,
) -> Response:
    """Take all of it or nothing; rows are known by their codes, and new ones become drafts."""
    done = site_imports.run(once.session, actor=actor, data=file, dry_run=dry_run)
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
