"""The three coordinate systems of Chinese maps, and points in the database.

GCJ-02 shifts WGS-84 by 300 to 700 m inside a box around China; BD-09 shifts GCJ-02 further. Both
are published formulae without a published inverse, so the inverse is found by iteration.
Everywhere degrees, longitude first.
"""

import json
from collections.abc import Callable
from math import atan2, cos, hypot, pi, sin, sqrt
from typing import Any, NamedTuple

from geoalchemy2 import WKBElement
from geoalchemy2.shape import from_shape, to_shape
from shapely import Point

from app.models import Crs

WEST, EAST = 72.004, 137.8347
SOUTH, NORTH = 0.8293, 55.8271
"""The box inside which Chinese map makers shift; outside, all three systems are one."""

_AXIS = 6_378_245.0  # metres, the semi-major axis of Krasovsky 1940
_ECCENTRICITY_2 = 0.00669342162296594323  # squared, of the same ellipsoid
_BAIDU_WAVE = pi * 3000 / 180
_LONGEST_SHIFT = 0.1  # degrees, generously
_ROUNDING = 1e-9  # degrees, so that a point on the very edge comes back


class Place(NamedTuple):
    """A point: degrees, longitude first, in whatever CRS its holder says."""

    lon: float
    lat: float


def from_wgs84(lon: float, lat: float, crs: Crs) -> Place:
    """Return a WGS-84 point in `crs`; the same point where that is WGS-84 or outside the box."""
    place = Place(lon, lat)
    return place if crs is Crs.WGS84 or not _shifted(place) else _FORWARD[crs](place)


def to_wgs84(lon: float, lat: float, crs: Crs) -> Place:
    """Return a point of `crs` in WGS-84, to better than a millimetre inside the box.

    Outside the box it is the same point. In the strip of less than a kilometre along its edge,
    where a shifted point and an unshifted one coincide, the shifted one is meant.
    """
    given = Place(lon, lat)
    if crs is Crs.WGS84 or not _shifted(given, margin=_LONGEST_SHIFT):
        return given
    found = given
    for _ in range(12):  # each round gains a factor of 60 or more
        there = _FORWARD[crs](found)
        found = Place(found.lon + lon - there.lon, found.lat + lat - there.lat)
    return found if _shifted(found, margin=_ROUNDING) else given


def moved(coordinates: Any, move: Callable[[float, float], Place]) -> Any:
    """Return the `coordinates` of any GeoJSON geometry with every position moved.

    Raises:
        TypeError: they are not lists of numbers, or of such lists.
        IndexError: a list is too short.
    """
    if not isinstance(coordinates, list | tuple):
        raise TypeError("coordinates are lists")
    if isinstance(coordinates[0], int | float):
        return [round(degrees, 6) for degrees in move(coordinates[0], coordinates[1])]
    return [moved(part, move) for part in coordinates]


def collection_in(crs: Crs, collection: str) -> str:
    """Return a GeoJSON FeatureCollection in WGS-84, as text, in `crs` and labelled so."""
    if crs is Crs.WGS84:
        return collection
    read = json.loads(collection) | {"crs_label": crs}
    for feature in read["features"]:
        shape = feature["geometry"]
        shape["coordinates"] = moved(
            shape["coordinates"], lambda lon, lat: from_wgs84(lon, lat, crs)
        )
    return json.dumps(read, ensure_ascii=False, separators=(",", ":"))


def point(place: Place) -> WKBElement:
    """Return a WGS-84 place as a column value (EPSG:4326)."""
    return from_shape(Point(place.lon, place.lat), srid=4326)


def place(element: WKBElement) -> Place:
    """Return a point column's value (EPSG:4326) as a WGS-84 place."""
    read = to_shape(element)
    return Place(read.x, read.y)  # type: ignore[attr-defined]


def _shifted(place: Place, margin: float = 0.0) -> bool:
    return (
        WEST - margin <= place.lon <= EAST + margin
        and SOUTH - margin <= place.lat <= NORTH + margin
    )


def _gcj02(wgs84: Place) -> Place:
    x, y = wgs84.lon - 105, wgs84.lat - 35
    ripple = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + ripple
    east += (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
    east += (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + ripple
    north += (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
    north += (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    latitude = wgs84.lat * pi / 180
    bulge = 1 - _ECCENTRICITY_2 * sin(latitude) ** 2
    metres_east = _AXIS / sqrt(bulge) * cos(latitude) * pi / 180  # of one degree
    metres_north = _AXIS * (1 - _ECCENTRICITY_2) / bulge**1.5 * pi / 180
    return Place(wgs84.lon + east / metres_east, wgs84.lat + north / metres_north)


def _bd09(wgs84: Place) -> Place:
    x, y = _gcj02(wgs84)
    radius = hypot(x, y) + 0.00002 * sin(y * _BAIDU_WAVE)
    angle = atan2(y, x) + 0.000003 * cos(x * _BAIDU_WAVE)
    return Place(radius * cos(angle) + 0.0065, radius * sin(angle) + 0.006)


_FORWARD: dict[Crs, Callable[[Place], Place]] = {Crs.GCJ02: _gcj02, Crs.BD09: _bd09}
