"""Map layers over HTTP."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Crs, SiteStatus
from app.services import boundaries
from app.services.coordinates import from_wgs84
from tests.makers import make_session, make_world
from tests.services.grounds import ZICHUAN, open_hall, open_site, plant_town

SITES = "/api/v1/map/sites.geojson"


def test_sites_are_geojson_under_an_etag(client: TestClient, session: Session) -> None:
    site = open_site(session)
    reply = client.get(SITES, params={"bbox": "117.9,36.6,118.0,36.7"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/geo+json"
    assert "max-age" in reply.headers["cache-control"]
    assert [feature["id"] for feature in reply.json()["features"]] == [str(site.id)]


def test_a_good_copy_is_not_sent_again(client: TestClient, session: Session) -> None:
    hall = open_hall(session)
    etag = client.get(SITES).headers["etag"]
    assert not etag.startswith("W/")
    for known in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        again = client.get(SITES, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == etag
    assert client.get(SITES, headers={"If-None-Match": '"other"'}).status_code == 200
    make_session(session, hall)
    changed = client.get(SITES, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


@pytest.mark.parametrize("crs", Crs)
def test_every_answer_says_its_crs(client: TestClient, session: Session, crs: Crs) -> None:
    site = open_site(session)
    plain = from_wgs84(*ZICHUAN, crs)
    features = client.get(SITES, params={"crs": crs}).json()
    assert features["crs_label"] == crs
    mine = next(f for f in features["features"] if f["id"] == str(site.id))
    assert mine["geometry"]["coordinates"] == pytest.approx(list(plain), abs=1e-6)
    towns = client.get("/api/v1/map/towns", params={"crs": crs}).json()["items"]
    town = next(town for town in towns if town["id"] == str(site.town_id))
    assert town["point"] == {"lon": round(plain.lon, 6), "lat": round(plain.lat, 6), "crs": crs}
    assert town["sites"] == 1


BAD_BOXES = [
    "",
    "1,2,3",
    "1,2,3,4,5",
    "a,b,c,d",
    "nan,nan,nan,nan",
    "-inf,-inf,inf,inf",
    "1e2,1,2e2,2",
    "1e999,0,1,1",
    "118,36,117,37",
    "117,37,118,36",
    "117,36,181,37",
    "36,117,37,118",
    "117.9.9,36,118,37",
    "\u0661,2,3,4",
    "1_0,2,30,4",
    "\x00,1,2,3",
    "9" * 400 + ",1,2,3",
]


def test_a_bad_window_is_pointed_at(client: TestClient) -> None:
    for bbox in BAD_BOXES:
        reply = client.get(SITES, params={"bbox": bbox})
        assert (reply.status_code, reply.json()["code"]) == (422, "malformed-request"), bbox
        assert reply.headers["content-type"] == "application/problem+json"
        assert [error["pointer"] for error in reply.json()["errors"]] == ["/query/bbox"]


def test_a_good_window_is_taken(client: TestClient) -> None:
    for bbox in [
        "117.9,36.6,118.0,36.7",
        "-180,-90,180,90",
        " 1, 2, 3, 4 ",
        "0,0,0,0",
        "+1,-2,3.,4.5",
    ]:
        assert client.get(SITES, params={"bbox": bbox}).status_code == 200, bbox


def test_other_odd_questions_are_refused(client: TestClient) -> None:
    odd: list[dict[str, str]] = [
        {"crs": "epsg3857"},
        {"category": "x"},
        {"limit": "0"},
        {"limit": "9" * 30},
    ]
    for query in odd:
        assert client.get(SITES, params=query).status_code == 422, query


def test_the_outline_is_a_collection(client: TestClient, session: Session) -> None:
    district_id = plant_town(session, outlined=True).district_id
    reply = client.get("/api/v1/map/boundary.geojson")
    assert reply.headers["content-type"] == "application/geo+json"
    body: dict[str, Any] = reply.json()
    assert (body["type"], body["crs_label"]) == ("FeatureCollection", "wgs84")
    [mine] = [f for f in body["features"] if f["id"] == str(district_id)]
    assert mine["geometry"]["type"] == "MultiPolygon"
    again = client.get(
        "/api/v1/map/boundary.geojson", headers={"If-None-Match": reply.headers["etag"]}
    )
    assert again.status_code == 304
    assert boundaries.contains(session, district_id=district_id, lon=118, lat=36.6)


@pytest.mark.parametrize("layer", ["clusters.geojson?zoom=9", "towns", "tiles/0/0/0.mvt"])
def test_every_layer_is_public_and_has_a_tag(
    client: TestClient, session: Session, layer: str
) -> None:
    site = open_site(session)
    reply = client.get(f"/api/v1/map/{layer}")
    assert reply.status_code == 200
    assert "public, max-age=" in reply.headers["cache-control"]
    known = {"If-None-Match": reply.headers["etag"]}
    again = client.get(f"/api/v1/map/{layer}", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    site.status = SiteStatus.SUSPENDED
    session.flush()
    assert client.get(f"/api/v1/map/{layer}", headers=known).status_code == 200


def test_no_layer_shows_anything_personal(client: TestClient, session: Session) -> None:
    site = open_site(session)
    site.contact_name = site.contact_phone = site.introduction = "CANARY"
    session.flush()
    for layer in ("sites.geojson", "clusters.geojson?zoom=22", "towns", "tiles/0/0/0.mvt"):
        assert b"CANARY" not in client.get(f"/api/v1/map/{layer}").content


def test_a_tile_is_a_vector_tile(client: TestClient, session: Session) -> None:
    site = open_site(session)
    reply = client.get("/api/v1/map/tiles/0/0/0.mvt")
    assert reply.headers["content-type"] == "application/vnd.mapbox-vector-tile"
    assert str(site.id).encode() in reply.content
    empty = client.get("/api/v1/map/tiles/22/0/0.mvt")
    assert (empty.status_code, empty.content) == (200, b"")


def test_odd_tiles_and_clusters_are_refused(client: TestClient) -> None:
    for where, status in (
        ("tiles/1/2/0", 404), ("tiles/1/0/2", 404), ("tiles/0/0/1", 404), ("tiles/23/0/0", 422),
        ("tiles/-1/0/0", 422), ("tiles/0/-1/0", 422), ("tiles/x/0/0", 422),
        (f"tiles/5/{'9' * 40}/0", 422), ("tiles/5/1.5/0", 422),
    ):  # fmt: skip
        assert client.get(f"/api/v1/map/{where}.mvt").status_code == status, where
    for query in ("", "?zoom=23", "?zoom=-1", "?zoom=x", "?zoom=5&bbox=1", "?zoom=5&category=x"):
        assert client.get(f"/api/v1/map/clusters.geojson{query}").status_code == 422, query


def test_the_config_names_the_district(client: TestClient, session: Session) -> None:
    assert client.get("/api/v1/config").json()["district"] is None
    world = make_world(session)
    body = client.get("/api/v1/config").json()
    assert body["district"] == {"id": str(world.district.id), "name": "示例区委"}
    assert body.keys() == {
        "district", "tile_url", "tile_attribution", "map_approval_number", "environment",
        "wechat_templates",
    }  # fmt: skip


def test_the_contract_says_geojson(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for layer, model in (("sites", "SiteCollection"), ("boundary", "OutlineCollection")):
        reply = paths[f"/api/v1/map/{layer}.geojson"]["get"]["responses"]["200"]
        schema = {"$ref": f"#/components/schemas/{model}"}
        assert reply["content"] == {"application/geo+json": {"schema": schema}}
