"""Whom a site may call about a booking: personal data, shown to few, and every look is noted."""

from collections.abc import Sequence

from sqlmodel import Session

from app.models import Role
from app.services import audit
from app.services.bookings import View

NEED_CONTACT = frozenset({Role.ORGANISER, Role.SITE_MANAGER, Role.TOWN_STAFF, Role.DISTRICT_STAFF})


def is_shown(view: View) -> bool:
    """Tell whether the reader of `view` needs to know the contact and the note."""
    return bool(view.roles & NEED_CONTACT)


def note_read(session: Session, views: Sequence[View]) -> None:
    """Have it written down, once, that somebody read contacts of branches that are not theirs.

    Args:
        session: open transaction.
        views: all that is answered; at most a page.
    """
    read = [
        view.booking
        for view in views
        if is_shown(view)
        and Role.ORGANISER not in view.roles
        and view.booking.contact_phone_sealed is not None
    ]
    if not read:
        return
    districts = {booking.district_id for booking in read}
    audit.note(
        session,
        action="read",
        noun="booking",
        row_id=read[0].id if len(read) == 1 else None,
        district_id=districts.pop() if len(districts) == 1 else None,
        fields="contact",
        count=len(read),
        ids=[str(booking.id) for booking in read],
    )
