"""The map from afar: clusters, and vector tiles."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict

from app.api import geo
from app.api.caching import NOT_MODIFIED, GeoJSONResponse, IfNoneMatch, answer
from app.api.deps import NowDep, ReaderDep
from app.api.map import SOON, BboxDep, CrsDep, PointGeometry
from app.api.problems import problems
from app.api.router import Router
from app.models import Category, Crs
from app.services import clusters, tiles

router = Router(prefix="/map", tags=["map"])

TILE = (
    "Mapbox Vector Tile 2. Layer `sites`: `id`, `name`, `short_name`, `category`, `next_free_on`;"
    " where there are too many, layer `clusters` instead: `count`, and `id` of a single one."
    " No bytes at all where there is nothing"
)


class TileResponse(Response):
    """A vector tile."""

    media_type = "application/vnd.mapbox-vector-tile"


class ClusterProperties(BaseModel):
    """How many sites; `site_id` where it is one."""

    count: int
    site_id: UUID | None


class ClusterFeature(BaseModel):
    """Sites near one another: their middle, and their extent in `bbox`."""

    type: Literal["Feature"]
    id: str
    bbox: tuple[float, float, float, float]
    geometry: PointGeometry
    properties: ClusterProperties


class ClusterCollection(BaseModel):
    """Clusters by a grid of `zoom`, which is coarser than asked for where the window is large."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "FeatureCollection",
                "crs_label": "wgs84",
                "zoom": 8,
                "features": [
                    {
                        "type": "Feature",
                        "id": "8-847-401",
                        "bbox": [117.9, 36.6, 118.0, 36.7],
                        "geometry": {"type": "Point", "coordinates": [117.97, 36.64]},
                        "properties": {"count": 27, "site_id": None},
                    }
                ],
            }
        }
    )

    type: Literal["FeatureCollection"]
    crs_label: Crs
    zoom: int
    features: list[ClusterFeature]


@router.get(
    "/clusters.geojson",
    operation_id="getClusterLayer",
    summary="How many sites there are where, as GeoJSON",
    response_class=GeoJSONResponse,
    responses={200: {"model": ClusterCollection}, **NOT_MODIFIED},
)
def get_cluster_layer(
    reader: ReaderDep,
    now: NowDep,
    zoom: Annotated[int, Query(ge=0, le=clusters.MOST_ZOOM, description="Of the map that asks")],
    bbox: BboxDep = None,
    category: Category | None = None,
    crs: CrsDep = Crs.WGS84,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer the sites of a window gathered by a grid; the counts add up to all of them."""
    layer = clusters.features(
        reader,
        bbox=geo.read_box("bbox", bbox),
        zoom=zoom,
        category=category,
        crs=crs,
        now=now,
    )
    return answer(
        layer,
        if_none_match=if_none_match,
        cache_control=SOON,
        media_type=GeoJSONResponse.media_type,
    )


@router.get(
    "/tiles/{z}/{x}/{y}.mvt",
    operation_id="getTile",
    summary="A vector tile of published sites",
    response_class=TileResponse,
    responses={200: {"description": TILE}, **NOT_MODIFIED, **problems(tiles.TileNotFound)},
)
def get_tile(
    z: Annotated[int, Path(ge=0, le=tiles.MOST_ZOOM)],
    x: Annotated[int, Path(ge=0, lt=1 << tiles.MOST_ZOOM)],
    y: Annotated[int, Path(ge=0, lt=1 << tiles.MOST_ZOOM)],
    reader: ReaderDep,
    now: NowDep,
    category: Category | None = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer the sites of a tile of Web Mercator, or clusters where they are too many."""
    return answer(
        tiles.tile(reader, z=z, x=x, y=y, category=category, now=now),
        if_none_match=if_none_match,
        cache_control=SOON,
        media_type=TileResponse.media_type,
    )
