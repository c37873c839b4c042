"""The way there over HTTP."""

from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Crs
from app.services.coordinates import Place, from_wgs84
from tests.api.replies import pointers, refused, told
from tests.makers import make_world, point

START = Place(118.0, 36.6)


def asked(client: TestClient, session: Session, **query: str) -> dict[str, dict[str, object]]:
    site = make_world(session).site
    site.navigation_point = point(118.1, 36.5)  # the gate, and not where the pin is
    return told(client.get(f"/api/v1/sites/{site.id}/navigation", params=query))


def test_the_way_leads_to_the_gate(client: TestClient, session: Session) -> None:
    found = asked(client, session)
    assert found["to"]["wgs84"] == {"lon": 118.1, "lat": 36.5, "crs": "wgs84"}
    gcj02 = from_wgs84(118.1, 36.5, Crs.GCJ02)
    bd09 = from_wgs84(118.1, 36.5, Crs.BD09)
    assert found["to"]["gcj02"] == {
        "lon": round(gcj02.lon, 6),
        "lat": round(gcj02.lat, 6),
        "crs": "gcj02",
    }
    assert found["to"]["bd09"] == {
        "lon": round(bd09.lon, 6),
        "lat": round(bd09.lat, 6),
        "crs": "bd09",
    }
    wechat = found["wechat"]
    assert (wechat["longitude"], wechat["latitude"]) == (
        found["to"]["gcj02"]["lon"],
        found["to"]["gcj02"]["lat"],
    )
    assert all(isinstance(wechat[name], float) for name in ("longitude", "latitude"))
    assert wechat["name"] == found["to"]["name"]


@pytest.mark.parametrize("crs", Crs)
def test_one_start_told_in_three_systems_is_one_start(
    client: TestClient, session: Session, crs: Crs
) -> None:
    lon, lat = from_wgs84(*START, crs)
    found = asked(client, session, **{"from": f"{lon:.9f},{lat:.9f}", "from_crs": crs})
    (start,) = parse_qs(urlsplit(str(found["links"]["amap"])).query)["from"]
    gcj02 = from_wgs84(*START, Crs.GCJ02)
    assert [float(part) for part in start.split(",")] == pytest.approx(gcj02, abs=2e-6)


def test_a_start_of_another_system_is_another_place(client: TestClient, session: Session) -> None:
    same = {"from": "118.0,36.6"}
    one = asked(client, session, **same)["links"]["amap"]
    assert one != asked(client, session, **same, from_crs="gcj02")["links"]["amap"]


@pytest.mark.parametrize("start", ["", "118", "36.6,118.0", "nan,1", "118,36,1", "118;36", "1e3,2"])
def test_a_start_that_is_none_is_pointed_at(
    client: TestClient, session: Session, start: str
) -> None:
    path = f"/api/v1/sites/{make_world(session).site.id}/navigation"
    assert pointers(client.get(path, params={"from": start})) == {"/query/from"}
    assert pointers(client.get(path, params={"from_crs": "epsg"})) == {"/query/from_crs"}
    assert pointers(client.get(path, params={"mode": "fly"})) == {"/query/mode"}


def test_there_is_no_way_to_a_draft(client: TestClient, session: Session) -> None:
    site = make_world(session).site
    site.status = "draft"
    refused(client.get(f"/api/v1/sites/{site.id}/navigation"), 404, "site-not-found")
