"""The tree of party organisations, as far as I may see it."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict
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
from app.errors import Unauthenticated
from app.models import OrganisationKind, Sector
from app.services import organisations, tokens

router = APIRouter(prefix="/organisations", tags=["organisations"])

EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "parent_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "code": "370302001001",
    "name": "示例社区党支部",
    "kind": "branch",
    "sector": "urban",
    "member_count": 42,
    "outside": False,
    "active": True,
}


class OrganisationPublic(BaseModel):
    """A node of the tree."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    parent_id: UUID | None
    code: str
    name: str
    kind: OrganisationKind
    sector: Sector | None
    member_count: int
    outside: bool
    active: bool


class OrganisationPage(BaseModel):
    """One page, in the order of codes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[OrganisationPublic]
    next_cursor: str | None


@router.get(
    "",
    operation_id="listOrganisations",
    summary="Organisations I may see",
    responses=problems(Unauthenticated, tokens.InvalidToken, CursorUnreadable),
)
def list_organisations(
    actor: ActorDep,
    session: SessionDep,
    q: Annotated[Line | None, Query(max_length=60, description="Part of a name")] = None,
    parent_id: Annotated[UUID | None, Query(description="Only those right below it")] = None,
    sector: Sector | None = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> OrganisationPage:
    """List my own organisations and, for staff and auditors, all below."""
    after = read_cursor(cursor, str)
    wanted = organisations.organisations(
        actor=actor,
        q=q,
        parent_id=parent_id,
        sector=sector,
        after=after[0] if after else None,
        limit=limit + 1,
    )
    found = session.exec(wanted).all()
    more = len(found) > limit
    return OrganisationPage(
        items=[OrganisationPublic.model_validate(row) for row in found[:limit]],
        next_cursor=write_cursor(found[limit - 1].code) if more else None,
    )


@router.get(
    "/{organisation_id}",
    operation_id="getOrganisation",
    summary="One organisation",
    responses=problems(Unauthenticated, tokens.InvalidToken, organisations.OrganisationNotFound),
)
def get_organisation(
    organisation_id: UUID, actor: ActorDep, session: SessionDep
) -> OrganisationPublic:
    """Answer it, if it is in my scope."""
    found = organisations.get(session, actor=actor, organisation_id=organisation_id)
    return OrganisationPublic.model_validate(found)
