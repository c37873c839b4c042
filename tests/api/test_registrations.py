"""Asking in over HTTP."""

from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import AuditEvent, Organisation, OrganisationKind, Role
from app.services import accounts
from tests.api.replies import NOBODY, Body, done_once, pointers, refused, told, walked
from tests.makers import make_account, make_organisation, signed_in

PATH = "/api/v1/registrations"
PHONE = "13700001234"


@dataclass(frozen=True)
class Place:
    town: Organisation
    other: Organisation
    clerk: dict[str, str]
    stranger: dict[str, str]
    auditor: dict[str, str]
    organiser: dict[str, str]


def make_place(session: Session) -> Place:
    district = make_organisation(session)
    town, other = (
        make_organisation(session, parent=district, kind=OrganisationKind.TOWN) for _ in "ab"
    )
    branch = make_organisation(session, parent=town)

    def who(role: Role, at: Organisation) -> dict[str, str]:
        return signed_in(session, make_account(session, role, at=at))

    return Place(
        town=town,
        other=other,
        clerk=who(Role.TOWN_STAFF, town),
        stranger=who(Role.TOWN_STAFF, other),
        auditor=who(Role.AUDITOR, district),
        organiser=who(Role.ORGANISER, branch),
    )


@pytest.fixture
def place(session: Session) -> Place:
    return make_place(session)


def said(place: Place, **other: object) -> Body:
    return {
        "organisation_id": str(place.town.id),
        "name": "外来党支部",
        "home": "张店区",
        "sector": None,
        "member_count": 31,
        "contact_name": "王组织",
        "contact_phone": PHONE,
        "note": "第一行\n第二行",
    } | other


def ask(client: TestClient, place: Place, **other: object) -> str:
    body = told(client.post(PATH, json=said(place, **other)), 202)
    assert body == {"id": body["id"], "status": "pending"}
    return str(body["id"])


def test_asking_tells_nothing_of_accounts(
    session: Session, client: TestClient, place: Place
) -> None:
    accounts.create(session, name="老王", phone=PHONE, password=None)
    known, unknown = (
        client.post(PATH, json=said(place, contact_phone=phone)) for phone in (PHONE, "13700005678")
    )
    assert known.status_code == unknown.status_code == 202
    assert [{**reply.json(), "id": ""} for reply in (known, unknown)] == [
        {"id": "", "status": "pending"}
    ] * 2
    assert ask(client, place) == known.json()["id"]


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"home": "两\n行"}, "/home"),
        ({"member_count": 0}, "/member_count"),
        ({"member_count": 10_001}, "/member_count"),
        ({"contact_name": "x" * 41}, "/contact_name"),
        ({"note": "x" * 501}, "/note"),
        ({"sector": "space"}, "/sector"),
        ({"organisation_id": "me"}, "/organisation_id"),
    ],
)
def test_what_cannot_be_meant(client: TestClient, place: Place, other: Body, fault: str) -> None:
    assert pointers(client.post(PATH, json=said(place, **other))) == {fault}


def test_whom_nobody_can_ask(client: TestClient, place: Place) -> None:
    nobody = client.post(PATH, json=said(place, organisation_id=NOBODY))
    refused(nobody, 404, "organisation-not-found")
    refused(client.post(PATH, json=said(place, contact_phone="12")), 422, "invalid-phone")


def test_staff_see_what_they_were_asked(client: TestClient, place: Place) -> None:
    ids = [ask(client, place, contact_phone=f"1370000123{n}") for n in range(5)]
    ask(client, place, organisation_id=str(place.other.id))
    assert walked(client, PATH, place.clerk, 2) == ids[::-1]
    assert len(walked(client, PATH, place.auditor, 200)) == 6
    assert walked(client, PATH, place.organiser, 200) == []
    told(client.post(f"{PATH}/{ids[0]}/reject", json={"reason": "否"}, headers=place.clerk))
    assert walked(client, PATH, place.clerk, 200, status="rejected") == [ids[0]]
    assert walked(client, PATH, place.clerk, 200, status="pending") == ids[:0:-1]
    item = told(client.get(PATH, headers=place.clerk))["items"][0]
    assert not {"contact_name", "contact_phone", "note"} & set(item)
    assert client.get(PATH).status_code == 401


def test_the_contact_is_for_who_decides(client: TestClient, place: Place) -> None:
    path = f"{PATH}/{ask(client, place)}"
    body = told(client.get(path, headers=place.clerk))
    assert (body["contact_name"], body["contact_phone"]) == ("王组织", f"+86{PHONE}")
    assert body["note"] == "第一行\n第二行"
    body = told(client.get(path, headers=place.auditor))
    assert [body[name] for name in ("contact_name", "contact_phone", "note")] == [None] * 3
    for who in (place.stranger, place.organiser):
        refused(client.get(path, headers=who), 404, "registration-not-found")


def test_an_approval_is_given_once(client: TestClient, place: Place) -> None:
    path = f"{PATH}/{ask(client, place)}/approve"
    body = done_once(client, path, place.clerk, None)
    assert body["registration"]["status"] == "approved"
    assert body["branch"]["outside"] is True
    assert body["branch"]["id"] == body["registration"]["branch_id"]
    assert len(body["one_time_code"]["code"]) == 10
    decided = refused(client.post(path, headers=place.clerk), 409, "registration-decided")
    assert decided["current_status"] == "approved"
    refused(client.post(path, headers=place.stranger), 404, "registration-not-found")


def test_who_may_look_may_not_answer(client: TestClient, place: Place) -> None:
    path = f"{PATH}/{ask(client, place)}"
    refused(client.post(f"{path}/approve", headers=place.auditor), 403, "not-in-scope")
    no = {"reason": "否"}
    refused(client.post(f"{path}/reject", json=no, headers=place.auditor), 403, "not-in-scope")
    assert pointers(client.post(f"{path}/reject", json={}, headers=place.clerk)) == {"/reason"}
    body = done_once(client, f"{path}/reject", place.clerk, no)
    assert (body["status"], body["reason"]) == ("rejected", "否")


def test_reading_a_contact_is_noted(own_client: TestClient, own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        place = make_place(session)
    id_ = ask(own_client, place)
    told(own_client.get(f"{PATH}/{id_}", headers=place.auditor))
    told(own_client.get(PATH, headers=place.clerk))
    told(own_client.get(f"{PATH}/{id_}", headers=place.clerk))
    with Session(own_engine) as session:
        mine = select(AuditEvent).where(AuditEvent.noun == "registration")
        made, read = session.exec(mine.order_by("number")).all()
        assert (made.action, made.actor_role, made.after["contact_name"]) == (
            "create",
            "visitor",
            "***",
        )
        assert (read.action, read.row_id, read.actor_role) == ("read", id_, "town_staff")
        assert read.district_id == place.town.district_id
