"""What could not be had, counted again in plain Python."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session, select

from app.models import (
    Category,
    Organisation,
    OrganisationKind,
    RefusedOrder,
    Shortage,
    Site,
    UnmetSearch,
)
from app.services.demand import By, Cell, Query, demand
from tests.api.replies import refused, told
from tests.makers import World, actor, make_organisation, make_site, make_world, signed_in
from tests.races import replaced_sql
from tests.services.statements import counted

SINCE, UNTIL = date(2026, 6, 1), date(2027, 1, 1)
DAYS = [SINCE - timedelta(days=1), SINCE, date(2026, 8, 2), UNTIL - timedelta(days=1), UNTIL]
NORTH, SOUTH, FAR = (117.965, 36.705), (117.965, 36.505), (119.005, 36.605)
"""Near the first town, near the second, and far from both: 93 km."""
WANTED = [datetime(2026, 8, day, 16, tzinfo=UTC) for day in (1, 2)]
"""Midnight of a Sunday and of a Monday in Shanghai."""
PATH = "/api/v1/statistics/demand"


def place(session: Session, organisation_id: UUID, at: tuple[float, float]) -> None:
    session.connection().execute(
        text(
            "UPDATE organisation SET location = ST_SetSRID(ST_MakePoint(:lon, :lat), 4326)"
            " WHERE id = :id"
        ),
        {"lon": at[0], "lat": at[1], "id": organisation_id},
    )


@pytest.fixture
def world(session: Session) -> World:
    """A district of two towns, 22 km apart; its staff is of the first one."""
    world = make_world(session)
    south = make_organisation(
        session, parent=world.district, kind=OrganisationKind.TOWN, name="南镇"
    )
    place(session, world.town.id, (117.97, 36.70))
    place(session, south.id, (117.97, 36.50))
    return world


Searched = tuple[tuple[float, float], date, datetime, str, int, int]
Ordered = tuple[int, date, date, int, int, Shortage, int]
SEARCHES = st.lists(
    st.tuples(
        st.sampled_from([NORTH, SOUTH, FAR]),
        st.sampled_from(DAYS),
        st.sampled_from(WANTED),
        st.sampled_from(["", "rural", "urban"]),
        st.sampled_from([10, 40]),
        st.integers(1, 5),
    ),
    unique_by=lambda search: search[:5],
    max_size=8,
)
ORDERED = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(DAYS),
        st.sampled_from([date(2026, 8, 2), date(2026, 8, 3)]),
        st.sampled_from([9, 14]),
        st.sampled_from([10, 40]),
        st.sampled_from(Shortage),
        st.integers(1, 5),
    ),
    max_size=8,
)
"""Also several that say the same, as rows do that were written at once."""


@dataclass
class Ground:
    """Two sites of the first town, one of the second, and one of another district."""

    world: World
    sites: list[Site]
    towns: list[str]


@pytest.fixture
def ground(session: Session, world: World) -> Ground:
    south = session.exec(select(Organisation).where(Organisation.name == "南镇")).one()
    away = make_organisation(session, name="外区")
    foreign = make_organisation(session, parent=away, kind=OrganisationKind.TOWN, name="外镇")
    towns = [world.town, world.town, south, foreign]
    sites = [
        make_site(session, town, category=category)
        for town, category in zip(towns, Category, strict=True)
    ]
    return Ground(world, sites, [town.name for town in towns])


def search(session: Session, searched: Searched) -> None:
    at, day, wanted, category, group, times = searched
    session.add(
        UnmetSearch(
            asked_on=day,
            longitude=at[0],
            latitude=at[1],
            radius_m=5000,
            wanted_from=wanted,
            wanted_to=wanted + timedelta(hours=2),
            people=group,
            category=category,
            times=times,
        )
    )


def order(session: Session, ground: Ground, ordered: Ordered) -> None:
    site, day, wanted, hour, group, rule, times = ordered
    session.add(
        RefusedOrder(
            site_id=ground.sites[site].id,
            refused_on=day,
            wanted_on=wanted,
            hour=hour,
            people=group,
            rule=rule,
            times=times,
        )
    )


Sums = dict[tuple[str | None, ...], list[int]]
Facts = dict[By, str | None]


def added_up(
    ground: Ground, by: tuple[By, ...], searches: list[Searched], orders: list[Ordered]
) -> Sums:
    """Count by hand what the staff of the first district see."""
    sums: Sums = defaultdict(lambda: [0, 0, 0, 0])
    near = {NORTH: ground.world.town.name, SOUTH: "南镇"}

    def add(facts: Facts, day: date, *numbers: int) -> None:
        if SINCE <= day < UNTIL:
            facts |= {By.DAY: day.isoformat(), By.MONTH: day.isoformat()[:7]}
            cell = sums[tuple(facts.get(key) for key in by)]
            cell[:] = map(sum, zip(cell, numbers, strict=True))

    for at, day, wanted, category, group, times in searches:
        facts: Facts = {By.TOWN: near.get(at), By.CATEGORY: category or None}
        facts |= {By.PEOPLE: str(group), By.WEEKDAY: "7" if wanted == WANTED[0] else "1"}
        if at in near:
            add(facts, day, times, times * group, 0, 0)
    for n, day, wanted_on, hour, group, rule, times in orders:
        site = ground.sites[n]
        facts = {By.TOWN: ground.towns[n], By.SITE: site.name, By.CATEGORY: site.category}
        facts |= {By.PEOPLE: str(group), By.WEEKDAY: str(wanted_on.isoweekday())}
        facts |= {By.HOUR: f"{hour:02}", By.RULE: rule.value}
        if ground.towns[n] != "外镇":
            add(facts, day, 0, 0, times, times * group)
    return sums


def sums(cells: list[Cell]) -> Sums:
    """Cells by their keys; no two have the same ones."""
    found = {
        cell.keys: [cell.searches, cell.people, cell.refusals, cell.refused_people]
        for cell in cells
    }
    assert len(found) == len(cells)
    return found


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    searches=SEARCHES,
    orders=ORDERED,
    by=st.lists(st.sampled_from(By), unique=True, max_size=3).map(tuple),
)
def test_it_is_what_is_counted_by_hand(
    session: Session,
    ground: Ground,
    searches: list[Searched],
    orders: list[Ordered],
    by: tuple[By, ...],
) -> None:
    with session.begin_nested() as savepoint:
        for searched in searches:
            search(session, searched)
        for ordered in orders:
            order(session, ground, ordered)
        session.flush()
        expected = added_up(ground, by, searches, orders)
        staff = actor(session, ground.world.district_staff)
        found = demand(session, actor=staff, query=Query(SINCE, UNTIL, by, 1000))
        assert sums(found) == (expected if expected or by else {(): [0, 0, 0, 0]})
        most = [cell.searches + cell.refusals for cell in found]
        assert most == sorted(most, reverse=True)
        own = demand(
            session,
            actor=actor(session, ground.world.town_staff),
            query=Query(SINCE, UNTIL, (), 100),
        )
        towns = added_up(ground, (By.TOWN,), searches, orders)
        assert sums(own) == {(): towns[(ground.world.town.name,)]}
        savepoint.rollback()


ORDERS: list[Ordered] = [
    (site, day, date(2026, 8, 2), 9, 40, Shortage.PLACES, times)
    for times, (site, day) in enumerate(product([0, 2, 3], DAYS), 1)
]
"""Of sites of both towns and of another district, on each side of the edges."""


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("r.refused_on >= %(since)s AND", ""),
        ("r.refused_on < %(until)s", "true"),
        ("r.refused_on < %(until)s", "r.refused_on <= %(until)s"),
        ("AND t.path <@ ANY(CAST(%(paths)s AS ltree[]))", ""),
        ("sum(w.refusals)", "count(w.refusals)"),
        ("sum(w.refusals * w.people)", "sum(w.people)"),
        ("UNION ALL", "UNION"),
        ("u.asked_on >= %(since)s AND", ""),
        ("AND u.asked_on < %(until)s", ""),
    ],
)
def test_a_condition_left_out_is_noticed(
    session: Session, ground: Ground, words: str, others: str
) -> None:
    orders = [*ORDERS, ORDERS[1]]
    searches: list[Searched] = [(NORTH, day, WANTED[0], "", 10, 2) for day in DAYS]
    for ordered in orders:
        order(session, ground, ordered)
    for searched in searches:
        search(session, searched)
    session.flush()
    by = (By.TOWN,)
    right = added_up(ground, by, searches, orders)
    who, query = actor(session, ground.world.district_staff), Query(SINCE, UNTIL, by, 100)
    assert sums(demand(session, actor=who, query=query)) == right
    with replaced_sql(session.connection(), words, others):
        assert sums(demand(session, actor=who, query=query)) != right


def test_it_is_one_statement_however_many_cells(session: Session, ground: Ground) -> None:
    who, query = actor(session, ground.world.district_staff), Query(SINCE, UNTIL, (By.DAY,), 100)
    for cells, day in enumerate((SINCE, date(2026, 7, 1), date(2026, 8, 2)), 1):
        order(session, ground, (0, day, date(2026, 8, 2), 9, 40, Shortage.PLACES, 1))
        session.flush()
        with counted(session) as statements:
            assert len(demand(session, actor=who, query=query)) == cells
        assert len(statements) == 1


def test_sites_of_one_name_stay_apart(session: Session, ground: Ground) -> None:
    for site in ground.sites:
        site.name = "党群服务中心"
    for ordered in ORDERS:
        order(session, ground, ordered)
    session.flush()
    staff = actor(session, ground.world.district_staff)
    found = demand(session, actor=staff, query=Query(SINCE, UNTIL, (By.SITE,), 100))
    assert [(cell.keys, cell.refusals) for cell in found] == [
        (("党群服务中心",), 7 + 8 + 9),
        (("党群服务中心",), 2 + 3 + 4),
    ]


def test_of_another_district_nothing_is_told(
    client: TestClient, session: Session, ground: Ground
) -> None:
    ground.sites[3].name = "CANARY"
    order(session, ground, (3, SINCE, date(2026, 8, 2), 9, 40, Shortage.PLACES, 7))
    session.flush()
    days = {"from": str(SINCE), "to": "2026-12-31"}
    for account in (ground.world.district_staff, ground.world.town_staff):
        who = signed_in(session, account)
        for by in By:
            reply = client.get(PATH, params={**days, "group_by": by}, headers=who)
            assert told(reply)["cells"] == []
        table = client.get("/api/v1/statistics/demand.csv", params=days, headers=who)
        assert table.status_code == 200
        assert "CANARY" not in table.text


@pytest.mark.parametrize("by", By)
def test_every_key_can_be_asked_for(
    client: TestClient, session: Session, world: World, by: By
) -> None:
    ground = Ground(world, [world.site], [world.town.name])
    session.add(
        UnmetSearch(
            asked_on=SINCE,
            longitude=NORTH[0],
            latitude=NORTH[1],
            radius_m=5000,
            wanted_from=WANTED[0],
            wanted_to=WANTED[1],
            people=40,
            programme_kind="oath",
            times=3,
        )
    )
    order(session, ground, (0, date(2026, 8, 2), date(2026, 8, 3), 9, 30, Shortage.GUIDES, 2))
    session.flush()
    staff = signed_in(session, world.district_staff)
    days = {"from": str(SINCE), "to": "2026-12-31"}
    found = told(client.get(PATH, params={**days, "group_by": by}, headers=staff))
    keys: dict[By, tuple[str | None, str | None]] = {
        By.TOWN: (world.town.name, world.town.name),
        By.SITE: (None, world.site.name),
        By.CATEGORY: (None, world.site.category),
        By.PROGRAMME_KIND: ("oath", None),
        By.PEOPLE: ("40", "30"),
        By.DAY: ("2026-06-01", "2026-08-02"),
        By.MONTH: ("2026-06", "2026-08"),
        By.WEEKDAY: ("7", "1"),
        By.HOUR: (None, "09"),
        By.RULE: (None, "guide-not-free"),
    }
    sought = {"searches": 3, "people": 120, "refusals": 0, "refused_people": 0}
    ordered = {"searches": 0, "people": 0, "refusals": 2, "refused_people": 60}
    expected = [{"keys": [key], **of} for key, of in zip(keys[by], (sought, ordered), strict=True)]
    if by == By.TOWN:
        expected = [{"keys": [world.town.name], **sought, "refusals": 2, "refused_people": 60}]
    assert found["cells"] == expected
    assert found["more"] is False


def test_what_cannot_be_asked_is_refused(
    client: TestClient, session: Session, world: World
) -> None:
    staff = signed_in(session, world.district_staff)
    twice = {"group_by": ["town", "town"]}
    assert (
        refused(client.get(PATH, params=twice, headers=staff), 422, "too-many-keys")["limit"] == 3
    )
    days = {"from": "2026-06-02", "to": "2026-06-01"}
    refused(client.get(PATH, params=days, headers=staff), 422, "period-too-long")
    odd = {"group_by": "weather"}
    refused(client.get(PATH, params=odd, headers=staff), 422, "malformed-request")
