"""Links that open a map app."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from app.models import Crs
from app.services.coordinates import Place, from_wgs84
from app.services.navigation import Mode, Navigation, links

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


def test_abroad_nothing_is_shifted() -> None:
    paris = links(name="Paris", address="", to=Place(2.35, 48.85))
    assert query(paris.links.apple)["daddr"] == "48.850000,2.350000"
