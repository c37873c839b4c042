"""The way there, in whatever map app a person has.

Nothing is called: these are links, made for the navigation point. Each target wants its own axis
order and CRS; a wrong label is a coach in the wrong village.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import quote

from app.models import Crs
from app.services.coordinates import Place, from_wgs84

PRODUCT = "party-building-map"
_ANYWHERE = "全国"
_HERE = "我的位置"
_ZOOM = 16


class Mode(StrEnum):
    """How people travel."""

    DRIVE = "drive"
    TRANSIT = "transit"
    WALK = "walk"
    RIDE = "ride"


class _Words(NamedTuple):
    amap: str
    baidu: str
    tencent: str
    apple: str


# Only AMap's links know cycling; elsewhere the way on foot is the nearest to it.
_MODES = {
    Mode.DRIVE: _Words("car", "driving", "drive", "d"),
    Mode.TRANSIT: _Words("bus", "transit", "bus", "r"),
    Mode.WALK: _Words("walk", "walking", "walk", "w"),
    Mode.RIDE: _Words("ride", "walking", "walk", "w"),
}


class Links(NamedTuple):
    """Addresses that open a map app, or its web page, with the way there."""

    amap: str
    baidu: str
    tencent: str
    apple: str
    geo: str


@dataclass(frozen=True)
class Navigation:
    """Where to go, in three CRS, and the links; what `wx.openLocation` wants is GCJ-02."""

    wgs84: Place
    gcj02: Place
    bd09: Place
    name: str
    address: str
    links: Links
    scale: int = _ZOOM


def links(
    *,
    name: str,
    address: str,
    to: Place,
    mode: Mode = Mode.DRIVE,
    start: Place | None = None,
    region: str | None = None,
) -> Navigation:
    """Return every link to one place.

    Args:
        name: of the place; any characters.
        address: of the place, for people.
        to: the navigation point, WGS-84.
        mode: how to travel.
        start: where from, WGS-84; without it the app takes its own position.
        region: city that the place lies in, which Baidu insists on; without it, the country.
    """
    gcj02 = from_wgs84(*to, Crs.GCJ02)
    origin = start and from_wgs84(*start, Crs.GCJ02)
    words, label = _MODES[mode], quote(name, safe="")
    return Navigation(
        wgs84=to,
        gcj02=gcj02,
        bd09=from_wgs84(*to, Crs.BD09),
        name=name,
        address=address,
        links=Links(
            amap=_amap(gcj02, origin, label, words.amap),
            baidu=_baidu(gcj02, origin, label, words.baidu, quote(region or _ANYWHERE, safe="")),
            tencent=_tencent(gcj02, origin, label, words.tencent),
            apple=_apple(gcj02, origin, words.apple),
            geo=f"geo:{_lat_lng(to)}?q={_lat_lng(to)}({label})",
        ),
    )


def _lon_lat(place: Place) -> str:
    return f"{place.lon:.6f},{place.lat:.6f}"  # a tenth of a metre


def _lat_lng(place: Place) -> str:
    return f"{place.lat:.6f},{place.lon:.6f}"


def _amap(to: Place, origin: Place | None, label: str, mode: str) -> str:
    start = f"from={_lon_lat(origin)}&" if origin else ""
    return (
        f"https://uri.amap.com/navigation?{start}to={_lon_lat(to)},{label}"
        f"&mode={mode}&src={PRODUCT}&callnative=1"
    )


def _baidu(to: Place, origin: Place | None, label: str, mode: str, region: str) -> str:
    start = f"latlng:{_lat_lng(origin)}%7Cname:" if origin else ""
    return (
        f"https://api.map.baidu.com/direction?origin={start}{quote(_HERE)}"
        f"&destination=latlng:{_lat_lng(to)}%7Cname:{label}&mode={mode}&region={region}"
        f"&output=html&src={PRODUCT}&coord_type=gcj02"
    )


def _tencent(to: Place, origin: Place | None, label: str, mode: str) -> str:
    start = f"&from={quote(_HERE)}&fromcoord={_lat_lng(origin)}" if origin else ""
    return (
        f"https://apis.map.qq.com/uri/v1/routeplan?type={mode}{start}"
        f"&to={label}&tocoord={_lat_lng(to)}&referer={PRODUCT}"
    )


def _apple(to: Place, origin: Place | None, mode: str) -> str:
    start = f"saddr={_lat_lng(origin)}&" if origin else ""
    return f"https://maps.apple.com/?{start}daddr={_lat_lng(to)}&dirflg={mode}"
