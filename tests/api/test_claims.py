"""Claims over HTTP."""

from datetime import date

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Claim, ClaimStatus, Role
from app.services import reviews
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
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_claim,
    make_completed,
    make_grant,
    make_session,
    make_site,
    make_world,
    signed_in,
)

PATH = "/api/v1/claims"
STEPS = ("submit", "review", "approve", "pay")
BODIES: dict[str, Body] = {
    "return": {"reason": "第 3 行人数与签到不符"},
    "return-lines": {"booking_ids": [NOBODY], "reason": "支部尚未确认到场"},
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
        "return-lines": officer,
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
        "exceptions": 1,
        "returned_reason": None,
        "voucher_number": "2026-记-0117",
        "paid_at": "2026-11-25T01:00:00Z",
        "moves": [],
        "version": 5,
    }
    shown = told(client.get(f"{PATH}/{claim.id}", headers=people["pay"]))
    assert {name: shown[name] for name in moved} == moved
    names = {"submit": world.manager, "review": world.fund_officer, "approve": world.fund_approver}
    signed = {deed: who.name for deed, who in names.items()}
    assert shown["signed"] == signed | {"pay": world.fund_approver.name}
    fund = told(client.get(f"/api/v1/funds/{world.fund.id}", headers=people["pay"]))
    assert (fund["balances_fen"]["payable"], fund["balances_fen"]["paid"]) == (0, 20_000)


def test_a_claim_can_be_sent_back(client: TestClient, claim: Claim, people: People) -> None:
    path = f"{PATH}/{claim.id}"
    told(client.post(f"{path}/submit", headers=people["submit"]))
    back = done_once(client, f"{path}/return", people["return"], BODIES["return"])
    assert (back["status"], back["returned_reason"]) == ("returned", "第 3 行人数与签到不符")
    shown = told(client.get(path, headers=people["submit"]))
    assert shown["moves"] == ["submit"]


@pytest.mark.parametrize("name", ["review", "return", "return-lines", "approve", "pay"])
def test_a_move_that_the_state_forbids_names_those_it_allows(
    client: TestClient, claim: Claim, people: People, name: str
) -> None:
    reply = client.post(f"{PATH}/{claim.id}/{name}", json=BODIES.get(name), headers=people[name])
    problem = refused(reply, 409, "claim-state-conflict")
    assert (problem["current_status"], problem["allowed_moves"]) == ("draft", ["submit"])


@pytest.mark.parametrize("name", [*STEPS, "return", "return-lines"])
def test_a_move_that_is_not_theirs_is_forbidden(
    client: TestClient, session: Session, world: World, claim: Claim, name: str
) -> None:
    staff = signed_in(session, world.district_staff)
    reply = client.post(f"{PATH}/{claim.id}/{name}", json=BODIES.get(name), headers=staff)
    refused(reply, 403, "not-in-scope")


@pytest.mark.parametrize("name", [*STEPS, "return", "return-lines"])
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
    assert told(client.post(f"{path}/review", headers=headers))["moves"] == [
        "return",
        "return-lines",
    ]
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
        ("return-lines", {"reason": "x"}, "/booking_ids"),
        ("return-lines", {"reason": "x", "booking_ids": []}, "/booking_ids"),
        ("return-lines", {"reason": "x", "booking_ids": ["x"]}, "/booking_ids/0"),
        ("return-lines", {"reason": "x", "booking_ids": [NOBODY] * 201}, "/booking_ids"),
        ("return-lines", {"reason": "", "booking_ids": [NOBODY]}, "/reason"),
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


def test_claims_are_filtered_by_site_month_and_fund(
    client: TestClient, people: People, many: list[str], world: World
) -> None:
    who, site = people["review"], str(world.site.id)
    assert walked(client, PATH, who, 2, site_id=site) == many[1::2]
    assert walked(client, PATH, who, 2, month="2026-10-31") == many[2:4]
    assert walked(client, PATH, who, 2, month="2026-10-01", site_id=site) == many[3:4]
    assert walked(client, PATH, who, 4, fund_id=str(world.fund.id)) == many
    assert walked(client, PATH, who, 4, fund_id=NOBODY) == []
    for query in ({"month": "2026-10"}, {"site_id": "x"}, {"fund_id": "1"}):
        refused(client.get(PATH, params=query, headers=who), 422, "malformed-request")


def test_who_submitted_does_not_review(
    client: TestClient, session: Session, world: World, claim: Claim
) -> None:
    both = make_account(session, Role.FUND_OFFICER, at=world.district)
    make_grant(session, both, Role.SITE_MANAGER, at=world.site)
    headers = signed_in(session, both)
    path = f"{PATH}/{claim.id}"
    told(client.post(f"{path}/submit", headers=headers))
    refused(client.post(f"{path}/review", headers=headers), 409, "submitter-decides")


def test_a_version_may_be_named(client: TestClient, claim: Claim, people: People) -> None:
    path = f"{PATH}/{claim.id}/submit"
    old = people["submit"] | {"If-Match": '"7"'}
    refused(client.post(path, headers=old), 412, "claim-changed")
    seen = people["submit"] | {"If-Match": '"1"'}
    assert told(client.post(path, headers=seen))["version"] == 2


def test_a_voucher_number_is_taken_once(
    client: TestClient, session: Session, world: World, claim: Claim, people: People
) -> None:
    other = Claim(
        fund_id=world.fund.id,
        site_id=make_site(session, world.town).id,
        month=claim.month,
        amount_fen=0,
        status=ClaimStatus.PAID,
        submitted_by=world.manager.id,
        reviewed_by=world.fund_officer.id,
        approved_by=world.fund_approver.id,
        voucher_number=BODIES["pay"]["voucher_number"],
    )
    session.add(other)
    session.flush()
    for name in STEPS[:3]:
        told(client.post(f"{PATH}/{claim.id}/{name}", headers=people[name]))
    reply = client.post(f"{PATH}/{claim.id}/pay", json=BODIES["pay"], headers=people["pay"])
    refused(reply, 409, "voucher-taken")


@pytest.fixture
def two(session: Session, world: World) -> Claim:
    """A claim of two visits, the second confirmed by its branch."""
    make_completed(session, world)
    slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    booking = make_completed(session, world, slot, people=18, attended=19)
    reviews.write(
        session,
        actor=actor(session, world.organiser),
        booking_id=booking.id,
        content=5,
        reception=4,
        facilities=3,
        text="",
        now=NOW,
    )
    return make_claim(session, world)


def test_a_claim_has_its_lines_with_the_evidence(
    client: TestClient, two: Claim, people: People, world: World
) -> None:
    first, second = told(client.get(f"{PATH}/{two.id}", headers=people["submit"]))["lines"]["items"]
    assert first["reviewed"] is None
    assert first["stars"] is None
    assert [odd["kind"] for odd in first["exceptions"]] == ["unconfirmed_by_branch"]
    assert second["organisation"] == {"id": str(world.branch.id), "name": world.branch.name}
    assert (second["people_expected"], second["people_attended"]) == (18, 19)
    assert second["received"] == {"name": world.manager.name, "at": "2026-12-02T04:00:00Z"}
    assert second["counted"] == {"name": world.manager.name, "at": "2026-12-02T06:00:00Z"}
    assert second["reviewed"]["name"] == world.organiser.name
    assert second["stars"] == {"content": 5, "reception": 4, "facilities": 3}
    assert second["rule"]["version"] == 1
    assert second["arithmetic"]["heads"] == 19
    assert second["amount_fen"] == second["arithmetic"]["amount_fen"] == 19_500
    assert second["exceptions"] == [{"kind": "attended_above_expected", "look": None}]


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_lines_are_paged(client: TestClient, two: Claim, people: People, limit: int) -> None:
    path, who = f"{PATH}/{two.id}/lines", people["review"]
    found, cursor = [], None
    while True:
        params: Body = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = told(client.get(path, params=params, headers=who))
        found += [line["people_expected"] for line in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [20, 18]
    refused(client.get(path, params={"cursor": "x"}, headers=who), 422, "cursor-unreadable")


def test_visits_are_taken_out(client: TestClient, two: Claim, people: People) -> None:
    path = f"{PATH}/{two.id}"
    told(client.post(f"{path}/submit", headers=people["submit"]))
    first, second = told(client.get(f"{path}/lines", headers=people["review"]))["items"]
    body: Body = {"booking_ids": [first["booking_id"]], "reason": "支部尚未确认到场"}
    left = done_once(client, f"{path}/return-lines", people["review"], body)
    assert (left["status"], left["visits"], left["amount_fen"]) == ("submitted", 1, 19_500)
    shown = told(client.get(path, headers=people["submit"]))
    (taken,) = shown["returned_lines"]
    assert (taken["code"], taken["reason"]) == (first["code"], "支部尚未确认到场")
    assert [line["code"] for line in shown["lines"]["items"]] == [second["code"]]
    again = client.post(f"{path}/return-lines", json=body, headers=people["review"])
    problem = refused(again, 409, "line-not-in-claim")
    assert problem["booking_ids"] == body["booking_ids"]
    body["booking_ids"] = [second["booking_id"]]
    last = client.post(f"{path}/return-lines", json=body, headers=people["review"])
    refused(last, 409, "claim-would-be-empty")


def test_only_a_paid_claim_has_a_voucher(client: TestClient, claim: Claim, people: People) -> None:
    shown = told(client.get(f"{PATH}/{claim.id}", headers=people["submit"]))
    assert (shown["voucher_number"], shown["paid_at"], shown["moves"]) == (None, None, ["submit"])
