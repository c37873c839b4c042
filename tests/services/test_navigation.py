"""Links that open a map app."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from app.models import Crs
from app.services.coordinates import Place, from_wgs84
from app.services.navigation import Mode, Navigation, links
from tests.services.test_coordinates import metres

TO = Place(117.97, 36.64)
GCJ02 = "36.640178,117.975817"  # lat,lng
START = Place(118.0, 36.6)
NASTY = "红色,基地|东&西(1)#?😀 %2C"


def way(
    name: str = "基地",
    mode: Mode = Mode.DRIVE,
    start: Place | None = None,
    region: str | None = None,
) -> Navigation:
    return links(name=name, address="太河镇", to=TO, mode=mode, start=start, region=region)


def query(url: str) -> dict[str, str]:
    return {key: value for key, [value] in parse_qs(urlsplit(url).query).items()}


def test_each_target_gets_its_own_form_order_and_datum() -> None:
    assert way(region="淄博市").links._asdict() == {
        "amap": "https://uri.amap.com/navigation?to=117.975817,36.640178,%E5%9F%BA%E5%9C%B0"
        "&mode=car&src=party-building-map&callnative=1",
        "baidu": "https://api.map.baidu.com/direction"
        "?origin=%E6%88%91%E7%9A%84%E4%BD%8D%E7%BD%AE"
        f"&destination=latlng:{GCJ02}%7Cname:%E5%9F%BA%E5%9C%B0&mode=driving"
        "&region=%E6%B7%84%E5%8D%9A%E5%B8%82&output=html&src=party-building-map&coord_type=gcj02",
        "tencent": "https://apis.map.qq.com/uri/v1/routeplan?type=drive&to=%E5%9F%BA%E5%9C%B0"
        f"&tocoord={GCJ02}&referer=party-building-map",
        "apple": f"https://maps.apple.com/?daddr={GCJ02}&dirflg=d",
        "geo": "geo:36.640000,117.970000?q=36.640000,117.970000(%E5%9F%BA%E5%9C%B0)",
    }


def test_the_place_is_told_in_three_systems() -> None:
    found = way()
    assert (found.wgs84, found.name, found.address) == (TO, "基地", "太河镇")
    assert found.gcj02 == from_wgs84(*TO, Crs.GCJ02)
    assert found.bd09 == from_wgs84(*TO, Crs.BD09)
    assert 5 <= found.scale <= 18  # what wx.openLocation takes


@pytest.mark.parametrize(
    ("mode", "amap", "baidu", "tencent", "apple"),
    [
        (Mode.DRIVE, "car", "driving", "drive", "d"),
        (Mode.TRANSIT, "bus", "transit", "bus", "r"),
        (Mode.WALK, "walk", "walking", "walk", "w"),
        (Mode.RIDE, "ride", "walking", "walk", "w"),
    ],
)
def test_each_target_has_its_own_word_for_a_mode(
    mode: Mode, amap: str, baidu: str, tencent: str, apple: str
) -> None:
    found = way(mode=mode).links
    assert query(found.amap)["mode"] == amap
    assert query(found.baidu)["mode"] == baidu
    assert query(found.tencent)["type"] == tencent
    assert query(found.apple)["dirflg"] == apple


def test_a_start_is_converted_like_the_end() -> None:
    lon, lat = from_wgs84(*START, Crs.GCJ02)
    found = way(start=START).links
    assert query(found.amap)["from"] == f"{lon:.6f},{lat:.6f}"
    assert query(found.baidu)["origin"] == f"latlng:{lat:.6f},{lon:.6f}|name:我的位置"
    assert query(found.tencent)["fromcoord"] == f"{lat:.6f},{lon:.6f}"
    assert query(found.apple)["saddr"] == f"{lat:.6f},{lon:.6f}"


def test_baidu_gets_all_that_it_insists_on() -> None:
    mandatory = {"origin", "destination", "mode", "region", "output", "src", "coord_type"}
    assert mandatory <= set(query(way().links.baidu))


def test_odd_names_stay_in_their_place() -> None:
    found = way(name=NASTY).links
    assert all(url.isascii() and " " not in url and "|" not in url for url in found)
    assert query(found.amap)["to"] == f"117.975817,36.640178,{NASTY}"
    assert query(found.baidu)["destination"] == f"latlng:{GCJ02}|name:{NASTY}"
    assert query(found.tencent)["to"] == NASTY
    label = found.geo.partition("?q=36.640000,117.970000")[2]
    assert label.count("(") == label.count(")") == 1
    assert unquote(label) == f"({NASTY})"


ODD_NAMES = [
    "红色,基地",
    "东|西",
    "东&西=1",
    "基地(一)（二）",
    "第 1 号#楼",
    "100%",
    "%2C%7C",
    "'单'\"双\"",
    "a+b;c/d?e:f@g",
    "基地😀👨‍👩‍👧",
    "\\反斜\t杠",
    NASTY,
]


class Read(NamedTuple):
    """What an app makes of a link."""

    to: Place
    name: str | None
    start: Place | None


def lon_lat(text: str) -> Place:
    lon, lat = text.split(",")
    return Place(float(lon), float(lat))


def lat_lng(text: str) -> Place:
    lat, lng = text.split(",")
    return Place(float(lng), float(lat))


def read_amap(url: str) -> Read:
    said = query(url)
    lon, lat, name = said["to"].split(",", 2)
    start = lon_lat(said["from"]) if "from" in said else None
    return Read(Place(float(lon), float(lat)), name, start)


def read_baidu(url: str) -> Read:
    said = query(url)
    assert said["coord_type"] == "gcj02"
    found = re.fullmatch(r"latlng:([^|]*)\|name:(.*)", said["destination"], re.DOTALL)
    assert found
    begin = re.fullmatch(r"latlng:([^|]*)\|name:.*", said["origin"])
    return Read(lat_lng(found[1]), found[2], lat_lng(begin[1]) if begin else None)


def read_tencent(url: str) -> Read:
    said = query(url)
    start = lat_lng(said["fromcoord"]) if "fromcoord" in said else None
    return Read(lat_lng(said["tocoord"]), said["to"], start)


def read_apple(url: str) -> Read:
    said = query(url)
    return Read(lat_lng(said["daddr"]), None, lat_lng(said["saddr"]) if "saddr" in said else None)


def read_geo(url: str) -> Read:
    found = re.fullmatch(r"geo:([^?]*)\?q=([^(]*)\(([^()]*)\)", url)
    assert found
    assert found[1] == found[2]
    return Read(lat_lng(found[1]), unquote(found[3]), None)


READERS: dict[str, tuple[Callable[[str], Read], Crs]] = {
    "amap": (read_amap, Crs.GCJ02),
    "baidu": (read_baidu, Crs.GCJ02),
    "tencent": (read_tencent, Crs.GCJ02),
    "apple": (read_apple, Crs.GCJ02),
    "geo": (read_geo, Crs.WGS84),
}
CLOSE = 0.2
"""Metres: six decimals of a degree."""


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("start", [None, START], ids=["here", "there"])
@pytest.mark.parametrize("target", READERS)
def test_what_an_app_reads_is_the_gate_and_the_start(
    target: str, start: Place | None, mode: Mode
) -> None:
    reader, crs = READERS[target]
    found = reader(way(mode=mode, start=start).links._asdict()[target])
    assert metres(found.to, from_wgs84(*TO, crs)) < CLOSE
    if start is None or target == "geo":  # geo: knows no start
        assert found.start is None
    else:
        assert found.start is not None
        assert metres(found.start, from_wgs84(*start, crs)) < CLOSE


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("target", READERS)
def test_what_an_app_reads_is_the_name(target: str, name: str) -> None:
    url = way(name=name).links._asdict()[target]
    assert url.isascii()
    assert not re.search(r"[\s|\"<>\\^`{}]", url)
    found = READERS[target][0](url)
    assert found.name in {name, None if target == "apple" else name}
    assert metres(found.to, from_wgs84(*TO, READERS[target][1])) < CLOSE


@pytest.mark.parametrize("target", READERS)
def test_a_wrong_order_or_datum_would_be_noticed(target: str) -> None:
    """The way a coach gets to the wrong village: 519 m, 902 m, or half the world off."""
    reader, crs = READERS[target]
    meant = from_wgs84(*TO, crs)
    swapped = Place(TO.lat, TO.lon)
    assert metres(meant, from_wgs84(*swapped, crs)) > 1_000_000
    offsets = [metres(meant, from_wgs84(*TO, other)) for other in Crs if other is not crs]
    assert min(offsets) > 500
    wrong = links(name="基地", address="", to=from_wgs84(*TO, Crs.BD09)).links._asdict()[target]
    assert metres(reader(wrong).to, meant) > 500


def test_the_shifts_are_those_of_zichuan() -> None:
    found = way()
    assert metres(found.wgs84, found.gcj02) == pytest.approx(519, abs=1)
    assert metres(found.gcj02, found.bd09) == pytest.approx(902, abs=1)


def test_every_link_with_a_start_letter_by_letter() -> None:
    found = way(name="红色,基地(1)", mode=Mode.WALK, start=START, region="淄博市").links
    name = "%E7%BA%A2%E8%89%B2%2C%E5%9F%BA%E5%9C%B0%281%29"
    here = "%E6%88%91%E7%9A%84%E4%BD%8D%E7%BD%AE"
    lon, lat = (f"{degrees:.6f}" for degrees in from_wgs84(*START, Crs.GCJ02))
    assert found._asdict() == {
        "amap": f"https://uri.amap.com/navigation?from={lon},{lat}"
        f"&to=117.975817,36.640178,{name}&mode=walk&src=party-building-map&callnative=1",
        "baidu": f"https://api.map.baidu.com/direction?origin=latlng:{lat},{lon}%7Cname:{here}"
        f"&destination=latlng:{GCJ02}%7Cname:{name}&mode=walking"
        "&region=%E6%B7%84%E5%8D%9A%E5%B8%82&output=html&src=party-building-map&coord_type=gcj02",
        "tencent": "https://apis.map.qq.com/uri/v1/routeplan?type=walk"
        f"&from={here}&fromcoord={lat},{lon}"
        f"&to={name}&tocoord={GCJ02}&referer=party-building-map",
        "apple": f"https://maps.apple.com/?saddr={lat},{lon}&daddr={GCJ02}&dirflg=w",
        "geo": f"geo:36.640000,117.970000?q=36.640000,117.970000({name})",
    }


def test_abroad_nothing_is_shifted() -> None:
    paris = links(name="Paris", address="", to=Place(2.35, 48.85))
    assert query(paris.links.apple)["daddr"] == "48.850000,2.350000"
