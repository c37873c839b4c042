"""The map: sites and towns as layers, built by the database."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import Category, Crs
from app.services import cards, coordinates
from app.services.coordinates import Place


class Box(NamedTuple):
    """A rectangle of longitudes and latitudes, degrees."""

    west: float
    south: float
    east: float
    north: float


class Town(NamedTuple):
    """A town or sub-district: where its name is written (WGS-84), and how many published sites."""

    id: UUID
    name: str
    at: Place
    sites: int


_WORLD = Box(-180, -90, 180, 90)

# One row more than asked for tells whether the layer was cut.
_BOXED = cards.published("""
    s.location && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
    AND s.category = ANY(:categories)
    ORDER BY s.id LIMIT CAST(:limit AS integer) + 1
""")
_FEATURES = text(
    f"""
    SELECT json_build_object(
        'type', 'FeatureCollection',
        'crs_label', 'wgs84',
        'truncated', count(*) > :limit,
        'features', coalesce(json_agg(json_build_object(
            'type', 'Feature',
            'id', c.id,
            'geometry', ST_AsGeoJSON(c.location, 6)::json,
            'properties', json_build_object(
                'id', c.id, 'name', c.name, 'short_name', c.short_name, 'category', c.category,
                'kinds', c.kinds, 'town', c.town, 'address', c.address, 'summary', c.summary,
                'next_free_at', c.next_free_at, 'rating', c.rating, 'photo_url', NULL
            )
        ) ORDER BY c.id) FILTER (WHERE c.n <= :limit), '[]'::json)
    )::text
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM ({_BOXED}) b) c
    """  # noqa: S608  # constants of this file
)

_TOWNS = text("""
    SELECT o.id, o.place, ST_X(o.location), ST_Y(o.location),
        (SELECT count(*) FROM site s WHERE s.town_id = o.id AND s.status = 'published')
    FROM organisation o
    WHERE o.kind = 'town' AND o.location IS NOT NULL
    ORDER BY o.code LIMIT :limit
""")


def features(
    session: Session,
    *,
    bbox: Box | None,
    category: Category | None,
    crs: Crs,
    limit: int,
    now: datetime,
) -> str:
    """Return published sites as a GeoJSON FeatureCollection, as text, in the order of their ids.

    Args:
        session: open transaction.
        bbox: only sites inside, in `crs`: the window of the map that asks.
        category: only these, if given.
        crs: of the answer, which says so in `crs_label`.
        limit: at most this many; `truncated` says that there are more.
        now: the present instant, aware; `next_free_at` can be ordered at it.
    """
    box = bbox or _WORLD
    west, south = coordinates.to_wgs84(box.west, box.south, crs)
    east, north = coordinates.to_wgs84(box.east, box.north, crs)
    facts = {
        **Box(west, south, east, north)._asdict(),
        "categories": cards.categories(category),
        "limit": limit,
        **cards.known_at(session, now),
    }
    built: str = session.connection().execute(_FEATURES, facts).scalar_one()
    return coordinates.collection_in(crs, built)


def towns(session: Session, *, limit: int) -> list[Town]:
    """Return the towns that have a place for their name, in the order of their codes."""
    rows = session.connection().execute(_TOWNS, {"limit": limit})
    return [Town(id_, name, Place(lon, lat), sites) for id_, name, lon, lat, sites in rows]
