"""Sites, their sessions and the way there, over HTTP."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Account, Crs, Role, Site, SiteStatus
from app.services import tokens
from app.services.coordinates import from_wgs84
from tests.conftest import NOW
from tests.makers import (
    World,
    make_account,
    make_booking,
    make_organisation,
    make_session,
    make_site,
    make_world,
)
from tests.services.grounds import ZICHUAN

PATH = "/api/v1/sites"
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def signed_in(session: Session, account: Account) -> dict[str, str]:
    pair = tokens.issue(session, account_id=account.id, now=NOW)
    return {"Authorization": f"Bearer {pair.access_token}"}


def test_a_site_in_full(client: TestClient, world: World) -> None:
    reply = client.get(f"{PATH}/{world.site.id}")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    body: dict[str, Any] = reply.json()
    assert body.keys() == {
        "id", "name", "short_name", "category", "kinds", "town", "address", "summary",
        "next_free_at", "rating", "photo_url", "point", "navigation_point",
        "location_verified_at", "introduction", "facilities", "honours", "photos", "venues",
        "programmes", "policy", "version",
    }  # fmt: skip
    assert body["point"] == {"lon": 117.97, "lat": 36.64, "crs": "wgs84"}
    assert body["facilities"].keys() == {"parking_cars", "parking_coaches", "step_free", "lend"}
    assert [venue["id"] for venue in body["venues"]] == [str(world.venue.id)]
    assert [item["id"] for item in body["programmes"]] == [str(world.programme.id)]
    assert body["policy"]["lead_working_days"] == 3
    assert body["policy"]["approval_mode"] == "manual"
    assert body["next_free_at"] == "2026-12-02T01:00:00Z"


def test_the_phone_is_for_those_who_sign_in(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.organiser)
    reply = client.get(f"{PATH}/{world.site.id}", headers=headers)
    assert reply.json()["phone"] == world.site.contact_phone
    assert reply.headers["cache-control"].startswith("private")
    stranger = client.get(f"{PATH}/{world.site.id}")
    assert "phone" not in stranger.json()
    assert world.site.contact_phone not in stranger.text
    assert stranger.headers["etag"] != reply.headers["etag"]
    assert "Authorization" in stranger.headers["vary"]


def test_a_bad_token_is_refused(client: TestClient, world: World) -> None:
    reply = client.get(f"{PATH}/{world.site.id}", headers={"Authorization": "Bearer x"})
    assert reply.status_code == 401


def test_a_page_is_not_sent_twice(client: TestClient, session: Session, world: World) -> None:
    url = f"{PATH}/{world.site.id}"
    etag = client.get(url).headers["etag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    world.site.summary = "另一句"
    session.flush()
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("path", ["", "/sessions", "/navigation"])
def test_what_is_not_published_is_not_there(
    client: TestClient, session: Session, world: World, path: str
) -> None:
    hidden = make_site(session, world.town, status=SiteStatus.DRAFT)
    for site_id in (hidden.id, uuid4()):
        reply = client.get(f"{PATH}/{site_id}{path}")
        assert (reply.status_code, reply.json()["code"]) == (404, "site-not-found")
    assert client.get(f"{PATH}/x{path}").status_code == (422 if path == "/sessions" else 404)
    assert client.get(f"{PATH}/{world.site.id}{path}").status_code == 200


@pytest.mark.parametrize("crs", Crs)
def test_points_are_in_the_crs_asked_for(client: TestClient, world: World, crs: Crs) -> None:
    lon, lat = from_wgs84(*ZICHUAN, crs)
    wanted = {"lon": round(lon, 6), "lat": round(lat, 6), "crs": crs}
    body = client.get(f"{PATH}/{world.site.id}", params={"crs": crs}).json()
    assert body["point"] == body["navigation_point"] == wanted
    [listed] = client.get(PATH, params={"crs": crs}).json()["items"]
    assert listed["point"] == wanted


def test_the_list_is_read_page_by_page(client: TestClient, session: Session, world: World) -> None:
    made = [world.site, *(make_site(session, world.town) for _ in range(4))]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "town_id": str(world.town.id)}
    while True:
        page = client.get(PATH, params=query).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [str(site.id) for site in made]


def test_odd_lists_are_refused(client: TestClient) -> None:
    odd: list[dict[str, str]] = [
        {"cursor": "!"},
        {"cursor": "WyJ4Il0"},
        {"town_id": "x"},
        {"category": "x"},
        {"limit": "201"},
        {"crs": "x"},
    ]
    for query in odd:
        assert client.get(PATH, params=query).status_code == 422, query


def test_the_way_there(client: TestClient, session: Session, world: World) -> None:
    body = client.get(f"{PATH}/{world.site.id}/navigation", params={"mode": "walk"}).json()
    assert body.keys() == {"to", "links", "wechat"}
    assert body["links"].keys() == {"amap", "baidu", "tencent", "apple", "geo"}
    assert body["wechat"].keys() == {"latitude", "longitude", "name", "address", "scale"}
    for crs in Crs:
        lon, lat = from_wgs84(*ZICHUAN, crs)
        assert body["to"][crs] == {"lon": round(lon, 6), "lat": round(lat, 6), "crs": crs}
    gcj02 = body["to"]["gcj02"]
    assert (body["wechat"]["longitude"], body["wechat"]["latitude"]) == (gcj02["lon"], gcj02["lat"])
    assert "mode=walk" in body["links"]["amap"]
    started = client.get(f"{PATH}/{world.site.id}/navigation", params={"from": "118,36.6"})
    assert "from=118." in started.json()["links"]["amap"]


def test_a_bad_start_is_pointed_at(client: TestClient, world: World) -> None:
    for start in ["", "118", "118,36,1", "nan,36", "36.6,118", "1e5,1", "inf,0"]:
        reply = client.get(f"{PATH}/{world.site.id}/navigation", params={"from": start})
        assert reply.status_code == 422, start
        assert [error["pointer"] for error in reply.json()["errors"]] == ["/query/from"]


def sessions_of(client: TestClient, site: Site, **query: Any) -> dict[str, Any]:
    headers = query.pop("headers", {})
    params = {"from": "2026-11-25", "to": "2026-12-31"} | query
    reply = client.get(f"{PATH}/{site.id}/sessions", params=params, headers=headers)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def reasons(client: TestClient, site: Site, **query: Any) -> list[str | None]:
    return [slot.get("reason") for slot in sessions_of(client, site, **query)["items"]]


def test_sessions_say_what_is_free(client: TestClient, session: Session, world: World) -> None:
    [free] = sessions_of(client, world.site)["items"]
    assert free.keys() == {
        "id", "venue_id", "venue_name", "starts_at", "ends_at", "people_limit", "groups_limit",
        "people_free", "groups_free", "bookable",
    }  # fmt: skip
    assert (free["bookable"], free["people_free"], free["groups_free"]) == (True, 60, 1)
    make_booking(session, world, people=20)
    [full] = sessions_of(client, world.site)["items"]
    assert (full["bookable"], full["reason"]) == (False, "full")
    assert (full["people_free"], full["groups_free"]) == (0, 0)


def test_how_many_a_group_is_is_told_to_who_oversees_the_site(
    client: TestClient, session: Session, world: World
) -> None:
    make_booking(session, world, people=20)
    foreign = make_world(session)
    for who, free in (
        (world.manager, 40),
        (world.town_staff, 40),
        (world.district_staff, 40),
        (world.organiser, 0),
        (foreign.manager, 0),
        (foreign.district_staff, 0),
    ):
        found = sessions_of(client, world.site, headers=signed_in(session, who))
        assert [slot["people_free"] for slot in found["items"]] == [free]


def test_lead_and_horizon_are_the_policys(
    client: TestClient, session: Session, world: World
) -> None:
    """Today is a Wednesday: three working days on is Monday the 30th, five Wednesday the 2nd."""
    starts = [NOW + n * DAY for n in (-0.25, 0.5, 4, 5, 6, 60, 61)]
    for start in starts:
        make_session(session, world.venue, starts_at=start)
    found = reasons(client, world.site, to="2027-01-25")
    too_soon = ["past", "too_soon", "too_soon"]
    assert found == [*too_soon, None, None, None, None, "beyond_horizon"]
    crowd = reasons(client, world.site, people=51, to="2026-12-02")
    assert crowd == [*too_soon, "too_soon", "too_soon", None]


def test_a_branch_from_outside_needs_the_longer_lead(
    client: TestClient, session: Session, world: World
) -> None:
    make_session(session, world.venue, starts_at=NOW + 5 * DAY)
    guests = make_organisation(session, parent=world.district, outside=True)
    guest = make_account(session, Role.ORGANISER, at=guests)
    for account, reason in ((guest, "too_soon"), (world.organiser, None)):
        headers = signed_in(session, account)
        assert reasons(client, world.site, to="2026-12-01", headers=headers) == [reason]


def test_the_calendar_is_provisional_without_a_list(client: TestClient, world: World) -> None:
    assert sessions_of(client, world.site)["calendar"] == "provisional"


def test_without_dates_two_weeks_are_answered(
    client: TestClient, session: Session, world: World
) -> None:
    make_session(session, world.venue, starts_at=NOW + 13 * DAY)
    make_session(session, world.venue, starts_at=NOW + 14 * DAY)
    reply = client.get(f"{PATH}/{world.site.id}/sessions")
    assert len(reply.json()["items"]) == 2


def test_odd_periods_are_refused(client: TestClient, world: World) -> None:
    odd: list[dict[str, str]] = [
        {"from": "2026-12-02", "to": "2026-12-01"},
        {"from": "2026-01-01", "to": "2026-12-31"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"from": "x"},
        {"people": "0"},
        {"people": "9" * 30},
    ]
    for query in odd:
        reply = client.get(f"{PATH}/{world.site.id}/sessions", params=query)
        assert reply.status_code == 422, query
