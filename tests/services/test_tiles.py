"""Vector tiles and clusters, held against the layer of single sites."""

import json
import random
from datetime import datetime
from typing import Any

import mapbox_vector_tile
import pytest
from sqlmodel import Session

from app.models import Category, Crs, SiteStatus
from app.services import clusters, site_cards, tiles
from app.services.calendar import local_date
from app.services.coordinates import from_wgs84
from app.services.site_map import Box, Window, features
from tests.conftest import NOW, InSession
from tests.makers import make_policy, make_session, make_site, make_venue
from tests.services.grounds import plant_town

AROUND = Box(117.5, 36.2, 118.5, 37.0)


@pytest.fixture
def scattered(session: Session) -> Session:
    """Sixty sites of all categories; a third is on cards, a third has cards that are not right."""
    town, chance = plant_town(session), random.Random(7)
    make_policy(session, town)
    for number in range(60):
        at = (round(117.7 + chance.random() / 2, 6), round(36.4 + chance.random() / 2, 6))
        site = make_site(session, town, at=at, category=list(Category)[number % 4])
        if number % 3:
            make_session(session, make_venue(session, site, people_limit=9))
        if number == 40:
            site_cards.refresh(session, NOW)
            for shut in (site, make_site(session, town)):
                shut.status = SiteStatus.SUSPENDED
    session.flush()
    return session


def layer(session: Session, box: Box | None = None, **facts: Any) -> dict[str, dict[str, Any]]:
    """The single sites, by their ids."""
    plain: dict[str, Any] = {"category": None, "crs": Crs.WGS84, "limit": 1000}
    _, body = features(InSession(session), window=Window(box, **plain | facts), now=NOW)
    return {feature["id"]: feature for feature in json.loads(body)["features"]}


def tile(session: Session, z: int, x: int, y: int, **facts: Any) -> dict[str, Any]:
    plain = {"category": None, "now": NOW}
    drawn = tiles.tile(InSession(session), z=z, x=x, y=y, **plain | facts)
    read: dict[str, Any] = mapbox_vector_tile.decode(drawn, default_options={"y_coord_down": True})
    return read


def over(box: Box, z: int) -> list[tuple[int, int]]:
    """The tiles that cover a box."""
    turns = 1 << z

    def covers(x: int, y: int) -> bool:
        there = tiles.bounds(z, x, y, 0)
        return (
            there.west < box.east and box.west < there.east
            and there.south < box.north and box.south < there.north
        )  # fmt: skip

    near_x = range(int((box.west + 180) / 360 * turns), int((box.east + 180) / 360 * turns) + 1)
    return [(x, y) for x in near_x for y in range(turns) if covers(x, y)]


def lies_at(z: int, x: int, y: int, at: list[int]) -> tuple[float, float, float]:
    """Longitude and latitude of a tile's unit, and degrees of longitude that a unit takes."""
    there = tiles.bounds(z, x, y, 0)
    unit = (there.east - there.west) / tiles.EXTENT
    # Within one tile of these zooms, latitude bends by less than is compared.
    height = tiles.bounds(z, x, y, -at[1] / tiles.EXTENT).north if at[1] < 2048 else None
    low = tiles.bounds(z, x, y, -(1 - at[1] / tiles.EXTENT)).south
    return there.west + at[0] * unit, height if height is not None else low, unit


@pytest.mark.parametrize("z", [6, 9, 11, 14])
def test_tiles_say_what_the_layer_says(scattered: Session, z: int) -> None:
    known, seen = layer(scattered, AROUND), set()
    assert len(known) > 50
    for x, y in over(AROUND, z):
        drawn = tile(scattered, z, x, y)
        for feature in drawn.get("sites", {"features": []})["features"]:
            told = feature["properties"]
            properties = known[told["id"]]["properties"]
            assert {name: told[name] for name in ("name", "short_name", "category")} == {
                name: properties[name] for name in ("name", "short_name", "category")
            }
            free = properties["next_free_at"]
            day = local_date(datetime.fromisoformat(free)).isoformat() if free else None
            assert told.get("next_free_on") == day
            lon, lat, unit = lies_at(z, x, y, feature["geometry"]["coordinates"])
            assert known[told["id"]]["geometry"]["coordinates"] == pytest.approx(
                [lon, lat], abs=1.01 * unit
            )
            seen.add(told["id"])
    assert seen == known.keys()


def test_a_site_near_an_edge_is_in_both_tiles(session: Session) -> None:
    z, x, y = 12, 3391, 1604
    here = tiles.bounds(z, x, y, 0)
    width, middle = here.east - here.west, (here.south + here.north) / 2
    town = plant_town(session)
    inside, outside = (
        make_site(session, town, at=(here.east - share * width, middle)) for share in (0.01, 0.02)
    )

    def ids(column: int) -> set[str]:
        drawn = tile(session, z, column, y).get("sites", {"features": []})
        return {feature["properties"]["id"] for feature in drawn["features"]}

    assert ids(x) == {str(inside.id), str(outside.id)}
    assert ids(x + 1) == {str(inside.id)}  # 64 of 4096 units: 0.0156


def test_a_tile_of_one_category(scattered: Session) -> None:
    z, x, y = 5, 26, 12
    drawn = tile(scattered, z, x, y, category=Category.RURAL)["sites"]["features"]
    assert {feature["properties"]["category"] for feature in drawn} == {"rural"}
    assert len(drawn) == len(layer(scattered, AROUND, category=Category.RURAL))


def test_nothing_is_no_bytes(session: Session) -> None:
    assert tiles.tile(InSession(session), z=9, x=0, y=0, category=None, now=NOW) == b""


@pytest.mark.parametrize(("z", "x", "y"), [(0, 1, 0), (0, 0, 1), (3, 8, 7), (3, -1, 0)])
def test_a_tile_beyond_the_world_is_none(session: Session, z: int, x: int, y: int) -> None:
    with pytest.raises(tiles.TileNotFound):
        tile(session, z, x, y)


def test_too_many_sites_come_as_clusters(
    scattered: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "MOST_SITES", 10)
    known = layer(scattered, AROUND)
    for z in (6, 8, 10):
        counted, alone = 0, set()
        for x, y in over(AROUND, z):
            drawn = tile(scattered, z, x, y)
            for feature in drawn.get("clusters", {"features": []})["features"]:
                counted += feature["properties"]["count"]
                alone |= {feature["properties"].get("id")}
                assert (feature["properties"]["count"] == 1) == ("id" in feature["properties"])
            # The buffer's sites are in the neighbour's tile too.
            here = tiles.bounds(z, x, y, 0)
            counted += sum(
                here.west <= known[f["properties"]["id"]]["geometry"]["coordinates"][0] < here.east
                and here.south
                < known[f["properties"]["id"]]["geometry"]["coordinates"][1]
                <= here.north
                for f in drawn.get("sites", {"features": []})["features"]
            )
        assert counted == len(known)
        assert alone - {None} <= known.keys()


def gathered(session: Session, box: Box | None, zoom: int, **facts: Any) -> dict[str, Any]:
    plain = {"category": None, "crs": Crs.WGS84}
    read: dict[str, Any] = json.loads(
        clusters.features(InSession(session), bbox=box, zoom=zoom, now=NOW, **plain | facts)
    )
    return read


@pytest.mark.parametrize("zoom", [0, 7, 10, 13, 22])
@pytest.mark.parametrize("box", [None, AROUND, Box(117.8, 36.5, 118.0, 36.7)])
def test_clusters_add_up_to_the_sites(scattered: Session, zoom: int, box: Box | None) -> None:
    known = layer(scattered, box)
    found = gathered(scattered, box, zoom)["features"]
    assert sum(feature["properties"]["count"] for feature in found) == len(known)
    assert len({feature["id"] for feature in found}) == len(found) <= clusters.MOST_CELLS**2
    for feature in found:
        west, south, east, north = feature["bbox"]
        inside = [
            id_ for id_, site in known.items()
            if west <= site["geometry"]["coordinates"][0] <= east
            and south <= site["geometry"]["coordinates"][1] <= north
        ]  # fmt: skip
        assert len(inside) == feature["properties"]["count"]
        alone = feature["properties"]["site_id"]
        assert alone == (inside[0] if len(inside) == 1 else None)
        lon, lat = feature["geometry"]["coordinates"]
        assert west <= lon <= east
        assert south <= lat <= north


def test_clusters_are_finer_when_one_comes_nearer(scattered: Session) -> None:
    sizes = [len(gathered(scattered, AROUND, zoom)["features"]) for zoom in (6, 8, 10)]
    assert sizes == sorted(set(sizes))
    assert gathered(scattered, AROUND, 10)["zoom"] == 10
    assert gathered(scattered, None, 22)["zoom"] == 4  # 64 cells round the world


def test_clusters_are_in_the_crs_asked_for(session: Session) -> None:
    make_site(session, plant_town(session), at=(117.9, 36.6))
    shifted = from_wgs84(117.9, 36.6, Crs.BD09)
    box = Box(shifted.lon - 0.001, shifted.lat - 0.001, shifted.lon + 0.001, shifted.lat + 0.001)
    told = gathered(session, box, 12, crs=Crs.BD09)
    [feature] = told["features"]
    assert told["crs_label"] == "bd09"
    assert feature["geometry"]["coordinates"] == pytest.approx(list(shifted), abs=1e-6)
    assert feature["bbox"] == pytest.approx([*shifted, *shifted], abs=1e-6)
    assert gathered(session, box, 12)["features"] == []
