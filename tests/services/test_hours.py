"""Rules that change: the sessions to come follow, and nobody's booking notices."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, select

from app.errors import Stale
from app.models import (
    Booking,
    BookingSession,
    Closure,
    Holiday,
    MadeAhead,
    OnHoliday,
    OpeningRule,
    SiteStatus,
    Venue,
    VenueSession,
)
from app.services import extra_sessions, hours, sessions, venues
from app.services.access import NotInScope
from app.services.calendar import midnight
from tests.conftest import NOW
from tests.makers import World, actor, make_booking, make_session, make_world
from tests.races import at_once, replaced_sql, until_somebody_waits
from tests.services.grounds import (
    AFTERNOON,
    DAY,
    EVENING,
    EVERY_DAY,
    MORNING,
    TODAY,
    at,
    close,
    made,
)
from tests.services.grounds import hours as rules_of

AHEAD = 13
SPANS = (MORNING, AFTERNOON, EVENING)


@pytest.fixture
def world(session: Session) -> World:
    return empty_world(session)


def empty_world(session: Session) -> World:
    """A world without a session."""
    world = make_world(session)
    session.exec(delete(VenueSession).where(col(VenueSession.site_id) == world.site.id))
    return world


def promised(
    rules: list[OpeningRule], off: set[date], shut: list[Closure]
) -> set[tuple[datetime, datetime]]:
    """What weekly rules give from tomorrow on, in plain words."""
    found = set()
    for n in range(1, AHEAD + 1):
        day = TODAY + n * DAY
        for rule in todays(rules, day, off=day in off):
            start, end = at(day, rule.starts), at(day, rule.ends)
            if not any(c.starts_at < end and c.ends_at > start for c in shut):
                found.add((start, end))
    return found


def todays(rules: list[OpeningRule], day: date, *, off: bool) -> list[OpeningRule]:
    valid = [r for r in rules if r.valid_from <= day and (r.valid_to is None or day < r.valid_to)]
    own = [rule for rule in valid if rule.weekday == day.isoweekday()]
    if not off:
        return own
    stays = [rule for rule in own if rule.on_holiday == OnHoliday.OPEN]
    called = any(rule.on_holiday == OnHoliday.AS_SUNDAY for rule in own)
    if day.isoweekday() == 7:
        return stays + [rule for rule in own if rule.on_holiday == OnHoliday.AS_SUNDAY]
    return stays + ([rule for rule in valid if rule.weekday == 7] if called else [])


def to_come(session: Session, hall: Venue) -> dict[UUID, tuple[datetime, datetime]]:
    return {
        slot.id: (slot.starts_at, slot.ends_at)
        for slot in made(session, hall)
        if slot.starts_at > at(TODAY, time(23))
    }


Written = dict[tuple[int, tuple[time, time]], tuple[OnHoliday, int, int | None]]
RULES: st.SearchStrategy[Written] = st.dictionaries(
    st.tuples(st.integers(1, 7), st.sampled_from(SPANS)),
    st.tuples(st.sampled_from(OnHoliday), st.integers(0, 5), st.none() | st.integers(6, AHEAD + 3)),
    min_size=1,
    max_size=6,
)


def write(session: Session, hall: Venue, wanted: Written) -> None:
    for (weekday, span), (mode, first, last) in wanted.items():
        rules_of(
            session,
            hall,
            [weekday],
            span,
            on_holiday=mode,
            valid_from=TODAY + first * DAY,
            valid_to=None if last is None else TODAY + last * DAY,
        )


def book_elsewhere(session: Session, world: World) -> Booking:
    """A booking, in another hall."""
    elsewhere = venues.add(session, site=world.site, name="别厅", people_limit=60)
    return make_booking(session, world, make_session(session, elsewhere))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=RULES,
    after=RULES,
    off=st.sets(st.integers(1, AHEAD), max_size=4),
    shut=st.none() | st.tuples(st.integers(1, AHEAD), st.integers(1, 60)),
    booked=st.sets(st.integers(0, 20), max_size=3),
)
def test_sessions_to_come_are_what_the_rules_promise(
    session: Session,
    before: Written,
    after: Written,
    off: set[int],
    shut: tuple[int, int] | None,
    booked: set[int],
) -> None:
    world = empty_world(session)
    session.exec(delete(Holiday))
    booking = book_elsewhere(session, world)
    free = {TODAY + n * DAY for n in off}
    session.add_all(Holiday(day=day, name="假", is_off=True) for day in free)
    hall, manager = world.venue, actor(session, world.manager)
    write(session, hall, before)
    sessions.make_ahead(session, now=NOW, days=AHEAD)
    rules = list(hours.of_venue(session, venue_id=hall.id))
    assert set(to_come(session, hall).values()) == promised(rules, free, [])
    ids = sorted(to_come(session, hall))
    kept = {id_: to_come(session, hall)[id_] for n, id_ in enumerate(ids) if n in booked}
    session.add_all(BookingSession(booking_id=booking.id, session_id=id_) for id_ in kept)
    session.flush()
    for rule in rules:
        hours.remove(session, actor=manager, rule_id=rule.id, now=NOW)
    assert to_come(session, hall) == kept
    closures = []
    if shut is not None:
        begin = at(TODAY + shut[0] * DAY, time(8))
        end = begin + timedelta(hours=shut[1])
        closures.append(close(session, world.site.id, starts_at=begin, ends_at=end))
    write(session, hall, after)
    sessions.remake(session, site_id=world.site.id, now=NOW)
    left = to_come(session, hall)
    assert {id_: left[id_] for id_ in kept} == kept, "what was booked stays as it is"
    wanted = promised(list(hours.of_venue(session, venue_id=hall.id)), free, closures)
    clear = {span for span in wanted if not any(meet(span, had) for had in kept.values())}
    assert set(left.values()) == clear | set(kept.values())


def meet(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[0] < other[1] and one[1] > other[0]


def test_a_wrong_plan_is_noticed(session: Session, shared_engine: Engine, world: World) -> None:
    session.exec(delete(Holiday))
    session.add(Holiday(day=TODAY + DAY, name="假", is_off=True))
    rules_of(session, world.venue, EVERY_DAY, on_holiday=OnHoliday.AS_SUNDAY)
    rules = list(hours.of_venue(session, venue_id=world.venue.id))
    wanted = promised(rules, {TODAY + DAY}, [])
    with replaced_sql(shared_engine, "WHEN r.weekday = 7 THEN", "WHEN r.weekday = 8 THEN"):
        sessions.make_ahead(session, now=NOW, days=AHEAD)
    assert set(to_come(session, world.venue).values()) == wanted - {
        (at(TODAY + DAY, MORNING[0]), at(TODAY + DAY, MORNING[1]))
    }


def ahead(session: Session, world: World, *spans: tuple[time, time]) -> list[OpeningRule]:
    """Rules of every day, and their sessions."""
    rules = rules_of(session, world.venue, EVERY_DAY, *spans)
    sessions.make_ahead(session, now=NOW, days=AHEAD)
    return rules


def test_a_rule_that_changes_takes_its_sessions_along(session: Session, world: World) -> None:
    rules, manager = ahead(session, world), actor(session, world.manager)
    slot = next(s for s in made(session, world.venue) if s.starts_at > NOW + 7 * DAY)
    make_booking(session, world, slot)
    for rule in rules:
        changes: hours.Changes = {"starts": time(10), "ends": time(12)}
        hours.change(session, actor=manager, rule_id=rule.id, version=1, changes=changes, now=NOW)
    starts = {span[0] for span in to_come(session, world.venue).values()}
    days = [TODAY + n * DAY for n in range(1, AHEAD + 1)]
    old = slot.starts_at
    assert starts == {old} | {at(day, time(10)) for day in days if day != old.date()}


@pytest.mark.parametrize(
    ("who", "version", "error"),
    [("manager", 2, Stale), ("town_staff", 1, NotInScope), ("organiser", 1, hours.RuleNotFound)],
)
def test_who_may_not_change_a_rule(
    session: Session, world: World, who: str, version: int, error: type[Exception]
) -> None:
    [rule] = rules_of(session, world.venue, [1])
    with pytest.raises(error):
        hours.change(
            session,
            actor=actor(session, getattr(world, who)),
            rule_id=rule.id,
            version=version,
            changes={"weekday": 2},
            now=NOW,
        )


@pytest.fixture
def shop(own_engine: Engine) -> tuple[World, list[UUID], UUID]:
    """A committed world with a session a day, its rules, and a session to book."""
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = empty_world(setup)
        rules = [rule.id for rule in ahead(setup, world)]
        slot = next(s for s in made(setup, world.venue) if s.starts_at > NOW + 7 * DAY)
        return world, rules, slot.id


def left_after_a_race(engine: Engine, shop: tuple[World, list[UUID], UUID]) -> list[VenueSession]:
    """Take all hours away while somebody has booked, but not committed, one session."""
    world, rules, slot_id = shop

    def remove() -> None:
        with Session(engine) as session, session.begin():
            manager = actor(session, world.manager)
            for rule_id in rules:
                hours.remove(session, actor=manager, rule_id=rule_id, now=NOW)

    with Session(engine) as booker, ThreadPoolExecutor(1) as pool:
        make_booking(booker, world, booker.get_one(VenueSession, slot_id))
        removing = pool.submit(remove)
        until_somebody_waits(engine)
        booker.commit()
        removing.result(timeout=20)
    with Session(engine) as session:
        return [slot for slot in made(session, world.venue) if slot.starts_at > NOW]


def test_what_is_being_booked_is_waited_for(
    own_engine: Engine, shop: tuple[World, list[UUID], UUID]
) -> None:
    assert [slot.id for slot in left_after_a_race(own_engine, shop)] == [shop[2]]


def test_without_the_lock_it_would_be_taken_away(
    own_engine: Engine, shop: tuple[World, list[UUID], UUID]
) -> None:
    words = "starts_at > :now\n    ORDER BY id FOR UPDATE".replace(":now", "%(now)s")
    with replaced_sql(own_engine, words, "starts_at > %(now)s"), pytest.raises(IntegrityError):
        left_after_a_race(own_engine, shop)


def test_sessions_exist_though_the_scheduler_was_dead_for_seventy_days(
    session: Session, world: World
) -> None:
    ahead(session, world)
    later = NOW + 70 * DAY
    until = TODAY + 130 * DAY
    sessions.keep_ahead(session, site_id=world.site.id, until=until, now=later)
    starts = {slot.starts_at for slot in made(session, world.venue)}
    assert {at(TODAY + n * DAY, MORNING[0]) for n in range(70, 131)} <= starts
    slot = next(s for s in made(session, world.venue) if s.starts_at > later + 7 * DAY)
    make_booking(session, world, slot, now=later)


def test_who_asks_again_finds_them_made(session: Session, world: World) -> None:
    rules_of(session, world.venue, EVERY_DAY)
    asked = {"site_id": world.site.id, "until": TODAY + 9 * DAY, "now": NOW}
    sessions.keep_ahead(session, **asked)  # type: ignore[arg-type]
    assert session.get_one(MadeAhead, world.site.id).until == TODAY + 9 * DAY
    session.exec(delete(VenueSession).where(col(VenueSession.venue_id) == world.venue.id))
    sessions.keep_ahead(session, **asked)  # type: ignore[arg-type]
    assert made(session, world.venue) == [], "one look at what was made is all it costs"


def test_many_who_ask_first_make_each_session_once(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = empty_world(setup)
        rules_of(setup, world.venue, EVERY_DAY, *SPANS)

    def ask(_: int) -> None:
        with Session(own_engine) as session, session.begin():
            until = TODAY + 9 * DAY
            sessions.keep_ahead(session, site_id=world.site.id, until=until, now=NOW)

    at_once(4, ask)
    with Session(own_engine) as session:
        found = [(slot.starts_at, slot.ends_at) for slot in made(session, world.venue)]
    assert len(found) == len(set(found)) == 10 * len(SPANS)


def test_a_suspended_site_gets_what_it_lacks_when_it_is_published_again(
    session: Session, world: World
) -> None:
    rules = ahead(session, world)
    world.site.status = SiteStatus.SUSPENDED
    session.flush()
    hours.remove(session, actor=actor(session, world.manager), rule_id=rules[0].id, now=NOW)
    assert to_come(session, world.venue) == {}
    world.site.status = SiteStatus.PUBLISHED
    session.flush()
    assert sessions.catch_up(session, now=NOW) == 1
    left = list(hours.of_venue(session, venue_id=world.venue.id))
    end = midnight(TODAY + (AHEAD + 1) * DAY)
    spans = {span for span in to_come(session, world.venue).values() if span[0] < end}
    assert spans == promised(left, set(), [])


def change(session: Session, world: World, **changes: object) -> None:
    venues.change(
        session,
        actor=actor(session, world.manager),
        venue_id=world.venue.id,
        version=world.venue.version,
        changes=changes,  # type: ignore[arg-type]
        now=NOW,
    )


def test_limits_follow_as_far_as_what_is_held_allows(session: Session, world: World) -> None:
    ahead(session, world)
    slot = next(s for s in made(session, world.venue) if s.starts_at > NOW + 7 * DAY)
    make_booking(session, world, slot, people=40)
    own = extra(session, world, people_limit=25)
    same = extra(session, world, day=9)
    change(session, world, people_limit=30)
    limits = {s.id: s.people_limit for s in made(session, world.venue) if s.starts_at > NOW}
    assert (limits.pop(slot.id), limits.pop(own.id), limits.pop(same.id)) == (60, 25, 30)
    assert set(limits.values()) == {30}
    change(session, world, people_limit=50)
    session.refresh(slot)
    assert slot.people_limit == 50


def test_a_hall_out_of_use_has_only_what_was_booked(session: Session, world: World) -> None:
    ahead(session, world)
    slot = next(s for s in made(session, world.venue) if s.starts_at > NOW + 7 * DAY)
    make_booking(session, world, slot)
    before = to_come(session, world.venue)
    change(session, world, active=False)
    assert list(to_come(session, world.venue)) == [slot.id]
    assert session.get_one(VenueSession, slot.id).closed_reason == sessions.VENUE_SHUT
    change(session, world, active=True)
    assert set(to_come(session, world.venue).values()) == set(before.values())
    assert session.get_one(VenueSession, slot.id).closed_reason is None


def extra(
    session: Session, world: World, *, day: int = 8, start: int = 20, **facts: int
) -> VenueSession:
    starts_at = at(TODAY + day * DAY, time(start))
    limits: dict[str, int | None] = {"people_limit": None, "groups_limit": None}
    return extra_sessions.add(
        session,
        actor=actor(session, world.manager),
        venue_id=world.venue.id,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        now=NOW,
        **limits | facts,
    )


def test_a_session_outside_the_hours_stays_when_rules_change(
    session: Session, world: World
) -> None:
    slot = extra(session, world)
    [rule] = rules_of(session, world.venue, [1])
    hours.remove(session, actor=actor(session, world.manager), rule_id=rule.id, now=NOW)
    assert (slot.people_limit, slot.groups_limit) == (60, 1)
    assert [left.id for left in made(session, world.venue)] == [slot.id]
    make_booking(session, world, slot)


def test_sessions_outside_the_hours_keep_clear(session: Session, world: World) -> None:
    extra(session, world)
    with pytest.raises(extra_sessions.SessionsOverlap), session.begin_nested():
        extra(session, world)
    with pytest.raises(extra_sessions.SessionOver):
        extra(session, world, day=-1)
    close(session, world.site.id)
    with pytest.raises(extra_sessions.ShutThen):
        extra(session, world, day=1)
    change(session, world, active=False)
    with pytest.raises(extra_sessions.VenueInactive):
        extra(session, world, day=10)


def test_only_what_nobody_booked_is_taken_away(session: Session, world: World) -> None:
    free, booked = extra(session, world), extra(session, world, day=9)
    make_booking(session, world, booked)
    ahead(session, world)
    ruled = next(slot for slot in made(session, world.venue) if slot.rule_id)
    manager = actor(session, world.manager)
    extra_sessions.remove(session, actor=manager, session_id=free.id, now=NOW)
    for kept in (booked.id, ruled.id):
        with pytest.raises(extra_sessions.SessionKept):
            extra_sessions.remove(session, actor=manager, session_id=kept, now=NOW)
    left = session.exec(select(VenueSession.id)).all()
    assert free.id not in left
    assert {booked.id, ruled.id} <= set(left)
