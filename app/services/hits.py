"""What a closure does to bookings: who is hit, what they could have instead, and telling them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import (
    Booking,
    BookingProgramme,
    BookingSession,
    Organisation,
    Programme,
    Site,
    VenueSession,
)
from app.services import alternatives, calendar, notifications, policies
from app.services.alternatives import Alternative
from app.services.codes import code_of


@dataclass(frozen=True)
class Hit:
    """A booking in a closure, and up to 3 sessions that its branch could have instead."""

    booking: Booking
    branch: Organisation
    code: str
    alternatives: list[Alternative]


def with_alternatives(
    session: Session, *, site: Site, bookings: Sequence[Booking], now: datetime
) -> list[Hit]:
    """Return bookings of a site in their order, each with what would be accepted instead.

    Args:
        session: open transaction in which the closure is written.
        site: the site.
        bookings: what is hit.
        now: the present instant, aware.
    """
    if not bookings:
        return []
    ids = [booking.id for booking in bookings]
    rules = policies.in_force(session, district_id=site.district_id, now=now)
    days = calendar.load(session)
    branches, menus, slots = (
        _branches(session, bookings),
        _menus(session, ids),
        _slots(session, ids),
    )

    def hit(booking: Booking) -> Hit:
        branch = branches[booking.organisation_id]
        offers = alternatives.nearest(
            session,
            to=slots[booking.id],
            site=site,
            branch=branch,
            people=booking.people_expected,
            menu=menus[booking.id],
            rules=rules,
            calendar=days,
            now=now,
        )
        return Hit(booking, branch, code_of(booking.number or 0), offers)

    return [hit(booking) for booking in bookings]


def _branches(session: Session, bookings: Sequence[Booking]) -> dict[UUID, Organisation]:
    theirs = col(Organisation.id).in_({booking.organisation_id for booking in bookings})
    return {branch.id: branch for branch in session.exec(select(Organisation).where(theirs))}


def _menus(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[Programme]]:
    menus: dict[UUID, list[Programme]] = defaultdict(list)
    rows = session.exec(
        select(BookingProgramme.booking_id, Programme)
        .join(Programme, col(Programme.id) == BookingProgramme.programme_id)
        .where(col(BookingProgramme.booking_id).in_(ids))
    )
    for booking_id, item in rows:
        menus[booking_id].append(item)
    return menus


def _slots(session: Session, ids: Sequence[UUID]) -> dict[UUID, VenueSession]:
    """Return the first session of each booking."""
    rows = session.exec(
        select(BookingSession.booking_id, VenueSession)
        .join(VenueSession, col(VenueSession.id) == BookingSession.session_id)
        .where(col(BookingSession.booking_id).in_(ids))
        .order_by(col(VenueSession.starts_at).desc())
    )
    return dict(rows.all())


def tell(session: Session, hit: Hit, *, site: Site, reason: str, now: datetime) -> None:
    """Owe the organisers of a branch that is hit one message, with what they could have instead."""
    notifications.owe(
        session,
        to=notifications.organisers_of(hit.branch.id),
        kind="site-closed",
        booking_id=hit.booking.id,
        facts={
            "code": hit.code,
            "branch": hit.branch.name,
            "site": site.name,
            "when": calendar.spoken(hit.booking.starts_at),
            "people": str(hit.booking.people_expected),
            "reason": reason,
            "alternatives": "；".join(map(_spoken, hit.alternatives)) or "–",
        },
        due_at=now,
    )


def _spoken(offer: Alternative) -> str:
    return f"{calendar.spoken(offer.starts_at)} {offer.site.name} {offer.venue_name}"
