"""Changing a booking: one move that loses nothing, judged as an order would be."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm.exc import StaleDataError
from sqlmodel import Session, col, select

from app.models import (
    ApprovalMode,
    Booking,
    BookingEvent,
    BookingStatus,
    FundAccount,
    Guide,
    GuideDuty,
    Notification,
    Organisation,
    Programme,
    Role,
    Suspension,
    VenueSession,
)
from app.services import changes, ledger, moves, orders, privacy, refusals, verify
from app.services.access import NotInScope
from tests.conftest import NOW
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
from tests.races import at_once, replaced_sql

DAY = timedelta(days=1)
S = BookingStatus


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def later(session: Session, world: World, hours: int = 3) -> VenueSession:
    return make_session(session, world.venue, starts_at=IN_A_WEEK + hours * HOUR)


def change(
    session: Session, world: World, booking: Booking, what: changes.Wanted, **other: object
) -> Booking:
    given = {"now": NOW, "version": booking.version} | other
    return changes.change(
        session,
        actor=actor(session, world.organiser),
        booking_id=booking.id,
        wanted=what,
        **given,  # type: ignore[arg-type]
    )


def held(session: Session, *slots: VenueSession) -> list[tuple[int, int]]:
    for slot in slots:
        session.refresh(slot)
    return [(slot.people_held, slot.groups_held) for slot in slots]


def sound(session: Session) -> bool:
    return list(verify.violations(session, now=NOW)) == []


def test_other_sessions_are_held_and_the_old_ones_free(session: Session, world: World) -> None:
    booking, other = make_booking(session, world), later(session, world)
    change(session, world, booking, changes.Wanted(session_ids=[other.id]))
    assert held(session, world.slot, other) == [(0, 0), (20, 1)]
    assert (booking.starts_at, booking.ends_at) == (other.starts_at, other.ends_at)
    assert sound(session)


def test_a_session_may_be_among_the_old_and_the_new_ones(session: Session, world: World) -> None:
    second = make_session(session, world.venue, starts_at=world.slot.ends_at)
    booking = make_booking(session, world)
    change(session, world, booking, changes.Wanted(session_ids=[second.id, world.slot.id]))
    assert held(session, world.slot, second) == [(20, 1), (20, 1)]
    change(session, world, booking, changes.Wanted(session_ids=[second.id]))
    assert held(session, world.slot, second) == [(0, 0), (20, 1)]
    assert sound(session)


@pytest.mark.parametrize("people", [5, 60])
def test_fewer_or_more_people(session: Session, world: World, people: int) -> None:
    booking = make_booking(session, world)
    change(session, world, booking, changes.Wanted(people_expected=people))
    assert held(session, world.slot) == [(people, 1)]
    assert sound(session)


def test_another_menu(session: Session, world: World) -> None:
    booking, item = make_booking(session, world), make_programme(session, world.site)
    change(session, world, booking, changes.Wanted(programme_ids=[item.id]))
    assert booking.version == 2
    assert sound(session)


def test_an_accepted_booking_is_asked_for_anew(session: Session, world: World) -> None:
    booking = move(session, world.manager, make_booking(session, world), "approve")
    change(session, world, booking, changes.Wanted(people_expected=30), now=NOW + HOUR)
    assert (booking.status, booking.respond_by) == (S.PENDING, NOW + HOUR + DAY)
    assert ledger.balances(session, fund_id=world.fund.id)[FundAccount.RESERVED] == 0
    taken = select(BookingEvent).where(BookingEvent.booking_id == booking.id)
    last = session.exec(taken.order_by(col(BookingEvent.version).desc())).first()
    assert last is not None
    assert (last.from_status, last.to_status, last.reason) == (S.APPROVED, S.PENDING, "changed")
    told = select(Notification.kind).where(Notification.account_id == world.manager.id)
    assert "booking-changed" in session.exec(told).all()
    assert sound(session)


def test_where_rules_alone_decide_it_is_accepted_at_once_and_costs_anew(session: Session) -> None:
    world = make_world(session, approval_mode=ApprovalMode.AUTO)
    booking = make_booking(session, world)
    before = ledger.balances(session, fund_id=world.fund.id)[FundAccount.RESERVED]
    change(session, world, booking, changes.Wanted(people_expected=30))
    assert booking.status == S.APPROVED
    after = ledger.balances(session, fund_id=world.fund.id)[FundAccount.RESERVED]
    assert after == before + 10 * 500
    assert sound(session)


def test_an_escalated_booking_waits_for_the_site_again(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    change(session, world, booking, changes.Wanted(people_expected=21), now=NOW + DAY + HOUR)
    assert booking.escalated_at is None
    assert [e.reason for e in steps_of(session, booking)] == [None, "escalated", "changed"]


def steps_of(session: Session, booking: Booking) -> list[BookingEvent]:
    theirs = select(BookingEvent).where(BookingEvent.booking_id == booking.id)
    return list(session.exec(theirs.order_by(col(BookingEvent.version))))


def test_purpose_contact_and_note_are_just_written_down(session: Session, world: World) -> None:
    booking = move(session, world.manager, make_booking(session, world), "approve")
    what = changes.Wanted(contact_name="李组织", contact_phone="13900000001", note="迟到十分钟")
    change(session, world, booking, what)
    assert (booking.status, booking.version) == (S.APPROVED, 3)
    assert [e.reason for e in steps_of(session, booking)][2:] == ["described"]
    assert (booking.contact_name, booking.note) == ("李组织", "迟到十分钟")
    assert booking.contact_phone_hash == privacy.fingerprint("13900000001")
    change(session, world, booking, changes.Wanted(note=""))
    assert booking.note is None
    assert sound(session)


def test_what_changes_nothing_is_no_move(session: Session, world: World) -> None:
    booking = move(session, world.manager, make_booking(session, world), "approve")
    same = changes.Wanted(session_ids=[world.slot.id], people_expected=20)
    assert change(session, world, booking, same).version == 2


Spoil = Callable[[Session, World], changes.Wanted]


def _full(session: Session, world: World) -> changes.Wanted:
    other = later(session, world)
    make_booking(session, world, other)
    return changes.Wanted(session_ids=[other.id])


def _closed(session: Session, world: World) -> changes.Wanted:
    other = later(session, world)
    other.closed_reason = "检修"
    return changes.Wanted(session_ids=[other.id])


def _too_soon(session: Session, world: World) -> changes.Wanted:
    soon = make_session(session, world.venue, starts_at=NOW + DAY)
    return changes.Wanted(session_ids=[soon.id])


def _elsewhere(session: Session, world: World) -> changes.Wanted:
    venue = make_venue(session, make_site(session, world.town))
    return changes.Wanted(session_ids=[make_session(session, venue).id], programme_ids=[])


def _crowd(_: Session, __: World) -> changes.Wanted:
    return changes.Wanted(people_expected=61)


def _strange_menu(session: Session, world: World) -> changes.Wanted:
    item = make_programme(session, make_site(session, world.town))
    return changes.Wanted(programme_ids=[item.id])


def _unguided(session: Session, world: World) -> changes.Wanted:
    item = make_programme(session, world.site)
    item.needs_guide = True
    return changes.Wanted(programme_ids=[item.id])


SPOILS: list[tuple[Spoil, type[refusals.Refused]]] = [
    (_full, refusals.SessionFull),
    (_closed, refusals.SessionClosed),
    (_too_soon, refusals.LeadTimeTooShort),
    (_elsewhere, changes.OtherSite),
    (_crowd, refusals.PartyTooLarge),
    (_strange_menu, refusals.ProgrammeNotOffered),
    (_unguided, refusals.GuideNotFree),
]


@pytest.mark.parametrize(("spoil", "rule"), SPOILS, ids=[rule.__name__ for _, rule in SPOILS])
def test_a_refused_change_leaves_everything_as_it_was(
    session: Session, world: World, spoil: Spoil, rule: type[refusals.Refused]
) -> None:
    booking = make_booking(session, world)
    what = spoil(session, world)
    session.flush()
    with pytest.raises(rule) as refused, session.begin_nested():
        change(session, world, booking, what)
    assert refused.value.facts["rule"] == rule.slug()
    session.refresh(booking)
    assert (booking.status, booking.version) == (S.PENDING, 1)
    assert held(session, world.slot) == [(20, 1)]
    assert sound(session)


def test_what_is_offered_instead_is_at_the_same_site(session: Session, world: World) -> None:
    elsewhere = make_site(session, world.town)
    make_programme(session, elsewhere)
    near = make_session(session, make_venue(session, elsewhere), starts_at=IN_A_WEEK + HOUR)
    booking, what = make_booking(session, world), _full(session, world)
    free = later(session, world, 8)
    with pytest.raises(refusals.SessionFull) as refused, session.begin_nested():
        change(session, world, booking, what)
    offered = refused.value.facts["alternatives"]
    assert [one.id for one in offered] == [free.id]  # type: ignore[attr-defined]
    other = rival(session, world)
    with pytest.raises(refusals.SessionFull) as refused:
        orders.order(
            session,
            actor=actor(session, other.organiser),
            wanted=wanted(other, branch=other.branch),
            now=NOW,
        )
    assert near.id in [one.id for one in refused.value.facts["alternatives"]]  # type: ignore[attr-defined]


def test_what_is_open_or_against_the_branch_does_not_matter(session: Session, world: World) -> None:
    make_policy(session, world.district, site=world.site, open_bookings_limit=1)
    booking = make_booking(session, world)
    until = NOW + 90 * DAY
    session.add(
        Suspension(
            district_id=world.district.id,
            organisation_id=world.branch.id,
            starts_at=NOW,
            ends_at=until,
        )
    )
    assert change(session, world, booking, changes.Wanted(people_expected=5)).version == 2


@pytest.mark.parametrize(("early", "late"), [(timedelta(microseconds=-1), False), (0 * DAY, True)])
def test_up_to_the_deadline(session: Session, world: World, early: timedelta, late: bool) -> None:
    make_policy(session, world.district, site=world.site, lead_working_days=0)
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    what, when = changes.Wanted(people_expected=5), booking.free_cancel_until + early
    if late:
        with pytest.raises(moves.BookingStateConflict) as refused:
            change(session, world, booking, what, now=when)
        assert refused.value.facts["allowed_moves"] == ["cancel"]
    else:
        assert change(session, world, booking, what, now=when).version == 3


def test_another_version_is_refused(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    with pytest.raises(moves.BookingChanged):
        change(session, world, booking, changes.Wanted(people_expected=5), version=2)


def test_only_the_branch_changes_it(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    member = make_account(session, Role.MEMBER, at=world.branch)
    for who in (world.manager, member):
        with pytest.raises(NotInScope):
            change(session, replace(world, organiser=who), booking, changes.Wanted(note="x"))


def test_the_policy_in_force_is_the_one_that_counts(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    newer = make_policy(session, world.district, site=world.site)
    change(session, world, booking, changes.Wanted(people_expected=5))
    assert booking.policy_id == newer.id


def test_a_guide_goes_along(session: Session, world: World) -> None:
    world.programme.needs_guide = True
    session.add(Guide(site_id=world.site.id, name="王讲解"))
    booking, other = make_booking(session, world), later(session, world)
    change(session, world, booking, changes.Wanted(session_ids=[other.id]))
    (duty,) = session.exec(select(GuideDuty)).all()
    assert (duty.booking_id, duty.starts_at) == (booking.id, other.starts_at)
    assert sound(session)


def test_places_of_lapsed_orders_are_free(session: Session, world: World) -> None:
    booking, other = make_booking(session, world), later(session, world, 51)
    branch = make_organisation(session, parent=world.town)
    rival = make_account(session, Role.ORGANISER, at=branch)
    lapsing = orders.order(
        session,
        actor=actor(session, rival),
        wanted=wanted(world, other, branch=branch),
        now=NOW - 5 * DAY,
    )
    change(session, world, booking, changes.Wanted(session_ids=[other.id]))
    session.refresh(lapsing)
    assert lapsing.status == S.EXPIRED
    assert held(session, other) == [(20, 1)]


def swap(engine: Engine) -> list[str]:
    """Two branches want each other's session, which is full, and a third one wants both."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        slots = [world.slot, later(setup, world), later(setup, world, 6)]
        worlds = [world, *(rival(setup, world) for _ in range(2))]
        made = [make_booking(setup, w, slot) for w, slot in zip(worlds, slots, strict=True)]

    def one(number: int) -> str:
        booking, aim = made[number], slots[(number + 1) % 3]
        with Session(engine) as session:
            try:
                with session.begin():
                    what = changes.Wanted(session_ids=[aim.id])
                    change(session, worlds[number], booking, what, version=1)
            except refusals.SessionFull as refusal:
                return refusal.slug()
            return "changed"

    return at_once(3, one)


def rival(session: Session, world: World) -> World:
    branch: Organisation = make_organisation(session, parent=world.town)
    return replace(world, branch=branch, organiser=make_account(session, Role.ORGANISER, at=branch))


def test_a_ring_of_changes_neither_locks_up_nor_loses_a_place(own_engine: Engine) -> None:
    for _ in range(5):
        assert set(swap(own_engine)) <= {"changed", "session-full"}
    with Session(own_engine) as session:
        assert sound(session)


def rivals_for(engine: Engine) -> list[str]:
    """Eight branches change to the one session that has room for one group."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        aim = later(setup, world, 20)
        worlds = [rival(setup, world) for _ in range(8)]
        for one in worlds:
            make_booking(setup, one, make_session(setup, make_venue(setup, world.site)))
        made = setup.exec(select(Booking)).all()
        mine = {b.organisation_id: b for b in made}

    def one_of(number: int) -> str:
        w = worlds[number]
        with Session(engine) as session:
            try:
                with session.begin():
                    what = changes.Wanted(session_ids=[aim.id])
                    change(session, w, mine[w.branch.id], what, version=1)
            except refusals.SessionFull as refusal:
                return refusal.slug()
            return "changed"

    return sorted(at_once(8, one_of))


def test_of_many_who_change_to_one_place_one_has_it(own_engine: Engine) -> None:
    assert rivals_for(own_engine) == ["changed"] + ["session-full"] * 7
    with Session(own_engine) as session:
        assert sound(session)


def decided_twice(engine: Engine, update: str, instead: str) -> tuple[BookingStatus, int]:
    """Without a lock, two managers decide upon the version both have read; `update` is replaced."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        id_ = make_booking(setup, make_world(setup)).id
    with Session(engine) as first, Session(engine) as second:
        read = [one.get_one(Booking, id_) for one in (first, second)]
        for booking, status in zip(read, (S.APPROVED, S.REJECTED), strict=True):
            booking.status, booking.version, booking.respond_by = status, 2, None
        first.commit()
        with replaced_sql(engine, update, instead):
            second.commit()
    with Session(engine) as session:
        booking = session.get_one(Booking, id_)
        return S(booking.status), booking.version


COMPARED = "AND booking.version = %(booking_version)s::INTEGER"


def test_who_decides_upon_an_old_version_changes_nothing(own_engine: Engine) -> None:
    with pytest.raises(StaleDataError):
        decided_twice(own_engine, COMPARED, COMPARED)


def test_without_the_comparison_both_would_win(own_engine: Engine) -> None:
    assert decided_twice(own_engine, COMPARED, "") == (S.REJECTED, 2)


def test_a_programme_of_the_menu_that_is_gone_must_be_chosen_anew(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    session.get_one(Programme, world.programme.id).active = False
    with pytest.raises(refusals.ProgrammeNotOffered):
        change(session, world, booking, changes.Wanted(people_expected=5))


def test_fewer_people_may_come_while_a_change_is_free(session: Session, world: World) -> None:
    """Two working days ahead: too late for an order, not for one person less."""
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    soon = booking.free_cancel_until - HOUR
    change(session, world, booking, changes.Wanted(people_expected=19), now=soon)
    assert booking.people_expected == 19
    other = later(session, world)
    with pytest.raises(refusals.LeadTimeTooShort):
        change(session, world, booking, changes.Wanted(session_ids=[other.id]), now=soon)


def test_what_has_begun_cannot_be_changed(session: Session, world: World) -> None:
    policy = make_policy(session, world.district, site=world.site)
    policy.free_cancel_working_days = 0
    booking = move(session, world.manager, make_booking(session, world), "approve")
    assert booking.free_cancel_until > booking.starts_at
    what = changes.Wanted(people_expected=19)
    with pytest.raises(moves.BookingStateConflict):
        change(session, world, booking, what, now=booking.starts_at)
    assert change(session, world, booking, what, now=booking.starts_at - HOUR).version == 3
