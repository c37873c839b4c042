"""What branches thought of their visits."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.db import violating
from app.errors import Conflict
from app.models import Booking, BookingStatus, Review, Role
from app.services import bookings
from app.services.access import Actor, NotInScope
from app.services.states import status_at

REVIEWERS = frozenset({Role.ORGANISER, Role.MEMBER})


class NotYetCompleted(Conflict):
    """Only a completed visit can be reviewed."""

    zh = "活动完成后方可评价"


class AlreadyReviewed(Conflict):
    """This visit has its review."""

    zh = "该活动已评价"


def can_review(view: bookings.View, now: datetime) -> bool:
    """Tell whether the reader of `view` may review it."""
    completed = status_at(view.booking, now) == BookingStatus.COMPLETED
    return completed and not view.reviewed and bool(view.roles & REVIEWERS)


def write(
    session: Session,
    *,
    actor: Actor,
    booking_id: UUID,
    content: int,
    reception: int,
    facilities: int,
    text: str,
    now: datetime,
) -> Booking:
    """Review a visit of one's own branch, 1 to 5 stars each; return its booking.

    Raises:
        BookingNotFound: there is none, or it is not theirs to see.
        NotInScope: it is not a visit of their branch.
        NotYetCompleted: it has not taken place.
        AlreadyReviewed: it has a review.
    """
    booking = bookings.get(session, actor=actor, booking_id=booking_id)
    if booking.organisation_id not in actor.organisations(*REVIEWERS):
        raise NotInScope(roles=sorted(REVIEWERS))
    actor.act_as(
        {g.role for g in actor.grants if g.organisation_id == booking.organisation_id}.intersection(
            REVIEWERS
        )
    )
    status = status_at(booking, now)
    if status != BookingStatus.COMPLETED:
        raise NotYetCompleted(current_status=status)
    review = Review(
        booking_id=booking.id,
        site_id=booking.site_id,
        written_by=actor.account_id,
        content=content,
        reception=reception,
        facilities=facilities,
        text=text,
    )
    session.add(review)
    with violating("review_booking_id_key", AlreadyReviewed()):
        session.flush()
    return booking
