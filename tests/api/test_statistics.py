"""The dashboard over HTTP."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.api.statistics import OverviewPublic, UsagePublic
from app.models import Role
from tests.api.replies import pointers, refused, told
from tests.makers import World, make_account, make_completed, make_world, signed_in

PATH = "/api/v1/statistics/overview"


@pytest.fixture
def world(session: Session) -> World:
    world = make_world(session)
    make_completed(session, world, attended=18)
    return world


@pytest.fixture
def staff(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.district_staff)


def test_a_district_in_numbers(client: TestClient, world: World, staff: dict[str, str]) -> None:
    found = told(client.get(PATH, params={"to": "2026-12-31"}, headers=staff))
    use = {"bookings": 1, "visits": 1, "people": 18}
    assert found == {
        "since": "2026-01-01",
        "until": "2027-01-01",
        "sites": 1,
        "branches": 1,
        "branches_came": 1,
        "waiting": 0,
        "statuses": {"completed": 1},
        "visits": 1,
        "people": 18,
        "late_cancels": 0,
        "rating": None,
        "answer_minutes": 0.0,
        "by_month": [{"id": None, "name": "2026-12"} | use],
        "by_category": [{"id": None, "name": "urban"} | use],
        "by_town": [{"id": str(world.town.id), "name": world.town.place} | use],
        "top_sites": [{"id": str(world.site.id), "name": world.site.short_name} | use],
        "balances_fen": {
            "source": -1_000_000,
            "available": 981_000,
            "reserved": 0,
            "payable": 19_000,
            "paid": 0,
        },
    }


def test_the_overview_is_what_the_contract_says(client: TestClient, staff: dict[str, str]) -> None:
    found = told(client.get(PATH, headers=staff))
    assert OverviewPublic.model_validate(found).model_dump(mode="json") == found


def test_the_last_day_counts(client: TestClient, staff: dict[str, str]) -> None:
    for last, visits in (("2026-12-01", 0), ("2026-12-02", 1)):
        found = told(client.get(PATH, params={"from": "2026-11-01", "to": last}, headers=staff))
        assert found["visits"] == visits


def test_without_dates_it_is_the_year_to_this_day(
    client: TestClient, staff: dict[str, str]
) -> None:
    found = told(client.get(PATH, headers=staff))
    assert (found["since"], found["until"], found["visits"]) == ("2025-11-26", "2026-11-26", 0)


OVERSEERS = {Role.TOWN_STAFF, Role.DISTRICT_STAFF, Role.AUDITOR}


@pytest.mark.parametrize("role", Role)
def test_it_is_for_overseers(
    client: TestClient, session: Session, world: World, role: Role
) -> None:
    places = {
        Role.SITE_MANAGER: world.site,
        Role.TOWN_STAFF: world.town,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    account = make_account(session, role, at=places.get(role, world.district))
    reply = client.get(PATH, headers=signed_in(session, account))
    if role in OVERSEERS:
        told(reply)
    else:
        refused(reply, 403, "not-in-scope")


def test_visitors_see_none(client: TestClient) -> None:
    refused(client.get(PATH), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("first", "last", "fits"),
    [
        ("2026-12-02", "2026-12-02", True),
        ("2026-12-02", "2026-12-01", False),
        ("2023-01-01", "2026-01-04", True),
        ("2023-01-01", "2026-01-05", False),
        ("1900-01-01", "2199-12-31", False),
    ],
)
def test_a_period_is_one_day_to_three_years(
    client: TestClient, staff: dict[str, str], first: str, last: str, fits: bool
) -> None:
    reply = client.get(PATH, params={"from": first, "to": last}, headers=staff)
    if fits:
        told(reply)
    else:
        assert refused(reply, 422, "period-too-long")["limit"] == 1100


@pytest.mark.parametrize("name", ["from", "to"])
def test_an_odd_date_is_malformed(client: TestClient, staff: dict[str, str], name: str) -> None:
    for day in ("0001-01-01", "9999-12-31", "2026-13-01", "2026-02-29", "\x00", "9" * 40, ""):
        reply = client.get(PATH, params={name: day}, headers=staff)
        assert pointers(reply) == {f"/query/{name}"}


USAGE = "/api/v1/statistics/usage"


def test_usage_by_town_and_month(client: TestClient, world: World, staff: dict[str, str]) -> None:
    asked = {"to": "2026-12-31", "group_by": ["town", "month"]}
    found = told(client.get(USAGE, params=asked, headers=staff))
    (cell,) = found["cells"]
    assert cell["keys"] == [
        {"id": str(world.town.id), "name": world.town.place},
        {"id": "2026-12", "name": "2026-12"},
    ]
    assert cell["measures"] == found["totals"]
    assert (found["totals"]["people"], found["totals"]["subsidy_fen"]) == (18, 19_000)
    assert (cell["before"], found["totals_before"], found["more"]) == (None, None, False)


@pytest.mark.parametrize("compare", [{}, {"compare": "previous"}])
def test_usage_is_what_the_contract_says(
    client: TestClient, staff: dict[str, str], compare: dict[str, str]
) -> None:
    asked = {"group_by": ["town", "category"], "to": "2026-12-31"} | compare
    found = told(client.get(USAGE, params=asked, headers=staff))
    assert found["cells"]
    assert UsagePublic.model_validate(found).model_dump(mode="json") == found


def test_usage_beside_the_period_before(
    client: TestClient, world: World, staff: dict[str, str]
) -> None:
    day = {"from": "2026-12-03", "to": "2027-01-03", "group_by": "site", "compare": "previous"}
    found = told(client.get(USAGE, params=day, headers=staff))
    assert found["totals_before"]["bookings"] + found["totals"]["bookings"] == 1


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"group_by": ["site", "town", "month", "branch"]}, "too-many-keys"),
        ({"group_by": ["site", "site"]}, "too-many-keys"),
        ({"group_by": ["month"], "compare": "previous"}, "not-comparable"),
        ({"from": "2026-12-31", "to": "2026-12-01"}, "period-too-long"),
    ],
)
def test_usage_that_cannot_be_counted(
    client: TestClient, staff: dict[str, str], asked: dict[str, object], kind: str
) -> None:
    found = client.get(USAGE, params=asked, headers=staff)  # type: ignore[arg-type]
    assert found.status_code == 422
    assert found.json()["type"].endswith(kind)


@pytest.mark.parametrize("asked", [{"group_by": "moon"}, {"limit": 0}, {"sort": "name"}])
def test_usage_asked_for_what_there_is_not(
    client: TestClient, staff: dict[str, str], asked: dict[str, str]
) -> None:
    assert client.get(USAGE, params=asked, headers=staff).status_code == 422
