"""Cancelling what was ordered together, each booking for itself."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from app.errors import DomainError
from app.models import (
    Account,
    Booking,
    BookingGroup,
    BookingStatus,
    Role,
    Site,
    Strike,
    VenueSession,
)
from app.services import (
    booking_groups,
    moves,
    verify,
)
from app.services.access import NotInScope
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_organisation,
    make_world,
    move,
)
from tests.services.group_grounds import order, route, stops

DAY = timedelta(days=1)
S = BookingStatus


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


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
