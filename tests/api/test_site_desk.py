"""Keeping sites over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import Session

from app.models import Crs, Role, Site, SiteStatus
from app.services import boundaries
from tests.api.replies import (
    NOBODY,
    Body,
    done_once,
    keyed,
    pointers,
    refused,
    sent_raw,
    told,
    walked,
)
from tests.makers import World, make_account, make_site, make_world, signed_in
from tests.services.grounds import SQUARE

PATH = "/api/v1/sites"


@dataclass(frozen=True)
class Desk:
    world: World
    site: Site
    chief: dict[str, str]
    manager: dict[str, str]
    clerk: dict[str, str]
    auditor: dict[str, str]
    organiser: dict[str, str]

    @property
    def path(self) -> str:
        return f"{PATH}/{self.site.id}"


@pytest.fixture
def desk(session: Session) -> Desk:
    world = make_world(session)
    boundaries.import_outline(
        session, district_id=world.district.id, geojson=SQUARE, crs=Crs.WGS84, source="test"
    )
    return Desk(
        world=world,
        site=world.site,
        chief=signed_in(session, world.district_staff),
        manager=signed_in(session, world.manager),
        clerk=signed_in(session, world.town_staff),
        auditor=signed_in(session, make_account(session, Role.AUDITOR, at=world.district)),
        organiser=signed_in(session, world.organiser),
    )


def matching(who: dict[str, str], version: int) -> dict[str, str]:
    return who | {"If-Match": f'"{version}"'}


def site_in(desk: Desk, **other: Any) -> Body:
    return {
        "code": "Z-9",
        "name": "新阵地（示例）",
        "short_name": "新阵地",
        "category": "rural",
        "kinds": ["education_base", "training_base"],
        "town_id": str(desk.world.town.id),
        "address": "示例路 9 号",
        "location": {"lon": 117.97, "lat": 36.64, "crs": "wgs84"},
    } | other


def test_a_site_is_drafted_once(client: TestClient, desk: Desk) -> None:
    body = done_once(client, PATH, desk.chief, site_in(desk), 201)
    assert (body["status"], body["version"], body["code"]) == ("draft", 1, "Z-9")
    assert (body["summary"], body["contact_phone"], body["lend"]) == ("", "", [])
    assert body["point"] == body["navigation_point"] == body["source"]["point"]
    assert body["flags"] == ["no_photo", "location_unverified", "phone_unconfirmed"]
    refused(client.post(PATH, json=site_in(desk), headers=desk.chief), 409, "site-code-taken")
    refused(client.get(f"{PATH}/{body['id']}"), 404, "site-not-found")
    shown = told(client.get(f"{PATH}/{body['id']}", headers=desk.chief))
    assert shown["desk"] == body


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"code": "x" * 33}, "/code"),
        ({"code": ""}, "/code"),
        ({"name": "两\n行"}, "/name"),
        ({"short_name": "长" * 21}, "/short_name"),
        ({"category": "space"}, "/category"),
        ({"kinds": []}, "/kinds"),
        ({"kinds": ["park"]}, "/kinds/0"),
        ({"town_id": "me"}, "/town_id"),
        ({"introduction": "x" * 5001}, "/introduction"),
        ({"introduction": "\0"}, "/introduction"),
        ({"contact_phone": "见公告"}, "/contact_phone"),
        ({"parking_cars": -1}, "/parking_cars"),
        ({"parking_cars": True}, "/parking_cars"),
        ({"parking_coaches": 10**30}, "/parking_coaches"),
        ({"step_free": "yes"}, "/step_free"),
        ({"lend": ["旗"] * 21}, "/lend"),
        ({"honours": ["x" * 41]}, "/honours/0"),
        ({"location": {"lon": 117.97, "lat": 36.64}}, "/location/crs"),
        ({"location": {"lon": "117", "lat": 36.64, "crs": "wgs84"}}, "/location/lon"),
        ({"location": {"lon": True, "lat": 36.64, "crs": "wgs84"}}, "/location/lon"),
        ({"location": {"lon": 181, "lat": 36.64, "crs": "wgs84"}}, "/location/lon"),
        ({"location": {"lon": 117.97, "lat": 36.64, "crs": "cgcs2000"}}, "/location/crs"),
    ],
)
def test_what_cannot_be_meant(client: TestClient, desk: Desk, other: Body, fault: str) -> None:
    reply = client.post(PATH, json=site_in(desk, **other), headers=desk.chief)
    assert pointers(reply) == {fault}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300])
def test_no_number_is_a_fault_of_ours(client: TestClient, desk: Desk, number: float) -> None:
    location = {"lon": number, "lat": 36.64, "crs": "wgs84"}
    reply = sent_raw(client, PATH, desk.chief, site_in(desk, location=location))
    assert pointers(reply) == {"/location/lon"}


def test_a_swapped_pair_is_told_as_such(client: TestClient, desk: Desk) -> None:
    swapped = {"lon": 36.64, "lat": 117.97, "crs": "wgs84"}
    reply = client.put(f"{desk.path}/location", json=swapped, headers=matching(desk.chief, 1))
    assert pointers(reply) == {""}
    assert "swapped" in reply.json()["errors"][0]["detail"]
    assert "颠倒" in reply.json()["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("manager", 404, "organisation-not-found"),
        ("clerk", 403, "not-in-scope"),
        ("auditor", 403, "not-in-scope"),
    ],
)
def test_who_drafts_no_sites(
    client: TestClient, desk: Desk, who: str, status: int, code: str
) -> None:
    refused(client.post(PATH, json=site_in(desk), headers=getattr(desk, who)), status, code)


def test_a_town_is_a_town(client: TestClient, desk: Desk) -> None:
    for town_id, status, code in (
        (str(desk.world.district.id), 409, "not-a-town"),
        (NOBODY, 404, "organisation-not-found"),
    ):
        reply = client.post(PATH, json=site_in(desk, town_id=town_id), headers=desk.chief)
        refused(reply, status, code)


def test_a_change_is_to_the_version_that_was_read(client: TestClient, desk: Desk) -> None:
    said: Body = {"summary": "新的一句", "lend": ["党旗"], "name": None, "parking_coaches": 2}
    reply = client.patch(desk.path, json=said, headers=matching(desk.manager, 1))
    body = told(reply)
    assert (body["summary"], body["lend"], body["version"]) == ("新的一句", ["党旗"], 2)
    assert (body["name"], body["parking_coaches"]) == (desk.site.name, 2)
    assert reply.headers["etag"] == '"2"'
    refused(client.patch(desk.path, json=said, headers=matching(desk.chief, 1)), 412, "stale")
    assert pointers(client.patch(desk.path, json=said, headers=desk.chief)) == {"/header/If-Match"}
    shown = told(client.get(desk.path))
    assert (shown["summary"], shown["version"]) == ("新的一句", 2)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"step_free": 1}, "/step_free"),
        ({"parking_cars": "3"}, "/parking_cars"),
        ({"summary": ""}, "/summary"),
        ({"kinds": []}, "/kinds"),
    ],
)
def test_no_change_can_be_meant_so(client: TestClient, desk: Desk, said: Body, fault: str) -> None:
    reply = client.patch(desk.path, json=said, headers=matching(desk.manager, 1))
    assert pointers(reply) == {fault}


def test_who_changes_what(client: TestClient, desk: Desk) -> None:
    honour = {"honours": ["市级示范点"]}
    refused(
        client.patch(desk.path, json=honour, headers=matching(desk.manager, 1)), 403, "not-in-scope"
    )
    assert told(client.patch(desk.path, json=honour, headers=matching(desk.chief, 1)))["honours"]
    for who, status, code in (
        (desk.clerk, 403, "not-in-scope"),
        (desk.auditor, 403, "not-in-scope"),
        (desk.organiser, 404, "site-not-found"),
    ):
        reply = client.patch(desk.path, json={"summary": "x"}, headers=matching(who, 2))
        refused(reply, status, code)
    assert client.patch(desk.path, json={}, headers={"If-Match": "2"}).status_code == 401


def test_a_site_is_put_where_it_is(client: TestClient, desk: Desk) -> None:
    said: Body = {
        "lon": 117.975,
        "lat": 36.641,
        "crs": "gcj02",
        "gate": {"lon": 117.976, "lat": 36.642},
        "source_note": "高德地图",
    }
    path = f"{desk.path}/location"
    reply = client.put(path, json=said, headers=matching(desk.manager, 1))
    body = told(reply)
    assert body["source"] == {
        "point": {"lon": 117.975, "lat": 36.641, "crs": "gcj02"},
        "gate": {"lon": 117.976, "lat": 36.642, "crs": "gcj02"},
        "note": "高德地图",
    }
    assert body["point"]["lon"] < 117.975
    assert (body["version"], reply.headers["etag"]) == (2, '"2"')
    refused(client.put(path, json=said, headers=matching(desk.chief, 1)), 412, "stale")
    shown = told(client.get(desk.path, params={"crs": "gcj02"}))
    assert shown["point"] == body["source"]["point"]
    assert shown["navigation_point"] == body["source"]["gate"]


def test_outside_needs_a_word(client: TestClient, desk: Desk) -> None:
    path, away = f"{desk.path}/location", {"lon": 120.0, "lat": 36.5, "crs": "wgs84"}
    reply = client.put(path, json=away, headers=matching(desk.chief, 1))
    body = refused(reply, 409, "outside-district")
    assert (body["lon"], body["lat"], body["fits"]) == (120.0, 36.5, [])
    meant = away | {"confirmed_outside": True}
    refused(client.put(path, json=meant, headers=matching(desk.manager, 1)), 403, "not-in-scope")
    assert told(client.put(path, json=meant, headers=matching(desk.chief, 1)))["outside_confirmed"]


@pytest.mark.parametrize(
    ("path", "fact"),
    [("/location/verify", "location_verified_at"), ("/phone/confirm", "phone_confirmed_at")],
)
def test_what_was_looked_at_is_kept(client: TestClient, desk: Desk, path: str, fact: str) -> None:
    body = done_once(client, desk.path + path, matching(desk.manager, 1), None)
    assert body[fact] == "2026-11-25T01:00:00Z"
    assert body["version"] == 2
    refused(client.post(desk.path + path, headers=matching(desk.chief, 1)), 412, "stale")


def test_a_sites_life(client: TestClient, session: Session, desk: Desk) -> None:
    why = {"reason": "展陈升级"}
    suspended = done_once(client, f"{desk.path}/suspend", matching(desk.chief, 1), why)
    assert (suspended["status"], suspended["status_reason"]) == ("suspended", "展陈升级")
    refused(client.get(desk.path), 404, "site-not-found")
    assert told(client.get(desk.path, headers=desk.auditor))["desk"]["status"] == "suspended"
    again = client.post(f"{desk.path}/suspend", json=why, headers=matching(desk.chief, 2))
    body = refused(again, 409, "site-state-conflict")
    assert (body["current_status"], body["allowed_moves"]) == ("suspended", ["publish", "close"])
    published = done_once(client, f"{desk.path}/publish", matching(desk.chief, 2), None)
    assert (published["status"], published["status_reason"]) == ("published", None)
    assert told(client.get(desk.path))["version"] == 3
    closed = done_once(client, f"{desk.path}/close", matching(desk.chief, 3), why)
    assert closed["status"] == "closed"
    reply = client.post(f"{desk.path}/publish", headers=matching(desk.chief, 4))
    refused(reply, 409, "site-closed")
    blank = client.post(f"{desk.path}/close", json={"reason": " "}, headers=matching(desk.chief, 4))
    assert pointers(blank) == {"/reason"}


def test_what_is_not_ready_is_not_published(
    client: TestClient, session: Session, desk: Desk
) -> None:
    draft = make_site(session, desk.world.town, status=SiteStatus.DRAFT)
    draft.summary = ""
    reply = client.post(f"{PATH}/{draft.id}/publish", headers=matching(desk.chief, 1))
    body = refused(reply, 409, "site-not-ready")
    assert body["missing"] == ["summary", "venue", "hours"]
    assert body["detail"] == "缺少：一句话简介、启用的场地、开放时间或未来场次"


def test_the_desk_lists_what_is_mine(client: TestClient, session: Session, desk: Desk) -> None:
    made = [str(make_site(session, desk.world.town, status=status).id) for status in SiteStatus]
    every = [*made[::-1], str(desk.site.id)]
    path = f"{PATH}/desk"
    assert walked(client, path, desk.chief, 2) == walked(client, path, desk.clerk, 200) == every
    assert walked(client, path, desk.manager, 200) == [str(desk.site.id)]
    assert walked(client, path, desk.organiser, 200) == []
    assert walked(client, path, desk.chief, 9, status="draft") == made[:1]
    assert walked(client, path, desk.chief, 9, flag="location_disputed") == []
    assert client.get(path).status_code == 401
    for odd in ({"status": "x"}, {"flag": "x"}, {"limit": 0}, {"cursor": "x"}):
        assert client.get(path, params=odd, headers=desk.chief).status_code == 422


def test_the_desk_is_absent_for_others(client: TestClient, desk: Desk) -> None:
    for who in ({}, desk.organiser):
        assert "desk" not in told(client.get(desk.path, headers=who))
    seen = told(client.get(desk.path, headers=desk.clerk))["desk"]
    assert seen["contact_name"] == desk.site.contact_name
    page = client.get(desk.path, headers=desk.manager)
    again = client.get(desk.path, headers=desk.manager | {"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304


def report(client: TestClient, desk: Desk, body: Body, key: str | None = None) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"{desk.path}/location/reports", json=body, headers=headers)


THERE: Body = {"suggested": {"lon": 117.95, "lat": 36.61, "crs": "wgs84"}, "note": "在村口"}


def test_a_visitor_reports_and_the_manager_answers(client: TestClient, desk: Desk) -> None:
    key = str(uuid4())
    first, again = (report(client, desk, THERE, key) for _ in range(2))
    receipt = told(first, 202)
    assert again.json() == receipt
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    refused(report(client, desk, {}, key), 422, "idempotency-key-reused")
    other = told(report(client, desk, {}), 202)
    path = f"{desk.path}/location/reports"
    ids = [other["id"], receipt["id"]]
    for who in (desk.manager, desk.chief, desk.clerk, desk.auditor):
        assert walked(client, path, who, 1) == ids
    refused(client.get(path, headers=desk.organiser), 404, "site-not-found")
    listed = told(client.get(path, params={"crs": "gcj02"}, headers=desk.manager))["items"][1]
    assert (listed["note"], listed["suggested"]["crs"]) == ("在村口", "gcj02")
    accepted = done_once(client, f"{path}/{receipt['id']}/accept", matching(desk.manager, 1), None)
    assert accepted["status"] == "accepted"
    assert told(client.get(desk.path))["point"] == THERE["suggested"]
    dismissed = done_once(client, f"{path}/{other['id']}/dismiss", desk.manager, None)
    assert (dismissed["status"], dismissed["suggested"]) == ("dismissed", None)
    twice = client.post(f"{path}/{other['id']}/dismiss", headers=desk.manager)
    refused(twice, 409, "location-report-answered")
    nowhere = client.post(f"{path}/{NOBODY}/dismiss", headers=desk.manager)
    refused(nowhere, 404, "location-report-not-found")
    assert walked(client, path, desk.manager, 9, status="open") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"suggested": {"lon": 117.9, "lat": 36.6}}, "/suggested/crs"),
        ({"suggested": {"lon": 36.6, "lat": 117.9, "crs": "wgs84"}}, "/suggested"),
        ({"note": "x" * 501}, "/note"),
        ({"note": "\0"}, "/note"),
    ],
)
def test_no_report_can_be_meant_so(client: TestClient, desk: Desk, body: Body, fault: str) -> None:
    assert pointers(report(client, desk, body)) == {fault}


def test_nothing_is_reported_of_what_is_not_there(
    client: TestClient, session: Session, desk: Desk
) -> None:
    draft = make_site(session, desk.world.town, status=SiteStatus.DRAFT)
    for site_id in (draft.id, NOBODY):
        reply = client.post(f"{PATH}/{site_id}/location/reports", json={})
        refused(reply, 404, "site-not-found")


def upload(client: TestClient, who: dict[str, str], content: bytes, query: str = "") -> Response:
    file = {"file": ("任意.bin", content, "application/octet-stream")}
    return client.post(f"{PATH}/import{query}", files=file, headers=who)


def test_a_table_is_imported(client: TestClient, desk: Desk) -> None:
    head = "code,name,town_code,category,kinds,address,lon,lat,crs"
    data = f"{head}\nZ-1,新,{desk.world.town.code},农村党建,教育基地,路,117.97,36.64,wgs84"
    wanted = {"rows": 1, "created": 1, "changed": 0, "unchanged": 0}
    dry = upload(client, desk.chief, data.encode(), "?dry_run=true")
    assert told(dry) == wanted | {"dry_run": True}
    key = keyed(desk.chief)
    assert told(upload(client, key, data.encode())) == wanted | {"dry_run": False}
    body = refused(
        upload(client, desk.chief, data.replace("117.97", "121").encode()), 422, "import-refused"
    )
    assert body["faults"] == 1
    assert (body["errors"][0]["row"], body["errors"][0]["code"]) == (2, "outside-district")
    refused(upload(client, desk.manager, data.encode()), 403, "not-in-scope")
    refused(upload(client, desk.chief, b"\xff\xfe"), 422, "sheet-unreadable")
