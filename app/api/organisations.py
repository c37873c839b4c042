"""The tree of party organisations, as far as I may see it."""

from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    Line,
    SessionDep,
    VersionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Stale, Unauthenticated
from app.models import OrganisationKind, Sector
from app.services import idempotency, organisations, tokens, tree
from app.services.access import NotInScope

router = Router(prefix="/organisations", tags=["organisations"])

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
    "place": None,
    "version": 1,
}
MOST_MEMBERS = 100_000_000
"""As many as there are in the land."""
Code = Annotated[Line, Field(max_length=32)]
Name = Annotated[Line, Field(max_length=120)]
PlaceName = Annotated[Line, Field(max_length=40)]
MemberCount = Annotated[int, Field(strict=True, ge=0, le=MOST_MEMBERS)]


class OrganisationIn(BaseModel):
    """An organisation to be planted; `place` is what a map calls it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "370302001001",
                "name": "示例社区党支部",
                "kind": "branch",
                "parent_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
                "sector": "urban",
                "member_count": 42,
                "place": None,
            }
        }
    )

    code: Code
    name: Name
    kind: OrganisationKind
    parent_id: UUID
    sector: Sector | None = None
    member_count: MemberCount
    place: PlaceName | None = None


class OrganisationChange(BaseModel):
    """What becomes different; only `sector` and `place` can be cleared with null."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"name": "示例社区第一党支部", "member_count": 43}}
    )

    code: Code | None = None
    name: Name | None = None
    sector: Sector | None = None
    member_count: MemberCount | None = None
    active: StrictBool | None = None
    place: PlaceName | None = None
    parent_id: UUID | None = None

    def changes(self) -> tree.Changes:
        """Return what was said; null says nothing of what cannot be empty."""
        said = self.model_dump(exclude_unset=True).items()
        cleared = ("sector", "place")
        kept = {name: value for name, value in said if value is not None or name in cleared}
        return cast("tree.Changes", kept)


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
    place: str | None
    version: int


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
    "/{organisation_id:uuid}",
    operation_id="getOrganisation",
    summary="One organisation",
    responses=problems(Unauthenticated, tokens.InvalidToken, organisations.OrganisationNotFound),
)
def get_organisation(
    organisation_id: UUID, actor: ActorDep, session: SessionDep, response: Response
) -> OrganisationPublic:
    """Answer it, if it is in my scope."""
    found = organisations.get(session, actor=actor, organisation_id=organisation_id)
    response.headers["ETag"] = f'"{found.version}"'
    return OrganisationPublic.model_validate(found)


REFUSALS = (
    Unauthenticated,
    tokens.InvalidToken,
    NotInScope,
    organisations.OrganisationNotFound,
    organisations.OrganisationCodeTaken,
    tree.KindMisplaced,
)


@router.post(
    "",
    status_code=201,
    operation_id="createOrganisation",
    summary="Plant an organisation",
    response_model=OrganisationPublic,
    responses=problems(*REFUSALS, idempotency.IdempotencyKeyReused),
)
def create_organisation(wanted: OrganisationIn, actor: ActorDep, once: OnceDep) -> Response:
    """Plant it: district staff anywhere below theirs, a town its branches and general branches."""
    planted = tree.plant(once.session, actor=actor, **wanted.model_dump())
    return once.answer(201, OrganisationPublic.model_validate(planted))


@router.patch(
    "/{organisation_id:uuid}",
    operation_id="changeOrganisation",
    summary="Change an organisation, or move it with all below it",
    responses=problems(*REFUSALS, tree.OrganisationInACircle, tree.OtherDistrict, Stale),
)
def change_organisation(
    organisation_id: UUID,
    wanted: OrganisationChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    response: Response,
) -> OrganisationPublic:
    """Change what is said; its bookings and visits stay, and go with it where it moves."""
    changed = tree.change(
        session,
        actor=actor,
        organisation_id=organisation_id,
        version=version,
        changes=wanted.changes(),
    )
    response.headers["ETag"] = f'"{changed.version}"'
    return OrganisationPublic.model_validate(changed)
