"""Who looks at a branch's contact is written down."""

from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import Account, AuditEvent, Role
from tests.api.replies import told
from tests.makers import (
    make_account,
    make_booking,
    make_session,
    make_venue,
    make_world,
    signed_in,
)

PATH = "/api/v1/bookings"


@pytest.fixture
def readers(own_engine: Engine) -> dict[str, dict[str, str]]:
    """A district with two bookings, and the headers of its people."""
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        make_booking(session, world)
        make_booking(session, world, make_session(session, make_venue(session, world.site)))
        people: dict[str, Account] = {
            "organiser": world.organiser,
            "manager": world.manager,
            "district_staff": world.district_staff,
            "auditor": make_account(session, Role.AUDITOR, at=world.district),
        }
        return {name: signed_in(session, person) for name, person in people.items()}


def looks(engine: Engine) -> list[AuditEvent]:
    with Session(engine) as session:
        wanted = select(AuditEvent).where(AuditEvent.noun == "booking", AuditEvent.action == "read")
        return list(session.exec(wanted).all())


@pytest.mark.parametrize(("who", "role"), [("manager", "site_manager"), ("district_staff",) * 2])
def test_a_look_at_a_contact_is_noted_once_a_request(
    own_client: TestClient,
    own_engine: Engine,
    readers: dict[str, dict[str, str]],
    who: str,
    role: str,
) -> None:
    page = told(own_client.get(PATH, headers=readers[who]))
    ids = [item["id"] for item in page["items"]]
    assert all(item["contact_phone"] == "+8613800000000" for item in page["items"])
    (listed,) = looks(own_engine)
    assert (listed.row_id, listed.actor_role) == (None, role)
    assert listed.after == {"fields": "contact", "count": 2, "ids": ids}
    told(own_client.get(f"{PATH}/{ids[0]}", headers=readers[who]))
    _, shown = sorted(looks(own_engine), key=lambda event: event.number)
    assert (shown.row_id, shown.after["count"]) == (ids[0], 1)
    assert shown.district_id == listed.district_id != UUID(int=0)


@pytest.mark.parametrize("who", ["organiser", "auditor"])
def test_ones_own_contacts_and_none_at_all_are_no_look(
    own_client: TestClient, own_engine: Engine, readers: dict[str, dict[str, str]], who: str
) -> None:
    page = told(own_client.get(PATH, headers=readers[who]))
    assert [bool(item["contact_phone"]) for item in page["items"]] == [who == "organiser"] * 2
    told(own_client.get(f"{PATH}/{page['items'][0]['id']}", headers=readers[who]))
    assert looks(own_engine) == []
