"""The guides of a site."""

from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.venues import REFUSALS
from app.errors import Stale, Unauthenticated
from app.services import guides, idempotency, sites, tokens, venues

router = Router(tags=["guides"])

EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f44",
    "name": "李讲解",
    "active": True,
    "version": 1,
}
Name = Annotated[Line, Field(max_length=40)]


class GuideIn(BaseModel):
    """Somebody who shows groups round."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"name": "李讲解"}}
    )

    name: Name


class GuideChange(BaseModel):
    """What becomes different; one who is not active gets no new duty, and keeps those they have."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"active": False}}
    )

    name: Name | None = None
    active: StrictBool | None = None

    def changes(self) -> guides.Changes:
        """Return what was said; null says nothing."""
        return cast("guides.Changes", self.model_dump(exclude_none=True))


class GuidePublic(BaseModel):
    """A guide; no name for those who only oversee the site."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    name: str | None
    active: bool
    version: int


class GuideList(BaseModel):
    """Guides, first added first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE]}}
    )

    items: list[GuidePublic]


@router.get(
    "/sites/{site_id:uuid}/guides",
    operation_id="listGuides",
    summary="Guides of a site",
    responses=problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound),
)
def list_guides(site_id: UUID, actor: ActorDep, session: SessionDep) -> GuideList:
    """List them for those whose site it is."""
    found, named = guides.listed(session, actor=actor, site_id=site_id)
    shown = [GuidePublic.model_validate(guide) for guide in found]
    return GuideList(items=shown if named else [g.model_copy(update={"name": None}) for g in shown])


@router.post(
    "/sites/{site_id:uuid}/guides",
    status_code=201,
    operation_id="createGuide",
    summary="Add a guide",
    response_model=GuidePublic,
    responses=problems(
        *REFUSALS, sites.SiteNotFound, venues.SiteIsFull, idempotency.IdempotencyKeyReused
    ),
)
def create_guide(site_id: UUID, wanted: GuideIn, actor: ActorDep, once: OnceDep) -> Response:
    """Add somebody; orders that need a guide may have them at once."""
    made = guides.create(once.session, actor=actor, site_id=site_id, name=wanted.name)
    return once.answer(201, GuidePublic.model_validate(made))


@router.patch(
    "/guides/{guide_id:uuid}",
    operation_id="changeGuide",
    summary="Change a guide",
    responses=problems(*REFUSALS, guides.GuideNotFound, Stale),
)
def change_guide(
    guide_id: UUID,
    wanted: GuideChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    response: Response,
) -> GuidePublic:
    """Change what is said."""
    changed = guides.change(
        session, actor=actor, guide_id=guide_id, version=version, changes=wanted.changes()
    )
    response.headers["ETag"] = f'"{changed.version}"'
    return GuidePublic.model_validate(changed)
