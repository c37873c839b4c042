"""Outlines of districts: read from GeoJSON, asked whether a point lies inside, shown on the map."""

from typing import Any
from uuid import UUID

from geoalchemy2.shape import from_shape
from shapely import GEOSException
from shapely.geometry import shape
from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Boundary, Crs
from app.services import coordinates
from app.services.coordinates import Place

_COLLECTION = text("""
    SELECT json_build_object(
        'type', 'FeatureCollection',
        'crs_label', 'wgs84',
        'features', coalesce(json_agg(json_build_object(
            'type', 'Feature',
            'id', d.id,
            'geometry', ST_AsGeoJSON(b.outline, 6)::json,
            'properties', json_build_object('id', d.id, 'name', d.name)
        ) ORDER BY d.id), '[]'::json)
    )::text
    FROM boundary b JOIN organisation d ON d.id = b.district_id
""")


class OutlineUnreadable(Malformed):
    """The outline is not GeoJSON polygons of places on earth."""

    zh = "边界数据不是有效的 GeoJSON 面"


def import_outline(
    session: Session,
    *,
    district_id: UUID,
    geojson: dict[str, Any],
    crs: Crs,
    source: str,
    region: str | None = None,
) -> Boundary:
    """Keep the outline of a district in WGS-84, in place of the one it had.

    Args:
        session: open transaction.
        district_id: the organisation at the root of the district.
        geojson: Polygon, MultiPolygon, or a Feature or FeatureCollection of them; longitude
            first, degrees. Self-crossing rings are mended.
        crs: of `geojson`; every vertex is converted.
        source: where the data comes from, for people.
        region: city the district lies in, by the name that map services know.

    Raises:
        OutlineUnreadable: it is something else, or has a vertex that is no place on earth.
    """

    def to_wgs84(lon: float, lat: float) -> Place:
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise OutlineUnreadable
        return coordinates.to_wgs84(lon, lat, crs)

    try:
        vertices = coordinates.moved(_polygons(geojson), to_wgs84)
        drawn = from_shape(shape({"type": "MultiPolygon", "coordinates": vertices}), srid=4326)
    except (TypeError, ValueError, LookupError, GEOSException) as exc:
        raise OutlineUnreadable from exc
    mended = func.ST_Multi(func.ST_CollectionExtract(func.ST_MakeValid(drawn), 3))
    row = {"outline": mended, "source": source, "region": region}
    session.execute(
        insert(Boundary)
        .values(district_id=district_id, **row)
        .on_conflict_do_update(index_elements=["district_id"], set_=row)
    )
    return session.exec(
        select(Boundary).where(Boundary.district_id == district_id),
        execution_options={"populate_existing": True},
    ).one()


def _polygons(geojson: dict[str, Any]) -> list[Any]:
    kind = geojson["type"]
    if kind == "MultiPolygon":
        return list(geojson["coordinates"])
    if kind == "Polygon":
        return [geojson["coordinates"]]
    if kind == "Feature":
        return _polygons(geojson["geometry"])
    if kind == "FeatureCollection":
        return [polygon for feature in geojson["features"] for polygon in _polygons(feature)]
    raise OutlineUnreadable


def contains(session: Session, *, district_id: UUID, lon: float, lat: float) -> bool:
    """Tell whether a WGS-84 point lies in the district; its edge does.

    A district without an outline contains everything, for nothing is known against it.
    """
    here = coordinates.point(Place(lon, lat))
    inside = session.exec(
        select(func.ST_Covers(Boundary.outline, here)).where(
            col(Boundary.district_id) == district_id
        )
    ).first()
    return inside is not False


def region(session: Session, *, district_id: UUID) -> str | None:
    """Return the city the district lies in, or None where that is not known."""
    query = select(Boundary.region).where(col(Boundary.district_id) == district_id)
    return session.exec(query).first()


def outline_geojson(session: Session, *, crs: Crs) -> str:
    """Return the outlines of all districts as a GeoJSON FeatureCollection in `crs`, as text."""
    drawn: str = session.connection().execute(_COLLECTION).scalar_one()
    return coordinates.collection_in(crs, drawn)
