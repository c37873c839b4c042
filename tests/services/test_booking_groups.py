"""Several bookings together: all or nothing, or what can be had; cancelled together."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, text, update
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, SQLModel, col, select

from app.errors import DomainError
from app.models import (
    Account,
    ApprovalMode,
    Booking,
    BookingGroup,
    BookingStatus,
    Guide,
    Organisation,
    Policy,
    Programme,
    Role,
    Site,
    Strike,
    VenueSession,
)
from app.services import (
    booking_groups,
    guides,
    holds,
    moves,
    order_rules,
    privacy,
    routes,
    series,
    verify,
)
from app.services.access import NotInScope
from app.services.booking_groups import GroupRefused, Outcome, Plan
from app.services.ledger import FundExhausted
from app.services.organisations import OrganisationNotFound
from app.services.series import Repeat
from app.services.sessions import SessionNotFound
from tests.conftest import NOW, as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_policy,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
    wanted,
)
from tests.races import at_once, until_somebody_waits
from tests.services.statements import counted

DAY = timedelta(days=1)
S = BookingStatus


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def stops(session: Session, world: World, count: int = 2) -> list[VenueSession]:
    """Sessions of one day at different sites in one place, the world's first."""
    halls = [make_venue(session, make_site(session, world.town)) for _ in range(count - 1)]
    later = [
        make_session(session, hall, starts_at=IN_A_WEEK + 2 * n * HOUR)
        for n, hall in enumerate(halls, 1)
    ]
    return [world.slot, *later]


def route(session: Session, world: World, *slots: VenueSession) -> Plan:
    asked = [replace(wanted(world, slot), programme_ids=[]) for slot in slots]
    return routes.plan(session, stops=asked, now=NOW)


def months(session: Session, world: World, count: int, repeat: Repeat = Repeat.WEEKDAY) -> Plan:
    return series.plan(session, first=wanted(world), repeat=repeat, months=count, now=NOW)


def order(
    session: Session, world: World, plan: Plan, *, skip: bool = False
) -> tuple[BookingGroup, list[Outcome]]:
    who = actor(session, world.organiser)
    return booking_groups.order(session, actor=who, plan=plan, skip=skip, now=NOW)


def refusals(outcomes: list[Outcome]) -> list[type[DomainError] | None]:
    return [type(one.refusal) if one.refusal else None for one in outcomes]


def rows(session: Session) -> dict[str, int]:
    """How many rows every table has."""
    session.flush()
    as_owner(session)
    count = session.connection().execute
    return {
        name: count(text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
        for name in SQLModel.metadata.tables
    }


def test_a_route_is_a_booking_for_each_stop(session: Session, world: World) -> None:
    slots = stops(session, world, 3)
    group, outcomes = order(session, world, route(session, world, *slots))
    made = [one.booking for one in outcomes if one.booking]
    assert [booking.starts_at for booking in made] == [slot.starts_at for slot in slots]
    assert {booking.group_id for booking in made} == {group.id}
    assert (group.kind, group.organisation_id) == ("route", world.branch.id)
    assert [one.item.day for one in outcomes] == [IN_A_WEEK.date()] * 3
    assert list(verify.violations(session, now=NOW)) == []


def test_each_stop_may_have_its_own_menu_and_people(session: Session, world: World) -> None:
    first, second = stops(session, world)
    asked = [wanted(world, first, people=9), replace(wanted(world, second), programme_ids=[])]
    made = order(session, world, routes.plan(session, stops=asked, now=NOW))[1]
    assert [one.booking.people_expected for one in made if one.booking] == [9, 20]


def february(session: Session, world: World) -> None:
    """A session for the third month of a series, which is within 80 days."""
    make_policy(session, world.district, site=world.site).horizon_days = 80
    make_session(session, world.venue, starts_at=datetime(2027, 2, 3, 1, tzinfo=UTC))


def january(session: Session, world: World) -> VenueSession:
    return make_session(session, world.venue, starts_at=datetime(2027, 1, 6, 1, tzinfo=UTC))


def test_a_series_is_a_booking_for_each_month(session: Session, world: World) -> None:
    january(session, world)
    february(session, world)
    group, outcomes = order(session, world, months(session, world, 3))
    days = [one.booking.starts_at.date() for one in outcomes if one.booking]
    assert days == [date(2026, 12, 2), date(2027, 1, 6), date(2027, 2, 3)]
    assert group.kind == "series"
    assert list(verify.violations(session, now=NOW)) == []


def test_a_month_too_far_ahead_says_so_and_one_without_a_session_too(
    session: Session, world: World
) -> None:
    free = make_session(session, world.venue, starts_at=datetime(2027, 1, 7, 1, tzinfo=UTC))
    outcomes = order(session, world, months(session, world, 3), skip=True)[1]
    assert refusals(outcomes) == [None, series.NoSessionThen, order_rules.BeyondHorizon]
    none, far = (one.refusal for one in outcomes[1:])
    assert none is not None
    assert far is not None
    assert none.facts["rule"] == "no-session-then"
    offered = none.facts["alternatives"]
    assert isinstance(offered, list)
    assert [one.id for one in offered] == [free.id]
    assert far.facts["latest_day"] == "2027-01-24"


def test_the_quota_counts_what_the_group_itself_has_booked(session: Session) -> None:
    world = make_world(session)
    make_policy(session, world.district, site=world.site, open_bookings_limit=2).horizon_days = 80
    january(session, world)
    make_session(session, world.venue, starts_at=datetime(2027, 2, 3, 1, tzinfo=UTC))
    outcomes = order(session, world, months(session, world, 3), skip=True)[1]
    assert refusals(outcomes) == [None, None, order_rules.TooManyOpenBookings]


Spoil = Callable[[Session, World, VenueSession], None]


def _full(session: Session, world: World, slot: VenueSession) -> None:
    slot.people_held, slot.groups_held = 20, 1


def _closed(session: Session, world: World, slot: VenueSession) -> None:
    slot.closed_reason = "检修"


def _gone(session: Session, world: World, slot: VenueSession) -> None:
    session.delete(slot)


def _no_money(session: Session, world: World, slot: VenueSession) -> None:
    """Both would be accepted at once, 20,000 fen each; the fund has money for one."""
    session.exec(update(Policy).values(approval_mode=ApprovalMode.AUTO))


SPOILS: dict[Spoil, type[DomainError]] = {
    _full: order_rules.SessionFull,
    _closed: order_rules.SessionClosed,
    _gone: SessionNotFound,
    _no_money: FundExhausted,
}


@pytest.mark.parametrize("spoil", SPOILS, ids=lambda spoil: spoil.__name__)
def test_all_or_nothing_leaves_no_trace_and_skipping_books_the_rest(
    session: Session, spoil: Spoil
) -> None:
    world = make_world(session, available_fen=20_000)
    slots = stops(session, world)
    asked = [replace(wanted(world, slot), programme_ids=[]) for slot in slots]
    spoil(session, world, slots[1])
    session.flush()
    planned = routes.plan(session, stops=asked, now=NOW)
    before = rows(session)
    with pytest.raises(GroupRefused) as refused, session.begin_nested():
        order(session, world, planned)
    assert rows(session) == before
    assert refusals(list(refused.value.outcomes)) == [None, SPOILS[spoil]]
    facts = {"rule": SPOILS[spoil].slug(), "position": 2, "refused": 1, "wanted": 2}
    assert facts.items() <= refused.value.facts.items()
    assert refused.value.detail("zh").startswith("第 2 项（")
    assert refusals(order(session, world, planned, skip=True)[1]) == [None, SPOILS[spoil]]
    made = {name: n - before[name] for name, n in rows(session).items() if n != before[name]}
    assert (made["booking"], made["booking_group"]) == (1, 1)


def test_what_could_not_be_had_in_part_is_refused_even_when_skipping(
    session: Session, world: World
) -> None:
    slots = stops(session, world)
    for slot in slots:
        slot.closed_reason = "检修"
    session.flush()
    before = rows(session)
    with pytest.raises(GroupRefused) as refused, session.begin_nested():
        order(session, world, route(session, world, *slots), skip=True)
    assert refused.value.facts["refused"] == 2
    assert rows(session) == before


def test_a_stop_that_does_not_exist_is_refused_like_the_others(
    session: Session, world: World
) -> None:
    slots = stops(session, world)
    plan = route(session, world, *slots)
    gone = replace(plan.items[1].wanted, session_ids=[world.site.id])
    asked = [plan.items[0].wanted, gone]
    outcomes = order(session, world, routes.plan(session, stops=asked, now=NOW), skip=True)[1]
    assert refusals(outcomes) == [None, SessionNotFound]
    assert outcomes[1].item.day is None


def test_only_the_branchs_organiser_orders(session: Session, world: World) -> None:
    plan = route(session, world, *stops(session, world))
    for role, refusal in ((Role.MEMBER, NotInScope), (Role.SITE_MANAGER, OrganisationNotFound)):
        at = world.branch if role == Role.MEMBER else world.site
        somebody = replace(world, organiser=make_account(session, role, at=at))
        with pytest.raises(refusal):
            order(session, somebody, plan)


def test_a_phone_that_is_none_is_told_as_such(session: Session, world: World) -> None:
    asked = [
        replace(item.wanted, contact_phone="12")
        for item in route(session, world, *stops(session, world)).items
    ]
    with pytest.raises(privacy.InvalidPhone):
        order(session, world, routes.plan(session, stops=asked, now=NOW), skip=True)


def test_the_places_of_orders_that_lapsed_are_had(session: Session, world: World) -> None:
    """Another branch's order has waited in vain since; no scheduler has written that."""
    slots = stops(session, world)
    other = make_organisation(session, parent=world.town)
    rival = replace(world, branch=other, organiser=make_account(session, Role.ORGANISER, at=other))
    lapsed = make_booking(session, rival)
    lapsed.escalated_at, lapsed.respond_by = NOW - DAY, NOW - HOUR
    session.flush()
    outcomes = order(session, world, route(session, world, *slots))[1]
    assert refusals(outcomes) == [None, None]
    session.refresh(lapsed)
    assert lapsed.status == S.EXPIRED
    assert list(verify.violations(session, now=NOW)) == []


def test_a_stop_costs_so_many_statements(session: Session, world: World) -> None:
    slots = stops(session, world, 6)

    def cost(count: int) -> int:
        with counted(session) as seen, session.begin_nested() as undone:
            order(session, world, route(session, world, *slots[:count]))
            undone.rollback()
        return len(seen)

    costs = [cost(count) for count in (2, 4, 6)]
    assert costs[2] - costs[1] == costs[1] - costs[0] <= 2 * 22
    assert costs[0] - (costs[1] - costs[0]) <= 20


# cancelling


def cancel(
    session: Session,
    world: World,
    group: BookingGroup,
    now: datetime = NOW,
    *,
    who: Account | None = None,
    reason: str | None = None,
) -> list[object]:
    tried = booking_groups.cancel(
        session,
        actor=actor(session, who or world.organiser, now),
        group_id=group.id,
        reason=reason,
        now=now,
    )
    return [type(one) if isinstance(one, DomainError) else one.status for _, one in tried]


@pytest.fixture
def group(session: Session, world: World) -> BookingGroup:
    return order(session, world, route(session, world, *stops(session, world)))[0]


def theirs(session: Session, group: BookingGroup) -> list[Booking]:
    ordered = select(Booking).where(Booking.group_id == group.id).order_by(col(Booking.starts_at))
    return list(session.exec(ordered))


def test_a_group_is_cancelled_at_once(session: Session, world: World, group: BookingGroup) -> None:
    assert cancel(session, world, group) == [S.CANCELLED, S.CANCELLED]
    assert not any(booking.late_cancelled for booking in theirs(session, group))
    assert session.get_one(VenueSession, world.slot.id).groups_held == 0
    assert list(verify.violations(session, now=NOW)) == []


def test_what_cannot_be_cancelled_says_why_and_stops_nothing(
    session: Session, world: World, group: BookingGroup
) -> None:
    move(session, world.manager, theirs(session, group)[0], "reject")
    assert cancel(session, world, group) == [moves.BookingStateConflict, S.CANCELLED]
    with pytest.raises(moves.BookingStateConflict):
        cancel(session, world, group)


def test_late_ones_count_as_late(session: Session, world: World, group: BookingGroup) -> None:
    first, second = theirs(session, group)
    manager = make_account(session, Role.SITE_MANAGER, at=session.get_one(Site, second.site_id))
    for booking, who in ((first, world.manager), (second, manager)):
        move(session, who, booking, "approve")
    late = first.free_cancel_until
    second.free_cancel_until = late + DAY
    assert cancel(session, world, group, late) == [S.CANCELLED, S.CANCELLED]
    assert [booking.late_cancelled for booking in theirs(session, group)] == [True, False]
    struck = session.exec(select(Strike.booking_id)).all()
    assert list(struck) == [first.id]


def test_a_manager_sees_and_cancels_what_is_at_their_site(
    session: Session, world: World, group: BookingGroup
) -> None:
    manager = actor(session, world.manager)
    seen = booking_groups.get(session, actor=manager, group_id=group.id)[1]
    assert [booking.site_id for booking in seen] == [world.site.id]
    with pytest.raises(moves.ReasonMissing), session.begin_nested():
        cancel(session, world, group, who=world.manager)
    assert cancel(session, world, group, who=world.manager, reason="检修") == [S.CANCELLED]
    assert [booking.status for booking in theirs(session, group)] == [S.CANCELLED, S.PENDING]


def test_who_sees_none_of_the_bookings_finds_no_group(
    session: Session, world: World, group: BookingGroup
) -> None:
    stranger = make_account(session, Role.ORGANISER, at=make_organisation(session))
    for who in (stranger, make_account(session, Role.SYSTEM_ADMIN)):
        with pytest.raises(booking_groups.GroupNotFound):
            booking_groups.get(session, actor=actor(session, who), group_id=group.id)
        with pytest.raises(booking_groups.GroupNotFound):
            cancel(session, world, group, who=who)
    member = make_account(session, Role.MEMBER, at=world.branch)
    assert booking_groups.get(session, actor=actor(session, member), group_id=group.id)
    with pytest.raises(NotInScope):
        cancel(session, world, group, who=member)


# races


def rival(session: Session, world: World) -> World:
    branch: Organisation = make_organisation(session, parent=world.town)
    return replace(world, branch=branch, organiser=make_account(session, Role.ORGANISER, at=branch))


def test_of_many_who_want_one_route_one_has_all_of_it(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        slots = stops(setup, world, 3)
        worlds = [rival(setup, world) for _ in range(6)]

    def one_of(number: int) -> str:
        with Session(own_engine) as session:
            try:
                with session.begin():
                    order(session, worlds[number], route(session, worlds[number], *slots))
            except GroupRefused as refused:
                return str(refused.facts["rule"])
            return "had"

    assert sorted(at_once(6, one_of)) == ["had"] + ["session-full"] * 5
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3
        assert session.exec(select(func.count()).select_from(BookingGroup)).one() == 1
        assert list(verify.violations(session, now=NOW)) == []


def crossed(
    engine: Engine,
    plan: Callable[[Session], Plan],
    world: World,
    other: World,
    *slots: VenueSession,
) -> None:
    """Order a route and, before its second stop, have a rival order some sessions.

    Raises:
        OperationalError: they wait for one another.
    """

    def meet() -> None:
        with Session(engine) as session, session.begin():
            make_booking(session, other, *slots)

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        planned = plan(session)
        met = []

        def rule(branch: Organisation, item: booking_groups.Item, last: Booking | None) -> None:
            planned.rule(branch, item, last)
            if last is not None:
                met.append(pool.submit(meet))
                until_somebody_waits(engine)

        try:
            order(session, world, replace(planned, rule=rule))
            session.commit()
        finally:
            session.rollback()
            met[0].result()


@contextmanager
def unguarded(monkeypatch: pytest.MonkeyPatch, module: object) -> Iterator[None]:
    """Without the lock of all at once; each order still takes its own."""
    lock = module.lock  # type: ignore[attr-defined]

    def one_at_a_time(session: Session, **ids: list[object]) -> None:
        (wanted_ids,) = ids.values()
        if len(wanted_ids) == 1:
            lock(session, **ids)

    with monkeypatch.context() as patch:
        patch.setattr(module, "lock", one_at_a_time)
        yield


def against_the_ids(
    engine: Engine,
) -> tuple[Callable[[Session], Plan], World, World, list[VenueSession]]:
    """A route of two sessions in a row whose ids run against the clock, and who wants both."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup, groups_limit=2)
        earlier = make_session(setup, world.venue, starts_at=IN_A_WEEK - 2 * HOUR)
        assert world.slot.id < earlier.id
        other = rival(setup, world)

    def plan(session: Session) -> Plan:
        return route(session, world, earlier, world.slot)

    return plan, world, other, [earlier, world.slot]


def test_a_route_locks_its_sessions_in_the_order_of_all(own_engine: Engine) -> None:
    plan, world, other, slots = against_the_ids(own_engine)
    crossed(own_engine, plan, world, other, *slots)
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3


def test_stop_by_stop_they_would_wait_for_one_another(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, world, other, slots = against_the_ids(own_engine)
    with unguarded(monkeypatch, holds), pytest.raises(OperationalError):
        crossed(own_engine, plan, world, other, *slots)


def guided_and_funded(
    engine: Engine,
) -> tuple[Callable[[Session], Plan], World, World, list[VenueSession]]:
    """A route of two guided stops that are accepted at once, and a rival at the second one."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup, approval_mode=ApprovalMode.AUTO)
        slot = stops(setup, world)[1]
        there = make_programme(setup, setup.get_one(Site, slot.site_id))
        for item in (world.programme, there):
            setup.get_one(Programme, item.id).needs_guide = True
            setup.add(Guide(site_id=item.site_id, name="讲解员"))
        hall = make_venue(setup, setup.get_one(Site, slot.site_id))
        elsewhere = make_session(setup, hall, starts_at=slot.starts_at + DAY)
        other = replace(rival(setup, world), programme=there)

    def plan(session: Session) -> Plan:
        asked = [wanted(world, world.slot), wanted(replace(world, programme=there), slot)]
        return routes.plan(session, stops=asked, now=NOW)

    return plan, world, other, [elsewhere]


def test_a_route_locks_its_guides_before_the_fund(own_engine: Engine) -> None:
    plan, world, other, slots = guided_and_funded(own_engine)
    crossed(own_engine, plan, world, other, *slots)
    with Session(own_engine) as session:
        assert session.exec(select(func.count()).select_from(Booking)).one() == 3


def test_guides_stop_by_stop_would_be_waited_for_with_the_fund_in_hand(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, world, other, slots = guided_and_funded(own_engine)
    with unguarded(monkeypatch, guides), pytest.raises(OperationalError):
        crossed(own_engine, plan, world, other, *slots)
