"""Sites, as the public sees them."""

from typing import Any, ClassVar
from uuid import UUID

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict

from app.api import geo
from app.api import site_desk as desk
from app.api.caching import NOT_MODIFIED, IfNoneMatch, answer
from app.api.deps import MaybeActorDep, NowDep, SessionDep
from app.api.photos import EXAMPLE as PHOTO
from app.api.photos import PhotoPublic, shown_all
from app.api.problems import problems
from app.api.programmes import CaseRole, CaseStep
from app.api.router import Router
from app.api.site_desk import SiteDesk
from app.errors import Unauthenticated
from app.models import ApprovalMode, Category, Crs, Policy, ProgrammeKind, SiteKind
from app.services import cards, coordinates, photos, policies, site_desk, sites, tokens

router = Router(prefix="/sites", tags=["sites"])

CARD: dict[str, Any] = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f30",
    "name": "太河镇红色教育基地（示例）",
    "short_name": "太河红色基地",
    "category": "rural",
    "kinds": ["education_base"],
    "town": "太河镇",
    "address": "淄川区太河镇示例路 1 号",
    "summary": "可参观、讲解、重温誓词",
    "next_free_at": "2026-12-01T01:00:00Z",
    "rating": 4.7,
    "photo_url": None,
}
POINT = {"lon": 118.1, "lat": 36.5, "crs": "wgs84"}


class SiteProperties(BaseModel):
    """A site at a glance. `next_free_at`: its first session with a free place; `rating`: 1 to 5."""

    id: UUID
    name: str
    short_name: str
    category: Category
    kinds: list[SiteKind]
    town: str
    address: str
    summary: str
    next_free_at: AwareDatetime | None
    rating: float | None
    photo_url: str | None


class SiteListed(SiteProperties):
    """A site in a list."""

    point: geo.Point


class Facilities(BaseModel):
    """Parking places, step-free access, and what may be borrowed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    parking_cars: int
    parking_coaches: int
    step_free: bool
    lend: list[str]


class VenuePublic(BaseModel):
    """A hall: seats, and how many groups at once."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    people_limit: int
    groups_limit: int


class ProgrammePublic(BaseModel):
    """A menu item; a training case has its roles and its steps, others have none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    kind: ProgrammeKind
    name: str
    description: str
    minutes: int
    people_limit: int
    needs_guide: bool
    roles: list[CaseRole]
    steps: list[CaseStep]


class PolicyPublic(BaseModel):
    """The rules of booking; more than `large_party_people` people need the longer lead."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    lead_working_days: int
    lead_working_days_large: int
    large_party_people: int
    horizon_days: int
    approval_mode: ApprovalMode
    free_cancel_working_days: int


class SitePublic(SiteListed):
    """A site in full.

    `phone` is there for those who signed in, and `desk` for those who keep it or oversee it; both
    are absent for others.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": CARD
            | {
                "point": POINT,
                "navigation_point": POINT,
                "location_verified_at": None,
                "introduction": "……",
                "facilities": {
                    "parking_cars": 20,
                    "parking_coaches": 2,
                    "step_free": True,
                    "lend": ["党旗", "宣誓墙"],
                },
                "honours": ["市级示范点"],
                "photos": [PHOTO],
                "venues": [],
                "programmes": [],
                "policy": {
                    "lead_working_days": 3,
                    "lead_working_days_large": 5,
                    "large_party_people": 50,
                    "horizon_days": 60,
                    "approval_mode": "manual",
                    "free_cancel_working_days": 2,
                },
                "version": 1,
            }
        }
    )

    navigation_point: geo.Point
    location_verified_at: AwareDatetime | None
    introduction: str
    facilities: Facilities
    honours: list[str]
    phone: str | None = None
    photos: list[PhotoPublic]
    venues: list[VenuePublic]
    programmes: list[ProgrammePublic]
    policy: PolicyPublic
    version: int
    desk: SiteDesk | None = None


@router.get(
    "/{site_id:uuid}",
    operation_id="getSite",
    summary="One site: published, or one I keep",
    response_class=JSONResponse,
    responses={
        200: {"model": SitePublic},
        **NOT_MODIFIED,
        **problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound),
    },
)
def get_site(
    site_id: UUID,
    session: SessionDep,
    actor: MaybeActorDep,
    now: NowDep,
    crs: Crs = Crs.WGS84,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer a site with its halls, menu and rules; one not published to those who keep it."""
    kept = site_desk.one(session, actor=actor, site_id=site_id, now=now) if actor else None
    if kept is None:
        found = sites.detail(session, site_id=site_id, now=now)
    else:
        found = site_desk.detail(session, kept=kept, now=now)
    rules = policies.in_force(session, district_id=found.site.district_id, now=now)
    shown = _in_full(found, rules.of(site_id), crs, signed_in=actor is not None)
    if kept is not None:
        shown["desk"] = desk.shown(kept, crs)
    shown["photos"] = shown_all(photos.of(session, site_id=site_id))
    return answer(
        SitePublic.model_validate(shown).model_dump_json(exclude_unset=True),
        if_none_match=if_none_match,
        cache_control="private, no-cache" if actor else "public, max-age=15",
        media_type="application/json",
    )


def listed(card: cards.Card, crs: Crs) -> dict[str, Any]:
    """Return what a list says of a site, its point in `crs`."""
    return vars(card) | {"point": geo.point(card.at, crs)}


def _in_full(found: sites.Detail, policy: Policy, crs: Crs, *, signed_in: bool) -> dict[str, Any]:
    site = found.site
    return listed(found.card, crs) | {
        "navigation_point": geo.point(coordinates.place(site.navigation_point), crs),
        "location_verified_at": site.location_verified_at,
        "introduction": site.introduction,
        "facilities": Facilities.model_validate(site),
        "honours": site.honours,
        "venues": [VenuePublic.model_validate(venue) for venue in found.venues],
        "programmes": [ProgrammePublic.model_validate(item) for item in found.programmes],
        "policy": PolicyPublic.model_validate(policy),
        "version": site.version,
        **({"phone": site.contact_phone} if signed_in else {}),
    }
