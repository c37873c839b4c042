"""The rules of ordering as versions: from when on each holds, and for whom."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import Session

from app.models import Account, BookingStatus, OrganisationKind, Role
from app.services import organisations, policy_editing, policy_history, refusals
from app.services.access import NotInScope
from app.services.policy_history import History, PolicyState
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)
from tests.services.rulebooks import (
    DEFAULT,
    enact,
    enact_here,
    history,
    history_here,
    lead,
    states,
    withdraw,
)

DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def test_a_new_version_holds_at_once_and_is_kept_with_its_maker(
    session: Session, world: World
) -> None:
    made = enact(session, world, rules=replace(DEFAULT, lead_working_days=4))
    assert (made.policy.version, made.state, made.made_by) == (
        2,
        "in_force",
        world.district_staff.name,
    )
    assert (made.policy.effective_at, made.policy.ends_at) == (NOW, None)
    assert lead(session, world) == 4
    told = history(session, world)
    assert states(told) == [(2, "in_force"), (1, "replaced")]
    assert (told.in_force.policy.id, told.newest) == (made.policy.id, 2)
    assert [one.made_by for one in told.versions] == [world.district_staff.name, None]


def test_a_version_to_come_holds_from_its_time_on(session: Session, world: World) -> None:
    begins = NOW + 10 * DAY
    made = enact(session, world, rules=replace(DEFAULT, lead_working_days=4), effective_at=begins)
    assert made.state == "planned"
    assert states(history(session, world)) == [(2, "planned"), (1, "in_force")]
    assert lead(session, world, begins - timedelta(microseconds=1)) == 3
    assert lead(session, world, begins) == 4
    assert states(history(session, world, begins)) == [(2, "in_force"), (1, "replaced")]


def test_what_is_to_come_is_passed_over_by_a_newer_one_that_holds_sooner(
    session: Session, world: World
) -> None:
    four, five = (replace(DEFAULT, lead_working_days=days) for days in (4, 5))
    enact(session, world, rules=five, effective_at=NOW + 10 * DAY)
    enact(session, world, version=2, rules=four)
    assert states(history(session, world)) == [(3, "in_force"), (2, "replaced"), (1, "replaced")]
    for now in (NOW, NOW + 20 * DAY):
        assert lead(session, world, now) == 4


def test_one_to_come_stays_where_the_newer_one_holds_later(session: Session, world: World) -> None:
    enact(session, world, effective_at=NOW + 10 * DAY)
    enact(session, world, version=2, effective_at=NOW + 20 * DAY)
    assert states(history(session, world)) == [(3, "planned"), (2, "planned"), (1, "in_force")]
    later = history(session, world, NOW + 15 * DAY)
    assert states(later) == [(3, "planned"), (2, "in_force"), (1, "replaced")]


def test_rules_do_not_begin_in_the_past(session: Session, world: World) -> None:
    with pytest.raises(policy_editing.PolicyBackdated):
        enact(session, world, effective_at=NOW - timedelta(microseconds=1))
    assert enact(session, world, effective_at=NOW).state == "in_force"


def test_what_is_booked_keeps_the_rules_it_met(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    before = (booking.policy_id, booking.free_cancel_until, booking.respond_by, booking.version)
    stricter = replace(
        DEFAULT, free_cancel_working_days=3, late_cancel_strikes=9, strikes_limit=9, horizon_days=7
    )
    enact(session, world, rules=stricter)
    session.refresh(booking)
    after = (booking.policy_id, booking.free_cancel_until, booking.respond_by, booking.version)
    assert after == before
    late = booking.free_cancel_until
    move(session, world.organiser, booking, "cancel", late)
    assert booking.status == BookingStatus.CANCELLED
    hall = make_venue(session, world.site)
    # One late cancellation by the new rules would have suspended the branch.
    order = make_session(session, hall, starts_at=IN_A_WEEK + 3 * DAY)
    assert make_booking(session, world, order, now=late - 2 * DAY).policy_id != before[0]
    beyond = make_session(session, hall, starts_at=IN_A_WEEK + 20 * DAY)
    with pytest.raises(refusals.BeyondHorizon) as refused:
        make_booking(session, world, beyond)
    assert refused.value.facts["limit"] == 7


def test_a_site_s_own_rules_go_before_its_district_s_until_they_are_withdrawn(
    session: Session, world: World
) -> None:
    other = make_site(session, world.town)
    told = history_here(session, world)
    assert (told.newest, told.versions, told.in_force.policy.site_id) == (0, [], None)
    made = enact_here(
        session, world, rules=replace(DEFAULT, lead_working_days=1, free_cancel_working_days=1)
    )
    enact_here(session, world, version=1, effective_at=NOW + 5 * DAY)
    assert (lead(session, world), lead(session, world, site=other)) == (1, 3)
    told = history_here(session, world)
    assert (told.newest, told.in_force.policy.id) == (2, made.policy.id)
    assert states(told) == [(2, "planned"), (1, "in_force")]
    now = NOW + DAY
    withdraw(session, world, 2, now)
    for later in (now, NOW + 6 * DAY):
        assert lead(session, world, later) == 3
    told = history_here(session, world, now)
    assert states(told) == [(2, "withdrawn"), (1, "withdrawn")]
    assert told.in_force.policy.site_id is None
    with pytest.raises(policy_editing.SitePolicyNotFound):
        withdraw(session, world, 2, now)
    assert enact_here(session, world, version=2, now=now).policy.version == 3
    assert states(history_here(session, world, now))[0] == (3, "in_force")


def test_who_oversees_reads_the_rules_of_the_district(session: Session, world: World) -> None:
    made = enact(session, world)

    def told(who: Account, at: object) -> History:
        return policy_history.of_district(
            session,
            actor=actor(session, who),
            organisation_id=at.id,  # type: ignore[attr-defined]
            limit=1,
            now=NOW,
        )

    for who, at in ((world.district_staff, world.district), (world.town_staff, world.town)):
        seen = told(who, at)
        assert seen.in_force.policy.id == made.policy.id
        assert [one.policy.version for one in seen.versions] == [2, 1]
    with pytest.raises(NotInScope):
        told(world.organiser, world.branch)
    town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    with pytest.raises(organisations.OrganisationNotFound):
        told(make_account(session, Role.TOWN_STAFF, at=town), world.town)


def test_pages_go_back_in_time(session: Session, world: World) -> None:
    for version in (1, 2, 3):
        enact(session, world, version=version)
    who = actor(session, world.district_staff)
    page = policy_history.of_district(
        session, actor=who, organisation_id=world.district.id, before=3, limit=5, now=NOW
    )
    assert [one.policy.version for one in page.versions] == [2, 1]
    assert page.in_force.state == PolicyState.IN_FORCE
    assert page.newest == 4
