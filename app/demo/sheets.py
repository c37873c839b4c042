"""The project's data files about the demonstration district, read."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True)
class Town:
    """A town or sub-district; `label` is (longitude, latitude), WGS-84, approximate."""

    code: str
    name: str
    label: tuple[float, float]


@dataclass(frozen=True)
class Village:
    """A village or community, under its official name."""

    code: str
    name: str
    town_code: str

    @property
    def is_urban(self) -> bool:
        """Tell whether it is a community (居民委员会) and not a village (村民委员会)."""
        return "居" in self.name

    @property
    def short_name(self) -> str:
        """Name without its committee: `北关村`, `城里社区`."""
        for committee in ("居民委员会", "居民居委会", "村民委员会", "居委会", "村委会"):
            if self.name.endswith(committee):
                stem = self.name.removesuffix(committee)
                break
        else:
            stem = self.name
        return stem if stem.endswith(("社区", "村")) or self.is_urban else f"{stem}村"


@dataclass(frozen=True)
class SiteSheet:
    """A line of `demo_sites.csv`."""

    code: str
    town_code: str
    category: str
    kinds: list[str]
    name: str
    short_name: str
    east_m: float
    north_m: float
    crs: str
    hours: str
    venues: list[tuple[str, int, int]]
    menu: list[str]
    coaches: int
    step_free: bool
    ticketed: bool
    honours: list[str]
    summary: str


def towns() -> list[Town]:
    """Return the 13 towns in the order of their codes."""
    return [
        Town(row["code_nbs2023"], row["name"], (float(row["label_lon"]), float(row["label_lat"])))
        for row in _rows("zichuan_towns.csv")
    ]


def villages() -> list[Village]:
    """Return the 474 villages and communities in the order of their codes."""
    return [
        Village(row["code"], row["name"], row["street_code"])
        for row in _rows("zichuan_villages.csv")
    ]


def sites() -> list[SiteSheet]:
    """Return the 27 sites."""
    return [_site(row) for row in _rows("demo_sites.csv")]


def _site(row: dict[str, str]) -> SiteSheet:
    venues = [venue.split(":") for venue in row["venues"].split("|")]
    return SiteSheet(
        code=row["code"],
        town_code=row["town_code"],
        category=row["category"],
        kinds=row["kinds"].split("|"),
        name=row["name"],
        short_name=row["short_name"],
        east_m=float(row["east_m"]),
        north_m=float(row["north_m"]),
        crs=row["crs"],
        hours=row["hours"],
        venues=[(name, int(people), int(groups)) for name, people, groups in venues],
        menu=row["menu"].split("|"),
        coaches=int(row["coaches"]),
        step_free=row["step_free"] == "1",
        ticketed=row["ticketed"] == "1",
        honours=[row["honours"]] if row["honours"] else [],
        summary=row["summary"],
    )


def cases() -> dict[str, dict[str, list[dict[str, str]]]]:
    """Return the roles and the steps of the training cases, by their key in the menus."""
    read: dict[str, dict[str, list[dict[str, str]]]] = _json("demo_cases.json")
    return read


def outline() -> dict[str, Any]:
    """Return the district's outline as GeoJSON, in GCJ-02."""
    return _json("370302_boundary_gcj02.geojson")


def holidays() -> list[dict[str, Any]]:
    """Return the lists of special days there are, one a year, in holiday-cn format."""
    return [_json(path.name) for path in sorted(FOLDER.glob("holiday-cn-*.json"))]


def _json(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return read


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
