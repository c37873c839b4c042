"""The tree over HTTP."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import Session

from app.models import Organisation, OrganisationKind, Role, Sector
from app.services import accounts, grants, organisations, tokens
from app.services.organisations import Sapling
from tests.api.replies import NOBODY, Body, done_once, keyed, pointers, refused, told
from tests.conftest import NOW
from tests.makers import (
    make_account,
    make_booking,
    make_grant,
    make_organisation,
    make_world,
    signed_in,
)

PATH = "/api/v1/organisations"


@dataclass(frozen=True)
class Town:
    town: Organisation
    branches: list[Organisation]
    elsewhere: Organisation
    staff: dict[str, str]


def make_town(session: Session) -> Town:
    district = organisations.create(
        session, name="示例区委", code="Q0", kind=OrganisationKind.DISTRICT, parent=None
    )
    town, elsewhere = (
        organisations.create(session, name=name, code=code, kind=kind, parent=district)
        for name, code, kind in (
            ("示例镇党委", "Q1", OrganisationKind.TOWN),
            ("别处镇党委", "Q2", OrganisationKind.TOWN),
        )
    )
    branches = organisations.create_many(
        session,
        saplings=[
            Sapling(
                name=f"第{n}村党支部",
                code=f"Q1-{n}",
                kind=OrganisationKind.BRANCH,
                parent=town,
                sector=Sector.RURAL if n % 2 else Sector.URBAN,
                member_count=n,
            )
            for n in range(5)
        ],
    )
    account = accounts.create(session, name="李四", phone="13800001234", password=None)
    grants.grant(session, account_id=account.id, role=Role.TOWN_STAFF, organisation_id=town.id)
    pair = tokens.issue(session, account_id=account.id, now=NOW)
    return Town(town, branches, elsewhere, {"Authorization": f"Bearer {pair.access_token}"})


@pytest.fixture
def place(session: Session) -> Town:
    return make_town(session)


def codes(client: TestClient, place: Town, **query: str | int) -> list[str]:
    reply = client.get(PATH, params=query, headers=place.staff)
    assert reply.status_code == 200
    return [item["code"] for item in reply.json()["items"]]


def test_a_town_sees_itself_and_below(client: TestClient, place: Town) -> None:
    assert codes(client, place) == ["Q1", "Q1-0", "Q1-1", "Q1-2", "Q1-3", "Q1-4"]


def test_filters(client: TestClient, place: Town) -> None:
    assert codes(client, place, q="第3村") == ["Q1-3"]
    assert codes(client, place, sector="urban") == ["Q1-0", "Q1-2", "Q1-4"]
    assert codes(client, place, parent_id=str(place.town.id), limit=2) == ["Q1-0", "Q1-1"]
    assert codes(client, place, parent_id=str(place.elsewhere.id)) == []


def test_pages_follow_one_another_without_gap_or_repetition(
    client: TestClient, place: Town
) -> None:
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(4):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = client.get(PATH, params=query, headers=place.staff).json()
        seen += [item["code"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["Q1", "Q1-0", "Q1-1", "Q1-2", "Q1-3", "Q1-4"]
    assert cursor is None


def test_one_organisation(client: TestClient, place: Town) -> None:
    branch = place.branches[3]
    reply = client.get(f"{PATH}/{branch.id}", headers=place.staff)
    assert reply.status_code == 200
    assert reply.json() == {
        "id": str(branch.id),
        "parent_id": str(place.town.id),
        "code": "Q1-3",
        "name": "第3村党支部",
        "kind": "branch",
        "sector": "rural",
        "member_count": 3,
        "outside": False,
        "active": True,
        "place": None,
        "version": 1,
    }
    assert reply.headers["etag"] == '"1"'


def test_what_is_elsewhere_is_not_found(client: TestClient, place: Town) -> None:
    for unseen in (place.elsewhere.id, uuid4()):
        reply = client.get(f"{PATH}/{unseen}", headers=place.staff)
        assert (reply.status_code, reply.json()["code"]) == (404, "organisation-not-found")


def test_the_tree_is_for_those_who_signed_in(client: TestClient, place: Town) -> None:
    for path in (PATH, f"{PATH}/{place.town.id}"):
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"limit": 0}, "malformed-request"),
        ({"limit": 201}, "malformed-request"),
        ({"q": "\0"}, "malformed-request"),
        ({"q": "x" * 61}, "malformed-request"),
        ({"sector": "space"}, "malformed-request"),
        ({"parent_id": "me"}, "malformed-request"),
        ({"cursor": "nonsense"}, "cursor-unreadable"),
    ],
)
def test_odd_questions_are_malformed(
    client: TestClient, place: Town, query: dict[str, str], code: str
) -> None:
    reply = client.get(PATH, params=query, headers=place.staff)
    assert (reply.status_code, reply.json()["code"]) == (422, code)


def sapling(place: Town, **other: object) -> Body:
    return {
        "code": "Q1-9",
        "name": "=第九村党支部",
        "kind": "branch",
        "parent_id": str(place.town.id),
        "sector": "rural",
        "member_count": 9,
    } | other


def test_an_organisation_is_planted_once(client: TestClient, place: Town) -> None:
    body = done_once(client, PATH, place.staff, sapling(place), 201)
    assert (body["name"], body["version"], body["outside"]) == ("=第九村党支部", 1, False)
    assert told(client.get(f"{PATH}/{body['id']}", headers=place.staff)) == body
    refused(
        client.post(PATH, json=sapling(place), headers=place.staff), 409, "organisation-code-taken"
    )


@pytest.mark.parametrize(
    ("other", "status", "code"),
    [
        ({"kind": "department"}, 403, "not-in-scope"),
        ({"parent_id": NOBODY}, 404, "organisation-not-found"),
        ({"member_count": -1}, 422, "malformed-request"),
        ({"member_count": 100_000_001}, 422, "malformed-request"),
        ({"code": "x" * 33}, 422, "malformed-request"),
        ({"name": "两\n行"}, 422, "malformed-request"),
        ({"kind": "village"}, 422, "malformed-request"),
        ({"sector": "space"}, 422, "malformed-request"),
    ],
)
def test_what_cannot_be_planted(
    client: TestClient, place: Town, other: Body, status: int, code: str
) -> None:
    reply = client.post(PATH, json=sapling(place, **other), headers=place.staff)
    refused(reply, status, code)


def test_a_branch_does_not_hang_under_a_branch(client: TestClient, place: Town) -> None:
    under = sapling(place, parent_id=str(place.branches[0].id))
    body = refused(client.post(PATH, json=under, headers=place.staff), 409, "kind-misplaced")
    assert (body["kind"], body["parent_kind"]) == ("branch", "branch")


def test_a_change_is_to_the_version_that_was_read(client: TestClient, place: Town) -> None:
    path = f"{PATH}/{place.branches[0].id}"
    tag = client.get(path, headers=place.staff).headers["etag"]
    matching = place.staff | {"If-Match": tag}
    said = {"name": "改名", "active": False, "sector": None, "code": None}
    reply = client.patch(path, json=said, headers=matching)
    body = told(reply)
    assert (body["name"], body["active"], body["sector"]) == ("改名", False, None)
    assert (body["code"], body["version"]) == ("Q1-0", 2)
    assert reply.headers["etag"] == '"2"'
    refused(client.patch(path, json={"name": "再改"}, headers=matching), 412, "stale")
    without = client.patch(path, json={"name": "再改"}, headers=place.staff)
    refused(without, 422, "malformed-request")


def test_a_move_over_http(session: Session, client: TestClient, place: Town) -> None:
    chief = accounts.create(session, name="王五", phone="13800004321", password=None)
    district_id = place.town.district_id
    make_grant(session, chief, Role.DISTRICT_STAFF, at=session.get_one(Organisation, district_id))
    headers = signed_in(session, chief) | {"If-Match": "1"}
    path = f"{PATH}/{place.branches[0].id}"
    there = {"parent_id": str(place.elsewhere.id)}
    refused(
        client.patch(path, json=there, headers=place.staff | {"If-Match": "1"}),
        404,
        "organisation-not-found",
    )
    assert told(client.patch(path, json=there, headers=headers))["parent_id"] == there["parent_id"]
    refused(client.get(path, headers=place.staff), 404, "organisation-not-found")
    circle = {"parent_id": str(place.town.id)}
    path = f"{PATH}/{place.town.id}"
    refused(client.patch(path, json=circle, headers=headers), 409, "organisation-in-a-circle")


def test_history_is_where_the_branch_is(session: Session, client: TestClient) -> None:
    world = make_world(session)
    home, far = (
        make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
        for _ in range(2)
    )
    old, new = (
        signed_in(session, make_account(session, Role.TOWN_STAFF, at=town)) for town in (home, far)
    )
    chief = signed_in(session, world.district_staff)
    path = f"{PATH}/{world.branch.id}"
    for version, town in ((1, home), (2, far)):
        to = {"parent_id": str(town.id)}
        told(client.patch(path, json=to, headers=chief | {"If-Match": str(version)}))
        if version == 1:
            booking = f"/api/v1/bookings/{make_booking(session, world).id}"
            told(client.get(booking, headers=old))
    refused(client.get(booking, headers=old), 404, "booking-not-found")
    assert told(client.get("/api/v1/bookings", headers=old))["items"] == []
    assert told(client.get(booking, headers=new))["organisation"]["id"] == str(world.branch.id)
    assert len(told(client.get("/api/v1/bookings", headers=new))["items"]) == 1


def upload(client: TestClient, who: dict[str, str], content: bytes, query: str = "") -> Response:
    file = {"file": ("任意.bin", content, "application/octet-stream")}
    return client.post(f"{PATH}/import{query}", files=file, headers=who)


ROWS = "code,name,kind,parent_code\nQ1-8,第八村党支部,branch,Q1\n".encode()


def test_a_table_is_imported(client: TestClient, place: Town) -> None:
    wanted = {"rows": 1, "created": 1, "changed": 0, "unchanged": 0}
    dry = upload(client, place.staff, ROWS, "?dry_run=true")
    assert told(dry) == wanted | {"dry_run": True}
    assert "Q1-8" not in codes(client, place)
    key = keyed(place.staff)
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = part + ROWS + b"\r\n--x--\r\n"
    first, again = (
        client.post(f"{PATH}/import", content=body, headers=key | boundary) for _ in range(2)
    )
    assert told(first) == told(again) == wanted | {"dry_run": False}
    assert again.headers["idempotency-replayed"] == "true"
    assert "Q1-8" in codes(client, place)


def test_a_table_with_faults_is_refused(client: TestClient, place: Town) -> None:
    body = refused(
        upload(client, place.staff, ROWS.replace(b",Q1\n", b",Q2\n")), 422, "import-refused"
    )
    assert body["faults"] == 1
    assert body["errors"][0] == {
        "row": 2,
        "column": "parent_code",
        "value": "Q2",
        "code": "unknown-parent",
        "detail": "没有这个上级",
    }


def test_what_is_no_table(session: Session, client: TestClient, place: Town) -> None:
    refused(upload(client, place.staff, b"\xff\xfe"), 422, "sheet-unreadable")
    refused(upload(client, place.staff, b"a\n" * 20_002), 413, "sheet-too-large")
    assert upload(client, {}, ROWS).status_code == 401
    for fields in ({"file": "text"}, {}):
        reply = client.post(f"{PATH}/import", headers=place.staff, data=fields)
        assert pointers(reply) == {"/file"}
    organiser = make_account(session, Role.ORGANISER, at=place.branches[0])
    refused(upload(client, signed_in(session, organiser), ROWS), 403, "not-in-scope")
