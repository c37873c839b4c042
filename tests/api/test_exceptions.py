"""Exceptions of a fund over HTTP."""

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Booking, Role
from tests.api.replies import NOBODY, Body, done_once, pointers, refused, sent_raw, told
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_claim,
    make_completed,
    make_organisation,
    make_session,
    make_world,
    signed_in,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def odd(session: Session, world: World) -> Booking:
    """A visit to which more came than expected, and which the branch has not confirmed."""
    booking = make_completed(session, world, attended=21)
    make_claim(session, world)
    return booking


@pytest.fixture
def path(world: World) -> str:
    return f"/api/v1/funds/{world.fund.id}/exceptions"


def said(booking: Booking, **others: object) -> Body:
    return {
        "booking_id": str(booking.id),
        "kind": "attended_above_expected",
        "note": "签到表一致",
    } | others


def test_an_exception_is_listed_and_looked_at(
    client: TestClient, session: Session, world: World, odd: Booking, path: str
) -> None:
    officer = signed_in(session, world.fund_officer)
    first, second = told(client.get(path, headers=officer))["items"]
    assert (first["kind"], first["look"]) == ("attended_above_expected", None)
    assert second["kind"] == "unconfirmed_by_branch"
    assert first["site"] == {"id": str(world.site.id), "name": world.site.name}
    assert (first["people_expected"], first["people_attended"]) == (20, 21)
    looked = done_once(client, path, officer, said(odd))
    assert looked["look"] == {
        "by_id": str(world.fund_officer.id),
        "by_name": world.fund_officer.name,
        "at": "2026-11-25T01:00:00Z",
        "note": "签到表一致",
    }
    assert told(client.get(path, headers=officer))["items"] == [looked, second]
    for query, left in (({"looked": "false"}, [second]), ({"kind": first["kind"]}, [looked])):
        assert told(client.get(path, params=query, headers=officer))["items"] == left
    again = client.post(path, json=said(odd), headers=officer)
    refused(again, 409, "exception-looked-at")


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
def test_pages_have_every_exception_once(
    client: TestClient, session: Session, world: World, odd: Booking, path: str, limit: int
) -> None:
    slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, slot, attended=21)
    make_claim(session, world)
    officer = signed_in(session, world.fund_officer)
    found: list[tuple[str, str]] = []
    cursor = None
    while True:
        params: Body = {"limit": limit} | ({"cursor": cursor} if cursor else {})
        page = told(client.get(path, params=params, headers=officer))
        found += [(item["booking_id"], item["kind"]) for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(found) == len(set(found)) == 4
    assert found == sorted(found)


def test_what_is_not_odd_is_not_there(
    client: TestClient, session: Session, world: World, odd: Booking, path: str
) -> None:
    officer = signed_in(session, world.fund_officer)
    for body in (said(odd, kind="at_two_sites"), said(odd, booking_id=NOBODY)):
        refused(client.post(path, json=body, headers=officer), 404, "exception-not-found")


def test_who_reads_looks_at_nothing_and_strangers_see_nothing(
    client: TestClient, session: Session, world: World, odd: Booking, path: str
) -> None:
    staff = signed_in(session, world.district_staff)
    assert len(told(client.get(path, headers=staff))["items"]) == 2
    refused(client.post(path, json=said(odd), headers=staff), 403, "not-in-scope")
    elsewhere = make_account(session, Role.FUND_OFFICER, at=make_organisation(session))
    for who in (signed_in(session, elsewhere), signed_in(session, world.manager)):
        refused(client.get(path, headers=who), 404, "fund-not-found")
        refused(client.post(path, json=said(odd), headers=who), 404, "fund-not-found")
    refused(client.get(path), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"booking_id": "x"}, "/booking_id"),
        ({"kind": "odd"}, "/kind"),
        ({"note": " "}, "/note"),
        ({"note": "\x00"}, "/note"),
        ({"note": "长" * 501}, "/note"),
    ],
)
def test_a_malformed_look_is_told_where(
    client: TestClient,
    session: Session,
    world: World,
    odd: Booking,
    path: str,
    wrong: Body,
    pointer: str,
) -> None:
    officer = signed_in(session, world.fund_officer)
    assert pointers(sent_raw(client, path, officer, said(odd, **wrong))) == {pointer}


@pytest.mark.parametrize("query", [{"cursor": "x"}, {"kind": "odd"}, {"looked": "maybe"}])
def test_a_malformed_question_is_refused(
    client: TestClient, session: Session, world: World, path: str, query: Body
) -> None:
    officer = signed_in(session, world.fund_officer)
    assert client.get(path, params=query, headers=officer).status_code == 422
