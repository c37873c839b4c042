"""What is asked: paths made by chance from what is in the database, the same for the same seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from urllib.parse import quote

import psycopg
from pypinyin import Style, lazy_pinyin

from app.services.calendar import DAY, ZONE, local_date

API = "/api/v1"
MANY = 256
"""Different questions of a kind; pgbench holds them all in one script."""
PAGE = 200
_FRIDAY = 5
_LIKELY_WRONG = "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要"


@dataclass(frozen=True)
class Known:
    """A site that can be asked about: degrees of WGS-84."""

    name: str
    lon: float
    lat: float


class Asker:
    """Makes questions."""

    def __init__(self, url: str, *, seed: int) -> None:
        self.luck = Random(seed)
        self.url = url
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT name, ST_X(location), ST_Y(location) FROM site"
                " WHERE status = 'published' ORDER BY id"
            )
            self.sites = [Known(*row) for row in rows]

    def boxes(self) -> list[str]:
        """Return boxes `west,south,east,north` with a page of sites in each, or half of all."""
        page = min(PAGE, len(self.sites) // 2)
        with psycopg.connect(self.url) as connection:
            return [self._box(connection, centre, page) for centre in self._some()]

    def _box(self, connection: psycopg.Connection, centre: Known, page: int) -> str:
        """Return the square around a site that reaches as far as the last one of the page."""
        # In a circle around the square lie 1.6 times as many.
        around = connection.execute(
            "SELECT ST_X(location), ST_Y(location) FROM site WHERE status = 'published'"
            " ORDER BY location <-> ST_SetSRID(ST_MakePoint(%s, %s), 4326) LIMIT %s",
            (centre.lon, centre.lat, page * 2),
        ).fetchall()
        reach = sorted(max(abs(x - centre.lon), abs(y - centre.lat)) for x, y in around)[page - 1]
        west, south = centre.lon - reach, centre.lat - reach
        east, north = centre.lon + reach, centre.lat + reach
        return f"{west:.6f},{south:.6f},{east:.6f},{north:.6f}"

    def places(self) -> list[str]:
        """Return `lon,lat` within some kilometres of sites, where people are."""
        return [
            f"{site.lon + self.luck.uniform(-0.03, 0.03):.6f},"
            f"{site.lat + self.luck.uniform(-0.03, 0.03):.6f}"
            for site in self._some()
        ]

    def tiles(self, zoom: int) -> list[str]:
        """Return `z/x/y` of tiles that hold sites."""
        return [_tile(zoom, site) for site in self._some()]

    def words(self) -> dict[str, list[str]]:
        """Return what people type for sites, by how they type it."""
        parts = [(site, self._part(site.name)) for site in self._some()]
        return {
            "name": [part for _, part in parts],
            "pinyin": ["".join(lazy_pinyin(part))[:18] for _, part in parts],
            "initials": [
                "".join(lazy_pinyin(site.name[:6], style=Style.FIRST_LETTER)) for site, _ in parts
            ],
            "one typo": [self._mistyped(part) for _, part in parts],
            "common words": ["党群服务中心", "教育基地", "社区", "党建", "dqfwzx", "红色"],
        }

    def _part(self, name: str) -> str:
        """Return four to six characters of a name, mostly its first ones."""
        first = self.luck.choice((0, 0, 1, 2))
        return name[first : first + self.luck.randint(4, 6)]

    def _mistyped(self, part: str) -> str:
        at = self.luck.randrange(1, len(part))
        return part[:at] + self.luck.choice(_LIKELY_WRONG) + part[at + 1 :]

    def _some(self) -> Sequence[Known]:
        return self.luck.choices(self.sites, k=MANY)


def map_paths(boxes: Sequence[str]) -> list[str]:
    """Return the map's layer in these boxes."""
    return [f"{API}/map/sites.geojson?bbox={box}&limit={PAGE}" for box in boxes]


def availability_paths(places: Sequence[str], now: datetime) -> list[str]:
    """Return the search for places for forty people on the next Friday that can be ordered."""
    day = local_date(now) + 7 * DAY
    day += (_FRIDAY - day.isoweekday()) % 7 * DAY
    since = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    times = f"from={quote(since.isoformat())}&to={quote((since + timedelta(days=1)).isoformat())}"
    wish = f"radius_m=15000&people=40&{times}"
    return [f"{API}/availability?near={place}&{wish}" for place in places]


def nearest_paths(places: Sequence[str]) -> list[str]:
    """Return the sites around places, from near to far."""
    return [f"{API}/sites?near={place}&sort=distance&limit=20" for place in places]


def tile_paths(tiles: Sequence[str]) -> list[str]:
    """Return tiles of the map."""
    return [f"{API}/map/tiles/{tile}.mvt" for tile in tiles]


def search_paths(typed: Sequence[str]) -> list[str]:
    """Return searches for what somebody typed."""
    return [f"{API}/sites?q={quote(words)}&limit=20" for words in typed]


def _tile(zoom: int, site: Known) -> str:
    across = 2**zoom
    x = int((site.lon + 180) / 360 * across)
    angle = math.radians(site.lat)
    y = int((1 - math.asinh(math.tan(angle)) / math.pi) / 2 * across)
    return f"{zoom}/{x}/{y}"
