"""Where there is room, over HTTP; and what nobody found."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.api.availability import Availability
from app.models import Crs, UnmetSearch
from app.services import coordinates, unmet_searches
from app.services.coordinates import Place
from tests.conftest import NOW
from tests.makers import World, make_session, make_site, make_venue, make_world, signed_in
from tests.services.grounds import hours
from tests.services.statements import counted

PATH = "/api/v1/availability"
HERE: dict[str, Any] = {
    "near": "117.97,36.64",
    "from": "2026-12-02",
    "to": "2026-12-02",
    "people": 20,
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def asked(client: TestClient, **facts: Any) -> dict[str, Any]:
    reply = client.get(PATH, params=HERE | facts)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def test_a_site_with_room(client: TestClient, world: World) -> None:
    reply = client.get(PATH, params=HERE)
    assert reply.headers["cache-control"] == "private, no-store"
    [item] = reply.json()["items"]
    assert (item["site"]["id"], item["distance_m"]) == (str(world.site.id), 0)
    [slot] = item["sessions"]
    assert (slot["id"], slot["session_ids"]) == (str(world.slot.id), [str(world.slot.id)])
    assert slot["bookable"] is True
    assert world.site.contact_phone not in reply.text
    assert reply.json()["near_misses"] == []


@pytest.mark.parametrize("crs", Crs)
def test_a_site_is_told_of_as_everywhere(
    client: TestClient, session: Session, world: World, crs: Crs
) -> None:
    world.site.location = coordinates.point(Place(117.9712345678, 36.6412345678))
    session.flush()
    lon, lat = coordinates.from_wgs84(117.97, 36.64, crs)
    reply = asked(client, crs=crs, near=f"{lon},{lat}", limit=1)
    [offer] = reply["items"]
    Availability.model_validate(reply)
    [listed] = client.get("/api/v1/sites", params={"crs": crs}).json()["items"]
    assert offer["site"] == listed
    full = client.get(f"/api/v1/sites/{world.site.id}", params={"crs": crs}).json()
    assert {name: full[name] for name in listed} == listed
    assert listed["next_free_at"]


def test_what_it_costs_does_not_grow(client: TestClient, session: Session, world: World) -> None:
    with counted(session) as one:
        asked(client)
    for _ in range(5):
        make_session(session, make_venue(session, make_site(session, world.town)))
    with counted(session) as six:
        assert len(asked(client)["items"]) == 6
    reads = [[s for s in seen if s.lstrip().startswith("SELECT")] for seen in (one, six)]
    assert len(reads[0]) == len(reads[1]) <= 3


@pytest.mark.parametrize(
    ("facts", "code", "zh", "en"),
    [
        pytest.param({"people": 100}, "fewer_people", "可容纳 60 人", "60 people fit", id="fewer"),
        pytest.param({"to": "2026-12-01", "from": "2026-12-01"}, "other_time",
                     "2026-12-02 09:00 有空场", "Free at 2026-12-02 09:00", id="time"),
        pytest.param({"near": "118.04,36.64", "radius_m": 1000}, "further", "再远 5.2 公里",
                     "5.2 km further", id="further"),
        pytest.param({"programme_kind": "oath"}, "other_programme", "无此类菜单", "another menu",
                     id="menu"),
    ],
)  # fmt: skip
def test_near_misses(
    client: TestClient, world: World, facts: dict[str, Any], code: str, zh: str, en: str
) -> None:
    [miss] = asked(client, **facts)["near_misses"]
    assert (miss["because"]["code"], miss["site"]["id"]) == (code, str(world.site.id))
    assert zh in miss["because"]["text"]
    english = client.get(PATH, params=HERE | facts, headers={"Accept-Language": "en"})
    assert en in english.json()["near_misses"][0]["because"]["text"]


def test_nothing_found_is_counted_without_a_person(
    client: TestClient, session: Session, world: World
) -> None:
    who = signed_in(session, world.organiser)
    for headers in ({}, who, who):
        client.get(PATH, params=HERE | {"people": 1000}, headers=headers)
    [row] = session.exec(select(UnmetSearch)).all()
    assert (row.times, row.people, row.longitude, row.latitude) == (3, 1000, 117.975, 36.645)
    asked(client)
    assert len(session.exec(select(UnmetSearch)).all()) == 1


def test_a_day_holds_so_much(
    client: TestClient, session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmet_searches, "MOST_A_DAY", 2)
    for people in (150, 300, 500, 150):
        asked(client, people=people)
    rows = session.exec(select(UnmetSearch.people, UnmetSearch.times)).all()
    assert sorted(rows) == [(150, 2), (300, 1)]


def test_an_answer_does_not_depend_on_being_counted(
    client: TestClient, session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmet_searches, "_COUNT", text("SELECT 1 / 0"))
    assert asked(client, people=1000)["items"] == []


def test_old_searches_are_forgotten(client: TestClient, session: Session, world: World) -> None:
    asked(client, people=1000)
    assert unmet_searches.forget_old(session, NOW + timedelta(days=730)) == 0
    assert unmet_searches.forget_old(session, NOW + timedelta(days=732)) == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"near": "nan,1"},
        {"near": ""},
        {"near": "117.97"},
        {"from": "2026-12-03"},
        {"to": "2027-12-03"},
        {"to": "2026-12-02T10:00:00"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"from": "1764000000"},
        {"people": 0},
        {"people": 10_001},
        {"radius_m": 100_001},
        {"minutes": 0},
        {"programme_kind": "x"},
        {"limit": 51},
    ],
    ids=str,
)
def test_what_cannot_be_meant(client: TestClient, world: World, facts: dict[str, Any]) -> None:
    assert client.get(PATH, params=HERE | facts).status_code == 422


LATE = "2027-01-15"


@pytest.fixture
def neglected(own_engine: Engine, own_client: TestClient) -> TestClient:
    """A client of a district that opens each morning, and whose scheduler never ran."""
    with Session(own_engine) as session, session.begin():
        hours(session, make_venue(session, make_world(session).site))
    return own_client


@pytest.mark.parametrize(
    ("path", "facts"),
    [
        pytest.param(PATH, HERE | {"from": LATE, "to": LATE}, id="availability"),
        pytest.param("/api/v1/sites", {"open_on": LATE}, id="sites"),
    ],
)
def test_a_place_is_found_though_no_scheduler_ever_ran(
    neglected: TestClient, path: str, facts: dict[str, Any]
) -> None:
    assert neglected.get(path, params=facts).json()["items"]


def test_a_process_looks_after_the_sessions_once_a_day(
    neglected: TestClient, own_engine: Engine
) -> None:
    facts = {"open_on": LATE}
    for _ in range(2):
        assert neglected.get("/api/v1/sites", params=facts).json()["items"]
    with own_engine.begin() as connection:
        connection.execute(text("DELETE FROM venue_session WHERE rule_id IS NOT NULL"))
        connection.execute(text("DELETE FROM made_ahead"))
    assert neglected.get("/api/v1/sites", params=facts).json()["items"] == []
