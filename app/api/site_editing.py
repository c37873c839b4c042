"""Drafting, changing, publishing and withdrawing sites."""

from typing import Annotated, ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.api.deps import ActorDep, Line, NowDep, Prose, SessionDep, VersionDep
from app.api.once import Once, OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.site_desk import FACTS, SiteDesk, shown
from app.api.site_locations import EXAMPLE as LOCATION
from app.api.site_locations import LocationIn
from app.errors import Stale, Unauthenticated
from app.models import Category, SiteKind
from app.services import (
    idempotency,
    locations,
    organisations,
    site_desk,
    site_editing,
    site_states,
    sites,
    tokens,
)
from app.services.access import Actor, NotInScope

router = Router(prefix="/sites", tags=["sites at the desk"])

MOST_PLACES = 100_000
MOST_WORDS = 20
Code = Annotated[Line, Field(max_length=32)]
Name = Annotated[Line, Field(max_length=120)]
ShortName = Annotated[Line, Field(max_length=20)]
Kinds = Annotated[list[SiteKind], Field(min_length=1, max_length=len(SiteKind))]
Text = Annotated[Line, Field(max_length=200)]
Introduction = Annotated[Prose, Field(max_length=5000)]
ContactName = Annotated[Line, Field(max_length=40)]
Phone = Annotated[Line, Field(max_length=20, pattern=sites.PHONE)]
Places = Annotated[int, Field(strict=True, ge=0, le=MOST_PLACES)]
Words = Annotated[list[Annotated[Line, Field(max_length=40)]], Field(max_length=MOST_WORDS)]


class SiteIn(BaseModel):
    """A site to be drafted; what publishing needs besides may come later."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": FACTS | {"location": LOCATION}}
    )

    code: Code
    name: Name
    short_name: ShortName
    category: Category
    kinds: Kinds
    town_id: UUID
    address: Text
    summary: Text | None = None
    introduction: Introduction | None = None
    contact_name: ContactName | None = None
    contact_phone: Phone | None = None
    parking_cars: Places = 0
    parking_coaches: Places = 0
    step_free: StrictBool = False
    ticketed: StrictBool = False
    lend: Words = Field(default=[])
    honours: Words = Field(default=[])
    location: LocationIn

    def facts(self) -> site_editing.Facts:
        """Return what it is; a text that was not said is empty."""
        said = self.model_dump(exclude={"town_id", "location"})
        texts = ("summary", "introduction", "contact_name", "contact_phone")
        return cast("site_editing.Facts", said | {name: said[name] or "" for name in texts})


class SiteChange(BaseModel):
    """What becomes different; code, town, honours and ticketed are the district's to change."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"summary": "新的一句话介绍", "parking_coaches": 3}}
    )

    code: Code | None = None
    name: Name | None = None
    short_name: ShortName | None = None
    category: Category | None = None
    kinds: Kinds | None = None
    town_id: UUID | None = None
    address: Text | None = None
    summary: Text | None = None
    introduction: Introduction | None = None
    contact_name: ContactName | None = None
    contact_phone: Phone | None = None
    parking_cars: Places | None = None
    parking_coaches: Places | None = None
    step_free: StrictBool | None = None
    ticketed: StrictBool | None = None
    lend: Words | None = None
    honours: Words | None = None

    def changes(self) -> site_editing.Changes:
        """Return what was said; nothing of a site can be null."""
        return cast("site_editing.Changes", self.model_dump(exclude_none=True))


class Reason(BaseModel):
    """Why, shown to users."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"reason": "展陈升级，预计 2027 年 3 月恢复"}}
    )

    reason: Line = Field(max_length=200)


KEEPING = (
    Unauthenticated,
    tokens.InvalidToken,
    NotInScope,
    sites.SiteNotFound,
    sites.SiteClosed,
    Stale,
)
MOVING = (*KEEPING, site_states.SiteStateConflict, idempotency.IdempotencyKeyReused)


@router.post(
    "",
    status_code=201,
    operation_id="createSite",
    summary="Draft a site",
    response_model=SiteDesk,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        NotInScope,
        organisations.OrganisationNotFound,
        site_editing.NotATown,
        locations.OutsideDistrict,
        sites.SiteCodeTaken,
        idempotency.IdempotencyKeyReused,
    ),
)
def create_site(wanted: SiteIn, actor: ActorDep, once: OnceDep) -> Response:
    """Draft it for district staff; nobody else sees it before it is published."""
    site = site_editing.draft(
        once.session,
        actor=actor,
        town_id=wanted.town_id,
        typed=wanted.location.typed(),
        confirmed_outside=wanted.location.confirmed_outside,
        facts=wanted.facts(),
    )
    return answered(once, actor, site.id, status=201)


@router.patch(
    "/{site_id:uuid}",
    operation_id="changeSite",
    summary="Change what a site is",
    responses=problems(
        *KEEPING,
        organisations.OrganisationNotFound,
        site_editing.NotATown,
        sites.SiteCodeTaken,
    ),
)
def change_site(
    site_id: UUID,
    wanted: SiteChange,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    version: VersionDep,
    response: Response,
) -> SiteDesk:
    """Change what is said; another phone is not confirmed any more."""
    site = site_editing.change(
        session, actor=actor, site_id=site_id, version=version, changes=wanted.changes()
    )
    response.headers["ETag"] = f'"{site.version}"'
    return shown(site_desk.get(session, actor=actor, site_id=site_id, now=now))


@router.post(
    "/{site_id}/publish",
    operation_id="publishSite",
    summary="Show a site to everybody",
    response_model=SiteDesk,
    responses=problems(*MOVING, site_states.SiteNotReady),
)
def publish_site(site_id: UUID, actor: ActorDep, version: VersionDep, once: OnceDep) -> Response:
    """Publish a draft or suspended site; its sessions can be ordered at once."""
    site_states.publish(
        once.session,
        actor=actor,
        site_id=site_id,
        version=version,
        now=once.now,
    )
    return answered(once, actor, site_id)


@router.post(
    "/{site_id}/suspend",
    operation_id="suspendSite",
    summary="Take a site off the map for a while",
    response_model=SiteDesk,
    responses=problems(*MOVING),
)
def suspend_site(
    site_id: UUID, said: Reason, actor: ActorDep, version: VersionDep, once: OnceDep
) -> Response:
    """Suspend it: what is booked stays, nothing new can be ordered."""
    return _withdrawn(once, actor, site_id, version, "suspend", said)


@router.post(
    "/{site_id}/close",
    operation_id="closeSite",
    summary="Close a site for good",
    response_model=SiteDesk,
    responses=problems(*MOVING),
)
def close_site(
    site_id: UUID, said: Reason, actor: ActorDep, version: VersionDep, once: OnceDep
) -> Response:
    """Close it: what is booked stays, and it can be neither edited nor published any more."""
    return _withdrawn(once, actor, site_id, version, "close", said)


@router.post(
    "/{site_id}/phone/confirm",
    operation_id="confirmPhone",
    summary="Say that a site's number was rung, and is right",
    response_model=SiteDesk,
    responses=problems(*KEEPING, idempotency.IdempotencyKeyReused),
)
def confirm_phone(site_id: UUID, actor: ActorDep, version: VersionDep, once: OnceDep) -> Response:
    """Keep who confirmed it, and when; it holds for 12 months, or until the number changes."""
    site_editing.confirm_phone(
        once.session, actor=actor, site_id=site_id, version=version, now=once.now
    )
    return answered(once, actor, site_id)


def answered(once: Once, actor: Actor, site_id: UUID, *, status: int = 200) -> Response:
    """Answer how a site stands now."""
    kept = site_desk.get(once.session, actor=actor, site_id=site_id, now=once.now)
    return once.answer(status, shown(kept))


def _withdrawn(
    once: Once, actor: Actor, site_id: UUID, version: int, name: str, said: Reason
) -> Response:
    site_states.withdraw(
        once.session,
        actor=actor,
        site_id=site_id,
        version=version,
        name=name,
        reason=said.reason,
    )
    return answered(once, actor, site_id)
