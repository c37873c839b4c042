"""Two hundred groups want the one place left, over real HTTP."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, func, select

from app.models import Booking, RefusedOrder, Role, VenueSession
from app.services import tokens, verify
from tests.conftest import NOW, as_owner
from tests.live import serving
from tests.makers import (
    IN_A_WEEK,
    make_account,
    make_organisation,
    make_session,
    make_venue,
    make_world,
)
from tests.races import replaced_sql

RIVALS = 200


@pytest.fixture
def contest(own_engine: Engine) -> tuple[UUID, list[tuple[str, dict[str, object]]]]:
    """A session with room for one group, and the order and token of every rival."""
    with Session(own_engine) as session, session.begin():
        world = make_world(session, people_limit=60, groups_limit=1)
        other = make_venue(session, world.site)
        for hours in (2, 4, 26):
            make_session(session, other, starts_at=IN_A_WEEK + timedelta(hours=hours))
        orders = []
        for _ in range(RIVALS):
            branch = make_organisation(session, parent=world.town)
            organiser = make_account(session, Role.ORGANISER, at=branch)
            token = tokens.issue(session, account_id=organiser.id, now=NOW).access_token
            orders.append((token, _order(world.slot.id, branch.id)))
        return world.slot.id, orders


def _order(slot_id: UUID, branch_id: UUID) -> dict[str, object]:
    return {
        "session_ids": [str(slot_id)],
        "organisation_id": str(branch_id),
        "people_expected": 20,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    }


def all_at_once(url: str, orders: list[tuple[str, dict[str, object]]]) -> list[httpx2.Response]:
    async def fire() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=RIVALS)
        async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
            return await asyncio.gather(
                *(
                    client.post(
                        "/api/v1/bookings",
                        json=body,
                        headers={"Authorization": f"Bearer {token}"},
                    )
                    for token, body in orders
                )
            )

    return asyncio.run(fire())


def test_of_two_hundred_orders_for_one_place_exactly_one_wins(
    own_engine: Engine, contest: tuple[UUID, list[tuple[str, dict[str, object]]]]
) -> None:
    slot_id, orders = contest
    with serving(own_engine, NOW) as url:
        replies = all_at_once(url, orders)
    assert Counter(reply.status_code for reply in replies) == {201: 1, 409: RIVALS - 1}
    for reply in replies:
        if reply.status_code == 409:
            problem = reply.json()
            assert reply.headers["content-type"] == "application/problem+json"
            assert problem["code"] == "session-full"
            assert 1 <= len(problem["alternatives"]) <= 3
            assert str(slot_id) not in {offer["id"] for offer in problem["alternatives"]}
    with Session(own_engine) as session:
        slot = session.get_one(VenueSession, slot_id)
        assert (slot.people_held, slot.groups_held) == (20, 1)
        told = select(func.sum(RefusedOrder.times), func.count()).select_from(RefusedOrder)
        times, rows = session.exec(told).one()
        assert times == RIVALS - 1 >= rows
        assert list(verify.violations(session, now=NOW)) == []


@contextmanager
def guard_off(engine: Engine) -> Iterator[None]:
    """Without the condition of the one statement that takes places, and the CHECKs behind it."""
    with engine.begin() as connection:
        as_owner(connection)
        for name in ("people_fit", "groups_fit"):
            constraint = f"venue_session_{name}_check"
            connection.execute(text(f"ALTER TABLE venue_session DROP CONSTRAINT {constraint}"))
    words = "AND groups_held < groups_limit"
    with replaced_sql(engine, words):
        yield


def test_without_the_guard_the_race_is_lost(
    own_engine: Engine, contest: tuple[UUID, list[tuple[str, dict[str, object]]]]
) -> None:
    _, orders = contest
    with guard_off(own_engine), serving(own_engine, NOW) as url:
        replies = all_at_once(url, orders)
    winners = sum(reply.status_code == 201 for reply in replies)
    with Session(own_engine) as session:
        assert len(session.exec(select(Booking)).all()) == winners > 1
        found = list(verify.violations(session, now=NOW))
    assert any(line.startswith("a session holds more than it has") for line in found)
