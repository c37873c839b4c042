"""Funds over HTTP."""

from datetime import date

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.api.deps import write_cursor
from app.models import Role
from app.services import audit
from tests.api.replies import NOBODY, refused, told
from tests.makers import (
    World,
    make_account,
    make_completed,
    make_fund,
    make_world,
    signed_in,
)
from tests.services.statements import counted

PATH = "/api/v1/funds"


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session, available_fen=50_000)


def test_a_fund_shows_where_its_money_stands(
    client: TestClient, session: Session, world: World
) -> None:
    make_completed(session, world, attended=18)
    headers = signed_in(session, world.fund_officer)
    fund = told(client.get(f"{PATH}/{world.fund.id}", headers=headers))
    burn_down = fund.pop("burn_down")
    assert fund == {
        "id": str(world.fund.id),
        "organisation_id": str(world.district.id),
        "fiscal_year": 2026,
        "name": "专项经费",
        "when_exhausted": "refuse",
        "closed_through": None,
        "balances_fen": {
            "source": -50_000,
            "available": 31_000,
            "reserved": 0,
            "payable": 19_000,
            "paid": 0,
        },
    }
    assert told(client.get(PATH, headers=headers)) == {"items": [fund], "next_cursor": None}
    assert burn_down["total"]["due_fen"] == 19_000
    assert [one["category"] for one in burn_down["by_category"]] == [world.site.category]
    assert [one["town_id"] for one in burn_down["by_town"]] == [str(world.town.id)]


def test_funds_are_listed_latest_year_first(
    client: TestClient, session: Session, world: World
) -> None:
    for year in (2024, 2027, 2025):
        make_fund(session, world.district, fiscal_year=year)
    funds = told(client.get(PATH, headers=signed_in(session, world.fund_officer)))["items"]
    assert [fund["fiscal_year"] for fund in funds] == [2027, 2026, 2025, 2024]


def test_pages_of_funds_follow_one_another(
    client: TestClient, session: Session, world: World
) -> None:
    for year in (2024, 2027, 2025):
        make_fund(session, world.district, fiscal_year=year)
    headers = signed_in(session, world.fund_officer)
    years, cursor = [], None
    for _ in range(2):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = told(client.get(PATH, headers=headers, params=params))
        years.append([fund["fiscal_year"] for fund in page["items"]])
        cursor = page["next_cursor"]
    assert (years, cursor) == ([[2027, 2026], [2025, 2024]], None)


@pytest.mark.parametrize("key", ["x", "0", "99999999999999999999"])
def test_a_cursor_of_no_year_is_refused(
    client: TestClient, session: Session, world: World, key: str
) -> None:
    cursor = write_cursor(key, world.fund.id)
    headers = signed_in(session, world.fund_officer)
    reply = client.get(PATH, headers=headers, params={"cursor": cursor})
    refused(reply, 422, "cursor-unreadable")


def test_a_list_of_many_funds_takes_as_many_statements_as_one(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.fund_officer)
    taken = []
    for year in (2027, 2028):
        with counted(session) as statements:
            told(client.get(PATH, headers=headers))
        taken.append(len(statements))
        make_fund(session, world.district, fiscal_year=year)
    assert taken[0] == taken[1]


READERS = {Role.FUND_OFFICER, Role.FUND_APPROVER, Role.DISTRICT_STAFF, Role.AUDITOR}


@pytest.mark.parametrize("role", Role)
def test_a_fund_is_seen_by_its_keepers_and_overseers(
    client: TestClient, session: Session, world: World, role: Role
) -> None:
    places = {
        Role.SITE_MANAGER: world.site,
        Role.TOWN_STAFF: world.town,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    account = make_account(session, role, at=places.get(role, world.district))
    headers = signed_in(session, account)
    reply = client.get(f"{PATH}/{world.fund.id}", headers=headers)
    listed = told(client.get(PATH, headers=headers))["items"]
    if role in READERS:
        assert [one["id"] for one in listed] == [told(reply)["id"]]
    else:
        refused(reply, 404, "fund-not-found")
        assert listed == []


def test_another_districts_fund_is_not_there(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, make_world(session).fund_officer)
    refused(client.get(f"{PATH}/{world.fund.id}", headers=headers), 404, "fund-not-found")
    refused(client.get(f"{PATH}/{NOBODY}", headers=headers), 404, "fund-not-found")


def opening(world: World, **other: object) -> dict[str, object]:
    usual = {
        "organisation_id": str(world.district.id),
        "fiscal_year": 2027,
        "name": "2027 年度专项经费",
        "when_exhausted": "unfunded",
    }
    return {**usual, **other}


def test_staff_open_a_fund_once_a_year(client: TestClient, session: Session, world: World) -> None:
    headers = signed_in(session, world.district_staff)
    fund = told(client.post(PATH, json=opening(world), headers=headers), 201)
    assert set(fund["balances_fen"].values()) == {0}
    assert (fund["fiscal_year"], fund["when_exhausted"]) == (2027, "unfunded")
    refused(client.post(PATH, json=opening(world), headers=headers), 409, "fund-year-taken")


@pytest.mark.parametrize(
    "odd",
    [{"fiscal_year": 2**70}, {"fiscal_year": "2027"}, {"name": ""}, {"name": "a\u0000"}],
)
def test_an_odd_fund_is_not_opened(
    client: TestClient, session: Session, world: World, odd: dict[str, object]
) -> None:
    headers = signed_in(session, world.district_staff)
    refused(
        client.post(PATH, json=opening(world, **odd), headers=headers), 422, "malformed-request"
    )


def test_a_document_brings_its_money_once(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.district_staff)
    path, said = f"{PATH}/{world.fund.id}/appropriations", {"amount_fen": 70, "document": "9 号"}
    first, again = (told(client.post(path, json=said, headers=headers), 201) for _ in range(2))
    assert first == again
    assert (first["kind"], first["number"], first["booked_on"]) == ("appropriate", 2, "2026-11-25")
    other = client.post(path, json=said | {"amount_fen": 71}, headers=headers)
    refused(other, 409, "posting-differs")
    for odd in ({"amount_fen": 0}, {"amount_fen": 10**19}, {"document": "x" * 61}):
        reply = client.post(path, json=said | odd, headers=headers)
        refused(reply, 422, "malformed-request")


def test_an_appropriation_sent_twice_with_a_key_is_replayed(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.district_staff) | {"Idempotency-Key": str(uuid7())}
    path, said = f"{PATH}/{world.fund.id}/appropriations", {"amount_fen": 70, "document": "9 号"}
    first, again = (client.post(path, json=said, headers=headers) for _ in range(2))
    assert told(again, 201) == told(first, 201)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_who_brought_money_is_in_the_audit_log(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, world.district_staff)
    audited = session.info.pop(audit.WRITTEN, None)
    path, said = f"{PATH}/{world.fund.id}/appropriations", {"amount_fen": 70, "document": "9 号"}
    told(client.post(path, json=said, headers=headers), 201)
    assert audited
    assert audit.is_owed(session)


def test_a_closed_month_takes_nothing(client: TestClient, session: Session, world: World) -> None:
    headers = signed_in(session, world.fund_officer)
    path = f"{PATH}/{world.fund.id}/closings"
    refused(client.post(path, json={"month": "2026-11"}, headers=headers), 409, "period-not-over")
    for _ in range(2):
        fund = told(client.post(path, json={"month": "2026-10"}, headers=headers))
        assert fund["closed_through"] == "2026-10-31"
    for month in ("2026-13", "2026-1", "9999-01", "٢٠٢٦-10"):
        reply = client.post(path, json={"month": month}, headers=headers)
        refused(reply, 422, "malformed-request")
    world.fund.closed_through = date(2026, 11, 30)
    session.flush()
    brought = client.post(
        f"{PATH}/{world.fund.id}/appropriations",
        json={"amount_fen": 70, "document": "9 号"},
        headers=signed_in(session, world.district_staff),
    )
    refused(brought, 409, "period-closed")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/{NOBODY}"])
def test_funds_are_not_for_visitors(client: TestClient, path: str) -> None:
    refused(client.get(path), 401, "unauthenticated")
