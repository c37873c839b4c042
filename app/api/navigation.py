"""The way to a site."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from app.api import geo
from app.api.deps import SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.models import Crs
from app.services import boundaries, coordinates, navigation, sites

router = Router(prefix="/sites", tags=["sites"])


EXAMPLE: dict[str, Any] = {
    "to": {
        "wgs84": {"lon": 117.97, "lat": 36.64, "crs": "wgs84"},
        "gcj02": {"lon": 117.975817, "lat": 36.640178, "crs": "gcj02"},
        "bd09": {"lon": 117.982259, "lat": 36.646423, "crs": "bd09"},
        "name": "太河镇红色教育基地（示例）",
        "address": "淄川区太河镇示例路 1 号",
    },
    "links": {
        "amap": "https://uri.amap.com/navigation?to=…",
        "baidu": "https://api.map.baidu.com/direction?origin=…",
        "tencent": "https://apis.map.qq.com/uri/v1/routeplan?type=drive…",
        "apple": "https://maps.apple.com/?daddr=…",
        "geo": "geo:36.640000,117.970000?q=…",
    },
    "wechat": {
        "latitude": 36.640178,
        "longitude": 117.975817,
        "name": "太河镇红色教育基地（示例）",
        "address": "淄川区太河镇示例路 1 号",
        "scale": 16,
    },
}


class Destination(BaseModel):
    """Where to go, in every CRS a map app may want."""

    wgs84: geo.Point
    gcj02: geo.Point
    bd09: geo.Point
    name: str
    address: str


class Links(BaseModel):
    """Addresses that open a map app, or its page."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    amap: str
    baidu: str
    tencent: str
    apple: str
    geo: str


class OpenLocation(BaseModel):
    """What `wx.openLocation` takes: GCJ-02."""

    latitude: float
    longitude: float
    name: str
    address: str
    scale: int


class Navigation(BaseModel):
    """The way to a site, in whatever map app a person has."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    to: Destination
    links: Links
    wechat: OpenLocation


@router.get(
    "/{site_id:uuid}/navigation",
    operation_id="getNavigation",
    summary="The way to a site, for every map app",
    responses=problems(sites.SiteNotFound),
)
def get_navigation(
    site_id: UUID,
    session: SessionDep,
    start: Annotated[
        str | None,
        Query(
            alias="from",
            max_length=geo.MOST_LETTERS,
            description="lon,lat to start from; else where the app says one is",
        ),
    ] = None,
    start_crs: Annotated[
        Crs, Query(alias="from_crs", description="Of `from`; telephones tell WGS-84")
    ] = Crs.WGS84,
    mode: navigation.Mode = navigation.Mode.DRIVE,
) -> Navigation:
    """Answer links to the gate or car park of a published site."""
    site = sites.published(session, site_id=site_id)
    begin = geo.read_place("from", start)
    way = navigation.links(
        name=site.name,
        address=site.address,
        to=coordinates.place(site.navigation_point),
        mode=mode,
        start=begin and coordinates.to_wgs84(*begin, start_crs),
        region=boundaries.region(session, district_id=site.district_id),
    )
    gcj02 = geo.labelled(way.gcj02, Crs.GCJ02)
    return Navigation(
        to=Destination(
            wgs84=geo.labelled(way.wgs84, Crs.WGS84),
            gcj02=gcj02,
            bd09=geo.labelled(way.bd09, Crs.BD09),
            name=way.name,
            address=way.address,
        ),
        links=Links.model_validate(way.links),
        wechat=OpenLocation(
            latitude=gcj02.lat,
            longitude=gcj02.lon,
            name=way.name,
            address=way.address,
            scale=way.scale,
        ),
    )
