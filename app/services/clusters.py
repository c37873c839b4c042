"""Sites gathered into clusters, where they are too many to be told apart."""

import json
from datetime import datetime
from math import asinh, pi, radians, tan
from typing import Any

from app.models import Category, Crs
from app.reader import Reader
from app.services import cards, coordinates, site_cards
from app.services.site_map import IN_BOX, OF_CATEGORY, WORLD, Box, in_wgs84

MOST_ZOOM = 22
CELLS = 4
"""Cells along the edge of a tile: 64 points of a screen each."""
MOST_CELLS = 64
"""Cells along the longer edge of a box; a finer grid than that is made coarser."""
_POLE = 85.05  # degrees; Web Mercator goes a little further, and no site does

_NORTH = f"radians(least(greatest(ST_Y(location), -{_POLE}), {_POLE}))"


def cells(per_world: str) -> str:
    """Return SQL of the cell of a `location`: columns from the west, rows from the north.

    Args:
        per_world: SQL of how many cells go round the equator.
    """
    return (
        f"floor((ST_X(location) + 180) / 360 * {per_world})::bigint AS col,"
        f" floor((1 - ln(tan({_NORTH}) + 1 / cos({_NORTH})) / pi()) / 2 * {per_world})::bigint"
        " AS row"
    )


# The smallest id: that of the site, where it stands alone.
GATHERED = """
    SELECT col, row, count(*) AS sites, (min(site_id::text)) AS first, bool_and(good) AS good,
        avg(ST_X(location)) AS lon, avg(ST_Y(location)) AS lat,
        min(ST_X(location)) AS west, min(ST_Y(location)) AS south,
        max(ST_X(location)) AS east, max(ST_Y(location)) AS north
    FROM ({0}) f GROUP BY col, row
"""
_CELLS = f"SELECT site_id, location, good, {cells('CAST(:per_world AS float8)')} FROM shown"  # noqa: S608
CLUSTERS = site_cards.reading(
    "location",
    where=f"{IN_BOX} AND {OF_CATEGORY}",
    near=IN_BOX,
    answer=f"""
        SELECT {{clean}}, coalesce(json_agg(json_build_array(
            col, row, sites, first, lon, lat, west, south, east, north
        ) ORDER BY row, col), '[]')::text
        FROM ({GATHERED.format(_CELLS)}) g
    """,  # noqa: S608  # constants
)


def features(
    reader: Reader,
    *,
    bbox: Box | None,
    zoom: int,
    category: Category | None,
    crs: Crs,
    now: datetime,
) -> str:
    """Return clusters of published sites as a GeoJSON FeatureCollection, as text.

    Each feature has the middle of its sites, their extent as `bbox`, how many they are, and the id
    of the site where it stands alone. The counts add up to the sites in the box.

    Args:
        reader: reads one statement.
        bbox: only sites inside, in `crs`; None is everywhere.
        zoom: of the map, 0 to `MOST_ZOOM`; the answer says which was used.
        category: only these, if given.
        crs: of `bbox` and of the answer.
        now: the present instant, aware.
    """
    box = in_wgs84(bbox or WORLD, crs)
    used = coarse_enough(box, zoom)
    facts = {
        **box._asdict(),
        "categories": cards.categories(category),
        "per_world": float(CELLS << used),
        "now": now,
    }
    [found] = site_cards.read(reader, CLUSTERS, facts)
    told = [_feature(used, crs, *cluster) for cluster in json.loads(found)]
    collection = {
        "type": "FeatureCollection", "crs_label": crs, "zoom": used, "features": told
    }  # fmt: skip
    return json.dumps(collection, separators=(",", ":"))


def coarse_enough(box: Box, zoom: int) -> int:
    """Return the zoom, or the largest smaller one at which a box has no more than `MOST_CELLS`."""
    across = (box.east - box.west) / 360
    down = (_mercator(box.north) - _mercator(box.south)) / (2 * pi)
    while zoom and max(across, down) * (CELLS << zoom) > MOST_CELLS:
        zoom -= 1
    return zoom


def _mercator(latitude: float) -> float:
    return asinh(tan(radians(max(-_POLE, min(_POLE, latitude)))))


def _feature(
    zoom: int, crs: Crs, col: int, row: int, sites: int, first: str, lon: float, lat: float,
    *extent: float,
) -> dict[str, Any]:  # fmt: skip
    west, south, east, north = extent
    corners = (
        coordinates.from_wgs84(*corner, crs)
        for corner in ((lon, lat), (west, south), (east, north))
    )
    middle, low, high = ([round(degrees, 6) for degrees in corner] for corner in corners)
    return {
        "type": "Feature",
        "id": f"{zoom}-{col}-{row}",
        "bbox": [*low, *high],
        "geometry": {"type": "Point", "coordinates": middle},
        "properties": {"count": sites, "site_id": first if sites == 1 else None},
    }
