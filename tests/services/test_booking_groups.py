"""Several bookings together: all or nothing, or what can be had."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, SQLModel

from app.errors import DomainError
from app.models import (
    ApprovalMode,
    BookingStatus,
    Policy,
    Role,
    VenueSession,
)
from app.services import (
    privacy,
    refusals,
    routes,
    series,
    verify,
)
from app.services.access import NotInScope
from app.services.booking_groups import GroupRefused, Plan
from app.services.ledger import FundExhausted
from app.services.organisations import OrganisationNotFound
from app.services.series import Repeat
from app.services.sessions import SessionNotFound
from tests.conftest import NOW, as_owner
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_booking,
    make_organisation,
    make_policy,
    make_session,
    make_world,
    wanted,
)
from tests.services.group_grounds import order, refused_by, route, stops
from tests.services.statements import counted

DAY = timedelta(days=1)
S = BookingStatus


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def months(session: Session, world: World, count: int, repeat: Repeat = Repeat.WEEKDAY) -> Plan:
    return series.plan(session, first=wanted(world), repeat=repeat, months=count, now=NOW)


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
    assert refused_by(outcomes) == [None, series.NoSessionThen, refusals.BeyondHorizon]
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
    assert refused_by(outcomes) == [None, None, refusals.TooManyOpenBookings]


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
    _full: refusals.SessionFull,
    _closed: refusals.SessionClosed,
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
    assert refused_by(list(refused.value.outcomes)) == [None, SPOILS[spoil]]
    facts = {"rule": SPOILS[spoil].slug(), "position": 2, "refused": 1, "wanted": 2}
    assert facts.items() <= refused.value.facts.items()
    assert refused.value.detail("zh").startswith("第 2 项（")
    assert refused_by(order(session, world, planned, skip=True)[1]) == [None, SPOILS[spoil]]
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
    assert refused_by(outcomes) == [None, SessionNotFound]
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
    assert refused_by(outcomes) == [None, None]
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
