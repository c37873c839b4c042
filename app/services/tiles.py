"""Vector tiles (MVT 2): the sites of a tile, or their clusters where it would hold too many."""

from datetime import datetime
from math import atan, degrees, pi, sinh

from app.errors import NotFound
from app.models import Category
from app.reader import Reader
from app.services import cards, clusters, site_cards
from app.services.calendar import ZONE
from app.services.site_map import IN_BOX, OF_CATEGORY, Box

MOST_ZOOM = 22
MOST_SITES = 1000
"""More than these in a tile come as clusters."""
EXTENT = 4096
"""Units along the edge of a tile."""
BUFFER = 64
"""Units that a tile's sites reach beyond its edge, so that no symbol is cut there."""
CELLS = 16
"""Clusters along the edge of a tile."""


class TileNotFound(NotFound):
    """There is no such tile at this zoom."""

    zh = "瓦片不存在"


_AT = "CAST(:z AS integer), CAST(:x AS integer), CAST(:y AS integer)"
_SITES = site_cards.reading(
    "name, short_name, category, location, next_free_at",
    where=f"{IN_BOX} AND {OF_CATEGORY}",
    near=IN_BOX,
    answer=f"""
        SELECT {{clean}}, count(*),
            coalesce(ST_AsMVT(p, 'sites', {EXTENT}, 'geom' ORDER BY s.site_id), '')
        FROM (SELECT * FROM shown ORDER BY site_id LIMIT {MOST_SITES} + 1) s
        CROSS JOIN LATERAL (
            SELECT s.site_id::text AS id, s.name, s.short_name, s.category,
                to_char(s.next_free_at AT TIME ZONE '{ZONE}', 'YYYY-MM-DD') AS next_free_on,
                ST_AsMVTGeom(
                    ST_Transform(s.location, 3857), ST_TileEnvelope({_AT}), {EXTENT}, {BUFFER}
                ) AS geom
        ) p
    """,  # noqa: S608  # constants
)
_CELLS = f"""
    SELECT site_id, location, good, {clusters.cells("CAST(:per_world AS float8)")} FROM shown
"""  # noqa: S608
# A site on the edge between two tiles is counted in one of them.
_CLUSTERS = site_cards.reading(
    "location",
    where=f"{IN_BOX} AND {OF_CATEGORY}",
    near=IN_BOX,
    answer=f"""
        SELECT {{clean}}, coalesce(ST_AsMVT(p, 'clusters', {EXTENT}, 'geom' ORDER BY row, col), '')
        FROM ({clusters.GATHERED.format(_CELLS)}) g CROSS JOIN LATERAL (
            SELECT g.sites AS count, CASE g.sites WHEN 1 THEN g.first END AS id,
                ST_AsMVTGeom(
                    ST_Transform(ST_SetSRID(ST_Point(g.lon, g.lat), 4326), 3857),
                    ST_TileEnvelope({_AT}), {EXTENT}, {BUFFER}
                ) AS geom
        ) p
        WHERE col / {CELLS} = CAST(:x AS integer) AND row / {CELLS} = CAST(:y AS integer)
    """,  # noqa: S608  # constants
)


def tile(
    reader: Reader, *, z: int, x: int, y: int, category: Category | None, now: datetime
) -> bytes:
    """Return the tile as the Mapbox Vector Tile format has it; no bytes where it is empty.

    Layer `sites` has points with `id`, `name`, `short_name`, `category` and, where there is one,
    `next_free_on`, the date of the next free session. Layer `clusters` has `count`, and `id` where
    a site stands alone.

    Args:
        reader: reads one statement.
        z: zoom, 0 to `MOST_ZOOM`.
        x: column from the west.
        y: row from the north.
        category: only these, if given.
        now: the present instant, aware.

    Raises:
        TileNotFound: the zoom has fewer columns or rows.
    """
    if not (0 <= x < 1 << z and 0 <= y < 1 << z):
        raise TileNotFound(z=z, x=x, y=y)
    facts = {
        **bounds(z, x, y, BUFFER / EXTENT)._asdict(),
        "categories": cards.categories(category),
        "now": now,
        "z": z,
        "x": x,
        "y": y,
    }
    count, drawn = site_cards.read(reader, _SITES, facts)
    if count > MOST_SITES:
        [drawn] = site_cards.read(reader, _CLUSTERS, facts | {"per_world": float(CELLS << z)})
    return bytes(drawn)


def bounds(z: int, x: int, y: int, margin: float) -> Box:
    """Return what a tile covers, and so many of its widths beyond each edge, in WGS-84."""
    turns = 1 << z
    west, east = ((x + step) / turns * 360 - 180 for step in (-margin, 1 + margin))
    north, south = (_latitude(1 - 2 * (y + step) / turns) for step in (-margin, 1 + margin))
    return Box(max(west, -180.0), south, min(east, 180.0), north)


def _latitude(mercator: float) -> float:
    """Return the latitude of a fraction of the way from the equator to the edge of the world."""
    return degrees(atan(sinh(pi * max(-1.0, min(1.0, mercator)))))
