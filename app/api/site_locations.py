"""Saying where a site is, and that this was looked at."""

from typing import ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, NowDep, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.site_desk import SiteDesk, shown
from app.errors import Stale, Unauthenticated
from app.models import Crs
from app.services import (
    coordinates,
    idempotency,
    locations,
    site_desk,
    site_editing,
    sites,
    tokens,
)
from app.services.access import NotInScope
from app.services.coordinates import Place
from app.services.locations import Typed

router = Router(prefix="/sites", tags=["sites at the desk"])

EXAMPLE: JsonDict = {
    "lon": 118.105432,
    "lat": 36.501234,
    "crs": "gcj02",
    "gate": {"lon": 118.106, "lat": 36.5009},
    "source_note": "高德地图拾取",
}
MOST_DEGREES = 180
MOST_LATITUDE = 90


class PlaceIn(BaseModel):
    """A place: degrees, in the CRS named beside it."""

    lon: float = Field(strict=True, allow_inf_nan=False, ge=-MOST_DEGREES, le=MOST_DEGREES)
    lat: float = Field(strict=True, allow_inf_nan=False, ge=-MOST_DEGREES, le=MOST_DEGREES)

    @model_validator(mode="after")
    def _is_on_earth(self) -> "PlaceIn":
        """Refuse what no map has, and say what is usually meant by it.

        Raises:
            ValueError: the latitude is beyond the poles.
        """
        if abs(self.lat) > MOST_LATITUDE:
            swapped = abs(self.lon) <= MOST_LATITUDE
            hint = ": longitude and latitude seem to be swapped 经纬度似乎颠倒" if swapped else ""
            raise ValueError(f"latitude is within {MOST_LATITUDE} degrees{hint}")
        return self

    def place(self) -> Place:
        """Return it."""
        return Place(self.lon, self.lat)


class PointIn(PlaceIn):
    """A place in the CRS it names."""

    crs: Crs

    def wgs84(self) -> Place:
        """Return it in WGS-84."""
        return coordinates.to_wgs84(self.lon, self.lat, self.crs)


class LocationIn(PointIn):
    """Where a site is, and its gate or car park if that is elsewhere; both in `crs`.

    `confirmed_outside` says that it really lies outside the district, which only staff may.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    gate: PlaceIn | None = None
    source_note: Line | None = Field(default=None, max_length=80)
    confirmed_outside: StrictBool = False

    def typed(self) -> Typed:
        """Return it as it was given."""
        gate = self.gate.place() if self.gate else None
        return Typed(self.place(), self.crs, gate, self.source_note)


REFUSALS = (
    Unauthenticated,
    tokens.InvalidToken,
    NotInScope,
    sites.SiteNotFound,
    sites.SiteClosed,
    Stale,
)


@router.put(
    "/{site_id}/location",
    operation_id="putLocation",
    summary="Say where a site is",
    responses=problems(*REFUSALS, locations.OutsideDistrict),
)
def put_location(
    site_id: UUID,
    wanted: LocationIn,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    version: VersionDep,
    response: Response,
) -> SiteDesk:
    """Keep what was typed and its WGS-84; once moved, it is not verified any more."""
    site = site_editing.relocate(
        session,
        actor=actor,
        site_id=site_id,
        version=version,
        typed=wanted.typed(),
        confirmed_outside=wanted.confirmed_outside,
    )
    response.headers["ETag"] = f'"{site.version}"'
    return shown(site_desk.get(session, actor=actor, site_id=site_id, now=now))


@router.post(
    "/{site_id}/location/verify",
    operation_id="verifyLocation",
    summary="Say that a site's point was compared with the ground",
    response_model=SiteDesk,
    responses=problems(*REFUSALS, idempotency.IdempotencyKeyReused),
)
def verify_location(site_id: UUID, actor: ActorDep, version: VersionDep, once: OnceDep) -> Response:
    """Keep who verified it, and when; it holds for 12 months, or until the site is moved."""
    site_editing.verify_location(
        once.session, actor=actor, site_id=site_id, version=version, now=once.now
    )
    kept = site_desk.get(once.session, actor=actor, site_id=site_id, now=once.now)
    return once.answer(200, shown(kept))
