"""Reviews: by the branch, of what took place, once."""

from collections.abc import Callable

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.models import Account, Booking, Review, Role
from app.services import bookings, reviews
from app.services.access import NotInScope
from app.services.bookings import BookingNotFound
from app.services.reviews import AlreadyReviewed, NotYetCompleted
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_booking,
    make_completed,
    make_organisation,
    make_world,
    move,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def review(session: Session, who: Account, booking: Booking, content: int = 5) -> Booking:
    return reviews.write(
        session,
        actor=actor(session, who),
        booking_id=booking.id,
        content=content,
        reception=4,
        facilities=3,
        text="很受教育",
        now=NOW,
    )


def can_review(session: Session, who: Account, booking: Booking) -> bool:
    (view,) = bookings.views(session, [booking], actor=actor(session, who))
    return reviews.can_review(view, NOW)


def test_a_branch_reviews_its_visit(session: Session, world: World) -> None:
    booking = make_completed(session, world)
    assert review(session, world.organiser, booking) is booking
    written = session.exec(select(Review)).one()
    assert (written.booking_id, written.site_id) == (booking.id, world.site.id)
    assert written.written_by == world.organiser.id
    assert (written.content, written.reception, written.facilities) == (5, 4, 3)


def test_any_member_of_it_may(session: Session, world: World) -> None:
    member = make_account(session, Role.MEMBER, at=world.branch)
    booking = make_completed(session, world)
    assert can_review(session, member, booking)
    assert review(session, member, booking)


def test_a_visit_has_one_review(session: Session, world: World) -> None:
    member = make_account(session, Role.MEMBER, at=world.branch)
    booking = make_completed(session, world)
    review(session, world.organiser, booking)
    with pytest.raises(AlreadyReviewed), session.begin_nested():
        review(session, member, booking)
    assert not can_review(session, member, booking)
    assert len(session.exec(select(Review)).all()) == 1


def _approved(session: Session, world: World) -> Booking:
    return move(session, world.manager, make_booking(session, world), "approve")


def _arrived(session: Session, world: World) -> Booking:
    booking = _approved(session, world)
    return move(session, world.manager, booking, "arrive", booking.starts_at)


def _cancelled(session: Session, world: World) -> Booking:
    return move(session, world.organiser, make_booking(session, world), "cancel")


@pytest.mark.parametrize("reach", [make_booking, _approved, _arrived, _cancelled])
def test_only_what_took_place_is_reviewed(
    session: Session, world: World, reach: Callable[[Session, World], Booking]
) -> None:
    booking = reach(session, world)
    assert not can_review(session, world.organiser, booking)
    with pytest.raises(NotYetCompleted) as refused:
        review(session, world.organiser, booking)
    assert refused.value.facts == {"current_status": booking.status}


@pytest.mark.parametrize("reader", ["manager", "town_staff", "district_staff"])
def test_who_may_only_read_a_visit_does_not_review_it(
    session: Session, world: World, reader: str
) -> None:
    booking = make_completed(session, world)
    who: Account = getattr(world, reader)
    assert not can_review(session, who, booking)
    with pytest.raises(NotInScope):
        review(session, who, booking)


def test_a_stranger_finds_no_visit(session: Session, world: World) -> None:
    other = make_account(session, Role.ORGANISER, at=make_organisation(session, parent=world.town))
    with pytest.raises(BookingNotFound):
        review(session, other, make_completed(session, world))


@pytest.mark.parametrize("stars", [0, 6, -1])
def test_stars_are_one_to_five(session: Session, world: World, stars: int) -> None:
    booking = make_completed(session, world)
    with pytest.raises(IntegrityError, match="review_content_in_range_check"):
        review(session, world.organiser, booking, content=stars)
