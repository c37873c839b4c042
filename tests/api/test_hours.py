"""Halls, hours, closures, menu and guides, over HTTP."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session

from app.models import Guide, MadeAhead, Programme, Role, Venue
from app.services import guides, sessions
from tests.api.replies import NOBODY, Body, pointers, refused, told
from tests.conftest import NOW
from tests.makers import IN_A_WEEK, World, make_account, make_booking, make_world, signed_in
from tests.services.grounds import DAY, EVERY_DAY, TODAY, hours
from tests.services.statements import counted

API = "/api/v1"
WEEKLY: Body = {
    "weekdays": [1, 2],
    "hours": [{"starts": "14:00", "ends": "16:00"}],
    "valid_from": "2026-12-01",
}
CASE: Body = {
    "kind": "training_case",
    "name": "实训案例：组织生活会",
    "minutes": 90,
    "people_limit": 50,
    "needs_guide": True,
    "roles": [{"name": "主持人", "colour": "#c0392b"}],
    "steps": [{"title": "谈心谈话", "detail": "征求意见。"}],
}
SHUT: Body = {
    "starts_at": (IN_A_WEEK - timedelta(hours=1)).isoformat(),
    "ends_at": (IN_A_WEEK + DAY).isoformat(),
    "reason": "展陈更新",
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def manager(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.manager)


def test_a_hall_from_its_making_to_its_end(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/sites/{world.site.id}/venues"
    made = told(client.post(path, json={"name": "新厅", "people_limit": 30}, headers=manager), 201)
    assert (made["groups_limit"], made["active"], made["version"]) == (1, True, 1)
    one = f"{API}/venues/{made['id']}"
    reply = client.patch(one, json={"active": False}, headers=manager | {"If-Match": "1"})
    assert (told(reply)["active"], reply.headers["ETag"]) == (False, '"2"')
    stale = client.patch(one, json={"active": True}, headers=manager | {"If-Match": "1"})
    refused(stale, 412, "stale")
    for who, seen in ((manager, True), ({}, False)):
        ids = {item["id"] for item in told(client.get(path, headers=who))["items"]}
        assert (made["id"] in ids) is seen
    shown = told(client.get(f"{API}/sites/{world.site.id}"))["venues"]
    assert made["id"] not in {venue["id"] for venue in shown}


def test_weekly_hours_make_sessions_at_once(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    sessions.make_ahead(session, now=NOW)
    path = f"{API}/venues/{world.venue.id}/opening-rules"
    [first, _] = told(client.post(path, json=WEEKLY, headers=manager), 201)["items"]
    assert (first["weekday"], first["starts"], first["valid_to"]) == (1, "14:00", None)

    def starts() -> set[str]:
        asked = {"from": "2026-12-07", "to": "2026-12-08"}
        found = told(client.get(f"{API}/sites/{world.site.id}/sessions", params=asked))
        return {slot["starts_at"] for slot in found["items"]}

    assert starts() == {"2026-12-07T06:00:00Z", "2026-12-08T06:00:00Z"}
    one = f"{API}/opening-rules/{first['id']}"
    changed = {"starts": "15:00", "valid_to": "2027-02-01"}
    told(client.patch(one, json=changed, headers=manager | {"If-Match": "1"}))
    assert starts() == {"2026-12-07T07:00:00Z", "2026-12-08T06:00:00Z"}
    assert client.delete(one, headers=manager).status_code == 204
    assert starts() == {"2026-12-08T06:00:00Z"}
    refused(client.delete(one, headers=manager), 404, "rule-not-found")
    refused(client.post(path, json=WEEKLY, headers=manager), 409, "hours-overlap")


def test_a_reader_of_sessions_does_not_wait_for_the_scheduler(
    client: TestClient, session: Session, world: World
) -> None:
    hours(session, world.venue, EVERY_DAY)
    sessions.make_ahead(session, now=NOW - 70 * DAY)
    assert session.get_one(MadeAhead, world.site.id).until == TODAY - 10 * DAY
    asked = {"from": "2026-12-10", "to": "2027-01-24"}
    found = told(client.get(f"{API}/sites/{world.site.id}/sessions", params=asked))["items"]
    assert len(found) == 46
    assert all(slot["bookable"] for slot in found)


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"hours": [{"starts": "16:00", "ends": "14:00"}]}, 422, "hours-unreadable"),
        ({"valid_to": "2026-12-01"}, 422, "hours-unreadable"),
        ({"hours": WEEKLY["hours"] * 2}, 409, "hours-overlap"),
    ],
)
def test_hours_that_cannot_be(
    client: TestClient,
    world: World,
    manager: dict[str, str],
    wanted: Body,
    status: int,
    code: str,
) -> None:
    path = f"{API}/venues/{world.venue.id}/opening-rules"
    refused(client.post(path, json=WEEKLY | wanted, headers=manager), status, code)


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"weekdays": [0]}, "/weekdays/0"),
        ({"weekdays": [True]}, "/weekdays/0"),
        ({"weekdays": []}, "/weekdays"),
        ({"hours": [{"starts": 3600, "ends": "14:00"}]}, "/hours/0/starts"),
        ({"hours": [{"starts": "09:00+08:00", "ends": "14:00"}]}, "/hours/0/starts"),
        ({"hours": [{"starts": "25:00", "ends": "26:00"}]}, "/hours/0/starts"),
        ({"valid_from": 20000}, "/valid_from"),
        ({"valid_from": "9999-12-31"}, "/valid_from"),
    ],
)
def test_odd_hours_are_pointed_at(
    client: TestClient, world: World, manager: dict[str, str], wanted: Body, pointer: str
) -> None:
    path = f"{API}/venues/{world.venue.id}/opening-rules"
    found = pointers(client.post(path, json=WEEKLY | wanted, headers=manager))
    assert pointer in found


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59Z", 5, "2026-12-05T11:00:00", "soon"])
def test_odd_instants_are_pointed_at(
    client: TestClient, world: World, manager: dict[str, str], instant: object
) -> None:
    body = {"starts_at": instant, "ends_at": "2026-12-05T13:00:00Z"}
    extra = client.post(f"{API}/venues/{world.venue.id}/sessions", json=body, headers=manager)
    assert pointers(extra) == {"/starts_at"}
    path = f"{API}/sites/{world.site.id}/closures"
    assert pointers(client.post(path, json=body | {"reason": "x"}, headers=manager)) == {
        "/starts_at"
    }


def test_a_session_by_itself(client: TestClient, world: World, manager: dict[str, str]) -> None:
    path = f"{API}/venues/{world.venue.id}/sessions"
    body = {"starts_at": "2026-12-05T11:00:00Z", "ends_at": "2026-12-05T13:00:00Z"}
    made = told(client.post(path, json=body, headers=manager), 201)
    assert (made["people_limit"], made["groups_limit"]) == (60, 1)
    refused(client.post(path, json=body, headers=manager), 409, "sessions-overlap")
    one = f"{API}/sessions/{made['id']}"
    assert client.delete(one, headers=manager).status_code == 204
    refused(client.delete(one, headers=manager), 404, "session-not-found")


def test_sessions_by_themselves_are_in_the_audit_log(
    own_client: TestClient, own_engine: Engine
) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        manager = signed_in(setup, world.manager)
        auditor = signed_in(setup, make_account(setup, Role.AUDITOR, at=world.district))
    path = f"{API}/venues/{world.venue.id}/sessions"
    body = {"starts_at": "2026-12-05T11:00:00Z", "ends_at": "2026-12-05T13:00:00Z"}
    made = told(own_client.post(path, json=body, headers=manager), 201)
    own_client.delete(f"{API}/sessions/{made['id']}", headers=manager)
    log = own_client.get(f"{API}/audit-events?noun=venue_session", headers=auditor)
    assert {(event["action"], event["row_id"]) for event in told(log)["items"]} == {
        ("open", made["id"]),
        ("withdraw", made["id"]),
    }


def test_a_closure_is_previewed_made_and_taken_back(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    path = f"{API}/sites/{world.site.id}/closures"
    seen = told(client.post(path, params={"dry_run": "true"}, json=SHUT, headers=manager))
    assert seen["closure"] is None
    assert told(client.get(path))["items"] == []
    done = told(client.post(path, json=SHUT | {"notify": True}, headers=manager), 201)
    assert done["bookings"] == seen["bookings"]
    [hit] = done["bookings"]
    assert hit["id"] == str(booking.id)
    assert hit.keys() == {
        "id", "code", "organisation_name", "people_expected", "starts_at", "ends_at", "status",
        "alternatives",
    }  # fmt: skip
    assert [item["reason"] for item in told(client.get(path))["items"]] == ["展陈更新"]
    refused(client.post(path, json=SHUT, headers=manager), 409, "closures-overlap")
    one = f"{path}/{done['closure']['id']}"
    assert client.delete(one, headers=manager).status_code == 204
    assert told(client.get(path))["items"] == []


def test_a_closure_sent_twice_is_one(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/sites/{world.site.id}/closures"
    headers = manager | {"Idempotency-Key": NOBODY}
    first = told(client.post(path, json=SHUT, headers=headers), 201)
    again = client.post(path, json=SHUT, headers=headers)
    assert (told(again, 201), again.headers["Idempotency-Replayed"]) == (first, "true")


def test_a_case_is_shown_with_its_roles_and_steps(
    client: TestClient, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/sites/{world.site.id}/programmes"
    made = told(client.post(path, json=CASE, headers=manager), 201)
    shown = told(client.get(f"{API}/sites/{world.site.id}"))["programmes"]
    [case] = [item for item in shown if item["id"] == made["id"]]
    assert (case["roles"], case["steps"]) == (CASE["roles"], CASE["steps"])
    one = f"{API}/programmes/{made['id']}"
    told(client.patch(one, json={"active": False}, headers=manager | {"If-Match": "1"}))
    shown = told(client.get(f"{API}/sites/{world.site.id}"))["programmes"]
    assert made["id"] not in {item["id"] for item in shown}
    assert made["id"] not in {item["id"] for item in told(client.get(path))["items"]}
    listed = told(client.get(path, headers=manager))["items"]
    assert made["id"] in {item["id"] for item in listed}


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"roles": [{"name": "主持人", "colour": "red"}]}, "/roles/0/colour"),
        ({"roles": [{"name": "主持人", "colour": "#C0392B"}]}, "/roles/0/colour"),
        ({"roles": [{"name": "主持人", "colour": "#c0392b\n"}]}, "/roles/0/colour"),
        ({"steps": [{"title": "", "detail": "x"}]}, "/steps/0/title"),
        ({"steps": [{"title": "x", "detail": "\x00"}]}, "/steps/0/detail"),
        ({"minutes": 481}, "/minutes"),
        ({"needs_guide": 1}, "/needs_guide"),
    ],
)
def test_odd_items_are_pointed_at(
    client: TestClient, world: World, manager: dict[str, str], wanted: Body, pointer: str
) -> None:
    path = f"{API}/sites/{world.site.id}/programmes"
    assert pointers(client.post(path, json=CASE | wanted, headers=manager)) == {pointer}


def test_only_a_case_has_roles(client: TestClient, world: World, manager: dict[str, str]) -> None:
    path = f"{API}/sites/{world.site.id}/programmes"
    refused(
        client.post(path, json=CASE | {"kind": "visit"}, headers=manager), 409, "case-misplaced"
    )
    one = f"{API}/programmes/{world.programme.id}"
    change = client.patch(one, json={"steps": CASE["steps"]}, headers=manager | {"If-Match": "1"})
    refused(change, 409, "case-misplaced")


def test_names_of_guides_are_for_those_who_manage(
    client: TestClient, session: Session, world: World, manager: dict[str, str]
) -> None:
    path = f"{API}/sites/{world.site.id}/guides"
    made = told(client.post(path, json={"name": "李讲解"}, headers=manager), 201)
    for who, name in (
        (world.manager, "李讲解"),
        (world.district_staff, "李讲解"),
        (world.town_staff, None),
    ):
        [seen] = told(client.get(path, headers=signed_in(session, who)))["items"]
        assert (seen["id"], seen["name"]) == (made["id"], name)
    one = f"{API}/guides/{made['id']}"
    gone = client.patch(one, json={"active": False}, headers=manager | {"If-Match": "1"})
    assert told(gone)["active"] is False


def more_venues(session: Session, world: World) -> None:
    session.add_all(Venue(site_id=world.site.id, name=f"{n}厅", people_limit=9) for n in range(9))


def more_items(session: Session, world: World) -> None:
    session.add_all(
        Programme(site_id=world.site.id, kind="visit", name=f"{n}", minutes=9, people_limit=9)
        for n in range(9)
    )


def more_guides(session: Session, world: World) -> None:
    session.add_all(Guide(site_id=world.site.id, name=f"{n}") for n in range(9))


def more_rules(session: Session, world: World) -> None:
    hours(session, world.venue, EVERY_DAY)


def more_sessions(session: Session, world: World) -> None:
    hours(session, world.venue, EVERY_DAY)
    sessions.make_ahead(session, now=NOW)


Grow = Callable[[Session, World], None]


@pytest.mark.parametrize(
    ("path", "grow"),
    [
        ("/sites/{site}/venues", more_venues),
        ("/sites/{site}/programmes", more_items),
        ("/sites/{site}/guides", more_guides),
        ("/venues/{venue}/opening-rules", more_rules),
        ("/sites/{site}/sessions", more_sessions),
    ],
)
def test_a_longer_list_costs_no_more_statements(
    client: TestClient,
    session: Session,
    world: World,
    manager: dict[str, str],
    path: str,
    grow: Grow,
) -> None:
    guides.add(session, site_id=world.site.id, name="李讲解")
    sessions.make_ahead(session, now=NOW)
    full = API + path.format(site=world.site.id, venue=world.venue.id)

    def cost() -> tuple[int, int]:
        session.flush()
        with counted(session) as seen:
            items = told(client.get(full, headers=manager))["items"]
        return len(items), len(seen)

    few, before = cost()
    grow(session, world)
    many, after = cost()
    assert many > few
    assert after == before <= 9
