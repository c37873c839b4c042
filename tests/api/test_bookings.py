"""Ordering and reading over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, func, select
from uuid_utils.compat import uuid7

from app.models import Account, ApprovalMode, Booking, Role, SiteStatus, Suspension, VenueSession
from app.services import refusals
from app.services.codes import code_of
from tests.api.replies import Body, done_once, keyed, pointers, refused, sent_raw, told, walked
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_booking,
    make_completed,
    make_organisation,
    make_policy,
    make_session,
    make_world,
    move,
    signed_in,
)

PATH = "/api/v1/bookings"
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def organiser(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, world.organiser)


def wish(world: World, *slots: VenueSession, **other: Any) -> Body:
    """An order as a client writes it."""
    return {
        "session_ids": [str(slot.id) for slot in slots or (world.slot,)],
        "programme_ids": [str(world.programme.id)],
        "organisation_id": str(world.branch.id),
        "people_expected": 20,
        "purpose": "theme_party_day",
        "contact_name": "王组织",
        "contact_phone": "138 0000 0000",
        "note": "自带旗帜",
    } | other


def test_an_order_is_answered_with_the_booking(
    client: TestClient, world: World, organiser: dict[str, str]
) -> None:
    booking = told(client.post(PATH, json=wish(world), headers=organiser), 201)
    assert (booking["status"], booking["people_expected"]) == ("pending", 20)
    assert booking["site"] == {"id": str(world.site.id), "name": world.site.name}
    assert booking["session_ids"] == [str(world.slot.id)]
    assert booking["starts_at"] == "2026-12-02T01:00:00Z"
    assert booking["moves"] == ["change", "cancel"]
    assert booking["contact_phone"] == "+8613800000000"
    assert booking["subsidy"] == {
        "status": None,
        "reserved_fen": None,
        "committed_fen": None,
        "rule_version": None,
    }
    assert told(client.get(f"{PATH}/{booking['id']}", headers=organiser)) == booking


def test_an_order_sent_twice_is_one_booking(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    done_once(client, PATH, organiser, wish(world), 201)
    assert session.exec(select(func.count()).select_from(Booking)).one() == 1


def test_another_order_under_the_key_is_refused(
    client: TestClient, world: World, organiser: dict[str, str]
) -> None:
    headers = keyed(organiser)
    told(client.post(PATH, json=wish(world), headers=headers), 201)
    other = client.post(PATH, json=wish(world, people_expected=21), headers=headers)
    refused(other, 422, "idempotency-key-reused")


def test_a_refused_order_leaves_its_key_free(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    world.branch.active = False
    headers = keyed(organiser)
    refused(client.post(PATH, json=wish(world), headers=headers), 409, "organisation-inactive")
    session.get_one(type(world.branch), world.branch.id).active = True
    reply = client.post(PATH, json=wish(world), headers=headers)
    assert "idempotency-replayed" not in reply.headers
    told(reply, 201)


def test_a_key_must_be_a_uuid(client: TestClient, world: World, organiser: dict[str, str]) -> None:
    reply = client.post(PATH, json=wish(world), headers=keyed(organiser, "twice"))
    assert pointers(reply) == {"/header/Idempotency-Key"}


Spoil = Callable[[Session, World], Body]


def _inactive(session: Session, world: World) -> Body:
    world.branch.active = False
    return wish(world)


def _suspended(session: Session, world: World) -> Body:
    world.site.status = SiteStatus.SUSPENDED
    return wish(world)


def _gap(session: Session, world: World) -> Body:
    late = make_session(session, world.venue, starts_at=world.slot.ends_at + HOUR)
    return wish(world, world.slot, late)


def _closed(session: Session, world: World) -> Body:
    world.slot.closed_reason = "检修"
    return wish(world)


def _tomorrow(session: Session, world: World) -> Body:
    return wish(world, make_session(session, world.venue, starts_at=NOW + DAY))


def _in_three_months(session: Session, world: World) -> Body:
    return wish(world, make_session(session, world.venue, starts_at=NOW + 90 * DAY))


def _foreign_menu(session: Session, world: World) -> Body:
    return wish(world, programme_ids=[str(uuid7())])


def _crowd(session: Session, world: World) -> Body:
    return wish(world, people_expected=61)


def _taken(session: Session, world: World) -> Body:
    make_booking(session, world)
    return wish(world)


def _unguided(session: Session, world: World) -> Body:
    world.programme.needs_guide = True
    return wish(world)


def _barred(session: Session, world: World) -> Body:
    until = NOW + 5 * DAY
    session.add(
        Suspension(
            district_id=world.district.id,
            organisation_id=world.branch.id,
            starts_at=NOW - DAY,
            ends_at=until,
        )
    )
    return wish(world)


def _two_already(session: Session, world: World) -> Body:
    make_policy(session, world.district, site=world.site, open_bookings_limit=2)
    for hours in (3, 6):
        later = make_session(session, world.venue, starts_at=IN_A_WEEK + hours * HOUR)
        make_booking(session, world, later)
    return wish(world)


SPOILS: dict[type[refusals.Refused], tuple[Spoil, Body]] = {
    refusals.OrganisationInactive: (_inactive, {}),
    refusals.BranchSuspended: (_barred, {"limit": 3, "until": "2026-11-30T09:00:00+08:00"}),
    refusals.TooManyOpenBookings: (_two_already, {"limit": 2}),
    refusals.SiteNotOpen: (_suspended, {}),
    refusals.SessionsNotConsecutive: (_gap, {}),
    refusals.SessionClosed: (_closed, {"reason": "检修"}),
    refusals.LeadTimeTooShort: (_tomorrow, {"limit": 3, "earliest_day": "2026-11-30"}),
    refusals.BeyondHorizon: (_in_three_months, {"limit": 60, "latest_day": "2027-01-24"}),
    refusals.ProgrammeNotOffered: (_foreign_menu, {}),
    refusals.PartyTooLarge: (_crowd, {"limit": 60}),
    refusals.GuideNotFree: (_unguided, {}),
    refusals.SessionFull: (_taken, {"people_free": 40, "groups_free": 0}),
}


def test_every_rule_is_tried_below() -> None:
    assert set(SPOILS) == set(refusals.REFUSALS)


@pytest.mark.parametrize("rule", SPOILS)
def test_a_refusal_names_its_rule_and_offers_others(
    client: TestClient,
    session: Session,
    world: World,
    organiser: dict[str, str],
    rule: type[refusals.Refused],
) -> None:
    spoil, facts = SPOILS[rule]
    free = make_session(session, world.venue, starts_at=IN_A_WEEK + 2 * DAY)
    body = spoil(session, world)
    problem = refused(client.post(PATH, json=body, headers=organiser), 409, rule.slug())
    assert problem["rule"] == rule.slug()
    assert facts.items() <= problem.items()
    assert len(problem["alternatives"]) <= 3
    if rule is refusals.SessionFull:
        (offered,) = problem["alternatives"]
        assert offered["id"] == str(free.id)
        told(
            client.post(PATH, json=wish(world, session_ids=[offered["id"]]), headers=organiser), 201
        )


@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({"organisation_id": str(uuid7())}, 404, "organisation-not-found"),
        ({"session_ids": [str(uuid7())]}, 404, "session-not-found"),
        ({"contact_phone": "12"}, 422, "invalid-phone"),
    ],
)
def test_what_does_not_exist_is_named(
    client: TestClient,
    world: World,
    organiser: dict[str, str],
    other: Body,
    status: int,
    code: str,
) -> None:
    refused(client.post(PATH, json=wish(world, **other), headers=organiser), status, code)


def test_only_the_branchs_organiser_orders(
    client: TestClient, session: Session, world: World
) -> None:
    member = signed_in(session, make_account(session, Role.MEMBER, at=world.branch))
    manager = signed_in(session, world.manager)
    refused(client.post(PATH, json=wish(world), headers=member), 403, "not-in-scope")
    refused(client.post(PATH, json=wish(world), headers=manager), 404, "organisation-not-found")
    refused(client.post(PATH, json=wish(world)), 401, "unauthenticated")


def test_an_order_approved_at_once_needs_the_money(client: TestClient, session: Session) -> None:
    poor = make_world(session, approval_mode=ApprovalMode.AUTO, available_fen=19_999)
    headers = signed_in(session, poor.organiser)
    problem = refused(client.post(PATH, json=wish(poor), headers=headers), 409, "fund-exhausted")
    assert (problem["amount_fen"], problem["available_fen"]) == (20_000, 19_999)
    assert told(client.get(PATH, headers=headers))["items"] == []


@pytest.mark.parametrize(
    ("other", "pointer"),
    [
        ({"people_expected": 0}, "/people_expected"),
        ({"people_expected": 10**30}, "/people_expected"),
        ({"people_expected": "many"}, "/people_expected"),
        ({"session_ids": []}, "/session_ids"),
        ({"session_ids": ["x"]}, "/session_ids/0"),
        ({"session_ids": [str(uuid7())] * 9}, "/session_ids"),
        ({"programme_ids": None}, "/programme_ids"),
        ({"organisation_id": "\x00"}, "/organisation_id"),
        ({"purpose": "party"}, "/purpose"),
        ({"contact_name": " "}, "/contact_name"),
        ({"contact_name": "王\n"}, None),
        ({"contact_name": "王\x00"}, "/contact_name"),
        ({"contact_name": "\ud800"}, "/contact_name"),
        ({"note": "\x00"}, "/note"),
        ({"note": "\udfff"}, "/note"),
        ({"note": "长" * 501}, "/note"),
        ({"contact_phone": "1\x7f"}, "/contact_phone"),
    ],
)
def test_a_malformed_order_is_told_where(
    client: TestClient,
    world: World,
    organiser: dict[str, str],
    other: Body,
    pointer: str | None,
) -> None:
    reply = sent_raw(client, PATH, organiser, wish(world, **other))
    if pointer is None:
        told(reply, 201)
    else:
        assert pointers(reply) == {pointer}


def test_every_step_is_listed_with_its_actor(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    move(session, world.manager, booking, "reject", reason="当日接待市级活动")
    events = told(client.get(f"{PATH}/{booking.id}/events", headers=organiser))["items"]
    assert [(e["from_status"], e["to_status"]) for e in events] == [
        (None, "pending"),
        ("pending", "rejected"),
    ]
    assert [e["actor_name"] for e in events] == [world.organiser.name, world.manager.name]
    assert events[1]["reason"] == "当日接待市级活动"


@pytest.mark.parametrize("tail", ["", "/events"])
def test_a_foreign_booking_is_not_there(
    client: TestClient, session: Session, world: World, tail: str
) -> None:
    booking = make_booking(session, world)
    stranger = make_account(session, Role.ORGANISER, at=make_organisation(session))
    admin = make_account(session, Role.SYSTEM_ADMIN)
    for account in (stranger, admin):
        reply = client.get(f"{PATH}/{booking.id}{tail}", headers=signed_in(session, account))
        refused(reply, 404, "booking-not-found")
    refused(client.get(f"{PATH}/{booking.id}{tail}"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("role", "sees_contact"),
    [("organiser", True), ("manager", True), ("district_staff", True), ("auditor", False)],
)
def test_the_contact_is_for_those_who_need_it(
    client: TestClient, session: Session, world: World, role: str, sees_contact: bool
) -> None:
    booking = make_booking(session, world)
    booking.note = "自带旗帜"
    account: Account = (
        make_account(session, Role.AUDITOR, at=world.district)
        if role == "auditor"
        else getattr(world, role)
    )
    shown = told(client.get(f"{PATH}/{booking.id}", headers=signed_in(session, account)))
    private = [shown[name] for name in ("contact_name", "contact_phone", "note")]
    assert private == (["王组织", "+8613800000000", "自带旗帜"] if sees_contact else [None] * 3)


def make_seven(session: Session, world: World) -> list[str]:
    """Seven bookings, two of them at the same time; return their ids, soonest first."""
    from_now = [NOW + timedelta(days=7 + n // 2, hours=3 * (n % 2) + 3) for n in range(7)]
    made = [
        make_booking(session, world, make_session(session, world.venue, starts_at=at))
        for at in from_now
    ]
    return [str(booking.id) for booking in made]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
@pytest.mark.parametrize(("sort", "step"), [("starts_at", 1), ("-starts_at", -1)])
def test_pages_show_every_booking_once(
    client: TestClient,
    session: Session,
    world: World,
    organiser: dict[str, str],
    limit: int,
    sort: str,
    step: int,
) -> None:
    made = make_seven(session, world)
    assert walked(client, PATH, organiser, limit, sort=sort) == made[::step]


def test_pages_do_not_lose_bookings_that_start_together(
    client: TestClient, session: Session
) -> None:
    world = make_world(session, groups_limit=5, people_limit=200)
    made = {str(make_booking(session, world).id) for _ in range(5)}
    headers = signed_in(session, world.organiser)
    for sort in ("starts_at", "-starts_at"):
        found = walked(client, PATH, headers, 2, sort=sort)
        assert (len(found), set(found)) == (5, made)


def ids(client: TestClient, who: dict[str, str], **query: str | list[str]) -> set[str]:
    return {item["id"] for item in told(client.get(PATH, params=query, headers=who))["items"]}


def test_filters(
    client: TestClient, session: Session, world: World, organiser: dict[str, str]
) -> None:
    early = make_completed(session, world)
    slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * DAY)
    late = make_booking(session, world, slot)
    first, last = str(early.id), str(late.id)
    assert ids(client, organiser) == {first, last}
    assert ids(client, organiser, status="pending") == {last}
    assert ids(client, organiser, status=["pending", "completed"]) == {first, last}
    assert ids(client, organiser, **{"from": "2026-12-03"}) == {last}
    assert ids(client, organiser, to="2026-12-02") == {first}
    assert ids(client, organiser, q=code_of(late.number or 0).lower()) == {last}
    assert ids(client, organiser, q="组织") == {first, last}
    assert ids(client, organiser, q="%") == set()
    assert ids(client, organiser, scope="site") == set()
    assert ids(client, signed_in(session, world.manager), scope="site") == {first, last}
    assert ids(client, signed_in(session, world.town_staff), scope="district") == {first, last}


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"limit": "9" * 40},
        {"status": "lost"},
        {"scope": "all"},
        {"sort": "id"},
        {"from": "2026-02-30"},
        {"from": "0001-01-01"},
        {"to": "9999-12-31"},
        {"q": "\x00"},
        {"q": "长" * 41},
    ],
)
def test_an_odd_question_is_malformed(
    client: TestClient, organiser: dict[str, str], query: dict[str, str]
) -> None:
    (name,) = query
    (pointer,) = pointers(client.get(PATH, params=query, headers=organiser))
    assert pointer.startswith(f"/query/{name}")
