"""Three systems of coordinates."""

from math import asin, cos, degrees, radians, sin, sqrt

import eviltransform
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.models import Crs
from app.services import coordinates
from app.services.coordinates import EAST, NORTH, SOUTH, WEST, Place, from_wgs84, to_wgs84

ZICHUAN = Place(117.97, 36.64)
OFFSET = (Crs.GCJ02, Crs.BD09)

in_china = st.builds(Place, st.floats(WEST, EAST), st.floats(SOUTH, NORTH))
anywhere = st.builds(Place, st.floats(-180, 180), st.floats(-90, 90))


def metres(one: Place, other: Place) -> float:
    """Along a great circle of a sphere as large as the earth."""
    north, east = radians(other.lat - one.lat), radians(other.lon - one.lon)
    chord = sin(north / 2) ** 2
    chord += cos(radians(one.lat)) * cos(radians(other.lat)) * sin(east / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(chord))


def test_the_shifts_at_zichuan() -> None:
    gcj02, bd09 = (from_wgs84(*ZICHUAN, crs) for crs in OFFSET)
    assert metres(ZICHUAN, gcj02) == pytest.approx(519, abs=1)
    assert metres(gcj02, bd09) == pytest.approx(902, abs=1)


@pytest.mark.parametrize("crs", OFFSET)
@given(place=in_china)
@example(place=Place(WEST, SOUTH))
@example(place=Place(EAST, NORTH))
@example(place=Place(105, 35))
def test_there_and_back_is_the_same_place(crs: Crs, place: Place) -> None:
    back = to_wgs84(*from_wgs84(*place, crs), crs)
    assert metres(place, back) < 0.001


@pytest.mark.parametrize("crs", OFFSET)
@given(place=in_china)
def test_every_place_in_the_box_is_shifted(crs: Crs, place: Place) -> None:
    """The round trip alone would hold for a conversion that does nothing."""
    assert 10 < metres(place, from_wgs84(*place, crs)) < 3_000


@pytest.mark.parametrize("crs", OFFSET)
@given(place=anywhere)
@example(place=Place(WEST - 0.2, 36))
@example(place=Place(36.64, 117.97 - 90))
@example(place=Place(180, 90))
def test_outside_the_box_nothing_moves(crs: Crs, place: Place) -> None:
    margin = 0.2
    outside = not (
        WEST - margin < place.lon < EAST + margin and SOUTH - margin < place.lat < NORTH + margin
    )
    if outside:
        assert from_wgs84(*place, crs) == place == to_wgs84(*place, crs)


@given(place=anywhere)
def test_wgs84_is_itself(place: Place) -> None:
    assert from_wgs84(*place, Crs.WGS84) == place == to_wgs84(*place, Crs.WGS84)


# Well inside the box, and on land or near it, where the other library shifts as well.
@given(place=st.builds(Place, st.floats(74, 134), st.floats(18, 53)))
def test_another_library_agrees(place: Place) -> None:
    lat, lon = eviltransform.wgs2gcj(place.lat, place.lon)
    assert metres(from_wgs84(*place, Crs.GCJ02), Place(lon, lat)) < 1
    lat, lon = eviltransform.wgs2bd(place.lat, place.lon)
    assert metres(from_wgs84(*place, Crs.BD09), Place(lon, lat)) < 1


def test_a_swapped_pair_is_far_off() -> None:
    """Which is why a district's outline catches it."""
    assert metres(Place(ZICHUAN.lat, degrees(1)), ZICHUAN) > 1_000_000


def test_every_position_of_a_geometry_is_moved() -> None:
    rings = [[[[1.0, 2.0], [3.0, 4.0, 99.0]]], [[[5.0, 6.0]]]]
    moved = coordinates.moved(rings, lambda lon, lat: Place(lon + 10, lat))
    assert moved == [[[[11, 2], [13, 4]]], [[[15, 6]]]]


def test_a_point_is_kept_longitude_first() -> None:
    assert coordinates.place(coordinates.point(ZICHUAN)) == ZICHUAN
