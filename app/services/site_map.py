"""The map: sites and towns as layers, built by the database."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import Category, Crs
from app.reader import Reader
from app.services import cards, coordinates, site_cards
from app.services.coordinates import Place
from app.services.site_cards import Reading


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


WORLD = Box(-180, -90, 180, 90)

IN_BOX = """
    {row}.location && ST_MakeEnvelope(
        CAST(:west AS float8), CAST(:south AS float8), CAST(:east AS float8),
        CAST(:north AS float8), 4326
    )
"""
OF_CATEGORY = "{row}.category = ANY(CAST(:categories AS text[]))"


def _layer(columns: str, body: str) -> Reading:
    """Return the question for the first `:limit` sites of a window.

    One row more than asked for tells whether the layer was cut.
    """
    return site_cards.reading(
        columns,
        where=f"{IN_BOX} AND {OF_CATEGORY}",
        near=IN_BOX,
        answer=f"""
            SELECT {{clean}}, count(*) || '-'
                || coalesce(to_hex(bit_xor(digest) FILTER (WHERE n <= :limit)), '')
                {body}
            FROM (
                SELECT *, row_number() OVER (ORDER BY site_id) AS n
                FROM (SELECT * FROM shown ORDER BY site_id LIMIT CAST(:limit AS integer) + 1) a
            ) f
        """,  # noqa: S608  # constants of this file
    )


LAYER_TAG = _layer("digest", "")
LAYER = _layer(
    "digest, feature",
    """, count(*) > :limit, convert_to(
        coalesce(string_agg(feature, ',' ORDER BY n) FILTER (WHERE n <= :limit), ''), 'UTF8'
    )""",
)
# Put around the features here: for the database, each `||` is one more copy of all of them.
_HEAD = b'{"type":"FeatureCollection","crs_label":"wgs84","truncated":%s,"features":['
_TAIL = b"]}"

_TOWNS = text("""
    SELECT o.id, o.place, ST_X(o.location), ST_Y(o.location),
        (SELECT count(*) FROM site s WHERE s.town_id = o.id AND s.status = 'published')
    FROM organisation o
    WHERE o.kind = 'town' AND o.location IS NOT NULL
    ORDER BY o.code LIMIT :limit
""")


class Window(NamedTuple):
    """What a map asks for.

    Attributes:
        bbox: only sites inside, in `crs`; None is everywhere.
        category: only these, if given.
        crs: of `bbox` and of the answer, which says so in `crs_label`.
        limit: at most this many; `truncated` says that there are more.
    """

    bbox: Box | None
    category: Category | None
    crs: Crs
    limit: int

    def facts(self, now: datetime) -> dict[str, object]:
        """Return what the statements of this file want to know."""
        box = in_wgs84(self.bbox or WORLD, self.crs)
        return {
            **box._asdict(),
            "categories": cards.categories(self.category),
            "limit": self.limit,
            "now": now,
        }


def in_wgs84(box: Box, crs: Crs) -> Box:
    """Return a box of `crs` by its corners in WGS-84."""
    west, south = coordinates.to_wgs84(box.west, box.south, crs)
    east, north = coordinates.to_wgs84(box.east, box.north, crs)
    return Box(west, south, east, north)


def tag(reader: Reader, *, window: Window, now: datetime) -> str:
    """Return what changes exactly when the answer of `features` does, for much less work."""
    [made] = site_cards.read(reader, LAYER_TAG, window.facts(now))
    return str(made)


def features(reader: Reader, *, window: Window, now: datetime) -> tuple[str, bytes]:
    """Return published sites as a GeoJSON FeatureCollection in the order of their ids.

    Args:
        reader: reads one statement.
        window: which of them.
        now: the present instant, aware; `next_free_at` can be ordered at it.

    Returns:
        The `tag`, and the collection.
    """
    made, is_cut, told = site_cards.read(reader, LAYER, window.facts(now))
    body = b"".join((_HEAD % (b"true" if is_cut else b"false"), told, _TAIL))
    if window.crs is Crs.WGS84:
        return made, body
    return made, coordinates.collection_in(window.crs, body.decode()).encode()


def towns(session: Session, *, limit: int) -> list[Town]:
    """Return the towns that have a place for their name, in the order of their codes."""
    rows = session.connection().execute(_TOWNS, {"limit": limit})
    return [Town(id_, name, Place(lon, lat), sites) for id_, name, lon, lat, sites in rows]
