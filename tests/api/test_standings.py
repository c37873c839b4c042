"""How a branch stands, over HTTP, and lifting what stops it."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import AuditEvent, Strike, StrikeKind, Suspension
from app.services.codes import code_of
from tests.api.replies import NOBODY, Body, done_once, keyed, pointers, refused, sent_raw, told
from tests.conftest import NOW
from tests.makers import World, make_booking, make_session, make_venue, make_world, signed_in

API = "/api/v1"
DAY = timedelta(days=1)
WHY: Body = {"reason": "因暴雨未能到场"}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def path_of(world: World) -> str:
    return f"{API}/organisations/{world.branch.id}/standing"


def lift_of(world: World) -> str:
    return f"{API}/organisations/{world.branch.id}/suspension/lift"


def strike(session: Session, world: World, **facts: Any) -> str:
    """A strike of the branch for a booking of its own; the booking's code."""
    slot = make_session(session, make_venue(session, world.site))
    booking = make_booking(session, world, slot)
    session.add(Strike(organisation_id=world.branch.id, booking_id=booking.id, **facts))
    session.flush()
    return code_of(booking.number or 0)


def suspend(session: Session, world: World) -> Suspension:
    """A suspension that began yesterday."""
    begun = NOW - DAY
    found = Suspension(
        district_id=world.district.id,
        organisation_id=world.branch.id,
        starts_at=begun,
        ends_at=begun + 90 * DAY,
    )
    session.add(found)
    session.flush()
    return found


def test_nothing_is_against_most(client: TestClient, session: Session, world: World) -> None:
    standing = told(client.get(path_of(world), headers=signed_in(session, world.organiser)))
    assert standing == {
        "organisation_id": str(world.branch.id),
        "suspended_since": None,
        "suspended_until": None,
        "may_lift": False,
        "strikes": [],
        "points": 0,
        "limit": 3,
        "strike_months": 12,
        "suspension_days": 90,
    }


def test_strikes_are_told_with_their_bookings(
    client: TestClient, session: Session, world: World
) -> None:
    late = strike(session, world, kind=StrikeKind.LATE_CANCEL, points=1, at=NOW)
    facts = {"kind": StrikeKind.NO_SHOW, "points": 2}
    strike(session, world, **facts, at=NOW - 400 * DAY)
    missed = strike(session, world, **facts, at=NOW - DAY)
    led = session.exec(select(Strike).where(Strike.at == NOW - DAY)).one()
    led.suspension_id = suspend(session, world).id
    session.flush()
    standing = told(client.get(path_of(world), headers=signed_in(session, world.town_staff)))
    assert [(one["code"], one["kind"], one["points"]) for one in standing["strikes"]] == [
        (late, "late_cancel", 1),
        (missed, "no_show", 2),
    ]
    assert [one["counts_until"] for one in standing["strikes"]] == ["2027-11-25T01:00:00Z", None]
    assert (standing["suspended_since"], standing["suspended_until"]) == (
        "2026-11-24T01:00:00Z",
        "2027-02-22T01:00:00Z",
    )
    assert (standing["points"], standing["may_lift"]) == (1, True)


def test_a_suspension_is_lifted_once(client: TestClient, session: Session, world: World) -> None:
    staff = signed_in(session, world.district_staff)
    refused(client.post(lift_of(world), json=WHY, headers=keyed(staff)), 409, "not-suspended")
    found = suspend(session, world)
    standing = done_once(client, lift_of(world), staff, WHY)
    assert (standing["suspended_until"], standing["may_lift"]) == (None, False)
    session.refresh(found)
    assert (found.lifted_at, found.lift_reason) == (NOW, WHY["reason"])
    refused(client.post(lift_of(world), json=WHY, headers=keyed(staff)), 409, "not-suspended")


def test_who_lifts_says_why(client: TestClient, session: Session, world: World) -> None:
    suspend(session, world)
    staff = signed_in(session, world.town_staff)
    for reason in ("", "   ", "字" * 201, "a\x00b", 7, None):
        body = {"reason": reason}
        assert pointers(sent_raw(client, lift_of(world), staff, body)) == {"/reason"}
    assert pointers(client.post(lift_of(world), json={}, headers=staff)) == {"/reason"}


def test_who_may_not(client: TestClient, session: Session, world: World) -> None:
    suspend(session, world)
    organiser = signed_in(session, world.organiser)
    refused(client.post(lift_of(world), json=WHY, headers=organiser), 403, "not-in-scope")
    stranger = signed_in(session, make_world(session).district_staff)
    absent = {"/standing": client.get, "/suspension/lift": client.post}
    for end, send in absent.items():
        more: Body = {} if send == client.get else {"json": WHY}
        for branch, who in ((world.branch.id, stranger), (NOBODY, organiser)):
            reply = send(f"{API}/organisations/{branch}{end}", headers=who, **more)  # type: ignore[operator]
            refused(reply, 404, "organisation-not-found")


def test_who_lifted_it_and_why_is_in_the_log(own_client: TestClient, own_engine: Engine) -> None:
    with Session(own_engine) as setup, setup.begin():
        world = make_world(setup)
        found = suspend(setup, world)
        staff = signed_in(setup, world.town_staff)
        path, row_id, who = lift_of(world), str(found.id), world.town_staff.id
    told(own_client.post(path, json=WHY, headers=staff))
    with Session(own_engine) as session:
        changed = select(AuditEvent).where(
            AuditEvent.row_id == row_id, AuditEvent.action == "update"
        )
        event = session.exec(changed).one()
        assert (event.noun, event.actor_id, event.actor_role) == ("suspension", who, "town_staff")
        assert event.after["lift_reason"] == WHY["reason"]
