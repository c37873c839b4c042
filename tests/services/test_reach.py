"""Reach against a recount by hand, and what is told of whom."""

from dataclasses import dataclass
from datetime import timedelta
from math import asin, cos, radians, sin, sqrt

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session

from app.models import Organisation, OrganisationKind, Role, SiteStatus
from app.services import reach
from app.services.audit import NOTED
from app.services.reach import Asked, Mode
from tests.api.replies import refused
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    make_world,
    point,
    signed_in,
)
from tests.services.statements import counted

PATH = "/api/v1/statistics/reach"
WEEKS = timedelta(days=14)
POINTS = st.tuples(st.floats(117.8, 118.2), st.floats(36.3, 36.8))
SITES = st.lists(st.tuples(POINTS, st.integers(0, 30), st.booleans()), max_size=5)


def apart_m(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Great circle on the mean sphere; the spheroid differs by at most 0.6 %."""
    (lon1, lat1), (lon2, lat2) = (tuple(map(radians, place)) for place in (one, two))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(half))


@dataclass
class Hand:
    """What the recount says: surely within, surely without, too near the line to say."""

    within: int = 0
    without: int = 0
    near_the_line: int = 0


def recount(
    branches: list[tuple[float, float]], sites: list[tuple[float, float]], radius_m: int
) -> Hand:
    hand = Hand()
    for branch in branches:
        nearest = min((apart_m(branch, site) for site in sites), default=float("inf"))
        if nearest < radius_m * 0.99:
            hand.within += 1
        elif nearest > radius_m * 1.01:
            hand.without += 1
        else:
            hand.near_the_line += 1
    return hand


def place(session: Session, organisation: Organisation, at: tuple[float, float]) -> None:
    organisation.location = point(*at)
    session.flush()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(POINTS, max_size=6), SITES, st.integers(500, 30_000), st.integers(1, 30))
def test_it_counts_as_a_hand_does(
    session: Session,
    branches: list[tuple[float, float]],
    sites: list[tuple[tuple[float, float], int, bool]],
    radius_m: int,
    people: int,
) -> None:
    with session.begin_nested() as undone:
        district = make_organisation(session)
        town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN)
        for at in branches:
            place(session, make_organisation(session, parent=town), at)
        for at, room, published in sites:
            status = SiteStatus.PUBLISHED if published else SiteStatus.SUSPENDED
            venue = make_venue(session, make_site(session, town, at=at, status=status))
            make_session(session, venue, people_limit=room)
        who = actor(session, make_account(session, Role.DISTRICT_STAFF, at=district))
        asked = Asked(radius_m, NOW, NOW + WEEKS, people)
        found = reach.by_town(session, actor=who, asked=asked)
        count, _ = reach.without(session, actor=who, asked=asked)
        undone.rollback()
    open_sites = [at for at, room, published in sites if published and room >= people]
    hand = recount(branches, open_sites, radius_m)
    within, without = sum(t.within for t in found), sum(t.without for t in found)
    assert hand.within <= within <= hand.within + hand.near_the_line
    assert within + without == len(branches)
    assert count == without


def test_who_has_none_is_told_with_their_place(client: TestClient, session: Session) -> None:
    world = make_world(session)  # its site is at 117.97, 36.64
    place(session, world.town, (117.98, 36.64))  # 0.9 km, not a quarter of an hour's walk
    near = make_organisation(session, parent=world.town)
    place(session, near, (117.97, 36.645))
    far = make_organisation(session, parent=world.town, name="远村党支部")
    place(session, far, (118.1, 36.5))
    lost = make_organisation(session, parent=world.district, name="无点党支部")
    headers = signed_in(session, world.district_staff)
    told = client.get(PATH, headers=headers).json()
    circle = told["circle"]
    assert (circle["radius_m"], circle["minutes"], circle["mode"]) == (962, 15, "walk")
    assert (circle["km_per_hour"], circle["detour"]) == (5, 1.3)
    counts = {"branches": 4, "within": 2, "without": 1, "at_town": 1, "unplaced": 1}
    assert {key: told["total"][key] for key in counts} == counts
    assert [town["name"] for town in told["towns"]] == [world.town.place, None]
    reply = client.get(f"{PATH}.geojson", headers=headers)
    assert reply.headers["content-type"] == "application/geo+json"
    features = {f["properties"]["name"]: f for f in reply.json()["features"]}
    assert set(features) == {far.name, lost.name}
    assert features[far.name]["geometry"] == {"type": "Point", "coordinates": [118.1, 36.5]}
    assert features[far.name]["properties"]["placed"] == "own"
    assert features[lost.name]["geometry"] is None
    (note,) = session.info[NOTED]
    assert (note.facts["table"], note.facts["rows"]) == ("reach", 2)
    away = client.get(f"{PATH}.geojson", headers=headers, params={"radius_m": 500}).json()
    placed = {f["properties"]["name"]: f["properties"]["placed"] for f in away["features"]}
    assert placed[world.branch.name] == "town"


def test_a_full_session_is_no_place(client: TestClient, session: Session) -> None:
    world = make_world(session)
    place(session, world.branch, (117.97, 36.64))
    headers = signed_in(session, world.town_staff)
    assert client.get(PATH, headers=headers).json()["total"]["within"] == 1
    too_many = client.get(PATH, headers=headers, params={"people": 61}).json()
    assert too_many["total"]["within"] == 0
    before = {"from": "2026-11-25", "to": (IN_A_WEEK - timedelta(days=1)).date().isoformat()}
    assert client.get(PATH, headers=headers, params=before).json()["total"]["within"] == 0
    make_booking(session, world)
    assert client.get(PATH, headers=headers).json()["total"]["within"] == 0


@pytest.mark.parametrize("end", ["", ".geojson"])
def test_a_town_sees_its_own(client: TestClient, session: Session, end: str) -> None:
    world = make_world(session)
    other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    make_organisation(session, parent=other, name="CANARY")
    other.place = "CANARY"
    foreign = make_world(session)
    foreign.branch.name = foreign.town.place = "CANARY"
    session.flush()
    reply = client.get(f"{PATH}{end}", headers=signed_in(session, world.town_staff))
    assert reply.status_code == 200
    assert "CANARY" not in reply.text
    district = client.get(f"{PATH}{end}", headers=signed_in(session, world.district_staff))
    assert district.text.count("CANARY") == (1 if not end else 2)


def test_metres_or_minutes(client: TestClient, session: Session) -> None:
    headers = signed_in(session, make_world(session).town_staff)
    both = {"radius_m": 5, "minutes": 5}
    refused(client.get(PATH, headers=headers, params=both), 422, "reach-twice")
    late = {"from": "2026-12-02", "to": "2026-12-01"}
    refused(client.get(PATH, headers=headers, params=late), 422, "period-too-long")
    assert [reach.metres(15, mode) for mode in Mode] == [962, 2885, 7692]


def test_one_statement_counts_all(session: Session) -> None:
    world = make_world(session)
    who = actor(session, world.district_staff)
    for _ in range(3):
        make_organisation(session, parent=world.town)
        with counted(session) as seen:
            reach.by_town(session, actor=who, asked=Asked(900, NOW, NOW + WEEKS, 1))
        assert len(seen) == 1
