"""Closures in somebody's name: whom they hit, what those could have instead, and opening again."""

from uuid import UUID

import pytest
from sqlmodel import Session, col, select

from app.models import (
    BookingStatus,
    Closure,
    Notification,
    Role,
    SiteStatus,
    Strike,
    VenueSession,
)
from app.services import calendar, closures, hits, orders, refusals, sessions, verify
from app.services import messages as texts
from app.services.access import NotInScope
from app.services.sites import SiteClosed, SiteNotFound
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_grant,
    make_organisation,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
    wanted,
)
from tests.services.grounds import DAY, EVERY_DAY, MORNING, hours, made


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session, groups_limit=3)


def shutting(world: World, **facts: object) -> closures.Wanted:
    plain = {
        "venue_id": None,
        "starts_at": IN_A_WEEK - HOUR,
        "ends_at": IN_A_WEEK + DAY,
        "reason": "展陈更新",
    }
    return closures.Wanted(**plain | facts)  # type: ignore[arg-type]


def shut(
    session: Session, world: World, *, notify: bool = False, cancel: bool = False, **facts: object
) -> closures.Outcome:
    return closures.close(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        wanted=shutting(world, **facts),
        notify=notify,
        cancel=cancel,
        now=NOW,
    )


def preview(session: Session, world: World, **facts: object) -> list[hits.Hit]:
    return closures.preview(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        wanted=shutting(world, **facts),
        now=NOW,
    )


def told(session: Session, kind: str) -> list[Notification]:
    wanted = select(Notification).where(Notification.kind == kind)
    return list(session.exec(wanted.order_by(col(Notification.booking_id))))


def picture(found: list[hits.Hit]) -> list[object]:
    return [
        (hit.booking.id, hit.code, hit.branch.id, [offer.id for offer in hit.alternatives])
        for hit in found
    ]


def crowd(session: Session, world: World) -> set[UUID]:
    """Bookings that are hit, and some that are not; return the ids of the first."""
    other_hall = make_session(session, make_venue(session, world.site))
    late = make_session(session, world.venue, starts_at=IN_A_WEEK + 2 * DAY)
    elsewhere = make_site(session, world.town)
    make_programme(session, elsewhere)
    make_session(session, make_venue(session, elsewhere))
    pending = make_booking(session, world)
    approved = move(session, world.manager, make_booking(session, world), "approve")
    rejected = move(session, world.manager, make_booking(session, world), "reject")
    beside = make_booking(session, world, other_hall)
    make_booking(session, world, late)
    assert rejected.status == BookingStatus.REJECTED
    return {pending.id, approved.id, beside.id}


def test_the_preview_is_what_then_happens(session: Session, world: World) -> None:
    hit = crowd(session, world)
    seen = picture(preview(session, world))
    done = shut(session, world)
    assert seen == picture(done.hits)
    assert {one.booking.id for one in done.hits} == hit
    assert all(one.alternatives for one in done.hits)


def test_the_preview_leaves_no_trace(session: Session, world: World) -> None:
    crowd(session, world)
    hours(session, world.venue, EVERY_DAY)
    before = [(slot.id, slot.closed_reason) for slot in made(session, world.venue)]
    messages = len(session.exec(select(Notification)).all())
    preview(session, world)
    assert [(slot.id, slot.closed_reason) for slot in made(session, world.venue)] == before
    assert session.exec(select(Closure)).all() == []
    assert len(session.exec(select(Notification)).all()) == messages


def test_a_hall_is_shut_without_the_others(session: Session, world: World) -> None:
    crowd(session, world)
    found = preview(session, world, venue_id=world.venue.id)
    assert len(found) == 2
    assert {hit.booking.venue_id for hit in found} == {world.venue.id}


def test_what_is_offered_instead_is_open_then(session: Session, world: World) -> None:
    make_booking(session, world)
    make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)  # in the closure too
    free = make_session(session, world.venue, starts_at=IN_A_WEEK + 2 * DAY)
    [hit] = shut(session, world).hits
    assert [offer.id for offer in hit.alternatives] == [free.id]
    orders.order(
        session, actor=actor(session, world.organiser), wanted=wanted(world, free), now=NOW
    )


def test_bookings_stay_and_no_more_are_taken(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    shut(session, world)
    session.refresh(booking)
    assert booking.status == BookingStatus.PENDING
    with pytest.raises(refusals.SessionClosed), session.begin_nested():
        make_booking(session, world)


def test_each_branch_is_told_once_with_its_alternatives(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    second = make_organisation(session, parent=world.town)
    organiser = make_account(session, Role.ORGANISER, at=second)
    other = orders.order(
        session, actor=actor(session, organiser), wanted=wanted(world, branch=second), now=NOW
    )
    free = make_session(session, world.venue, starts_at=IN_A_WEEK + 2 * DAY)
    shut(session, world, notify=True)
    messages = told(session, "site-closed")
    assert [(m.booking_id, m.account_id) for m in messages] == [
        (booking.id, world.organiser.id),
        (other.id, organiser.id),
    ]
    for message in messages:
        assert message.facts["reason"] == "展陈更新"
        assert calendar.spoken(free.starts_at) in message.facts["alternatives"]
        for language in ("zh", "en"):
            body = texts.written(message.kind, message.facts, language).body
            assert message.facts["alternatives"] in body


def test_without_the_wish_nobody_is_told_and_nothing_cancelled(
    session: Session, world: World
) -> None:
    make_booking(session, world)
    shut(session, world)
    assert told(session, "site-closed") == told(session, "booking-cancelled") == []


def test_cancelling_is_the_booking_s_own_move(session: Session, world: World) -> None:
    booking = move(session, world.manager, make_booking(session, world), "approve")
    shut(session, world, cancel=True)
    session.refresh(booking)
    assert booking.status == BookingStatus.CANCELLED
    [message] = told(session, "booking-cancelled")
    assert message.facts["reason"] == "展陈更新"
    slot = session.get_one(VenueSession, world.slot.id)
    session.refresh(slot)
    assert (slot.people_held, slot.groups_held, slot.closed_reason) == (0, 0, "展陈更新")
    assert list(verify.violations(session, now=NOW)) == []


def test_the_district_shuts_but_does_not_cancel(session: Session, world: World) -> None:
    make_booking(session, world)
    staff = actor(session, world.district_staff)

    def try_to(*, cancel: bool) -> None:
        closures.close(
            session,
            actor=staff,
            site_id=world.site.id,
            wanted=shutting(world),
            notify=False,
            cancel=cancel,
            now=NOW,
        )

    with pytest.raises(NotInScope), session.begin_nested():
        try_to(cancel=True)
    try_to(cancel=False)


def test_opening_again_undoes_it(session: Session, world: World) -> None:
    make_booking(session, world)
    hours(session, world.venue, EVERY_DAY, MORNING)
    sessions.make_ahead(session, now=NOW)
    before = [(slot.starts_at, slot.closed_reason) for slot in made(session, world.venue)]
    done = shut(session, world)
    during = [(slot.starts_at, slot.closed_reason) for slot in made(session, world.venue)]
    assert len(during) < len(before) or during != before
    closures.reopen(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        closure_id=done.closure.id,
        now=NOW,
    )
    assert [(s.starts_at, s.closed_reason) for s in made(session, world.venue)] == before


def test_what_is_over_is_not_taken_back(session: Session, world: World) -> None:
    done = shut(session, world)
    who = {"actor": actor(session, world.manager), "site_id": world.site.id}
    with pytest.raises(closures.ClosureOver):
        closures.reopen(
            session,
            closure_id=done.closure.id,
            now=done.closure.ends_at,
            **who,  # type: ignore[arg-type]
        )
    with pytest.raises(closures.ClosureNotFound):
        closures.reopen(session, closure_id=world.site.id, now=NOW, **who)  # type: ignore[arg-type]


def test_a_site_that_is_closed_for_good_has_no_closures(session: Session, world: World) -> None:
    world.site.status = SiteStatus.CLOSED
    session.flush()
    with pytest.raises(SiteClosed):
        shut(session, world)


def test_the_site_next_door_is_not_theirs(session: Session, world: World) -> None:
    with pytest.raises(SiteNotFound):
        closures.preview(
            session,
            actor=actor(session, make_world(session).manager),
            site_id=world.site.id,
            wanted=shutting(world),
            now=NOW,
        )


def test_a_site_that_cancels_strikes_nobody_though_its_manager_is_the_branch_s_too(
    session: Session, world: World
) -> None:
    make_grant(session, world.manager, Role.ORGANISER, at=world.branch)
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    soon = booking.starts_at - HOUR
    wanted = closures.Wanted(None, booking.starts_at, booking.ends_at, "漏水")
    closures.close(
        session,
        actor=actor(session, world.manager),
        site_id=world.site.id,
        wanted=wanted,
        notify=False,
        cancel=True,
        now=soon,
    )
    assert (booking.status, booking.late_cancelled) == ("cancelled", False)
    assert session.exec(select(Strike)).all() == []
