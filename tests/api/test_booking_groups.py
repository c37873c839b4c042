"""Routes and series over HTTP."""

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, SQLModel
from uuid_utils.compat import uuid7

from app.models import Holiday, Role, VenueSession
from tests.api.replies import NOBODY, Body, done_once, keyed, pointers, refused, told
from tests.conftest import as_owner
from tests.makers import (
    HOUR,
    World,
    make_account,
    make_booking,
    make_session,
    make_site,
    make_venue,
    make_world,
    signed_in,
)

PATH = "/api/v1/booking-groups"
BOOKINGS = "/api/v1/bookings"
KM_30 = (118.3, 36.64)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def organiser(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.organiser)


def second_stop(
    session: Session, world: World, at: tuple[float, float] = (117.97, 36.64)
) -> VenueSession:
    hall = make_venue(session, make_site(session, world.town, at=at))
    return make_session(session, hall, starts_at=world.slot.ends_at + HOUR / 2)


def january(session: Session, world: World) -> VenueSession:
    return make_session(session, world.venue, starts_at=datetime(2027, 1, 6, 1, tzinfo=UTC))


def terms(world: World, **other: Any) -> Body:
    return {
        "organisation_id": str(world.branch.id),
        "people_expected": 20,
        "purpose": "theme_party_day",
        "contact_name": "王组织",
        "contact_phone": "138 0000 0000",
    } | other


def route(world: World, *slots: VenueSession, **other: Any) -> Body:
    stops = [{"session_ids": [str(slot.id)]} for slot in slots]
    return {"kind": "route", **terms(world), "stops": stops} | other


def series(world: World, **other: Any) -> Body:
    first = {"session_ids": [str(world.slot.id)], "programme_ids": [str(world.programme.id)]}
    return {"kind": "series", **terms(world), **first, "repeat": "weekday", "months": 2} | other


def timeless(report: Body) -> Body:
    """A report without what is another each time: ids and codes."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items() if name not in {"id", "code"}}
        return [plain(one) for one in value] if isinstance(value, list) else value

    items = [
        item | {"booking": item["booking"] and plain(item["booking"] | {"group_id": None})}
        for item in report["items"]
    ]
    return report | {"id": None, "items": items}


def rows(engine: Engine) -> dict[str, int]:
    """How many rows every table has."""
    with Session(engine) as session:
        as_owner(session)
        count = session.connection().execute
        return {
            name: count(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
            for name in SQLModel.metadata.tables
        }


def test_a_route_is_answered_stop_by_stop(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    body = route(world, world.slot, second_stop(session, world))
    body["stops"][0] |= {"people_expected": 9, "programme_ids": [str(world.programme.id)]}
    report = told(client.post(PATH, json=body, headers=organiser), 201)
    assert report["kind"] == "route"
    assert [(item["date"], item["status"]) for item in report["items"]] == [
        ("2026-12-02", "booked"),
        ("2026-12-02", "booked"),
    ]
    made = [item["booking"] for item in report["items"]]
    assert [booking["people_expected"] for booking in made] == [9, 20]
    assert [len(booking["programmes"]) for booking in made] == [1, 0]
    assert {booking["group_id"] for booking in made} == {report["id"]}
    group = told(client.get(f"{PATH}/{report['id']}", headers=organiser))
    assert group["bookings"] == made
    assert group["organisation"]["id"] == str(world.branch.id)
    listed = told(client.get(BOOKINGS, params={"group_id": report["id"]}, headers=organiser))
    assert {booking["id"] for booking in listed["items"]} == {booking["id"] for booking in made}
    other = told(client.get(BOOKINGS, params={"group_id": NOBODY}, headers=organiser))
    assert other["items"] == []


def test_a_series_says_what_is_left_out_and_why(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    session.add(Holiday(day=datetime(2027, 1, 6, tzinfo=UTC).date(), name="示例", is_off=True))
    make_session(session, world.venue, starts_at=datetime(2027, 1, 7, 1, tzinfo=UTC))
    body = series(world, months=3, on_conflict="skip")
    report = told(client.post(PATH, json=body, headers=organiser), 201)
    first, moved, far = report["items"]
    assert (first["date"], first["status"], first["moved_from"]) == ("2026-12-02", "booked", None)
    assert (moved["date"], moved["moved_from"]) == ("2027-01-07", "2027-01-06")
    assert moved["booking"]["starts_at"] == "2027-01-07T01:00:00Z"
    assert (far["date"], far["status"], far["booking"]) == ("2027-02-03", "skipped", None)
    assert far["problem"]["code"] == far["problem"]["rule"] == "beyond-horizon"
    assert far["problem"]["title"] == "超出可预约范围"


def test_a_conflict_refuses_the_whole_and_tells_of_every_item(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    last = second_stop(session, world)
    make_booking(session, world)
    body = route(world, world.slot, last)
    english = organiser | {"Accept-Language": "en"}
    problem = refused(client.post(PATH, json=body, headers=english), 409, "group-refused")
    assert (problem["rule"], problem["position"], problem["day"]) == (
        "session-full",
        1,
        "2026-12-02",
    )
    full, free = problem["items"]
    assert full["status"] == "skipped"
    assert full["problem"]["detail"] == full["problem"]["title"]
    assert full["problem"]["groups_free"] == 0
    assert "alternatives" in full["problem"]
    assert (free["status"], free["booking"], free["problem"]) == ("free", None, None)
    body |= {"on_conflict": "skip"}
    report = told(client.post(PATH, json=body, headers=organiser), 201)
    assert [item["status"] for item in report["items"]] == ["skipped", "booked"]
    again = refused(client.post(PATH, json=body, headers=organiser), 409, "group-refused")
    assert (again["refused"], again["wanted"]) == (2, 2)


def test_too_little_time_to_travel_is_told_in_minutes(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    body = route(world, world.slot, second_stop(session, world, KM_30))
    problem = refused(client.post(PATH, json=body, headers=organiser), 409, "group-refused")
    leg = problem["items"][1]["problem"]
    assert (leg["code"], leg["available_minutes"], leg["needed_minutes"]) == (
        "travel-too-short",
        30,
        60,
    )
    assert leg["alternatives"] == []


@pytest.mark.parametrize("kind", ["route", "series"])
@pytest.mark.parametrize("on_conflict", ["fail", "skip"])
def test_a_preview_is_what_then_happens(
    client: TestClient,
    session: Session,
    world: World,
    organiser: dict[str, str],
    kind: str,
    on_conflict: str,
) -> None:
    january(session, world)
    last = second_stop(session, world)
    body = route(world, world.slot, last) if kind == "route" else series(world)
    body["on_conflict"] = on_conflict
    if on_conflict == "skip":
        world.slot.closed_reason = "检修"
        session.flush()
    dry = {"dry_run": "true"}
    preview = told(client.post(PATH, json=body, params=dry, headers=organiser))
    report = told(client.post(PATH, json=body, headers=organiser), 201)
    assert timeless(preview) == timeless(report)
    assert [item["status"] for item in report["items"]] == [
        "skipped" if on_conflict == "skip" else "booked",
        "booked",
    ]
    denied = client.post(PATH, json=body, params=dry, headers=organiser)
    happens = client.post(PATH, json=body, headers=organiser)
    assert refused(denied, 409, "group-refused") == refused(happens, 409, "group-refused")


def test_a_preview_and_a_refusal_leave_no_trace(own_client: TestClient, own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        last = second_stop(setup, world)
        who = signed_in(setup, world.organiser)
    body = route(world, world.slot, last)
    dry = {"dry_run": "true"}
    told(own_client.post(PATH, json=body, params=dry, headers=who))  # the day's first request
    before, headers = rows(own_engine), keyed(who)
    told(own_client.post(PATH, json=body, params=dry, headers=headers))
    gone = {"session_ids": [NOBODY]}
    broken = body | {"stops": [body["stops"][0], gone]}
    refused(own_client.post(PATH, json=broken, headers=headers), 409, "group-refused")
    assert rows(own_engine) == before
    told(own_client.post(PATH, json=body, headers=headers), 201)  # the key is still free
    assert rows(own_engine)["booking"] == before["booking"] + 2


def test_a_group_sent_twice_is_ordered_once(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    body = route(world, world.slot, second_stop(session, world))
    report = done_once(client, PATH, organiser, body, 201)
    cancelled = done_once(client, f"{PATH}/{report['id']}/cancel", organiser, {})
    assert [item["booking"]["status"] for item in cancelled["items"]] == ["cancelled"] * 2


def test_a_group_is_cancelled_booking_by_booking(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    body = route(world, world.slot, second_stop(session, world))
    report = told(client.post(PATH, json=body, headers=organiser), 201)
    ids = [item["booking"]["id"] for item in report["items"]]
    told(client.post(f"{BOOKINGS}/{ids[0]}/cancel", headers=organiser))
    path = f"{PATH}/{report['id']}/cancel"
    first, second = told(client.post(path, headers=organiser))["items"]
    assert (first["id"], first["booking"]) == (ids[0], None)
    assert first["problem"]["code"] == "booking-state-conflict"
    assert (second["id"], second["booking"]["status"]) == (ids[1], "cancelled")
    refused(client.post(path, headers=organiser), 409, "booking-state-conflict")
    manager = signed_in(session, world.manager)
    refused(client.post(path, headers=manager), 409, "booking-state-conflict")
    member = signed_in(session, make_account(session, Role.MEMBER, at=world.branch))
    refused(client.post(path, headers=member), 403, "not-in-scope")
    refused(client.post(f"{PATH}/{NOBODY}/cancel", headers=organiser), 404, "group-not-found")
    refused(client.get(f"{PATH}/{NOBODY}", headers=organiser), 404, "group-not-found")


def test_what_does_not_exist_is_named(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    missing = series(world, session_ids=[NOBODY])
    refused(client.post(PATH, json=missing, headers=organiser), 404, "session-not-found")
    nobody = series(world, organisation_id=NOBODY)
    refused(client.post(PATH, json=nobody, headers=organiser), 404, "organisation-not-found")
    january(session, world)
    phone = series(world, contact_phone="12")
    refused(client.post(PATH, json=phone, headers=organiser), 422, "invalid-phone")


STOP = {"session_ids": [NOBODY]}


@pytest.mark.parametrize(
    ("kind", "other", "pointer"),
    [
        ("route", {"kind": "tour"}, ""),
        ("route", {"kind": None}, ""),
        ("route", {"stops": [STOP]}, "/stops"),
        ("route", {"stops": [STOP] * 7}, "/stops"),
        ("route", {"stops": [STOP, {"session_ids": []}]}, "/stops/1/session_ids"),
        ("route", {"stops": [STOP, {}]}, "/stops/1/session_ids"),
        ("route", {"stops": [STOP, STOP | {"people_expected": 0}]}, "/stops/1/people_expected"),
        ("route", {"stops": [STOP, STOP | {"people_expected": True}]}, "/stops/1/people_expected"),
        ("route", {"on_conflict": "ask"}, "/on_conflict"),
        ("route", {"contact_name": "王\x00"}, "/contact_name"),
        ("series", {"months": 1}, "/months"),
        ("series", {"months": 13}, "/months"),
        ("series", {"months": True}, "/months"),
        ("series", {"months": 10**30}, "/months"),
        ("series", {"repeat": "daily"}, "/repeat"),
        ("series", {"people_expected": 10_001}, "/people_expected"),
        ("series", {"session_ids": ["x"]}, "/session_ids/0"),
        ("series", {"session_ids": [str(uuid7())] * 9}, "/session_ids"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_a_malformed_wish_is_told_where(
    client: TestClient,
    world: World,
    organiser: dict[str, str],
    kind: str,
    other: Body,
    pointer: str,
) -> None:
    body = route(world, world.slot, world.slot) if kind == "route" else series(world)
    assert pointers(client.post(PATH, json=body | other, headers=organiser)) == {pointer}


def test_what_a_wish_lacks_is_told_where(
    client: TestClient, world: World, organiser: dict[str, str]
) -> None:
    body = series(world)
    del body["months"], body["contact_name"]
    assert pointers(client.post(PATH, json=body, headers=organiser)) == {
        "/months",
        "/contact_name",
    }
