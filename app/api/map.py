"""The map's layers."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from app.api import geo
from app.api.caching import (
    NOT_MODIFIED,
    GeoJSONResponse,
    IfNoneMatch,
    answer,
    has,
    not_modified,
    tagged,
)
from app.api.deps import NowDep, ReaderDep, SessionDep
from app.api.router import Router
from app.api.sites import CARD, SiteProperties
from app.models import Category, Crs
from app.services import boundaries, site_map

router = Router(prefix="/map", tags=["map"])

MOST_FEATURES = 1000
SOON = "public, max-age=15"
CrsDep = Annotated[Crs, Query(description="CRS of the answer and of `bbox`")]
BboxDep = Annotated[
    str | None,
    Query(
        max_length=geo.MOST_LETTERS,
        description="minx,miny,maxx,maxy (west, south, east, north), degrees, in `crs`",
    ),
]


class PointGeometry(BaseModel):
    """A point of GeoJSON: longitude, latitude."""

    type: Literal["Point"]
    coordinates: tuple[float, float]


class SiteFeature(BaseModel):
    """A site on the map."""

    type: Literal["Feature"]
    id: UUID
    geometry: PointGeometry
    properties: SiteProperties


class SiteCollection(BaseModel):
    """Sites on the map, in the CRS that `crs_label` names; `truncated` if there are more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "FeatureCollection",
                "crs_label": "wgs84",
                "truncated": False,
                "features": [
                    {
                        "type": "Feature",
                        "id": CARD["id"],
                        "geometry": {"type": "Point", "coordinates": [117.97, 36.64]},
                        "properties": CARD,
                    }
                ],
            }
        }
    )

    type: Literal["FeatureCollection"]
    crs_label: Crs
    truncated: bool
    features: list[SiteFeature]


class AreaGeometry(BaseModel):
    """Polygons of GeoJSON: longitude, latitude."""

    type: Literal["MultiPolygon"]
    coordinates: list[list[list[tuple[float, float]]]]


class OutlineProperties(BaseModel):
    """Whose outline it is."""

    id: UUID
    name: str


class OutlineFeature(BaseModel):
    """The outline of a district."""

    type: Literal["Feature"]
    id: UUID
    geometry: AreaGeometry
    properties: OutlineProperties


class OutlineCollection(BaseModel):
    """Outlines, in the CRS that `crs_label` names."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"type": "FeatureCollection", "crs_label": "wgs84", "features": []}
        }
    )

    type: Literal["FeatureCollection"]
    crs_label: Crs
    features: list[OutlineFeature]


class TownPublic(BaseModel):
    """A town: where its name is written, and how many published sites it has."""

    id: UUID
    name: str
    point: geo.Point
    sites: int


class Towns(BaseModel):
    """Towns, in the order of their codes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f21",
                        "name": "太河镇",
                        "point": {"lon": 118.1, "lat": 36.5, "crs": "wgs84"},
                        "sites": 3,
                    }
                ]
            }
        }
    )

    items: list[TownPublic]


@router.get(
    "/sites.geojson",
    operation_id="getSiteLayer",
    summary="Published sites as GeoJSON",
    response_class=GeoJSONResponse,
    responses={200: {"model": SiteCollection}, **NOT_MODIFIED},
)
def get_site_layer(
    reader: ReaderDep,
    now: NowDep,
    bbox: BboxDep = None,
    category: Category | None = None,
    crs: CrsDep = Crs.WGS84,
    limit: Annotated[int, Query(ge=1, le=MOST_FEATURES)] = MOST_FEATURES,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer the sites inside a window of the map; the ETag changes with any of them."""
    window = site_map.Window(geo.read_box("bbox", bbox), category, crs, limit)
    if if_none_match:
        tag = site_map.tag(reader, window=window, now=now)
        if has(if_none_match, tag):
            return not_modified(tag, cache_control=SOON)
    tag, layer = site_map.features(reader, window=window, now=now)
    return tagged(layer, tag=tag, cache_control=SOON, media_type=GeoJSONResponse.media_type)


@router.get(
    "/boundary.geojson",
    operation_id="getBoundary",
    summary="Outline of the district as GeoJSON",
    response_class=GeoJSONResponse,
    responses={200: {"model": OutlineCollection}, **NOT_MODIFIED},
)
def get_boundary(
    session: SessionDep, crs: CrsDep = Crs.WGS84, if_none_match: IfNoneMatch = None
) -> Response:
    """Answer the outline inside which the sites lie."""
    return answer(
        boundaries.outline_geojson(session, crs=crs),
        if_none_match=if_none_match,
        cache_control="public, max-age=3600",
        media_type=GeoJSONResponse.media_type,
    )


@router.get(
    "/towns",
    operation_id="listTowns",
    summary="Towns and where to write their names",
    response_class=JSONResponse,
    responses={200: {"model": Towns}, **NOT_MODIFIED},
)
def list_towns(
    session: SessionDep,
    crs: CrsDep = Crs.WGS84,
    limit: Annotated[int, Query(ge=1, le=MOST_FEATURES)] = MOST_FEATURES,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer the towns whose place is known."""
    towns = Towns(
        items=[
            TownPublic(id=town.id, name=town.name, point=geo.point(town.at, crs), sites=town.sites)
            for town in site_map.towns(session, limit=limit)
        ]
    )
    return answer(
        towns.model_dump_json(),
        if_none_match=if_none_match,
        cache_control="public, max-age=60",
        media_type="application/json",
    )
