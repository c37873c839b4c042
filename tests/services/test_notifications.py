"""Messages: owed with the fact, once a reason, delivered once, by however many workers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest
from jinja2 import Environment, UndefinedError, meta
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app.models import Account, Booking, Notification, Role
from app.services import notifications, steps
from app.services.messages import FOLDER, GATHERED, Kind, written
from app.services.notifications import deliver_due, mark_read, unread
from tests.conftest import NOW, as_owner
from tests.makers import (
    World,
    make_account,
    make_booking,
    make_grant,
    make_organisation,
    make_world,
    move,
)
from tests.races import at_once, replaced_sql

MINUTE = timedelta(minutes=1)
KINDS: Sequence[Kind] = get_args(Kind)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def booking(session: Session, world: World) -> Booking:
    return make_booking(session, world)


def owe(
    session: Session, world: World, booking: Booking, due_at: datetime, kind: Kind = KINDS[2]
) -> None:
    to = notifications.organisers_of(world.branch.id)
    notifications.owe(session, to=to, kind=kind, booking_id=booking.id, facts={}, due_at=due_at)


def owed_to(session: Session, account: Account) -> list[Notification]:
    session.expire_all()
    rows = select(Notification).where(Notification.account_id == account.id)
    return list(session.exec(rows.order_by(col(Notification.due_at))).all())


@pytest.mark.parametrize("after", [-MINUTE, 0 * MINUTE, MINUTE])
def test_nothing_is_useless_before_it_may_be_read(
    session: Session, world: World, booking: Booking, after: timedelta
) -> None:
    def late() -> int:
        return notifications.owe(
            session,
            to=notifications.organisers_of(world.branch.id),
            kind=KINDS[0],
            booking_id=booking.id,
            facts={},
            due_at=NOW,
            useless_at=NOW + after,
        )

    if after > timedelta():
        assert late() == 1
        assert owed_to(session, world.organiser)[0].useless_at == NOW + after
    else:
        with pytest.raises(IntegrityError, match="notification_useless_later_check"):
            late()


def test_one_reason_is_one_message(session: Session, world: World, booking: Booking) -> None:
    for _ in range(2):
        owe(session, world, booking, NOW)
    assert len(owed_to(session, world.organiser)) == 1


def test_another_kind_or_another_time_is_another_reason(
    session: Session, world: World, booking: Booking
) -> None:
    owe(session, world, booking, NOW)
    owe(session, world, booking, NOW + MINUTE)
    owe(session, world, booking, NOW, kind="booking-cancelled")
    assert len(owed_to(session, world.organiser)) == 3


def test_without_the_constraint_one_reason_could_be_told_twice(
    session: Session, world: World, booking: Booking
) -> None:
    as_owner(session)
    session.connection().execute(
        text(
            "ALTER TABLE notification DROP CONSTRAINT notification_once,"
            " ADD CONSTRAINT notification_once UNIQUE (id)"
        )
    )
    for _ in range(2):
        owe(session, world, booking, NOW)
    assert len(owed_to(session, world.organiser)) == 2


def test_two_grants_are_one_reader(session: Session, world: World, booking: Booking) -> None:
    both = make_account(session, Role.TOWN_STAFF, at=world.town)
    make_grant(session, both, Role.DISTRICT_STAFF, at=world.town)
    to = notifications.staff_of(world.town.id)
    notifications.owe(session, to=to, kind=KINDS[0], booking_id=booking.id, facts={}, due_at=NOW)
    assert len(owed_to(session, both)) == len(owed_to(session, world.town_staff)) == 1
    assert owed_to(session, world.district_staff) == []


@pytest.mark.parametrize(
    ("ends_at", "told"), [(NOW - MINUTE, 0), (NOW, 0), (NOW + MINUTE, 1), (None, 1)]
)
def test_a_grant_that_has_ended_gets_none(
    session: Session, world: World, booking: Booking, ends_at: datetime | None, told: int
) -> None:
    other = make_account(session)
    make_grant(session, other, Role.ORGANISER, at=world.branch, ends_at=ends_at)
    owe(session, world, booking, NOW)
    assert len(owed_to(session, other)) == told


def test_only_those_it_concerns_are_told(session: Session, world: World, booking: Booking) -> None:
    member = make_account(session, Role.MEMBER, at=world.branch)
    neighbour = make_account(
        session, Role.ORGANISER, at=make_organisation(session, parent=world.town)
    )
    owe(session, world, booking, NOW)
    assert owed_to(session, member) == owed_to(session, neighbour) == []


TOLD = {
    "approve": ("manager", "organiser"),
    "reject": ("manager", "organiser"),
    "cancel": ("organiser", "manager"),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_move_tells_the_other_side(
    session: Session, world: World, booking: Booking, name: str
) -> None:
    mover, told = (getattr(world, role) for role in TOLD[name])
    before = {role: len(owed_to(session, who)) for role, who in (("m", mover), ("t", told))}
    move(session, mover, booking, name)
    assert len(owed_to(session, mover)) == before["m"]
    assert len(owed_to(session, told)) == before["t"] + 1


def test_what_is_due_is_delivered_once(session: Session, world: World, booking: Booking) -> None:
    owe(session, world, booking, NOW)
    assert deliver_due(session, NOW - MINUTE) == 0
    assert deliver_due(session, NOW) == 2
    assert deliver_due(session, NOW + MINUTE) == 0
    (message,) = owed_to(session, world.organiser)
    assert message.delivered_at == NOW


@pytest.mark.parametrize("plan", ["on", "off"])
def test_a_batch_is_the_oldest_and_no_more_however_it_is_planned(
    session: Session, world: World, booking: Booking, plan: str
) -> None:
    """A limit inside `IN (...)` would be asked anew for each row of a nested loop."""
    for method in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
        session.connection().execute(text(f"SET LOCAL enable_{method} = {plan}"))
    deliver_due(session, NOW)
    for minutes in (3, 1, 2, 5, 4):
        owe(session, world, booking, NOW + minutes * MINUTE)
    assert deliver_due(session, NOW + 9 * MINUTE, batch=2) == 2
    delivered = [bool(message.delivered_at) for message in owed_to(session, world.organiser)]
    assert delivered == [True, True, False, False, False]


def committed(engine: Engine, count: int) -> UUID:
    """Owe the organiser so many messages; return the organiser's id."""
    with Session(engine) as session, session.begin():
        world = make_world(session)
        booking = make_booking(session, world)
        deliver_due(session, NOW)
        for minute in range(count):
            owe(session, world, booking, NOW + minute * MINUTE)
        return world.organiser.id


def test_two_workers_share_what_is_due(own_engine: Engine) -> None:
    committed(own_engine, 6)
    late = NOW + 60 * MINUTE
    with Session(own_engine) as one, Session(own_engine) as other:
        assert deliver_due(one, late, batch=4) == 4
        assert deliver_due(other, late) == 2
        one.commit()
        assert deliver_due(other, late) == 0


def test_without_skipping_the_second_would_wait(own_engine: Engine) -> None:
    committed(own_engine, 6)
    late = NOW + 60 * MINUTE
    with Session(own_engine) as one, Session(own_engine) as other:
        assert deliver_due(one, late, batch=4) == 4
        other.connection().execute(text("SET LOCAL lock_timeout = '50ms'"))
        with replaced_sql(own_engine, "SKIP LOCKED"), pytest.raises(OperationalError):
            deliver_due(other, late)


def test_four_workers_at_once_deliver_each_once(own_engine: Engine) -> None:
    organiser = committed(own_engine, 40)

    def work(number: int) -> int:
        delivered = 0
        for minutes in range(60, 80):
            with Session(own_engine) as session, session.begin():
                late = NOW + minutes * MINUTE + number * timedelta(seconds=1)
                delivered += deliver_due(session, late, batch=3)
        return delivered

    assert sum(at_once(4, work)) == 40
    with Session(own_engine) as session:
        assert unread(session, account_id=organiser) == 40


def test_what_is_not_committed_is_not_owed(own_engine: Engine) -> None:
    with Session(own_engine) as session:
        make_booking(session, make_world(session))
        session.rollback()
        assert session.exec(select(Notification)).all() == []


def test_the_inbox_has_what_was_delivered_to_its_owner(
    session: Session, world: World, booking: Booking
) -> None:
    assert unread(session, account_id=world.manager.id) == 0
    deliver_due(session, NOW)
    (message,) = session.exec(notifications.inbox(world.manager.id)).all()
    assert message.kind == "booking-pending"
    assert unread(session, account_id=world.manager.id) == 1
    assert unread(session, account_id=world.organiser.id) == 0


def test_reading_counts_once_and_for_ones_own(
    session: Session, world: World, booking: Booking
) -> None:
    owe(session, world, booking, NOW + MINUTE)
    deliver_due(session, NOW)
    (mine,) = owed_to(session, world.manager)
    (undelivered,) = owed_to(session, world.organiser)
    ids = [mine.id, undelivered.id, uuid7()]
    assert mark_read(session, account_id=world.organiser.id, ids=ids, now=NOW) == 0
    assert mark_read(session, account_id=world.manager.id, ids=ids, now=NOW) == 1
    assert mark_read(session, account_id=world.manager.id, ids=ids, now=NOW + MINUTE) == 0
    session.refresh(mine)
    assert mine.read_at == NOW
    assert unread(session, account_id=world.manager.id) == 0


def gaps(template: str) -> set[str]:
    return meta.find_undeclared_variables(Environment(autoescape=True).parse(template))


@pytest.fixture
def supplied(session: Session, world: World, booking: Booking) -> dict[str, str]:
    """What `steps.tell` fills templates with."""
    steps.tell(session, booking, "booking-completed", NOW, branch=True)
    (message,) = owed_to(session, world.organiser)
    # As `hits.tell`, `queues.tend` and `standings.strike` add.
    return message.facts | {
        "alternatives": "2026-12-03 09:00",
        "confirm_by": "2026-12-01 09:00",
        "points": "3",
        "months": "12",
        "until": "2027-02-23 09:00",
        # As `reminders` adds.
        "day": "2026-12-02",
        "visits": "2",
        "waiting": "1",
        "list": "",
        "claims": "1",
        "year": "2027",
        "findings": "3",
    }


def test_every_kind_has_its_templates_and_no_other() -> None:
    for language in ("zh", "en"):
        found = {path.stem for path in (FOLDER / language).iterdir()}
        assert found == {*KINDS, GATHERED}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_gap_of_every_template_is_filled(
    supplied: dict[str, str], kind: Kind, language: str
) -> None:
    template = (FOLDER / language / f"{kind}.j2").read_text()
    assert gaps(template) <= set(supplied)
    message = written(kind, supplied, language)
    assert message.title
    assert message.body
    assert "{" not in message.title + message.body


def test_a_gap_that_nobody_fills_would_be_noticed(supplied: dict[str, str]) -> None:
    assert gaps("{{ branch }} {{ weather }}") - set(supplied) == {"weather"}
    del supplied["branch"]
    with pytest.raises(UndefinedError, match="branch"):
        written("booking-pending", supplied, "zh")


def test_the_two_languages_differ(supplied: dict[str, str]) -> None:
    for kind in KINDS:
        assert written(kind, supplied, "zh") != written(kind, supplied, "en")


def test_braces_in_a_reason_are_text(session: Session, world: World, booking: Booking) -> None:
    move(session, world.manager, booking, "reject", reason="{{ code }} {code} {0} %s")
    (message,) = owed_to(session, world.organiser)
    assert written(message.kind, message.facts, "zh").body.endswith("：{{ code }} {code} {0} %s")


def test_times_are_told_as_on_the_wall(supplied: dict[str, str]) -> None:
    assert supplied["when"] == "2026-12-02 09:00"
