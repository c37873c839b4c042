"""Halls and rooms of a site."""

from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, MaybeActorDep, NowDep, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Stale, Unauthenticated
from app.models import MOST_PEOPLE
from app.services import idempotency, queues, sites, tokens, venues
from app.services.access import NotInScope

router = Router(tags=["venues"])

EXAMPLE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f41",
    "name": "报告厅",
    "people_limit": 60,
    "groups_limit": 1,
    "active": True,
    "version": 1,
}
MOST_GROUPS = 100
Name = Annotated[Line, Field(max_length=80)]
People = Annotated[int, Field(strict=True, ge=1, le=MOST_PEOPLE)]
Groups = Annotated[int, Field(strict=True, ge=1, le=MOST_GROUPS)]


class VenueIn(BaseModel):
    """A hall: seats, and how many groups may be in it at once (1: one alone)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"name": "报告厅", "people_limit": 60, "groups_limit": 1}}
    )

    name: Name
    people_limit: People
    groups_limit: Groups = 1


class VenueChange(BaseModel):
    """What becomes different. A hall that is not active gets no sessions and takes no orders."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"people_limit": 50, "active": True}}
    )

    name: Name | None = None
    people_limit: People | None = None
    groups_limit: Groups | None = None
    active: StrictBool | None = None

    def changes(self) -> venues.Changes:
        """Return what was said; null says nothing."""
        return cast("venues.Changes", self.model_dump(exclude_none=True))


class VenueKept(BaseModel):
    """A hall, as those see it who keep it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    name: str
    people_limit: int
    groups_limit: int
    active: bool
    version: int


class VenueList(BaseModel):
    """Halls, first added first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE]}}
    )

    items: list[VenueKept]


@router.get(
    "/sites/{site_id:uuid}/venues",
    operation_id="listVenues",
    summary="Halls of a site",
    responses=problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound),
)
def list_venues(site_id: UUID, actor: MaybeActorDep, session: SessionDep) -> VenueList:
    """List those in use; for those whose site it is, in any state, also the others."""
    found = venues.listed(session, actor=actor, site_id=site_id)
    return VenueList(items=[VenueKept.model_validate(venue) for venue in found])


REFUSALS = (Unauthenticated, tokens.InvalidToken, NotInScope, sites.SiteClosed)


@router.post(
    "/sites/{site_id:uuid}/venues",
    status_code=201,
    operation_id="createVenue",
    summary="Add a hall",
    response_model=VenueKept,
    responses=problems(
        *REFUSALS, sites.SiteNotFound, venues.SiteIsFull, idempotency.IdempotencyKeyReused
    ),
)
def create_venue(site_id: UUID, wanted: VenueIn, actor: ActorDep, once: OnceDep) -> Response:
    """Add it; it has sessions once it has opening rules."""
    made = venues.create(once.session, actor=actor, site_id=site_id, **wanted.model_dump())
    return once.answer(201, VenueKept.model_validate(made))


@router.patch(
    "/venues/{venue_id:uuid}",
    operation_id="changeVenue",
    summary="Change a hall, or take it out of use",
    responses=problems(*REFUSALS, venues.VenueNotFound, Stale),
)
def change_venue(
    venue_id: UUID,
    wanted: VenueChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    now: NowDep,
    response: Response,
) -> VenueKept:
    """Change what is said. Sessions to come follow, but never below what is held in them.

    Who waits for one that has room now is offered it.
    """
    changed = venues.change(
        session,
        actor=actor,
        venue_id=venue_id,
        version=version,
        changes=wanted.changes(),
        now=now,
    )
    queues.tend_hall(session, venue_id=venue_id, now=now)
    response.headers["ETag"] = f'"{changed.version}"'
    return VenueKept.model_validate(changed)
