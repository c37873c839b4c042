"""Claims over HTTP."""

from datetime import date

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Claim, ClaimStatus, Role
from tests.api.replies import Body, done_once, keyed, pointers, refused, sent_raw, told, walked
from tests.makers import (
    World,
    make_account,
    make_claim,
    make_completed,
    make_grant,
    make_site,
    make_world,
    signed_in,
)

PATH = "/api/v1/claims"
STEPS = ("submit", "review", "approve", "pay")
BODIES: dict[str, Body] = {
    "return": {"reason": "第 3 行人数与签到不符"},
    "pay": {"voucher_number": "2026-记-0117"},
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    make_completed(session, world)
    return make_claim(session, world)


@pytest.fixture
def people(session: Session, world: World) -> dict[str, dict[str, str]]:
    """Who makes each move, signed in."""
    manager, officer, approver = (
        signed_in(session, who) for who in (world.manager, world.fund_officer, world.fund_approver)
    )
    return {
        "submit": manager,
        "review": officer,
        "return": officer,
        "approve": approver,
        "pay": approver,
    }


People = dict[str, dict[str, str]]


def test_a_claim_goes_from_draft_to_payment(
    client: TestClient, claim: Claim, people: People, world: World
) -> None:
    for name, status in zip(STEPS, ("submitted", "reviewed", "approved", "paid"), strict=True):
        path = f"{PATH}/{claim.id}/{name}"
        moved = done_once(client, path, people[name], BODIES.get(name))
        assert moved["status"] == status
    assert moved == {
        "id": str(claim.id),
        "fund_id": str(world.fund.id),
        "site": {"id": str(world.site.id), "name": world.site.name},
        "month": "2026-12-01",
        "status": "paid",
        "visits": 1,
        "amount_fen": 20_000,
        "returned_reason": None,
        "voucher_number": "2026-记-0117",
        "paid_at": "2026-11-25T01:00:00Z",
        "moves": [],
        "version": 5,
    }
    assert told(client.get(f"{PATH}/{claim.id}", headers=people["pay"])) == moved
    fund = told(client.get(f"/api/v1/funds/{world.fund.id}", headers=people["pay"]))
    assert (fund["balances_fen"]["payable"], fund["balances_fen"]["paid"]) == (0, 20_000)


def test_a_claim_can_be_sent_back(client: TestClient, claim: Claim, people: People) -> None:
    path = f"{PATH}/{claim.id}"
    told(client.post(f"{path}/submit", headers=people["submit"]))
    back = done_once(client, f"{path}/return", people["return"], BODIES["return"])
    assert (back["status"], back["returned_reason"]) == ("returned", "第 3 行人数与签到不符")
    shown = told(client.get(path, headers=people["submit"]))
    assert shown["moves"] == ["submit"]


@pytest.mark.parametrize("name", ["review", "return", "approve", "pay"])
def test_a_move_that_the_state_forbids_names_those_it_allows(
    client: TestClient, claim: Claim, people: People, name: str
) -> None:
    reply = client.post(f"{PATH}/{claim.id}/{name}", json=BODIES.get(name), headers=people[name])
    problem = refused(reply, 409, "claim-state-conflict")
    assert (problem["current_status"], problem["allowed_moves"]) == ("draft", ["submit"])


@pytest.mark.parametrize("name", [*STEPS, "return"])
def test_a_move_that_is_not_theirs_is_forbidden(
    client: TestClient, session: Session, world: World, claim: Claim, name: str
) -> None:
    staff = signed_in(session, world.district_staff)
    reply = client.post(f"{PATH}/{claim.id}/{name}", json=BODIES.get(name), headers=staff)
    refused(reply, 403, "not-in-scope")


@pytest.mark.parametrize("name", [*STEPS, "return"])
def test_a_foreign_claim_is_not_there(
    client: TestClient, session: Session, world: World, claim: Claim, name: str
) -> None:
    elsewhere = make_account(session, Role.SITE_MANAGER, at=make_site(session, world.town))
    headers = signed_in(session, elsewhere)
    path = f"{PATH}/{claim.id}"
    reply = client.post(f"{path}/{name}", json=BODIES.get(name), headers=headers)
    refused(reply, 404, "claim-not-found")
    refused(client.get(path, headers=headers), 404, "claim-not-found")
    refused(client.get(f"{PATH}/{uuid7()}", headers=headers), 404, "claim-not-found")
    assert told(client.get(PATH, headers=headers))["items"] == []
    refused(client.post(f"{path}/{name}", json=BODIES.get(name)), 401, "unauthenticated")
    refused(client.get(path), 401, "unauthenticated")


def test_four_eyes(client: TestClient, session: Session, world: World, claim: Claim) -> None:
    both = make_account(session, Role.FUND_OFFICER, at=world.district)
    make_grant(session, both, Role.FUND_APPROVER, at=world.district)
    headers = signed_in(session, both)
    path = f"{PATH}/{claim.id}"
    told(client.post(f"{path}/submit", headers=signed_in(session, world.manager)))
    assert told(client.post(f"{path}/review", headers=headers))["moves"] == []
    refused(client.post(f"{path}/approve", headers=headers), 409, "reviewer-approves")
    assert told(client.get(path, headers=headers))["status"] == "reviewed"


def test_a_key_belongs_to_one_request(client: TestClient, claim: Claim, people: People) -> None:
    headers = keyed(people["return"])
    told(client.post(f"{PATH}/{claim.id}/submit", headers=people["submit"]))
    path = f"{PATH}/{claim.id}/return"
    told(client.post(path, json=BODIES["return"], headers=headers))
    other = client.post(path, json={"reason": "另一原因"}, headers=headers)
    refused(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("name", "body", "pointer"),
    [
        ("return", {}, "/reason"),
        ("return", {"reason": " "}, "/reason"),
        ("return", {"reason": "\x00"}, "/reason"),
        ("return", {"reason": "\ud800"}, "/reason"),
        ("return", {"reason": "长" * 501}, "/reason"),
        ("pay", {}, "/voucher_number"),
        ("pay", {"voucher_number": ""}, "/voucher_number"),
        ("pay", {"voucher_number": "1\n2"}, "/voucher_number"),
        ("pay", {"voucher_number": 10**30}, "/voucher_number"),
        ("pay", {"voucher_number": "1" * 41}, "/voucher_number"),
    ],
)
def test_a_malformed_move_is_told_where(
    client: TestClient, claim: Claim, people: People, name: str, body: Body, pointer: str
) -> None:
    assert pointers(sent_raw(client, f"{PATH}/{claim.id}/{name}", people[name], body)) == {pointer}


@pytest.fixture
def many(session: Session, world: World) -> list[str]:
    """Claims of two sites for three months; their ids, latest month first."""
    other = make_site(session, world.town)
    make_grant(session, world.manager, Role.SITE_MANAGER, at=other)
    made = [
        Claim(fund_id=world.fund.id, site_id=site.id, month=date(2026, month, 1), amount_fen=0)
        for month in (9, 10, 11)
        for site in (world.site, other)
    ]
    made[0].status = ClaimStatus.RETURNED
    session.add_all(made)
    session.flush()
    return [str(claim.id) for claim in reversed(made)]


@pytest.mark.parametrize("limit", [1, 2, 4, 6, 200])
def test_pages_show_every_claim_once(
    client: TestClient, people: People, many: list[str], limit: int
) -> None:
    for who in people.values():
        assert walked(client, PATH, who, limit) == many


def test_claims_are_filtered_by_status(client: TestClient, people: People, many: list[str]) -> None:
    assert walked(client, PATH, people["submit"], 50, status="returned") == many[-1:]
    assert walked(client, PATH, people["submit"], 2, status="draft") == many[:-1]
    assert walked(client, PATH, people["submit"], 2, status="paid") == []


def test_only_a_paid_claim_has_a_voucher(client: TestClient, claim: Claim, people: People) -> None:
    shown = told(client.get(f"{PATH}/{claim.id}", headers=people["submit"]))
    assert (shown["voucher_number"], shown["paid_at"], shown["moves"]) == (None, None, ["submit"])
