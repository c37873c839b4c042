"""Availability against a plain model, and against the orders it promises."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from app.errors import DomainError
from app.models import Crs, Programme, Purpose, Role
from app.services import availability, order_rules, orders
from app.services.availability import Wish
from tests.conftest import NOW, InSession
from tests.makers import actor, make_account, make_organisation
from tests.properties.rooms import HERE, Expected, Rooms, at, build, expected, metres, wish
from tests.races import replaced_sql

MOST = 50
seeds = st.integers(0, 2**32)
on_real_rows = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FAULTS = {
    "forgets the seats": ("AND v.people_held + %(people)s <= v.people_limit", ""),
    "forgets closures": ("AND v.closed_reason IS NULL", ""),
    "forgets the groups": ("v.groups_held < v.groups_limit", "TRUE"),
    "forgets the long lead": ("p.lead_working_days_large", "p.lead_working_days"),
    "forgets the horizon": ("least(%(until)s, rule.shuts_at)", "%(until)s"),
    "takes the oldest rule": ("p.version DESC", "p.version"),
    "forgets a site's own rule": (
        "p.site_id IS NULL, p.version",
        "p.site_id IS NOT NULL, p.version",
    ),
    "forgets what is not published": ("s.status = 'published' AND", ""),
    "joins what does not follow": ("sum(w.ends_at - w.starts_at)", "max(w.ends_at) - v.starts_at"),
    "takes a guide who is busy": ("y.guide_id = d.id", "FALSE"),
    "takes a guide who left": ("s.id AND d.active", "s.id"),
    "forgets that an item is off the menu": ("g.active AND", ""),
    "starts too early": ("greatest(%(since)s, rule.opens_at)", "rule.opens_at"),
    "ends too late": ("run.until <= %(until)s", "TRUE"),
    "sorts by time alone": ("ORDER BY o.away, o.first", "ORDER BY o.first"),
    "takes any with room": ("ORDER BY s.away, found.first", "ORDER BY found.first"),
    "asks only the nearest": (" >= (\n        SELECT CASE", " > 1e9 + (\n        SELECT CASE"),
}


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have even small districts asked in both steps."""
    monkeypatch.setattr(availability, "FIRST_ASKED", 3)
    availability._offers.cache_clear()
    yield
    availability._offers.cache_clear()


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """Undo what the block does."""
    with session.begin_nested() as savepoint:
        yield
        savepoint.rollback()


def answered(session: Session, wanted: Wish, limit: int = MOST) -> Expected:
    found = availability.find(InSession(session), wish=wanted, crs=Crs.WGS84, limit=limit, now=NOW)
    return [
        (
            UUID(offer["site"]["id"]),
            [(UUID(s["id"]), [UUID(i) for i in s["session_ids"]]) for s in offer["sessions"]],
        )
        for offer in json.loads(found)
    ]


@on_real_rows
@given(seeds)
def test_it_is_what_the_model_says(session: Session, seed: int) -> None:
    luck = Random(seed)
    with undone(session):
        rooms = build(session, luck, sites=luck.randint(1, 5))
        for _ in range(8):
            wanted = wish(luck, rooms)
            assert answered(session, wanted) == expected(rooms, wanted), wanted


def test_the_comparison_notices(session: Session) -> None:
    luck = Random(1)
    rooms = build(session, luck, sites=40)
    wishes = [wish(luck, rooms) for _ in range(50)]
    wishes += [
        Wish(HERE, 30_000, since=at(day, 9), until=at(day, ends), people=1, minutes=minutes)
        for day in range(12)
        for minutes, ends in ((120, 12), (180, 13))
    ]
    asked = [(one, MOST) for one in wishes] + [(one, 2) for one in wishes[::5]]
    right = [(*one, expected(rooms, one[0])[: one[1]]) for one in asked]
    assert [(*one, answered(session, *one)) for one in asked] == right
    missed = set()
    for name, fault in FAULTS.items():
        with replaced_sql(session.connection(), *fault):
            if all(answered(session, one, limit) == well for one, limit, well in right):
                missed.add(name)
    assert not missed


def _ordered(
    session: Session, rooms: Rooms, wanted: Wish, ids: list[UUID], item: UUID | None
) -> bool:
    """Order as a branch like the wish's asker, undo it, and tell whether it was accepted."""
    guest = wanted.homes is not None and rooms.districts[0].id not in wanted.homes
    with undone(session):
        branch = make_organisation(session, parent=rooms.towns[0], outside=guest)
        who = make_account(session, Role.ORGANISER, at=branch)
        order = order_rules.Wanted(
            session_ids=ids,
            programme_ids=[item] if item else [],
            organisation_id=branch.id,
            people_expected=wanted.people,
            purpose=Purpose.VISIT,
            contact_name="王组织",
            contact_phone="13800000000",
            note=None,
        )
        try:
            with session.begin_nested():
                orders.order(session, actor=actor(session, who), wanted=order, now=NOW)
        except DomainError:
            return False
        return True


def _items(session: Session, wanted: Wish, site_id: UUID) -> list[UUID | None]:
    if wanted.programme_kind is None:
        return [None]
    theirs = select(Programme.id).where(
        Programme.site_id == site_id, Programme.kind == wanted.programme_kind
    )
    return [*session.exec(theirs.order_by(col(Programme.id)))]


@on_real_rows
@given(seeds)
def test_what_it_offers_is_accepted_and_nothing_else(session: Session, seed: int) -> None:
    luck = Random(seed)
    with undone(session):
        rooms = build(session, luck, sites=luck.randint(1, 3))
        here = rooms.districts[0].id
        for _ in range(2):
            wanted = replace(
                wish(luck, rooms), minutes=None, homes=luck.choice(([], [here])), category=None
            )
            offered = {run[0] for _, offers in answered(session, wanted) for _, run in offers}
            for room in rooms.rooms:
                for slot in room.slots:
                    if (
                        metres(room.site) > wanted.radius_m
                        or slot.starts_at < wanted.since
                        or slot.ends_at > wanted.until
                    ):
                        continue
                    accepted = any(
                        _ordered(session, rooms, wanted, [slot.id], item)
                        for item in _items(session, wanted, room.site.id)
                    )
                    assert accepted == (slot.id in offered), (wanted, slot)
