"""Orders refused for want of room are counted, once each, and nobody pays for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, func, select

from app.api import deps
from app.db import create_engine
from app.main import create_app
from app.models import IdempotencyKey, RefusedOrder, Shortage
from app.services import idempotency, refused_orders
from app.services.refusals import SHORT_OF_ROOM, GuideNotFree, Refused, SessionFull, Want
from app.settings import Env, Settings
from tests.api.replies import Body, keyed, refused, told
from tests.conftest import NOW, as_owner
from tests.live import serving
from tests.makers import (
    HOUR,
    World,
    make_booking,
    make_rivals,
    make_session,
    make_site,
    make_venue,
    make_world,
    signed_in,
)
from tests.races import at_once, replaced_sql

PATH = "/api/v1/bookings"
GROUPS = "/api/v1/booking-groups"
DAY = timedelta(days=1)
Rows = list[tuple[Any, ...]]


@dataclass
class Ground:
    """A session that is full, one that is not, and an organiser who wants either."""

    world: World
    full: str
    free: str
    who: dict[str, str]


@pytest.fixture
def ground(own_engine: Engine) -> Ground:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        free = make_session(session, world.venue, starts_at=world.slot.ends_at)
        (rival,) = make_rivals(session, world, 1)
        make_booking(session, rival)
        return Ground(world, str(world.slot.id), str(free.id), signed_in(session, world.organiser))


def wish(ground: Ground, session_id: str, **other: Any) -> Body:
    return {
        "session_ids": [session_id],
        "organisation_id": str(ground.world.branch.id),
        "people_expected": 21,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    } | other


def counted(engine: Engine) -> Rows:
    """Everything but the keys, in order."""
    with Session(engine) as session:
        r = RefusedOrder
        whole = select(
            r.refused_on, r.site_id, r.wanted_on, r.hour, r.people, r.rule, func.sum(r.times)
        )  # type: ignore[call-overload]
        rows = session.exec(whole.group_by(*whole.selected_columns[:6])).all()
        return sorted(tuple(row) for row in rows)


def full(ground: Ground, times: int, rule: str = "session-full") -> Rows:
    """What is counted when the full session was wanted so many times."""
    site_id = ground.world.site.id
    return [(date(2026, 11, 25), site_id, date(2026, 12, 2), 9, 30, rule, times)]


def test_it_is_counted_by_site_day_hour_size_and_rule(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    for _ in range(2):
        reply = own_client.post(PATH, json=wish(ground, ground.full), headers=ground.who)
        body = refused(reply, 409, "session-full")
        assert "want" not in body
    assert counted(own_engine) == full(ground, 2)
    columns = set(RefusedOrder.__table__.columns.keys())  # type: ignore[attr-defined]
    assert columns == {
        "id", "created_at", "refused_on", "site_id", "wanted_on", "hour", "people", "rule", "times",
    }  # fmt: skip


def test_a_guide_that_is_missing_is_counted(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    with own_engine.begin() as connection:
        connection.execute(text("UPDATE programme SET needs_guide = TRUE"))
    menu = {"programme_ids": [str(ground.world.programme.id)]}
    body = wish(ground, ground.free, **menu)
    refused(own_client.post(PATH, json=body, headers=ground.who), 409, "guide-not-free")
    [row] = counted(own_engine)
    assert row[3:] == (11, 30, "guide-not-free", 1)


def test_the_table_knows_what_is_want_of_room() -> None:
    assert {one.slug() for one in SHORT_OF_ROOM} == set(Shortage)


CHANGES = {
    "organisation-inactive": "UPDATE organisation SET active = FALSE",
    "session-closed": "UPDATE venue_session SET closed_reason = '检修'",
    "too-many-open-bookings": "UPDATE policy SET open_bookings_limit = 1",
    "party-too-large": "UPDATE venue_session SET people_limit = 20 WHERE people_held = 20",
    "site-not-open": "UPDATE site SET status = 'suspended', status_reason = '检修'",
}


@pytest.mark.parametrize("code", CHANGES)
def test_what_room_would_not_have_helped_is_not_counted(
    own_client: TestClient, own_engine: Engine, ground: Ground, code: str
) -> None:
    told(own_client.post(PATH, json=wish(ground, ground.free), headers=ground.who), 201)
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text(CHANGES[code]))
    body = wish(ground, ground.full)
    refused(own_client.post(PATH, json=body, headers=ground.who), 409, code)
    assert counted(own_engine) == []


def test_a_trial_is_not_counted(own_client: TestClient, own_engine: Engine, ground: Ground) -> None:
    body, dry = wish(ground, ground.full), {"dry_run": "true"}
    for headers in (ground.who, keyed(ground.who)):
        reply = own_client.post(PATH, json=body, headers=headers, params=dry)
        refused(reply, 409, "session-full")
    assert counted(own_engine) == []


def test_an_order_sent_again_is_counted_once(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    key = keyed(ground.who)
    for headers in (key, key, keyed(ground.who), key):
        reply = own_client.post(PATH, json=wish(ground, ground.full), headers=headers)
        refused(reply, 409, "session-full")
    assert counted(own_engine) == full(ground, 2)
    with Session(own_engine) as session:
        kept = session.exec(select(IdempotencyKey)).all()
        assert {(row.request_hash, row.status, row.answer) for row in kept} == {(b"", None, None)}


def test_an_order_sent_many_times_at_once_is_counted_once(
    own_engine: Engine, ground: Ground
) -> None:
    headers = keyed(ground.who)
    with serving(own_engine, NOW) as url:

        def send(_: int) -> int:
            body = wish(ground, ground.full)
            reply = httpx2.post(f"{url}{PATH}", json=body, headers=headers, timeout=60)
            return reply.status_code

        assert at_once(8, send) == [409] * 8
    assert counted(own_engine) == full(ground, 1)


def test_a_key_that_was_counted_is_free_and_fresh(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    headers = keyed(ground.who)
    refused(
        own_client.post(PATH, json=wish(ground, ground.full), headers=headers), 409, "session-full"
    )
    with own_engine.begin() as connection:
        connection.execute(text("UPDATE idempotency_key SET made_at = made_at - interval '23 h'"))
    first = told(own_client.post(PATH, json=wish(ground, ground.free), headers=headers), 201)
    again = own_client.post(PATH, json=wish(ground, ground.free), headers=headers)
    assert told(again, 201) == first
    assert again.headers["idempotency-replayed"] == "true"
    refused(
        own_client.post(PATH, json=wish(ground, ground.full), headers=headers),
        422,
        "idempotency-key-reused",
    )
    assert counted(own_engine) == full(ground, 1)
    with Session(own_engine) as session:
        assert session.exec(select(IdempotencyKey.made_at)).one() == NOW
        account_id = ground.world.organiser.id
        key = session.exec(select(IdempotencyKey.key)).one()
        assert not idempotency.mark(session, account_id=account_id, key=key, now=NOW)


def test_the_refusal_does_not_depend_on_being_counted(
    own_client: TestClient, own_engine: Engine, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_orders, "_COUNT", text("SELECT 1 / 0"))
    reply = own_client.post(PATH, json=wish(ground, ground.full), headers=ground.who)
    refused(reply, 409, "session-full")
    body = route(ground, ground.full, ground.free, on_conflict="skip")
    told(own_client.post(GROUPS, json=body, headers=ground.who), 201)
    assert counted(own_engine) == []


@pytest.fixture
def narrow(own_engine: Engine) -> Iterator[TestClient]:
    """A client of a service with one connection."""
    url = own_engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    engine = create_engine(url, pool_size=1)
    app = create_app(engine, Settings(env=Env.TEST))

    async def same_now() -> Any:
        return NOW

    app.dependency_overrides[deps.get_now] = same_now
    yield TestClient(app)
    engine.dispose()


def test_the_connection_of_the_order_is_back_when_it_is_counted(
    narrow: TestClient, own_engine: Engine, ground: Ground
) -> None:
    reply = narrow.post(PATH, json=wish(ground, ground.full), headers=ground.who)
    refused(reply, 409, "session-full")
    assert counted(own_engine) == full(ground, 1)


def test_an_accepted_order_pays_nothing(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    told(own_client.get(PATH, headers=ground.who))
    taken: list[object] = []
    said: list[str] = []
    event.listen(own_engine, "checkout", lambda *seen: taken.append(seen))
    event.listen(
        own_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: said.append(statement),
    )
    dry = {"dry_run": "true"}
    for _ in range(2):  # the first ones of a day make sessions ahead
        told(own_client.post(PATH, json=wish(ground, ground.free), headers=ground.who, params=dry))
    taken.clear()
    told(own_client.post(PATH, json=wish(ground, ground.free), headers=ground.who), 201)
    assert len(taken) == 1
    assert not [one for one in said if "refused_order" in one or "idempotency" in one]
    refused(
        own_client.post(PATH, json=wish(ground, ground.full), headers=ground.who),
        409,
        "session-full",
    )
    assert len(taken) == 3
    assert len([one for one in said if "refused_order" in one]) == 1


def route(ground: Ground, *session_ids: str, **other: Any) -> Body:
    body = wish(ground, session_ids[0])
    del body["session_ids"]
    stops = [{"session_ids": [id_]} for id_ in session_ids]
    return {"kind": "route", **body, "stops": stops} | other


def elsewhere(engine: Engine, ground: Ground, *, groups: int) -> str:
    """A session of another site that comes after the others."""
    with Session(engine) as session, session.begin():
        hall = make_venue(session, make_site(session, session.merge(ground.world.town)))
        starts_at = ground.world.slot.ends_at + 4 * HOUR
        return str(make_session(session, hall, starts_at=starts_at, groups_limit=groups).id)


def test_each_stop_without_room_is_counted(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    last = elsewhere(own_engine, ground, groups=1)
    body, headers = route(ground, ground.full, last), keyed(ground.who)
    dry = {"dry_run": "true"}
    refused(own_client.post(GROUPS, json=body, headers=headers, params=dry), 409, "group-refused")
    assert counted(own_engine) == []
    for _ in range(2):
        refused(own_client.post(GROUPS, json=body, headers=headers), 409, "group-refused")
    assert counted(own_engine) == full(ground, 1)


def test_each_stop_left_out_is_counted(
    own_client: TestClient, own_engine: Engine, ground: Ground
) -> None:
    last = elsewhere(own_engine, ground, groups=1)
    body = route(ground, ground.full, last, on_conflict="skip")
    dry = {"dry_run": "true"}
    told(own_client.post(GROUPS, json=body, headers=ground.who, params=dry))
    assert counted(own_engine) == []
    headers = keyed(ground.who)
    first = told(own_client.post(GROUPS, json=body, headers=headers), 201)
    assert told(own_client.post(GROUPS, json=body, headers=headers), 201) == first
    assert counted(own_engine) == full(ground, 1)


def short(ground: Ground, people: int = 21) -> list[Refused]:
    refusal = SessionFull()
    refusal.want = Want(ground.world.site.id, ground.world.slot.starts_at, people)
    return [refusal]


def count(engine: Engine, ground: Ground, people: int = 21) -> None:
    sent = refused_orders.Sent(ground.world.organiser.id, None)
    with Session(engine) as session, session.begin():
        refused_orders.count_once(session, refused=short(ground, people), sent=sent, now=NOW)


def rows(engine: Engine) -> int:
    with Session(engine) as session:
        return session.exec(select(func.count()).select_from(RefusedOrder)).one()


def test_so_many_refusals_at_once_count_so_many(own_engine: Engine, ground: Ground) -> None:
    def ten(_: int) -> None:
        for _ in range(10):
            count(own_engine, ground)

    at_once(20, ten)
    assert counted(own_engine) == full(ground, 200)
    assert 1 <= rows(own_engine) <= 20
    for _ in range(3):
        count(own_engine, ground)
    assert counted(own_engine) == full(ground, 203)
    assert rows(own_engine) <= 20


def different(engine: Engine, ground: Ground) -> list[int]:
    """Count an order, and one that differs in each thing; return how often each was counted."""
    with Session(engine) as session, session.begin():
        other_id = make_site(session, session.merge(ground.world.town)).id
    want = Want(ground.world.site.id, ground.world.slot.starts_at, 21)
    wants = [
        (want, SessionFull, NOW),
        (want, SessionFull, NOW + DAY),
        (replace(want, site_id=other_id), SessionFull, NOW),
        (replace(want, starts_at=want.starts_at + DAY), SessionFull, NOW),
        (replace(want, starts_at=want.starts_at + HOUR), SessionFull, NOW),
        (replace(want, people=31), SessionFull, NOW),
        (want, GuideNotFree, NOW),
    ]
    for wanted, kind, now in wants * 2:
        refusal = kind()
        refusal.want = wanted
        sent = refused_orders.Sent(ground.world.organiser.id, None)
        with Session(engine) as session, session.begin():
            refused_orders.count_once(session, refused=[refusal], sent=sent, now=now)
    return [row[6] for row in counted(engine)]


def test_what_differs_is_counted_apart(own_engine: Engine, ground: Ground) -> None:
    assert different(own_engine, ground) == [2] * 7


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("r.times + 1", "2 * r.times + 1"),
        ("NOT EXISTS (SELECT FROM added)", "true"),
        ("WHERE refused_on = %(refused_on)s AND site_id", "WHERE site_id"),
        ("AND site_id = %(site_id)s AND wanted_on", "AND wanted_on"),
        ("AND wanted_on = ", "AND '1900-01-01' <> "),
        ("AND hour = ", "AND -1 <> "),
        ("AND people = ", "AND -1 <> "),
        ("AND rule = ", "AND '' <> "),
    ],
)
def test_a_condition_left_out_is_noticed(
    own_engine: Engine, ground: Ground, words: str, others: str
) -> None:
    with replaced_sql(own_engine, words, others):
        assert different(own_engine, ground) != [2] * 7


def test_nobody_waits_for_who_counts_the_same(own_engine: Engine, ground: Ground) -> None:
    count(own_engine, ground)
    with own_engine.begin() as connection:
        connection.execute(text("UPDATE refused_order SET times = times + 1"))
        count(own_engine, ground)
        assert rows(own_engine) == 2
        count(own_engine, ground)
        assert rows(own_engine) == 2
    assert counted(own_engine) == full(ground, 4)


def test_without_passing_by_they_would_wait(own_engine: Engine, ground: Ground) -> None:
    count(own_engine, ground)
    with own_engine.begin() as connection:
        connection.execute(text("UPDATE refused_order SET times = times"))
        with (
            replaced_sql(own_engine, "FOR UPDATE SKIP LOCKED", "FOR UPDATE"),
            pytest.raises(OperationalError, match="lock timeout"),
        ):
            count(own_engine, ground)


def test_two_who_send_one_key_count_once(own_engine: Engine, ground: Ground) -> None:
    key = uuid4()

    def once(_: int) -> bool:
        sent = refused_orders.Sent(ground.world.organiser.id, key)
        with Session(own_engine) as session, session.begin():
            refused_orders.count_once(session, refused=short(ground), sent=sent, now=NOW)
        return True

    assert at_once(8, once) == [True] * 8
    assert counted(own_engine) == full(ground, 1)


def test_a_site_has_so_many_rows_a_day(
    own_engine: Engine, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_orders, "MOST_A_DAY", 2)
    for people in (10, 21, 300, 10):
        count(own_engine, ground, people)
    assert {row[4]: row[6] for row in counted(own_engine)} == {10: 2, 30: 1}


def test_old_refusals_are_forgotten(own_engine: Engine, ground: Ground) -> None:
    count(own_engine, ground)
    with Session(own_engine) as session:
        assert refused_orders.forget_old(session, NOW + 730 * DAY) == 0
        assert refused_orders.forget_old(session, NOW + 731 * DAY) == 1
