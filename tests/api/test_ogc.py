"""OGC API - Features: the requirements of Part 1 (core, GeoJSON) and Part 2 (CRS), one by one."""

import json
from math import pi
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from owslib.ogcapi.features import Features
from sqlalchemy import Engine, text
from sqlmodel import Session

from app.models import Category, SiteStatus
from app.services import ogc, site_cards
from tests.conftest import NOW
from tests.live import serving
from tests.makers import make_site
from tests.services.grounds import plant_town

BASE = "/api/v1/ogc"
ITEMS = f"{BASE}/collections/sites/items"
CRS84, EPSG4326, EPSG3857, EPSG4490 = ogc.SYSTEMS
LON, LAT = 117.97, 36.64


def fill(session: Session) -> list[str]:
    """Seven sites in a row to the east; half of them have cards. Their ids."""
    town = plant_town(session, name="太河镇")
    kinds = list(Category)
    sites = []
    for number in range(7):
        at = (LON + number / 100, LAT)
        sites.append(make_site(session, town, at=at, category=kinds[number % 4]))
        if number == 3:
            site_cards.refresh(session, NOW)
    make_site(session, town, status=SiteStatus.DRAFT)
    return [str(site.id) for site in sites]


@pytest.fixture
def ids(session: Session) -> list[str]:
    return fill(session)


def get(client: TestClient, path: str = ITEMS, **query: Any) -> Response:
    plain = {name.replace("_", "-"): value for name, value in query.items()}
    return client.get(path, params=plain)


def listed(reply: Response) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [feature["id"] for feature in reply.json()["features"]]


def links(document: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {link["rel"]: link for link in document["links"]}


def test_the_landing_page_leads_everywhere(client: TestClient) -> None:
    """/req/core/root-success, /req/core/api-definition-success"""
    found = links(get(client, f"{BASE}/").json())
    assert found.keys() == {"self", "service-desc", "service-doc", "conformance", "data"}
    for rel in found.keys() - {"service-doc"}:
        reply = client.get(found[rel]["href"])
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith(found[rel]["type"])
        assert "max-age" in reply.headers["cache-control"]


def test_it_says_what_it_conforms_to(client: TestClient) -> None:
    """/req/core/conformance-success"""
    classes = get(client, f"{BASE}/conformance").json()["conformsTo"]
    part = "http://www.opengis.net/spec/ogcapi-features-"
    assert set(classes) == {
        f"{part}1/1.0/conf/core",
        f"{part}1/1.0/conf/geojson",
        f"{part}1/1.0/conf/oas30",
        f"{part}2/1.0/conf/crs",
    }


def test_the_definition_is_openapi_3_0_and_names_every_path(client: TestClient) -> None:
    """/req/oas30/oas-definition-1, /req/core/fc-limit-definition"""
    reply = get(client, f"{BASE}/api")
    assert reply.headers["content-type"].startswith("application/vnd.oai.openapi+json;version=3.0")
    told = reply.json()
    assert told["openapi"].startswith("3.0.")
    for path in told["paths"]:
        if "{" not in path:
            assert client.get(BASE + path).status_code == 200, path
    asked = told["paths"]["/collections/sites/items"]["get"]["parameters"]
    names = {parameter["name"] for parameter in asked}
    assert names >= {"bbox", "bbox-crs", "crs", "limit", "datetime"}


def test_the_collection_is_described(client: TestClient) -> None:
    """/req/core/fc-md-success and its kin; Part 2: /req/crs/fc-md-crs-list, storageCrs"""
    whole = get(client, f"{BASE}/collections").json()
    [sites] = whole["collections"]
    assert sites == get(client, f"{BASE}/collections/sites").json()
    assert (sites["id"], sites["itemType"], sites["storageCrs"]) == ("sites", "feature", CRS84)
    assert sites["crs"] == [CRS84, EPSG4326, EPSG3857, EPSG4490]
    assert len(sites["extent"]["spatial"]["bbox"][0]) == 4
    assert links(sites)["items"]["type"] == "application/geo+json"
    assert get(client, f"{BASE}/collections/towns").status_code == 404


def test_a_page_is_a_feature_collection(client: TestClient, ids: list[str]) -> None:
    """/req/core/fc-response, /req/core/fc-links, /req/geojson/content, /req/crs/ogc-crs-header"""
    reply = get(client)
    assert reply.headers["content-type"] == "application/geo+json"
    assert reply.headers["content-crs"] == f"<{CRS84}>"
    body = reply.json()
    assert body["type"] == "FeatureCollection"
    assert (body["numberMatched"], body["numberReturned"]) == (7, 7)
    assert listed(reply) == ids
    assert links(body)["self"]["href"].endswith(ITEMS)
    assert "next" not in links(body)
    first = body["features"][0]
    assert first["geometry"] == {"type": "Point", "coordinates": [LON, LAT]}
    assert first["properties"]["town"] == "太河镇"


@pytest.mark.parametrize("limit", [1, 3, 6, 7, 8])
def test_following_next_visits_every_feature_once(
    client: TestClient, ids: list[str], limit: int
) -> None:
    """/req/core/fc-limit-response, /rec/core/fc-next"""
    seen, url = [], f"{ITEMS}?limit={limit}"
    while url:
        body = client.get(url).json()
        assert body["numberReturned"] == len(body["features"]) <= limit
        assert body["numberMatched"] == 7
        seen += [feature["id"] for feature in body["features"]]
        url = links(body).get("next", {}).get("href", "")
    assert seen == ids


def test_next_keeps_the_other_parameters(client: TestClient, ids: list[str]) -> None:
    body = get(client, limit=1, category="rural", crs=EPSG3857).json()
    following = client.get(links(body)["next"]["href"])
    assert listed(following) == [ids[4]]
    assert following.headers["content-crs"] == f"<{EPSG3857}>"


def test_more_than_the_most_is_the_most(client: TestClient, ids: list[str]) -> None:
    """/req/core/fc-limit-response-1: no error"""
    assert listed(get(client, limit=999_999)) == ids


def test_features_are_chosen_by_their_properties(client: TestClient, ids: list[str]) -> None:
    assert listed(get(client, category="urban")) == [ids[1], ids[5]]
    assert listed(get(client, town="太河镇")) == ids
    assert listed(get(client, town="太河")) == []
    assert get(client, town="太河").json()["numberMatched"] == 0


@pytest.mark.parametrize(
    "time",
    ["2026-11-25T00:00:00Z", "2026-11-25", "2026-01-01/2026-12-31", "../2026-01-01",
     "2026-01-01/..", "/2026-01-01T00:00:00+08:00", "2026-01-01T00:00:00.5Z/"],
)  # fmt: skip
def test_sites_have_no_time(client: TestClient, ids: list[str], time: str) -> None:
    """/req/core/fc-time-response: what has no time is always selected"""
    assert listed(get(client, datetime=time)) == ids


HALF = 20037508.342789244


def corners(crs: str, west: float, south: float, east: float, north: float) -> str:
    put = ogc.SYSTEMS[crs].put
    return ",".join(str(axis) for axis in (*put(west, south), *put(east, north)))


@pytest.mark.parametrize("crs", ogc.SYSTEMS)
def test_a_window_in_every_crs(client: TestClient, ids: list[str], crs: str) -> None:
    """/req/crs/fc-bbox-crs-valid-value; 30 m around the third site"""
    lon = LON + 0.02
    window = corners(crs, lon - 0.0003, LAT - 0.0003, lon + 0.0003, LAT + 0.0003)
    assert listed(get(client, bbox=window, bbox_crs=crs)) == [ids[2]]
    if crs == CRS84:
        assert listed(get(client, bbox=window)) == [ids[2]]


def test_a_window_with_heights_and_beyond_the_world(client: TestClient, ids: list[str]) -> None:
    assert listed(get(client, bbox=f"{LON - 1},36,-9,{LON + 0.015},37,99")) == ids[:2]
    assert listed(get(client, bbox="-200,-100,200,100")) == ids
    assert listed(get(client, bbox="-9e7,-9e7,9e7,9e7", bbox_crs=EPSG3857)) == ids


def test_a_window_across_the_date_line(client: TestClient, ids: list[str]) -> None:
    """/req/core/fc-bbox-definition: then the first longitude is the larger"""
    assert listed(get(client, bbox=f"{LON + 0.025},36,-170,37")) == ids[3:]
    assert listed(get(client, bbox=f"36,{LON + 0.025},37,-170", bbox_crs=EPSG4326)) == ids[3:]
    assert listed(get(client, bbox="170,36,-170,37")) == []


@pytest.mark.parametrize("crs", ogc.SYSTEMS)
def test_an_answer_in_every_crs(
    client: TestClient, session: Session, ids: list[str], crs: str
) -> None:
    """/req/crs/fc-crs-action, /req/crs/ogc-crs-header; PROJ says where it should be"""
    if crs == CRS84:
        place = [LON, LAT]
    else:
        moved = text("SELECT ST_AsGeoJSON(ST_Transform(location, :to), 6) FROM site WHERE id = :id")
        facts = {"to": int(crs.rsplit("/", 1)[1]), "id": ids[0]}
        found = session.connection().execute(moved, facts).scalar_one()
        place = json.loads(found)["coordinates"][:: 1 if crs == EPSG3857 else -1]
    for path in (ITEMS, f"{ITEMS}/{ids[0]}"):
        reply = get(client, path, crs=crs)
        assert reply.headers["content-crs"] == f"<{crs}>"
        body = reply.json()
        feature = body["features"][0] if path == ITEMS else body
        near = pytest.approx(place, abs=0.01 if crs == EPSG3857 else 1e-6)
        assert feature["geometry"]["coordinates"] == near


def test_one_feature(client: TestClient, ids: list[str]) -> None:
    """/req/core/f-success, /req/core/f-links"""
    listed_ones = get(client).json()["features"]
    for id_, listed_one in zip(ids, listed_ones, strict=True):
        reply = get(client, f"{ITEMS}/{id_}")
        assert reply.headers["content-type"] == "application/geo+json"
        alone = reply.json()
        assert links(alone).keys() == {"self", "collection"}
        assert {**listed_one, "links": alone["links"]} == alone
    for unknown in (uuid4(), "x", "1" * 300):
        missing = get(client, f"{ITEMS}/{unknown}")
        assert (missing.status_code, missing.json()["code"]) == (404, "site-not-found")


WRONG = [
    ("unknown", "x"), ("Limit", "1"), ("f", "json"), ("limit", "0"), ("limit", "-1"),
    ("limit", "x"), ("limit", ""), ("limit", "1.5"), ("limit", "1" * 40), ("limit", "\u0661"),
    ("bbox", ""), ("bbox", "1,2,3"), ("bbox", "1,2,3,4,5"), ("bbox", "1,2,3,4,5,6,7"),
    ("bbox", "a,b,c,d"), ("bbox", "1,9,2,8"), ("bbox", "nan,1,2,3"), ("bbox", "1e999,1,2,3"),
    ("bbox", "1,,2,3"), ("bbox-crs", "EPSG:4326"), ("bbox-crs", ""), ("crs", "EPSG:4326"),
    ("crs", "http://www.opengis.net/def/crs/EPSG/0/2000"), ("crs", ""), ("datetime", ""),
    ("datetime", ".."), ("datetime", "now"), ("datetime", "2026"), ("datetime", "2026-13-01"),
    ("datetime", "2026-01-01T00:00:00"), ("datetime", "2026-02-02/2026-01-01"),
    ("datetime", "2026-01-01/2026-01-02/2026-01-03"), ("datetime", "2026-01-01T25:00:00Z"),
    ("category", "x"), ("category", ""), ("town", "\x00"), ("town", "镇" * 41), ("cursor", "x"),
    ("cursor", ""),
]  # fmt: skip


def test_what_is_not_understood_is_a_bad_request(client: TestClient) -> None:
    """/req/core/query-param-unknown, /req/core/query-param-invalid, /req/crs/fc-crs-valid-value"""
    for name, value in WRONG:
        reply = client.get(ITEMS, params={name: value})
        assert reply.status_code == 400, (name, value)
        assert reply.headers["content-type"] == "application/problem+json"
        told = reply.json()
        assert (told["code"], told["parameter"]) == ("ogc-parameter-invalid", name)
    assert client.get(f"{ITEMS}?limit=1&limit=2").status_code == 400
    for path in ("/", "/api", "/conformance", "/collections", "/collections/sites"):
        assert client.get(BASE + path, params={"x": "1"}).status_code == 400


def test_one_feature_takes_only_a_crs(client: TestClient, ids: list[str]) -> None:
    for name in ("limit", "bbox", "x"):
        assert client.get(f"{ITEMS}/{ids[0]}", params={name: "1"}).status_code == 400
    assert get(client, f"{ITEMS}/{ids[0]}", crs="x").status_code == 400


def test_a_good_copy_is_not_sent_again(
    client: TestClient, session: Session, ids: list[str]
) -> None:
    for path in (ITEMS, f"{ITEMS}/{ids[0]}"):
        etag = get(client, path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")


def test_nothing_personal_is_shown(client: TestClient, session: Session) -> None:
    site = make_site(session, plant_town(session))
    site.contact_name, site.contact_phone, site.introduction = ("CANARY",) * 3
    session.flush()
    for path in (ITEMS, f"{ITEMS}/{site.id}"):
        assert "CANARY" not in get(client, path).text


def test_mercator_is_its_own_inverse() -> None:
    mercator = ogc.SYSTEMS[EPSG3857]
    assert mercator.put(180, 0) == pytest.approx((HALF, 0), abs=1e-6)
    for lon, lat in ((0, 0), (LON, LAT), (-179.9, -85), (179.9, 85)):
        assert mercator.read(*mercator.put(lon, lat)) == pytest.approx((lon, lat), abs=1e-9)
    assert abs(mercator.put(0, 90).lat) < HALF + 1 < 2 * pi * 6_378_138


def test_an_independent_client_opens_it(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        ids = fill(session)
    with serving(own_engine, NOW) as url:
        features = Features(f"{url}{BASE}/")
        assert features.links
        assert len(features.conformance()["conformsTo"]) == 4
        assert features.api()["openapi"] == "3.0.3"
        assert features.feature_collections() == ["sites"]
        assert features.collection("sites")["storageCrs"] == CRS84
        page = features.collection_items("sites", limit=3)
        assert [feature["id"] for feature in page["features"]] == ids[:3]
        assert (page["numberMatched"], page["numberReturned"]) == (7, 3)
        box = [LON - 0.001, LAT - 0.001, LON + 0.011, LAT + 0.001]
        boxed = features.collection_items("sites", bbox=box, datetime_="2026-01-01/..")
        assert [feature["id"] for feature in boxed["features"]] == ids[:2]
        alone = features.collection_item("sites", ids[0])
        assert alone["geometry"]["coordinates"] == [LON, LAT]
        with pytest.raises(RuntimeError):
            features.collection_items("sites", unknown="x")
