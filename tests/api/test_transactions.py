"""Ledgers, corrections, reconciliation and statements over HTTP."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import Session

from app.models import EntryKind
from tests.api.replies import NOBODY, refused, told
from tests.conftest import as_owner
from tests.makers import World, make_completed, make_fund, make_world, signed_in
from tests.services.books import entry_of, make_books

API = "/api/v1"


@pytest.fixture
def world(session: Session) -> World:
    return make_books(session)


@pytest.fixture
def officer(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.fund_officer)


@pytest.fixture
def approver(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.fund_approver)


def test_a_ledger_is_read_page_by_page(
    client: TestClient, world: World, officer: dict[str, str]
) -> None:
    path, numbers, asked = f"{API}/funds/{world.fund.id}/transactions", [], {"limit": "7"}
    while True:
        page = told(client.get(path, params=asked, headers=officer))
        numbers += [entry["number"] for entry in page["items"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]
    assert numbers == list(range(len(numbers), 0, -1))
    assert len(numbers) > 15


def test_a_ledger_is_asked_for_some_of_it(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    path = f"{API}/funds/{world.fund.id}/transactions"

    def found(**asked: str) -> list[dict[str, object]]:
        items: list[dict[str, object]] = told(client.get(path, params=asked, headers=officer))[
            "items"
        ]
        return items

    everything = found(limit="200")
    assert {e["kind"] for e in found(kind="pay")} == {"pay"}
    booking = entry_of(session, EntryKind.COMMIT).booking_id
    assert {e["booking_id"] for e in found(booking_id=str(booking))} == {str(booking)}
    claim = entry_of(session, EntryKind.PAY).claim_id
    assert [e["kind"] for e in found(claim_id=str(claim))] == ["pay", "reverse_pay", "pay"]
    days = sorted({str(e["booked_on"]) for e in everything})
    early = found(to=days[0], limit="200")
    late = found(**{"from": days[1]}, limit="200")
    assert late + early == everything
    assert early
    assert late


def test_a_correction_takes_two(
    client: TestClient,
    session: Session,
    world: World,
    officer: dict[str, str],
    approver: dict[str, str],
) -> None:
    slip = told(
        client.post(
            f"{API}/funds/{world.fund.id}/appropriations",
            json={"amount_fen": 5, "document": "8 号"},
            headers=signed_in(session, world.district_staff),
        ),
        201,
    )
    path, why = f"{API}/transactions/{slip['id']}/reverse", {"reason": "金额录入有误"}
    asked = told(client.post(path, json=why, headers=officer), 201)
    assert (asked["status"], asked["transaction_id"]) == ("asked", slip["id"])
    refused(client.post(path, json=why, headers=officer), 409, "reversal-pending")
    answer = f"{API}/reversals/{asked['id']}"
    done = told(client.post(f"{answer}/confirm", headers=approver))
    assert (done["status"], done["answered_by"]) == ("confirmed", str(world.fund_approver.id))
    for name in ("confirm", "refuse"):
        again = client.post(f"{answer}/{name}", headers=approver)
        refused(again, 409, "reversal-answered")
    listed = client.get(
        f"{API}/funds/{world.fund.id}/reversals", params={"limit": 1}, headers=officer
    )
    assert told(listed)["items"] == [done]
    assert told(listed)["next_cursor"]


def test_what_cannot_be_reversed_says_why(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    def reverse(entry_id: object) -> Response:
        path = f"{API}/transactions/{entry_id}/reverse"
        return client.post(path, json={"reason": "有误"}, headers=officer)

    refused(reverse(entry_of(session, EntryKind.RESERVE).id), 409, "not-reversible")
    refused(reverse(NOBODY), 404, "transaction-not-found")
    foreign = make_world(session)
    make_completed(session, foreign)
    theirs = entry_of(session, EntryKind.COMMIT, fund=foreign.fund)
    refused(reverse(theirs.id), 404, "transaction-not-found")


def test_a_sound_fund_has_nothing_to_reconcile(
    client: TestClient, world: World, officer: dict[str, str]
) -> None:
    path = f"{API}/funds/{world.fund.id}/reconciliation"
    assert told(client.get(path, headers=officer)) == {"items": [], "more": False}


def test_what_is_wrong_is_told(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    as_owner(session)
    change = "UPDATE fund_balance SET balance_fen = balance_fen + 1"
    session.connection().exec_driver_sql(change)
    path = f"{API}/funds/{world.fund.id}/reconciliation"
    found = told(client.get(path, params={"limit": 2}, headers=officer))
    assert found["more"] is True
    check = "a balance is not the sum of its entries"
    assert {item["check"] for item in found["items"]} == {check}
    assert all(item["row"].startswith(str(world.fund.id)) for item in found["items"])


def test_a_statement_joins_the_month_before(
    client: TestClient, world: World, officer: dict[str, str]
) -> None:
    path = f"{API}/funds/{world.fund.id}"
    november, december = (
        told(client.get(f"{path}/statements/{month}", headers=officer))
        for month in ("2026-11", "2026-12")
    )
    assert november["closing_fen"] == december["opening_fen"]
    assert december["closing_fen"] == told(client.get(path, headers=officer))["balances_fen"]
    newest = told(client.get(f"{path}/transactions", headers=officer))["items"][0]
    assert (december["head"], december["last_number"]) == (newest["hash"], newest["number"])
    assert november["entries"] + december["entries"] == newest["number"]
    for month in ("2026-00", "2026-1", "x"):
        refused(client.get(f"{path}/statements/{month}", headers=officer), 422, "malformed-request")


def test_another_districts_books_are_not_there(
    client: TestClient, session: Session, world: World
) -> None:
    headers = signed_in(session, make_world(session).fund_officer)
    for part in ("transactions", "reversals", "reconciliation", "statements/2026-11"):
        reply = client.get(f"{API}/funds/{world.fund.id}/{part}", headers=headers)
        refused(reply, 404, "fund-not-found")


def test_an_empty_fund_has_an_empty_statement(
    client: TestClient, session: Session, world: World, officer: dict[str, str]
) -> None:
    fund = make_fund(session, world.district, fiscal_year=2030, available_fen=0)
    told_ = told(client.get(f"{API}/funds/{fund.id}/statements/2030-01", headers=officer))
    assert (told_["entries"], told_["head"], told_["sums"]) == (0, "", [])
