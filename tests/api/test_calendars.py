"""Calendars over HTTP."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session
from starlette.requests import Request

from app import logs
from app.api.config import get_settings
from app.api.limits import is_feed
from app.main import create_app
from app.models import Account, Role
from app.services import calendars, erasure
from app.services.codes import code_of
from app.settings import Env, Settings
from tests.api.replies import NOBODY, refused, told
from tests.api.test_bookings import PATH, wish
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_booking,
    make_session,
    make_world,
    move,
    signed_in,
)
from tests.services.test_ics import by_ical, by_icalendar

MINE = "/api/v1/me/calendar"
HOST = "http://testserver"


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def organiser(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.organiser)


def address(client: TestClient, who: dict[str, str]) -> str:
    made = told(client.post(MINE, headers=who), 201)
    assert made["made_at"] == "2026-11-25T01:00:00Z"
    return str(made["address"]).removeprefix(HOST)


def read(client: TestClient, path: str, who: dict[str, str] | None = None) -> dict[str, object]:
    """The one entry of a calendar, as two libraries read it."""
    reply = client.get(path, headers=who)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/calendar; charset=utf-8"
    (entry,) = by_ical(reply.content)
    assert by_icalendar(reply.content) == [entry]
    return entry


def test_an_address_is_made_shown_made_anew_and_ended(
    client: TestClient, world: World, organiser: dict[str, str]
) -> None:
    none = {"address": None, "made_at": None}
    assert told(client.get(MINE, headers=organiser)) == none
    first = address(client, organiser)
    assert first.startswith("/api/v1/calendars/")
    assert told(client.get(MINE, headers=organiser))["address"] == HOST + first
    assert client.get(first).status_code == 200
    second = address(client, organiser)
    assert second != first
    refused(client.get(first), 404, "calendar-not-found")
    assert client.get(second).status_code == 200
    for _ in range(2):
        assert client.delete(MINE, headers=organiser).status_code == 204
    refused(client.get(second), 404, "calendar-not-found")
    assert told(client.get(MINE, headers=organiser)) == none


def test_the_settings_say_where_the_address_is(
    client: TestClient, organiser: dict[str, str], app: FastAPI
) -> None:
    public = Settings(env=Env.TEST, public_url="https://map.example.cn")
    app.dependency_overrides[get_settings] = lambda: public
    made = told(client.post(MINE, headers=organiser | {"Host": "elsewhere.example"}), 201)
    assert made["address"].startswith("https://map.example.cn/api/v1/calendars/")


def test_a_feed_follows_a_booking_to_its_end(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    path = address(client, organiser)
    booking = told(client.post(PATH, json=wish(world), headers=organiser), 201)
    seen = [read(client, path)]
    assert seen[0]["url"] == f"{HOST}/#/bookings/{booking['id']}"
    later = make_session(session, world.venue, starts_at=world.slot.ends_at)
    change = {"session_ids": [str(later.id)]}
    version = {"If-Match": str(booking["version"])}
    told(client.patch(f"{PATH}/{booking['id']}", json=change, headers=organiser | version))
    seen.append(read(client, path))
    reason = {"reason": "有变化"}
    told(client.post(f"{PATH}/{booking['id']}/cancel", json=reason, headers=organiser))
    seen.append(read(client, path))
    assert {entry["uid"] for entry in seen} == {booking["id"]}
    assert [entry["sequence"] for entry in seen] == [1, 2, 3]
    assert [entry["status"] for entry in seen] == ["TENTATIVE", "TENTATIVE", "CANCELLED"]
    starts = [world.slot.starts_at, later.starts_at, later.starts_at]
    assert [entry["start"] for entry in seen] == starts


def test_a_copy_at_hand_is_not_sent_again(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    path = address(client, organiser)
    reply = client.get(path)
    assert reply.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": reply.headers["etag"]}
    again = client.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "private, no-cache"
    move(session, world.manager, booking, "approve")
    changed = client.get(path, headers=known)
    assert (changed.status_code, changed.headers["etag"]) != (304, reply.headers["etag"])


def test_a_copy_of_the_old_looks_is_sent_again(
    client: TestClient, organiser: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = address(client, organiser)
    known = {"If-None-Match": client.get(path).headers["etag"]}
    monkeypatch.setattr(calendars, "DESIGN", calendars.DESIGN + 1)
    assert client.get(path, headers=known).status_code == 200


def test_one_booking_is_a_file_of_its_code(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    path = f"{PATH}/{booking.id}/calendar.ics"
    reply = client.get(path, headers=organiser)
    name = f"{code_of(booking.number or 0)}.ics"
    assert reply.headers["content-disposition"] == f'attachment; filename="{name}"'
    entry = read(client, path, organiser)
    assert (entry["uid"], entry["status"]) == (str(booking.id), "TENTATIVE")
    assert world.site.contact_phone in str(entry["description"])
    known = organiser | {"If-None-Match": reply.headers["etag"]}
    assert client.get(path, headers=known).status_code == 304


def test_a_file_is_for_those_who_see_the_booking(
    client: TestClient, session: Session, world: World
) -> None:
    path = f"{PATH}/{make_booking(session, world).id}/calendar.ics"
    refused(client.get(path), 401, "unauthenticated")
    other = signed_in(session, make_world(session).organiser)
    refused(client.get(path, headers=other), 404, "booking-not-found")
    refused(client.get(f"{PATH}/{NOBODY}/calendar.ics", headers=other), 404, "booking-not-found")
    assert client.get(f"{PATH}/x/calendar.ics", headers=other).status_code == 422


@pytest.mark.parametrize("token", ["x", "%00", "%F0%9F%98%80", "a" * 2000, ".", "%ED%A0%80"])
def test_an_address_of_nobody_s_is_not_there(client: TestClient, token: str) -> None:
    refused(client.get(f"/api/v1/calendars/{token}.ics"), 404, "calendar-not-found")


def test_a_deactivated_person_s_calendar_is_not_there(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    path = address(client, organiser)
    session.get_one(Account, world.organiser.id).active = False
    refused(client.get(path), 404, "calendar-not-found")


def test_an_erased_person_s_calendar_is_not_there(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    path = address(client, organiser)
    admin = actor(session, make_account(session, Role.SYSTEM_ADMIN))
    erasure.erase(session, actor=admin, user_id=world.organiser.id, now=NOW)
    refused(client.get(path), 404, "calendar-not-found")


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/api/v1/calendars/x.ics", True),
        ("GET", "/api/v1/calendars/x", True),
        ("GET", "/api/v1/calendar", False),
        ("GET", "/api/v1/me/calendar", False),
        ("POST", "/api/v1/calendars/x.ics", False),
    ],
)
def test_what_is_counted_as_reading_a_calendar(method: str, path: str, counted: bool) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    assert is_feed(Request(scope)) == counted


def test_guessing_addresses_is_limited_apart_from_signing_in(shared_engine: Engine) -> None:
    app = create_app(shared_engine, Settings(env=Env.TEST, rate_sign_in="2/minute"))
    client = TestClient(app)
    tried = [client.get(f"/api/v1/calendars/{n}.ics").status_code for n in range(3)]
    assert tried == [404, 404, 429]
    assert client.post("/api/v1/auth/token", content=b"").status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/calendars/canary.ics", "/api/v1/calendars/canary/x"])
def test_an_address_is_never_written_into_the_log(path: str) -> None:
    event = logs.mask(None, "error", {"event": "unhandled", "path": path})
    assert "canary" not in event["path"]
    assert event["path"].startswith("/api/v1/calendars/***")
