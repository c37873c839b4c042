"""What OGC API - Features asks of the sites: pages of features, in the CRS that is wanted."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import atan, degrees, log, pi, radians, sinh, tan
from typing import NamedTuple
from uuid import UUID

from app.models import Category
from app.reader import Reader
from app.services import cards, site_cards
from app.services.coordinates import Place
from app.services.site_map import OF_CATEGORY, WORLD, Box
from app.services.sites import SiteNotFound

_HALF_WORLD = 20_037_508.342789244  # metres from the Greenwich meridian to its opposite
_POLE = 85.051128779806604  # degrees of latitude, the edge of Web Mercator

Move = Callable[[float, float], Place]


class System(NamedTuple):
    """A CRS: from longitude and latitude of WGS-84 to its axes in their order, and back."""

    put: Move
    read: Move


def _as_it_is(lon: float, lat: float) -> Place:
    return Place(lon, lat)


def _swapped(one: float, other: float) -> Place:
    return Place(other, one)


def _to_mercator(lon: float, lat: float) -> Place:
    bent = log(tan(pi / 4 + radians(max(-_POLE, min(_POLE, lat))) / 2))
    return Place(lon / 180 * _HALF_WORLD, bent / pi * _HALF_WORLD)


def _from_mercator(x: float, y: float) -> Place:
    steep = max(-pi, min(pi, y / _HALF_WORLD * pi))
    return Place(x / _HALF_WORLD * 180, degrees(atan(sinh(steep))))


CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
_EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
SYSTEMS: dict[str, System] = {
    CRS84: System(_as_it_is, _as_it_is),
    f"{_EPSG}4326": System(_swapped, _swapped),
    f"{_EPSG}3857": System(_to_mercator, _from_mercator),
    # CGCS2000 and WGS-84 differ by centimetres: less than a coordinate is written with.
    f"{_EPSG}4490": System(_swapped, _swapped),
}
"""By their URIs. EPSG:4326 and EPSG:4490 name the latitude first."""

_PLACES: dict[str, int] = {f"{_EPSG}3857": 2}
"""Decimals of a coordinate, where they are not the six of a degree."""


@dataclass(frozen=True)
class Query:
    """Which features: `boxes` in WGS-84, one or, across the date line, two; `town` by its name."""

    boxes: tuple[Box, ...] = (WORLD,)
    category: Category | None = None
    town: str | None = None

    def facts(self, now: datetime) -> dict[str, object]:
        """Return what the statements want to know."""
        corners = {
            f"{side}{number}": getattr(box, side)
            for number, box in enumerate((self.boxes[0], self.boxes[-1]))
            for side in Box._fields
        }
        return {
            **corners,
            "categories": cards.categories(self.category),
            "town": self.town,
            "now": now,
        }


class Page(NamedTuple):
    """Features as JSON texts; `matched` counts all of the query, `last` is set if more follow."""

    features: list[str]
    matched: int
    last: UUID | None


def _box(number: int) -> str:
    sides = ", ".join(f"CAST(:{side}{number} AS float8)" for side in Box._fields)
    return f"{{row}}.location && ST_MakeEnvelope({sides}, 4326)"


_NEAR = f"({_box(0)} OR {_box(1)})"
_WHERE = f"""
    {_NEAR} AND {OF_CATEGORY} AND (CAST(:town AS text) IS NULL OR {{row}}.town_id IN (
        SELECT o.id FROM organisation o WHERE o.kind = 'town' AND o.place = :town
    ))
"""  # noqa: S608  # constants
_COUNT = site_cards.reading(
    "location", where=_WHERE, near=_NEAR, answer="SELECT {clean}, count(*) FROM shown"
)
_PAGE = site_cards.reading(
    "feature",
    where=f"{_WHERE} AND {{id}} > CAST(:after AS uuid)",
    near=_NEAR,
    answer="""
        SELECT {clean}, coalesce(array_agg(feature ORDER BY site_id), '{}'),
            array_agg(site_id ORDER BY site_id)
        FROM (SELECT * FROM shown ORDER BY site_id LIMIT CAST(:limit AS integer) + 1) f
    """,
)
_ONE = site_cards.reading(
    "feature",
    where="{id} = CAST(:id AS uuid)",
    near="n.site_id = CAST(:id AS uuid)",
    answer="SELECT {clean}, max(feature) FROM shown",
)


def page(reader: Reader, *, query: Query, after: UUID | None, limit: int, now: datetime) -> Page:
    """Return a page of features in CRS84, in the order of their ids.

    Args:
        reader: reads one statement.
        query: which of them.
        after: the last id of the page before.
        limit: at most this many.
        now: the present instant, aware.
    """
    facts = query.facts(now)
    [matched] = site_cards.read(reader, _COUNT, facts)
    paged = facts | {"after": after or cards.FIRST, "limit": limit}
    features, ids = site_cards.read(reader, _PAGE, paged)
    last = ids[limit - 1] if len(features) > limit else None
    return Page(features[:limit], matched, last)


def item(reader: Reader, *, site_id: UUID, now: datetime) -> str:
    """Return one feature in CRS84, as JSON.

    Raises:
        SiteNotFound: no published site has this id.
    """
    [feature] = site_cards.read(reader, _ONE, {"id": site_id, "now": now})
    if feature is None:
        raise SiteNotFound
    return str(feature)


def in_system(uri: str, feature: str) -> str:
    """Return a feature of CRS84 with its coordinates in another system of `SYSTEMS`."""
    if uri == CRS84:
        return feature
    read, places = json.loads(feature), _PLACES.get(uri, 6)
    moved = SYSTEMS[uri].put(*read["geometry"]["coordinates"])
    read["geometry"]["coordinates"] = [round(axis, places) for axis in moved]
    return json.dumps(read, ensure_ascii=False, separators=(",", ":"))


def boxes(uri: str, corners: tuple[float, float, float, float]) -> tuple[Box, ...]:
    """Return what lies between two corners, in WGS-84; two boxes where it crosses the date line.

    Args:
        uri: a system of `SYSTEMS`.
        corners: the lower one and the upper one, each with its axes in their order. What lies
            beyond the world is empty.
    """
    read = SYSTEMS[uri].read
    west, south = _on_earth(read(*corners[:2]))
    east, north = _on_earth(read(*corners[2:]))
    if west <= east:
        return (Box(west, south, east, north),)
    return Box(west, south, WORLD.east, north), Box(WORLD.west, south, east, north)


def _on_earth(place: Place) -> Place:
    return Place(max(-180.0, min(180.0, place.lon)), max(-90.0, min(90.0, place.lat)))
