"""Outlines of districts."""

import json
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import Session, select

from app.models import Boundary, Crs
from app.services import boundaries
from app.services.coordinates import from_wgs84
from tests.services.grounds import SQUARE, ZICHUAN, plant_town

BOW = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}


def outlined(session: Session, geojson: dict[str, Any] = SQUARE, crs: Crs = Crs.WGS84) -> Boundary:
    district_id = plant_town(session).district_id
    return boundaries.import_outline(
        session, district_id=district_id, geojson=geojson, crs=crs, source="test", region="淄博市"
    )


def contains(session: Session, boundary: Boundary, lon: float, lat: float) -> bool:
    return boundaries.contains(session, district_id=boundary.district_id, lon=lon, lat=lat)


def test_inside_outside_and_swapped(session: Session) -> None:
    boundary = outlined(session)
    lon, lat = ZICHUAN
    assert contains(session, boundary, lon, lat)
    assert contains(session, boundary, 117.8, 36.6), "the edge belongs to it"
    assert not contains(session, boundary, 118.3, 36.6)
    assert not contains(session, boundary, lat, lon)


def test_without_an_outline_nothing_is_outside(session: Session) -> None:
    district_id = plant_town(session).district_id
    assert boundaries.contains(session, district_id=district_id, lon=0, lat=0)


def test_every_vertex_is_converted(session: Session) -> None:
    shifted = {
        "type": "MultiPolygon",
        "coordinates": [[[list(from_wgs84(lon, lat, Crs.GCJ02)) for lon, lat in ring]]
                        for ring in SQUARE["coordinates"]],
    }  # fmt: skip
    boundary = outlined(session, shifted, Crs.GCJ02)
    # 100 m inside and outside the western edge; unconverted, it would lie 500 m further east.
    assert contains(session, boundary, 117.8011, 36.6)
    assert not contains(session, boundary, 117.7989, 36.6)


def test_a_new_outline_takes_the_place_of_the_old(session: Session) -> None:
    boundary = outlined(session)
    far = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    again = boundaries.import_outline(
        session, district_id=boundary.district_id, geojson=far, crs=Crs.WGS84, source="newer"
    )
    assert (again.source, again.region) == ("newer", None)
    assert not contains(session, boundary, *ZICHUAN)


def test_a_self_crossing_ring_is_mended(session: Session) -> None:
    outline = outlined(session, BOW).outline
    valid, kind = session.exec(select(func.ST_IsValid(outline), func.GeometryType(outline))).one()
    assert (valid, kind) == (True, "MULTIPOLYGON")
    assert not session.exec(select(func.ST_IsValid(func.ST_GeomFromGeoJSON(json.dumps(BOW))))).one()


@pytest.mark.parametrize(
    "geojson",
    [
        {"type": "Feature", "properties": {}, "geometry": SQUARE},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": SQUARE}]},
    ],
)
def test_features_are_read(session: Session, geojson: dict[str, Any]) -> None:
    assert contains(session, outlined(session, geojson), *ZICHUAN)


@pytest.mark.parametrize(
    "geojson",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"type": "Point", "coordinates": [117.9, 36.6]}, id="a-point"),
        pytest.param({"type": "Polygon", "coordinates": []}, id="no-ring"),
        pytest.param({"type": "Polygon", "coordinates": [[]]}, id="no-vertex"),
        pytest.param({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, id="a-line"),
        pytest.param({"type": "Polygon", "coordinates": [[["x", 0]]]}, id="letters"),
        pytest.param({"type": "Polygon", "coordinates": "far"}, id="text"),
        pytest.param(
            {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [float("nan"), 1], [0, 0]]]},
            id="nan",
        ),
        pytest.param(
            {"type": "Polygon", "coordinates": [[[36, 117], [37, 117], [37, 118], [36, 117]]]},
            id="swapped",
        ),
        pytest.param({"type": "Feature", "geometry": None}, id="no-geometry"),
    ],
)
def test_what_is_no_outline_is_refused(session: Session, geojson: dict[str, Any]) -> None:
    with pytest.raises(boundaries.OutlineUnreadable):
        outlined(session, geojson)


def test_the_layer_says_its_crs(session: Session) -> None:
    boundary = outlined(session)
    layers = {crs: json.loads(boundaries.outline_geojson(session, crs=crs)) for crs in Crs}
    for crs, layer in layers.items():
        assert (layer["type"], layer["crs_label"]) == ("FeatureCollection", crs)
        mine = next(f for f in layer["features"] if f["id"] == str(boundary.district_id))
        corners = {tuple(at) for at in mine["geometry"]["coordinates"][0][0]}
        wanted = from_wgs84(117.8, 36.4, crs)
        assert (round(wanted.lon, 6), round(wanted.lat, 6)) in corners
