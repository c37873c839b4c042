"""The menu of a site."""

from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, MaybeActorDep, Prose, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.venues import REFUSALS, People
from app.errors import Stale, Unauthenticated
from app.models import ProgrammeKind
from app.services import idempotency, menu, sites, tokens, venues

router = Router(tags=["menu"])

CASE: JsonDict = {
    "kind": "training_case",
    "name": "实训案例：接收预备党员",
    "description": "分角色、按步骤现场演练。",
    "minutes": 90,
    "people_limit": 60,
    "needs_guide": True,
    "roles": [{"name": "主持人", "colour": "#c0392b"}],
    "steps": [{"title": "清点人数", "detail": "有表决权的到会人数须超过应到会人数的半数。"}],
}
EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f43",
    **CASE,
    "active": True,
    "version": 1,
}
Name = Annotated[Line, Field(max_length=80)]
Description = Annotated[Prose, Field(max_length=500)]
Minutes = Annotated[int, Field(strict=True, ge=5, le=480)]


class CaseRole(BaseModel):
    """Somebody in a training case, and the colour of their badge."""

    name: Annotated[Line, Field(max_length=40)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class CaseStep(BaseModel):
    """One step of a training case."""

    title: Annotated[Line, Field(max_length=80)]
    detail: Annotated[Prose, Field(max_length=1000)]


Roles = Annotated[list[CaseRole], Field(max_length=20)]
Steps = Annotated[list[CaseStep], Field(max_length=40)]


class ProgrammeIn(BaseModel):
    """A menu item; only a training case has roles and steps.

    Who needs a guide can be ordered only while a guide of the site is free. `kind` and
    `needs_guide` do not change: make another item, and take this one out of use.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": CASE})

    kind: ProgrammeKind
    name: Name
    description: Description = ""
    minutes: Minutes
    people_limit: People
    needs_guide: StrictBool = False
    roles: Roles = []
    steps: Steps = []


class ProgrammeChange(BaseModel):
    """What becomes different. An item that is not active is not offered; who has it keeps it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"minutes": 60, "active": False}}
    )

    name: Name | None = None
    description: Description | None = None
    minutes: Minutes | None = None
    people_limit: People | None = None
    roles: Roles | None = None
    steps: Steps | None = None
    active: StrictBool | None = None

    def changes(self) -> menu.Changes:
        """Return what was said; null says nothing."""
        return cast("menu.Changes", self.model_dump(exclude_none=True))


class ProgrammeKept(BaseModel):
    """A menu item, as those see it who keep the site."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    kind: ProgrammeKind
    name: str
    description: str
    minutes: int
    people_limit: int
    needs_guide: bool
    roles: list[CaseRole]
    steps: list[CaseStep]
    active: bool
    version: int


class ProgrammeList(BaseModel):
    """A menu, first added first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE]}}
    )

    items: list[ProgrammeKept]


@router.get(
    "/sites/{site_id:uuid}/programmes",
    operation_id="listProgrammes",
    summary="Menu of a site",
    responses=problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound),
)
def list_programmes(site_id: UUID, actor: MaybeActorDep, session: SessionDep) -> ProgrammeList:
    """List what is offered; for those whose site it is, in any state, also what is not any more."""
    found = menu.listed(session, actor=actor, site_id=site_id)
    return ProgrammeList(items=[ProgrammeKept.model_validate(item) for item in found])


@router.post(
    "/sites/{site_id:uuid}/programmes",
    status_code=201,
    operation_id="createProgramme",
    summary="Add a menu item",
    response_model=ProgrammeKept,
    responses=problems(
        *REFUSALS,
        sites.SiteNotFound,
        menu.CaseMisplaced,
        venues.SiteIsFull,
        idempotency.IdempotencyKeyReused,
    ),
)
def create_programme(
    site_id: UUID, wanted: ProgrammeIn, actor: ActorDep, once: OnceDep
) -> Response:
    """Add it; branches may order it at once."""
    made = menu.create(once.session, actor=actor, site_id=site_id, **wanted.model_dump())
    return once.answer(201, ProgrammeKept.model_validate(made))


@router.patch(
    "/programmes/{programme_id:uuid}",
    operation_id="changeProgramme",
    summary="Change a menu item, or take it off the menu",
    responses=problems(*REFUSALS, menu.ProgrammeNotFound, menu.CaseMisplaced, Stale),
)
def change_programme(
    programme_id: UUID,
    wanted: ProgrammeChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    response: Response,
) -> ProgrammeKept:
    """Change what is said; bookings that have it keep it."""
    changed = menu.change(
        session,
        actor=actor,
        programme_id=programme_id,
        version=version,
        changes=wanted.changes(),
    )
    response.headers["ETag"] = f'"{changed.version}"'
    return ProgrammeKept.model_validate(changed)
