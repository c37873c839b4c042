"""A country of sites: spread like its people, dense in the cities, each with a hall and a menu."""

import csv
import math
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import SQLModel

from app.models import (
    ApprovalMode,
    Category,
    Crs,
    Guide,
    Organisation,
    OrganisationKind,
    Policy,
    Programme,
    ProgrammeKind,
    Site,
    SitePhoto,
    SiteStatus,
    Venue,
)
from app.services.coordinates import Place
from bench import names

MODELS: tuple[type[SQLModel], ...] = (
    *(Organisation, Site, Policy, Venue, Programme, Guide, SitePhoto),
)
Row = dict[str, Any]
SITES_A_DISTRICT = 40
SITES_A_TOWN = 5
_CITIES = Path(__file__).with_name("cities.csv")
_METRES_A_DEGREE = 111_320
_WITH_PHOTO, _WITH_GUIDES, _OWN_POLICY = 0.6, 0.5, 0.03
_CATEGORIES = {Category.RURAL: 45, Category.URBAN: 35, Category.TWO_NEW: 12, Category.GENERAL: 8}
_HALLS = (40, 50, 60, 80, 100, 120, 150, 200)


class Item(NamedTuple):
    """A menu item; `minutes` long, for so many people."""

    kind: ProgrammeKind
    name: str
    minutes: int
    people_limit: int
    needs_guide: bool


_K = ProgrammeKind
_MENU = (
    Item(_K.VISIT, "自主参观", 40, 120, False),
    Item(_K.GUIDED_TOUR, "红色故事讲解", 60, 60, True),
    Item(_K.OATH, "重温入党誓词", 20, 120, False),
    Item(_K.LECTURE, "微党课", 45, 100, True),
    Item(_K.MEETING, "支部会议场地", 90, 60, False),
    Item(_K.VOLUNTEERING, "党员志愿服务", 90, 60, False),
    Item(_K.TRAINING_CASE, "实训案例：接收预备党员", 90, 60, True),
    Item(_K.TRAINING_CASE, "实训案例：支部换届选举", 120, 60, True),
    Item(_K.TRAINING_CASE, "实训案例：主题党日", 60, 80, True),
)


class City(NamedTuple):
    """A city with its surroundings: WGS-84, and tens of thousands of people."""

    name: str
    at: Place
    people_10k: int


class Country:
    """So many published sites, the same for the same seed."""

    def __init__(self, *, sites: int, seed: int, since: datetime) -> None:
        """Make all rows but the sessions; what a row leaves out has its column's default.

        Args:
            sites: how many.
            seed: where its chance comes from.
            since: when all of it was entered, and its policies took effect.
        """
        self.luck, self.since, self.born = Random(seed), since, 0
        self.rows: dict[type[SQLModel], list[Row]] = {model: [] for model in MODELS}
        cities = _cities()
        ends = list(accumulate(city.people_10k for city in cities))
        done = 0
        for city, end in zip(cities, ends, strict=True):
            wanted = round(sites * end / ends[-1])
            self._found_city(city, wanted - done)
            done = wanted

    def _found_city(self, city: City, sites: int) -> None:
        """Found the districts of a city: the first in its middle, the others further out."""
        districts = math.ceil(sites / SITES_A_DISTRICT)
        spread = 9_000 * math.sqrt(districts)
        for n in range(districts):
            middle = self._near(city.at, spread * n / districts)
            many = sites * (n + 1) // districts - sites * n // districts
            self._found_district(f"{city.name}{names.place(self.luck)}区", middle, many)

    def _found_district(self, name: str, middle: Place, sites: int) -> None:
        district = self._root(name)
        self._add(Policy, district_id=district["id"], effective_at=self.since)
        towns = math.ceil(sites / SITES_A_TOWN)
        for n in range(towns):
            around = self._near(middle, 2_500 * math.sqrt(towns))
            town = self._town(district, around)
            for _ in range(sites * (n + 1) // towns - sites * n // towns):
                self._open(name, town, self._near(around, 2_000))

    def _root(self, name: str) -> Row:
        district = self._add(Organisation, name=f"中共{name}委员会", kind=OrganisationKind.DISTRICT)
        id_ = district["id"]
        district.update(district_id=id_, path=id_.hex, code=f"{self.born:012}")
        return district

    def _town(self, district: Row, at: Place) -> Row:
        place = names.place(self.luck) + self.luck.choice("镇乡")
        town = self._add(
            Organisation,
            parent_id=district["id"],
            district_id=district["id"],
            name=f"中共{place}委员会",
            place=place,
            kind=OrganisationKind.TOWN,
            location=_point(at),
        )
        path = f"{district['path']}.{town['id'].hex}"
        town.update(path=path, code=f"{self.born:012}")
        return town

    def _open(self, city: str, town: Row, at: Place) -> None:
        luck, place = self.luck, town["place"]
        category = luck.choices(list(_CATEGORIES), list(_CATEGORIES.values()))[0]
        name = names.site(luck, category, place)
        site = self._add(
            Site,
            district_id=town["district_id"],
            town_id=town["id"],
            code=f"S{self.born:09}",
            name=name,
            short_name=name[-20:],
            category=category,
            kinds=names.kinds(name),
            status=SiteStatus.PUBLISHED,
            address=f"{city}{place}{names.place(luck)}路 {luck.randint(1, 999)} 号",
            summary="可参观、讲解、重温誓词",
            introduction=f"{name}的简介。" * 12,
            location=_point(at),
            navigation_point=_point(self._near(at, 60)),
            source_crs=Crs.WGS84,
            source_longitude=at.lon,
            source_latitude=at.lat,
            parking_coaches=luck.randint(0, 6),
            contact_name=names.person(luck),
            contact_phone=f"0533{luck.randint(1000000, 9999999)}",
        )
        self._furnish(site["id"], site["district_id"])

    def _furnish(self, site_id: UUID, district_id: UUID) -> None:
        luck = self.luck
        if luck.random() < _OWN_POLICY:
            own = {"district_id": district_id, "approval_mode": ApprovalMode.AUTO}
            self._add(Policy, site_id=site_id, effective_at=self.since, **own)
        seats, groups = luck.choice(_HALLS), luck.choice((1, 1, 2))
        hall = {"name": "多功能厅", "people_limit": seats, "groups_limit": groups}
        self._add(Venue, site_id=site_id, **hall)
        for item in luck.sample(_MENU, luck.randint(2, 5)):
            self._add(Programme, site_id=site_id, **item._asdict())
        if luck.random() < _WITH_GUIDES:
            for _ in range(luck.randint(1, 2)):
                self._add(Guide, site_id=site_id, name=names.person(luck))
        if luck.random() < _WITH_PHOTO:
            size = {"width": 1600, "height": 1200}
            self._add(
                SitePhoto, site_id=site_id, position=0, digest=luck.randbytes(32).hex(), **size
            )

    def _add(self, model: type[SQLModel], **values: object) -> Row:
        """Add a row with a key of its own: a UUIDv7 by its form, sorted by birth."""
        self.born += 1
        instant = int(self.since.timestamp() * 1000) + self.born
        chance = self.luck.getrandbits(74)
        id_ = UUID(int=instant << 80 | 7 << 76 | chance >> 62 << 64 | 2 << 62 | chance % 2**62)
        row = {"id": id_, **values}
        self.rows[model].append(row)
        return row

    def _near(self, place: Place, metres: float) -> Place:
        """Return a point about so far off, in any direction."""
        east, north = self.luck.gauss(0, metres), self.luck.gauss(0, metres)
        across = _METRES_A_DEGREE * math.cos(math.radians(place.lat))
        lon, lat = place.lon + east / across, place.lat + north / _METRES_A_DEGREE
        return Place(round(lon, 6), round(lat, 6))


def _cities() -> list[City]:
    with _CITIES.open() as file:
        return [
            City(row["city"], Place(float(row["lon"]), float(row["lat"])), int(row["people_10k"]))
            for row in csv.DictReader(file)
        ]


def _point(at: Place) -> str:
    return f"SRID=4326;POINT({at.lon} {at.lat})"
