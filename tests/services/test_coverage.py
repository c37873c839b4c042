"""Coverage against plain Python, on random visits around the edges of the period."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Account, Booking, BookingStatus, Organisation, OrganisationKind, Role, Visit
from app.services import coverage
from app.services.calendar import midnight
from app.services.coverage import Asked, Counts, State
from tests.api.replies import refused, told, walked
from tests.makers import (
    World,
    actor,
    make_account,
    make_completed,
    make_organisation,
    make_world,
    signed_in,
)
from tests.races import replaced_sql

MICROSECOND = timedelta(microseconds=1)
ASKED = Asked(date(2026, 6, 1), date(2027, 1, 1), date(2026, 10, 3))
EDGES = [midnight(day) for day in (ASKED.since, ASKED.until, ASKED.silent_since)]
MOMENTS = [*EDGES, *(edge - MICROSECOND for edge in EDGES), midnight(date(2026, 8, 1))]
PATH = "/api/v1/statistics/coverage"
NIL = UUID(int=0)


def visit(
    session: Session, like: Booking, branch: Organisation, at: datetime, *, came: bool
) -> None:
    """A booking of a branch that began at an instant, and whether anybody came."""
    kept = like.model_dump(exclude={"id", "number", "created_at"})
    said = {
        "id": uuid7(),
        "organisation_id": branch.id,
        "starts_at": at,
        "ends_at": at + timedelta(hours=1),
        "status": BookingStatus.COMPLETED if came else BookingStatus.REJECTED,
    }
    made = Booking(**kept | said)
    session.add(made)
    session.flush()
    if came:
        like_visit = session.get_one(Visit, like.id).model_dump(exclude={"created_at", "id"})
        session.add(Visit(**like_visit | {"booking_id": made.id}))
        session.flush()


@dataclass
class Ground:
    world: World
    other_town: Organisation
    like: Booking
    staff: Account
    town_staff: Account


@pytest.fixture
def ground(session: Session) -> Ground:
    """A district of two towns; the one visit there is lies after the period."""
    world = make_world(session)
    other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    like = make_completed(session, world)
    like.starts_at, like.ends_at = midnight(date(2027, 5, 1)), midnight(date(2027, 5, 2))
    session.flush()
    return Ground(world, other, like, world.district_staff, world.town_staff)


Story = tuple[bool, bool, list[tuple[datetime, bool]]]
STORIES = st.lists(
    st.tuples(
        st.booleans(),
        st.booleans(),
        st.lists(st.tuples(st.sampled_from(MOMENTS), st.booleans()), max_size=3),
    ),
    max_size=5,
)


def counted(stories: list[Story], *, here: bool, own: bool) -> tuple[int, ...]:
    """Count by hand; the world's own branch, active, has no visit before the end."""
    branches = came = never = silent = 0
    for in_town, active, visits in [*([(True, True, [])] if own else []), *stories]:
        if in_town is not here or not active:
            continue
        seen = [at for at, happened in visits if happened and at < midnight(ASKED.until)]
        branches += 1
        came += any(at >= midnight(ASKED.since) for at in seen)
        never += not seen
        silent += bool(seen) and max(seen) < midnight(ASKED.silent_since)
    return branches, came, never, silent


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(stories=STORIES)
def test_it_is_what_is_counted_by_hand(
    session: Session, ground: Ground, stories: list[Story]
) -> None:
    with session.begin_nested() as savepoint:
        for in_town, active, visits in stories:
            parent = ground.world.town if in_town else ground.other_town
            branch = make_organisation(session, parent=parent, active=active)
            for at, came in visits:
                visit(session, ground.like, branch, at, came=came)
        expected = {
            ground.world.town.name: counted(stories, here=True, own=True),
            ground.other_town.name: counted(stories, here=False, own=False),
        }
        found = coverage.counts(session, actor=actor(session, ground.staff), asked=ASKED)
        assert {row.town: tuple(row[1:]) for row in found} == {
            town: numbers for town, numbers in expected.items() if numbers[0]
        }
        own = coverage.counts(session, actor=actor(session, ground.town_staff), asked=ASKED)
        assert own == [Counts(ground.world.town.name, *expected[ground.world.town.name])]
        for state in State:
            listed = coverage.page(
                session,
                actor=actor(session, ground.staff),
                asked=ASKED,
                state=state,
                after=NIL,
                limit=100,
            )
            assert len(listed) == sum(getattr(row, state) for row in found)
        savepoint.rollback()


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("AND b.starts_at < %(until)s\n    ) seen", "    ) seen"),
        ("b.starts_at >= %(since)s AND", ""),
        ("AND o.active", ""),
        ("last_at < %(silent_since)s", "last_at <= %(silent_since)s"),
        ("JOIN visit v ON v.booking_id = b.id", ""),
    ],
)
def test_a_condition_left_out_is_noticed(
    session: Session, ground: Ground, words: str, others: str
) -> None:
    for at, came, active in (
        (midnight(ASKED.until), True, True),
        (midnight(ASKED.since) - MICROSECOND, True, True),
        (midnight(ASKED.silent_since), True, True),
        (midnight(ASKED.since), True, False),
        (midnight(ASKED.since), False, True),
    ):
        branch = make_organisation(session, parent=ground.world.town, active=active)
        visit(session, ground.like, branch, at, came=came)
    who = actor(session, ground.staff)
    right = coverage.counts(session, actor=who, asked=ASKED)
    assert right == [Counts(ground.world.town.name, 5, 1, 3, 1)]
    with replaced_sql(session.connection(), words, others):
        assert coverage.counts(session, actor=who, asked=ASKED) != right


@pytest.fixture
def branches(session: Session, ground: Ground) -> list[str]:
    made = [make_organisation(session, parent=ground.world.town) for _ in range(4)]
    return [str(ground.world.branch.id), *(str(one.id) for one in made)]


def test_those_that_never_came_are_listed_page_by_page(
    client: TestClient, session: Session, ground: Ground, branches: list[str]
) -> None:
    staff = signed_in(session, ground.staff)
    days = {"from": "2026-06-01", "to": "2026-12-31", "silent_days": "90"}
    found = told(client.get(PATH, params=days, headers=staff))
    assert (found["since"], found["until"], found["silent_since"]) == (
        "2026-06-01", "2027-01-01", "2026-10-03",
    )  # fmt: skip
    assert found["totals"] == {"branches": 5, "came": 0, "never": 5, "silent": 0}
    listed = walked(client, f"{PATH}/branches", staff, 2, state="never", **days)
    assert listed == sorted(branches)
    assert walked(client, f"{PATH}/branches", staff, 2, state="came", **days) == []


def test_what_is_no_state_or_period_is_malformed(
    client: TestClient, session: Session, ground: Ground
) -> None:
    staff = signed_in(session, ground.staff)
    for params in ({}, {"state": "asleep"}, {"state": "came", "silent_days": "0"}):
        refused(client.get(f"{PATH}/branches", params=params, headers=staff), 422,
                "malformed-request")  # fmt: skip
    days = {"from": "2026-06-02", "to": "2026-06-01"}
    refused(client.get(PATH, params=days, headers=staff), 422, "period-too-long")
    member = signed_in(session, make_account(session, Role.MEMBER, at=ground.world.branch))
    refused(client.get(PATH, headers=member), 403, "not-in-scope")
