"""Rules of ordering over HTTP: of a district, of a site, and what is on either's page."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.api.deps import write_cursor
from app.models import Account, AuditEvent, Policy, Role
from tests.api.replies import NOBODY, Body, done_once, keyed, pointers, refused, told
from tests.conftest import NOW
from tests.makers import World, make_account, make_policy, make_world, signed_in

API = "/api/v1"
RULES: Body = {
    "lead_working_days": 4,
    "lead_working_days_large": 6,
    "large_party_people": 40,
    "horizon_days": 90,
    "answer_working_days": 2,
    "free_cancel_working_days": 1,
    "approval_mode": "auto",
    "open_bookings_limit": 3,
    "late_cancel_strikes": 0,
    "no_show_strikes": 3,
    "strikes_limit": 6,
    "strike_months": 6,
    "suspension_days": 30,
    "offer_hours": 12,
    "travel_km_per_hour": 40,
}
BOUNDS = {
    "lead_working_days": (0, 60),
    "lead_working_days_large": (0, 60),
    "large_party_people": (1, 10_000),
    "horizon_days": (0, 366),
    "answer_working_days": (1, 30),
    "free_cancel_working_days": (0, 60),
    "open_bookings_limit": (1, 100),
    "late_cancel_strikes": (0, 100),
    "no_show_strikes": (0, 100),
    "strikes_limit": (1, 100),
    "strike_months": (1, 60),
    "suspension_days": (1, 730),
    "offer_hours": (1, 168),
    "travel_km_per_hour": (1, 300),
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def staff(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.district_staff)


def path_of(world: World) -> str:
    return f"{API}/organisations/{world.district.id}/policies"


def own_path_of(world: World) -> str:
    return f"{API}/sites/{world.site.id}/policies"


def seen(who: dict[str, str], version: int) -> dict[str, str]:
    return who | {"If-Match": f'"{version}"'}


def test_a_district_s_rules_are_written_and_read(
    client: TestClient, world: World, staff: dict[str, str]
) -> None:
    path = path_of(world)
    made = done_once(client, path, seen(staff, 1), RULES, 201)
    assert made.items() >= RULES.items()
    assert (made["version"], made["state"], made["site_id"]) == (2, "in_force", None)
    assert (made["effective_at"], made["ends_at"]) == ("2026-11-25T01:00:00Z", None)
    assert made["made_by"] == world.district_staff.name
    page = told(client.get(path, headers=staff))
    assert (page["newest_version"], page["next_cursor"]) == (2, None)
    assert page["in_force"] == page["items"][0] == made
    first = page["items"][1]
    assert (first["version"], first["state"], first["made_by"]) == (1, "replaced", None)
    shown = told(client.get(f"{API}/sites/{world.site.id}"))["policy"]
    assert RULES.items() >= shown.items()


def test_pages_lead_on(client: TestClient, world: World, staff: dict[str, str]) -> None:
    path = path_of(world)
    for version in (1, 2):
        told(client.post(path, json=RULES, headers=seen(staff, version)), 201)
    first = told(client.get(path, params={"limit": "2"}, headers=staff))
    assert [item["version"] for item in first["items"]] == [3, 2]
    then = {"limit": "2", "cursor": first["next_cursor"]}
    second = told(client.get(path, params=then, headers=staff))
    assert ([item["version"] for item in second["items"]], second["next_cursor"]) == ([1], None)
    assert second["in_force"]["version"] == 3
    broken = ("x", write_cursor(NOBODY), write_cursor(NOW), "WzFlOTk5XQ", "W251bGxd")
    for cursor in broken:
        reply = client.get(path, params={"cursor": cursor}, headers=staff)
        refused(reply, 422, "cursor-unreadable")


def test_a_site_follows_its_own_rules_until_they_are_withdrawn(
    client: TestClient, session: Session, world: World, staff: dict[str, str]
) -> None:
    path = own_path_of(world)
    manager = signed_in(session, world.manager)
    page = told(client.get(path, headers=manager))
    assert (page["newest_version"], page["items"]) == (0, [])
    assert page["in_force"]["site_id"] is None
    later = (NOW + timedelta(days=3)).isoformat()
    told(client.post(path, json=RULES, headers=seen(staff, 0)), 201)
    planned = client.post(path, json=RULES | {"effective_at": later}, headers=seen(staff, 1))
    assert told(planned, 201)["state"] == "planned"
    page = told(client.get(path, headers=manager))
    assert [item["state"] for item in page["items"]] == ["planned", "in_force"]
    assert page["in_force"]["site_id"] == str(world.site.id)
    refused(client.delete(path, headers=seen(staff, 1)), 412, "stale")
    assert client.delete(path, headers=seen(staff, 2)).status_code == 204
    refused(client.delete(path, headers=seen(staff, 2)), 404, "site-policy-not-found")
    page = told(client.get(path, headers=manager))
    assert {item["state"] for item in page["items"]} == {"withdrawn"}
    assert page["in_force"]["site_id"] is None


def test_every_number_has_its_bounds(
    client: TestClient, world: World, staff: dict[str, str]
) -> None:
    assert set(BOUNDS) == {name for name, value in RULES.items() if isinstance(value, int)}
    for path, version in ((path_of(world), 1), (own_path_of(world), 0)):
        for name, (least, most) in BOUNDS.items():
            for wrong in (least - 1, most + 1, 10**30, "3", True, 3.5, None):
                body = RULES | {name: wrong}
                reply = client.post(path, json=body, headers=seen(staff, version))
                assert pointers(reply) == {f"/{name}"}, (name, wrong)
        missing = {name: value for name, value in RULES.items() if name != "offer_hours"}
        assert pointers(client.post(path, json=missing, headers=seen(staff, version))) == {
            "/offer_hours"
        }


def test_within_its_bounds_the_database_takes_it(session: Session, world: World) -> None:
    for name, bounds in BOUNDS.items():
        for value in bounds:
            policy = make_policy(session, world.district, site=world.site)
            setattr(policy, name, value)
            session.flush()
            session.delete(policy)
            session.flush()


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"lead_working_days": 7}, 422, "large-party-lead-too-short"),
        ({"horizon_days": 13}, 422, "horizon-too-short"),
        ({"free_cancel_working_days": 5}, 422, "free-cancel-too-early"),
        ({"effective_at": "2026-11-25T00:59:59Z"}, 409, "policy-backdated"),
        ({"effective_at": "2026-11-25T01:00:00"}, 422, "malformed-request"),
        ({"effective_at": 1_800_000_000}, 422, "malformed-request"),
        ({"approval_mode": "maybe"}, 422, "malformed-request"),
    ],
)
def test_rules_that_cannot_be(
    client: TestClient, world: World, staff: dict[str, str], change: Body, status: int, code: str
) -> None:
    for path, version in ((path_of(world), 1), (own_path_of(world), 0)):
        reply = client.post(path, json=RULES | change, headers=seen(staff, version))
        refused(reply, status, code)


def test_without_the_version_that_was_seen_nothing_is_written(
    client: TestClient, session: Session, world: World, staff: dict[str, str]
) -> None:
    for path in (path_of(world), own_path_of(world)):
        assert pointers(client.post(path, json=RULES, headers=staff)) == {"/header/If-Match"}
        refused(client.post(path, json=RULES, headers=seen(staff, 7)), 412, "stale")
    reply = client.delete(own_path_of(world), headers=staff)
    assert pointers(reply) == {"/header/If-Match"}
    assert len(session.exec(select(Policy)).all()) == 1


def test_rules_are_for_districts_and_sites(
    client: TestClient, world: World, staff: dict[str, str]
) -> None:
    town = f"{API}/organisations/{world.town.id}/policies"
    refused(client.post(town, json=RULES, headers=seen(staff, 1)), 409, "not-a-district")
    assert told(client.get(town, headers=staff))["newest_version"] == 1
    for path in (f"{API}/organisations/{NOBODY}/policies", f"{API}/sites/{NOBODY}/policies"):
        reply = client.post(path, json=RULES, headers=keyed(seen(staff, 1)))
        assert reply.status_code == 404


def test_who_wrote_it_is_in_the_log(own_client: TestClient, own_engine: Engine) -> None:
    with Session(own_engine) as setup, setup.begin():
        world = make_world(setup)
        who = world.district_staff.id
        staff = signed_in(setup, world.district_staff)
        path = path_of(world)
    made = told(own_client.post(path, json=RULES, headers=seen(staff, 1)), 201)
    with Session(own_engine) as looking:
        event = looking.exec(select(AuditEvent).where(AuditEvent.row_id == made["id"])).one()
        assert (event.noun, event.action, event.actor_role) == (
            "policy",
            "create",
            "district_staff",
        )
        assert event.actor_id == who
        assert event.after["lead_working_days"] == 4


def test_an_auditor_reads_and_a_stranger_does_not(
    client: TestClient, session: Session, world: World
) -> None:
    def status(who: Account, path: str) -> int:
        return client.get(path, headers=signed_in(session, who)).status_code

    auditor = make_account(session, Role.AUDITOR, at=world.district)
    stranger = make_world(session).district_staff
    for path in (path_of(world), own_path_of(world)):
        assert (status(auditor, path), status(stranger, path)) == (200, 404)
