"""What was not found, counted again in plain Python."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session

from app.models import OrganisationKind, UnmetSearch
from app.services.demand import By, Query, demand
from tests.api.replies import refused, told
from tests.makers import World, actor, make_organisation, make_world, signed_in

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(searches=SEARCHES)
def test_it_is_what_is_counted_by_hand(
    session: Session,
    world: World,
    searches: list[tuple[tuple[float, float], date, datetime, str, int, int]],
) -> None:
    names = {NORTH: world.town.name, SOUTH: "南镇"}
    with session.begin_nested() as savepoint:
        expected: Counter[tuple[str | None, ...]] = Counter()
        people: Counter[tuple[str | None, ...]] = Counter()
        for at, day, wanted, category, group, times in searches:
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
            if at in names and SINCE <= day < UNTIL:
                weekday = "7" if wanted == WANTED[0] else "1"
                keys = (names[at], category or None, weekday)
                expected[keys] += times
                people[keys] += times * group
        session.flush()
        by = (By.TOWN, By.CATEGORY, By.WEEKDAY)
        query = Query(SINCE, UNTIL, by, 100)
        found = demand(session, actor=actor(session, world.district_staff), query=query)
        assert {cell.keys: cell.searches for cell in found} == expected
        assert {cell.keys: cell.people for cell in found} == people
        assert [cell.searches for cell in found] == sorted(expected.values(), reverse=True)
        (total,) = demand(
            session,
            actor=actor(session, world.town_staff),
            query=Query(SINCE, UNTIL, (), 100),
        )
        own = [n for keys, n in expected.items() if keys[0] == world.town.name]
        assert total.searches == sum(own)
        savepoint.rollback()


@pytest.mark.parametrize("by", By)
def test_every_key_can_be_asked_for(
    client: TestClient, session: Session, world: World, by: By
) -> None:
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
    session.flush()
    staff = signed_in(session, world.district_staff)
    days = {"from": str(SINCE), "to": "2026-12-31"}
    found = told(client.get(PATH, params={**days, "group_by": by}, headers=staff))
    keys = {
        By.TOWN: world.town.name,
        By.CATEGORY: None,
        By.PROGRAMME_KIND: "oath",
        By.PEOPLE: "40",
        By.DAY: "2026-06-01",
        By.MONTH: "2026-06",
        By.WEEKDAY: "7",
    }
    assert found["cells"] == [{"keys": [keys[by]], "searches": 3, "people": 120}]
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
