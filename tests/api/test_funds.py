"""Funds over HTTP."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Role
from tests.api.replies import NOBODY, refused, told
from tests.makers import (
    World,
    make_account,
    make_completed,
    make_fund,
    make_world,
    signed_in,
)

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
    assert fund == {
        "id": str(world.fund.id),
        "organisation_id": str(world.district.id),
        "fiscal_year": 2026,
        "name": "专项经费",
        "when_exhausted": "refuse",
        "balances_fen": {
            "source": -50_000,
            "available": 31_000,
            "reserved": 0,
            "payable": 19_000,
            "paid": 0,
        },
    }
    assert told(client.get(PATH, headers=headers)) == {"items": [fund]}


def test_funds_are_listed_latest_year_first(
    client: TestClient, session: Session, world: World
) -> None:
    for year in (2024, 2027, 2025):
        make_fund(session, world.district, fiscal_year=year)
    funds = told(client.get(PATH, headers=signed_in(session, world.fund_officer)))["items"]
    assert [fund["fiscal_year"] for fund in funds] == [2027, 2026, 2025, 2024]


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
        assert listed == [told(reply)]
    else:
        refused(reply, 404, "fund-not-found")
        assert listed == []


def test_another_districts_fund_is_not_there(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, make_world(session).fund_officer)
    refused(client.get(f"{PATH}/{world.fund.id}", headers=headers), 404, "fund-not-found")
    refused(client.get(f"{PATH}/{NOBODY}", headers=headers), 404, "fund-not-found")


@pytest.mark.parametrize("path", [PATH, f"{PATH}/{NOBODY}"])
def test_funds_are_not_for_visitors(client: TestClient, path: str) -> None:
    refused(client.get(path), 401, "unauthenticated")
