"""Where a site is: read in whatever CRS it was typed, and refused where it cannot be meant."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.errors import Conflict
from app.models import Crs, Site
from app.services import coordinates
from app.services.coordinates import Place

SWAPPED = "swapped"
_STRAYS = text("""
    SELECT p.n FROM json_to_recordset(CAST(:places AS json)) AS p(n int, lon float8, lat float8)
    JOIN boundary b ON b.district_id = :district_id
    WHERE NOT ST_Covers(b.outline, ST_SetSRID(ST_MakePoint(p.lon, p.lat), 4326))
    ORDER BY p.n""")
_HINTS = {
    "zh": {
        SWAPPED: "经纬度对调后在区内",
        Crs.WGS84: "按 WGS-84 解读则在区内",
        Crs.GCJ02: "按 GCJ-02（高德、腾讯）解读则在区内",
        Crs.BD09: "按 BD-09（百度）解读则在区内",
    },
    "en": {
        SWAPPED: "with longitude and latitude swapped it lies inside",
        Crs.WGS84: "read as WGS-84 it lies inside",
        Crs.GCJ02: "read as GCJ-02 (AMap, Tencent) it lies inside",
        Crs.BD09: "read as BD-09 (Baidu) it lies inside",
    },
}


class OutsideDistrict(Conflict):
    """The point lies outside the district: swapped axes, or a wrong CRS.

    `fits` names what would have put it inside: `swapped`, or another CRS.
    """

    zh = "坐标不在本区范围内，请检查经纬度顺序和坐标系"
    detail_en = "{lon}, {lat} (WGS-84) lies outside; a person may confirm that it is meant"
    detail_zh = "WGS-84 坐标 {lon}, {lat} 在区界之外；确属无误的，请确认后再提交"

    def __init__(self, place: Place, fits: Sequence[str]) -> None:
        """Say of the WGS-84 `place` what would have put it inside."""
        super().__init__(lon=round(place.lon, 6), lat=round(place.lat, 6), fits=list(fits))
        self.fits = fits

    def detail(self, language: str) -> str:
        """Say where it lies, and what was probably meant."""
        hints = _HINTS["zh" if language == "zh" else "en"]
        return "; ".join([super().detail(language), *(hints[fit] for fit in self.fits)])


@dataclass(frozen=True)
class Typed:
    """A site's place as somebody gave it: degrees, longitude first, in `crs`.

    Attributes:
        at: the site.
        crs: of `at` and `gate`.
        gate: where to navigate to; None where that is the same.
        note: where it was read off.
    """

    at: Place
    crs: Crs
    gate: Place | None = None
    note: str | None = None

    def wgs84(self) -> tuple[Place, Place]:
        """Return the site and where to navigate to, in WGS-84."""
        location = coordinates.to_wgs84(*self.at, self.crs)
        return location, coordinates.to_wgs84(*self.gate, self.crs) if self.gate else location


def columns(
    session: Session, *, district_id: UUID, typed: Typed, confirmed_by: UUID | None
) -> dict[str, Any]:
    """Return what the columns of a site become, what was typed among them.

    Args:
        session: open transaction.
        district_id: the site's.
        typed: where it is said to be.
        confirmed_by: who says that it is meant even outside the outline; kept only if it is.

    Raises:
        OutsideDistrict: a point is outside the district's outline and nobody confirmed it.
    """
    places = typed.wgs84()
    away = strays(session, district_id=district_id, places=places)
    if away and confirmed_by is None:
        wrong = typed.gate if away[0] and typed.gate else typed.at
        raise OutsideDistrict(places[away[0]], _fits(session, district_id, wrong, typed.crs))
    return {
        **written(typed),
        "outside_confirmed_by": confirmed_by if away else None,
    }


def written(typed: Typed) -> dict[str, Any]:
    """Return the columns that say where a site is, and what was typed."""
    location, navigation_point = typed.wgs84()
    return {
        "location": coordinates.point(location),
        "navigation_point": coordinates.point(navigation_point),
        "source_crs": typed.crs,
        "source_longitude": typed.at.lon,
        "source_latitude": typed.at.lat,
        "source_note": typed.note,
        "gate_longitude": typed.gate.lon if typed.gate else None,
        "gate_latitude": typed.gate.lat if typed.gate else None,
    }


def strays(session: Session, *, district_id: UUID, places: Iterable[Place]) -> list[int]:
    """Return which of some WGS-84 places, by their numbers, lie outside a district; its edge is in.

    In a district without an outline none does, for nothing is known against it.
    """
    told = [{"n": n, "lon": place.lon, "lat": place.lat} for n, place in enumerate(places)]
    given = {"places": json.dumps(told), "district_id": district_id}
    return list(session.connection().execute(_STRAYS, given).scalars())


def _fits(session: Session, district_id: UUID, typed: Place, crs: Crs) -> list[str]:
    """Return which other readings of a place would lie inside."""
    readings = {str(other): coordinates.to_wgs84(*typed, other) for other in Crs if other != crs}
    if abs(typed.lon) <= 90:  # else it is no latitude
        readings = {SWAPPED: coordinates.to_wgs84(typed.lat, typed.lon, crs)} | readings
    away = strays(session, district_id=district_id, places=readings.values())
    return [name for n, name in enumerate(readings) if n not in away]


def is_moved(site: Site, typed: Typed) -> bool:
    """Tell whether a site, or where to navigate to, would lie elsewhere than it does."""
    stands = (coordinates.place(site.location), coordinates.place(site.navigation_point))
    return typed.wgs84() != stands
