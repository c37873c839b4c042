"""The tree over HTTP."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from app.models import Organisation, OrganisationKind, Role, Sector
from app.services import accounts, grants, organisations, tokens
from app.services.organisations import Sapling
from tests.conftest import NOW

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
    }


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
