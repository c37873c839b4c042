"""Sites as those see them who keep them."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api import geo
from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    NowDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Category, Crs, Site, SiteKind, SiteStatus
from app.services import coordinates, site_desk, tokens
from app.services.coordinates import Place
from app.services.site_desk import Flag, Kept

router = Router(prefix="/sites", tags=["sites at the desk"])

POINT: JsonDict = {"lon": 118.1, "lat": 36.5, "crs": "wgs84"}
FACTS: JsonDict = {
    "code": "ZC01",
    "name": "太河镇红色教育基地（示例）",
    "short_name": "太河红色基地",
    "category": "rural",
    "kinds": ["education_base"],
    "town_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "address": "淄川区太河镇示例路 1 号",
    "summary": "可参观、讲解、重温誓词",
    "introduction": "……",
    "contact_name": "赵管理",
    "contact_phone": "0533-0000000",
    "parking_cars": 20,
    "parking_coaches": 2,
    "step_free": True,
    "ticketed": False,
    "lend": ["党旗", "宣誓墙"],
    "honours": ["市级示范点"],
}
EXAMPLE: JsonDict = FACTS | {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f30",
    "status": "draft",
    "status_reason": None,
    "town": "太河镇",
    "point": POINT,
    "navigation_point": POINT,
    "source": {
        "point": {"lon": 118.105, "lat": 36.501, "crs": "gcj02"},
        "gate": None,
        "note": "高德地图",
    },
    "outside_confirmed": False,
    "location_verified_at": None,
    "phone_confirmed_at": None,
    "flags": ["no_photo", "location_unverified", "phone_unconfirmed"],
    "version": 1,
}


class SourcePublic(BaseModel):
    """A site's place as it was typed; `note` is where it was read off."""

    point: geo.Point
    gate: geo.Point | None
    note: str | None


class SiteDesk(BaseModel):
    """A site of any state, as it is edited; `flags` are what it lacks."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    code: str
    name: str
    short_name: str
    category: Category
    kinds: list[SiteKind]
    status: SiteStatus
    status_reason: str | None
    town_id: UUID
    town: str
    address: str
    summary: str
    introduction: str
    point: geo.Point
    navigation_point: geo.Point
    source: SourcePublic
    outside_confirmed: bool
    location_verified_at: AwareDatetime | None
    parking_cars: int
    parking_coaches: int
    step_free: bool
    ticketed: bool
    lend: list[str]
    honours: list[str]
    contact_name: str
    contact_phone: str
    phone_confirmed_at: AwareDatetime | None
    flags: list[Flag]
    version: int


class SiteDeskPage(BaseModel):
    """One page, the newest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE], "next_cursor": None}}
    )

    items: list[SiteDesk]
    next_cursor: str | None


_COLUMNS = SiteDesk.model_fields.keys() - {
    *("town", "point", "navigation_point", "source", "outside_confirmed", "flags")
}


def shown(kept: Kept, crs: Crs = Crs.WGS84) -> SiteDesk:
    """Answer a site as it is edited, its places in `crs` and as they were typed."""
    site = kept.site
    return SiteDesk(
        **{name: getattr(site, name) for name in _COLUMNS},
        town=kept.town,
        point=geo.point(coordinates.place(site.location), crs),
        navigation_point=geo.point(coordinates.place(site.navigation_point), crs),
        source=_source(site),
        outside_confirmed=site.outside_confirmed_by is not None,
        flags=list(kept.flags),
    )


def _source(site: Site) -> SourcePublic:
    crs, gate = Crs(site.source_crs), None
    if site.gate_longitude is not None and site.gate_latitude is not None:
        gate = geo.labelled(Place(site.gate_longitude, site.gate_latitude), crs)
    typed = Place(site.source_longitude, site.source_latitude)
    return SourcePublic(point=geo.labelled(typed, crs), gate=gate, note=site.source_note)


@router.get(
    "/desk",
    operation_id="listSitesAtDesk",
    summary="Sites I keep or oversee, in every state",
    responses=problems(Unauthenticated, tokens.InvalidToken, CursorUnreadable),
)
def list_sites_at_desk(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    status: SiteStatus | None = None,
    flag: Annotated[Flag | None, Query(description="Only those that lack this")] = None,
    crs: Crs = Crs.WGS84,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> SiteDeskPage:
    """List the sites I manage and, for staff and auditors, those of towns below them."""
    after = read_cursor(cursor, UUID)
    found = site_desk.page(
        session,
        actor=actor,
        status=status,
        flag=flag,
        after=after[0] if after else None,
        limit=limit + 1,
        now=now,
    )
    more = len(found) > limit
    return SiteDeskPage(
        items=[shown(kept, crs) for kept in found[:limit]],
        next_cursor=write_cursor(found[limit - 1].site.id) if more else None,
    )
