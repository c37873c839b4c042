"""Three systems of coordinates."""

from math import asin, cos, degrees, pi, radians, sin, sqrt

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


def disagreement(place: Place) -> float:
    """Metres between our conversions and another library's, there and back."""
    lat, lon = place.lat, place.lon
    gcj02, bd09 = (from_wgs84(*place, crs) for crs in OFFSET)
    theirs = [eviltransform.wgs2gcj(lat, lon), eviltransform.wgs2bd(lat, lon)]
    back = [
        eviltransform.gcj2wgs_exact(gcj02.lat, gcj02.lon),
        eviltransform.gcj2wgs_exact(*eviltransform.bd2gcj(bd09.lat, bd09.lon)),
    ]
    ours = [gcj02, bd09, to_wgs84(*gcj02, Crs.GCJ02), to_wgs84(*bd09, Crs.BD09)]
    pairs = zip(ours, theirs + back, strict=True)
    return max(metres(one, Place(lon, lat)) for one, (lat, lon) in pairs)


# Inside the box by the longest shift, for the other library asks on which side of the edge a
# shifted point lies.
inland = st.builds(Place, st.floats(WEST + 0.1, EAST - 0.1), st.floats(SOUTH + 0.1, NORTH - 0.1))


@given(place=inland)
@example(place=ZICHUAN)
def test_another_library_agrees(place: Place) -> None:
    assert disagreement(place) < 1


def _swapped(place: Place) -> Place:
    return coordinates._gcj02(Place(place.lat, place.lon))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("_BAIDU_WAVE", pi),
        ("_AXIS", 6_390_000.0),
        ("_FORWARD", coordinates._FORWARD | {Crs.GCJ02: lambda place: place}),
        ("_FORWARD", coordinates._FORWARD | {Crs.GCJ02: _swapped}),
        ("_FORWARD", coordinates._FORWARD | {Crs.BD09: coordinates._gcj02}),
    ],
    ids=["wave", "axis", "nothing done", "axes swapped", "one step only"],
)
def test_the_other_library_notices_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setattr(coordinates, name, value)
    assert disagreement(ZICHUAN) > 1


def test_a_conversion_without_its_inverse_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual short cut, shifting once and taking the difference, is metres off."""
    gcj02 = from_wgs84(*ZICHUAN, Crs.GCJ02)
    again = coordinates._gcj02(gcj02)
    once = Place(2 * gcj02.lon - again.lon, 2 * gcj02.lat - again.lat)
    assert metres(once, ZICHUAN) > 1 > metres(to_wgs84(*gcj02, Crs.GCJ02), ZICHUAN)


def test_a_swapped_pair_is_far_off() -> None:
    """Which is why a district's outline catches it."""
    assert metres(Place(ZICHUAN.lat, degrees(1)), ZICHUAN) > 1_000_000


def test_every_position_of_a_geometry_is_moved() -> None:
    rings = [[[[1.0, 2.0], [3.0, 4.0, 99.0]]], [[[5.0, 6.0]]]]
    moved = coordinates.moved(rings, lambda lon, lat: Place(lon + 10, lat))
    assert moved == [[[[11, 2], [13, 4]]], [[[15, 6]]]]


def test_a_point_is_kept_longitude_first() -> None:
    assert coordinates.place(coordinates.point(ZICHUAN)) == ZICHUAN
