"""Changing a booking: other sessions, people or menu, in one move that loses nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import Booking, BookingProgramme, BookingStatus, Purpose
from app.services import (
    bookings,
    holds,
    moves,
    order_rules,
    overdue,
    privacy,
    queues,
    routes,
    steps,
    subsidies,
    terms,
)
from app.services.access import Actor
from app.services.order_rules import Asked
from app.services.refusals import Refused


class OtherSite(Refused):
    """A booking stays at its site; cancel it and order anew."""

    zh = "改约须在同一阵地，其他阵地请重新预约"


@dataclass(frozen=True)
class Wanted:
    """What is to be different; None leaves it as it is, no note is "". See `order_rules.Wanted`."""

    session_ids: Sequence[UUID] | None = None
    programme_ids: Sequence[UUID] | None = None
    people_expected: int | None = None
    purpose: Purpose | None = None
    contact_name: str | None = None
    contact_phone: str | None = None
    note: str | None = None


def change(
    session: Session,
    *,
    actor: Actor,
    booking_id: UUID,
    version: int,
    wanted: Wanted,
    now: datetime,
) -> Booking:
    """Change a booking of a branch.

    Other sessions, people or menu are judged by the rules in force now, as an order would be, but
    for what the branch has open already; where the sessions stay, lead times count from when they
    were ordered. The new places are held before the old ones go; then the
    site has to answer anew, unless the rules alone decide. Purpose, contact and note are just
    written down, with an event that tells of it.

    Args:
        session: open transaction; roll it back on any error.
        actor: an organiser of the branch.
        booking_id: which.
        version: the booking's, as the actor has seen it.
        wanted: what is to be different.
        now: the present instant, aware.

    Raises:
        BookingNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        BookingChanged: it has another version by now.
        BookingStateConflict: its state does not allow it, or it is too late.
        SessionNotFound: a session does not exist.
        InvalidPhone: the contact's phone number is none.
        Refused: one of its kinds, with up to 3 sessions that would be accepted; a stop of a route
            is in time for the others.
        FundExhausted: it would be approved at once, and the fund refuses.
    """
    booking = bookings.get(session, actor=actor, booking_id=booking_id, lock=True)
    moves.begin(session, booking, actor=actor, name="change", version=version, now=now)
    described = _describe(booking, wanted)
    asked = _asked(session, booking, wanted, now)
    if asked is not None:
        _exchange(session, booking, asked, actor)
    elif described:
        same, by = BookingStatus(booking.status), actor.account_id
        steps.step(session, booking, same, now=now, actor_id=by, reason="described")
    return booking


def _describe(booking: Booking, wanted: Wanted) -> bool:
    """Write down purpose, contact and note; tell whether any of them was given."""
    booking.purpose = wanted.purpose or booking.purpose
    booking.contact_name = wanted.contact_name or booking.contact_name
    if wanted.note is not None:
        booking.note = wanted.note or None
    if wanted.contact_phone is not None:
        booking.contact_phone_hash = privacy.fingerprint(wanted.contact_phone)
        booking.contact_phone_sealed = privacy.seal(privacy.normalise(wanted.contact_phone))
    given = (wanted.purpose, wanted.contact_name, wanted.contact_phone, wanted.note)
    return any(said is not None for said in given)


def _asked(session: Session, booking: Booking, wanted: Wanted, now: datetime) -> Asked | None:
    """Return the new terms, or None where they are the old ones."""
    held = bookings.session_ids(session, booking)
    ordered = list(
        session.exec(
            select(BookingProgramme.programme_id).where(
                col(BookingProgramme.booking_id) == booking.id
            )
        )
    )
    ids = held if wanted.session_ids is None else wanted.session_ids
    items = ordered if wanted.programme_ids is None else wanted.programme_ids
    people = wanted.people_expected or booking.people_expected
    if (set(ids), set(items), people) == (set(held), set(ordered), booking.people_expected):
        return None
    _, branch = bookings.place_of(session, booking)
    return order_rules.gather(
        session,
        session_ids=ids,
        programme_ids=items,
        people=people,
        branch=branch,
        standing=None,
        now=now,
        since=booking.created_at if set(ids) == set(held) else None,
    )


def _exchange(session: Session, booking: Booking, asked: Asked, actor: Actor) -> None:
    if asked.site.id != booking.site_id:
        raise OtherSite(rule=OtherSite.slug(), alternatives=[])
    refusal = order_rules.judge(asked)
    given = holds.Places(bookings.session_ids(session, booking), booking.people_expected)
    new = holds.Places(asked.session_ids, asked.people)
    if refusal is None and set(new.session_ids) != set(given.session_ids):
        routes.require_way(session, booking, slots=asked.slots, now=asked.now)

    def exchanged() -> bool:
        return holds.exchange(session, given=given, wanted=new)

    if refusal is None and not overdue.try_for(
        session, exchanged, session_ids=[*given.session_ids, *new.session_ids], now=asked.now
    ):
        refusal = order_rules.no_room(session, asked)
    if refusal is not None:
        order_rules.refuse(session, asked, refusal)
    terms.unseat(session, booking)
    for name, value in terms.of(asked).items():
        setattr(booking, name, value)
    booking.escalated_at = None
    steps.step(
        session,
        booking,
        BookingStatus.PENDING,
        now=asked.now,
        actor_id=actor.account_id,
        reason="changed",
    )
    terms.seat(session, booking, asked)
    queues.tend(session, session_ids=given.session_ids, now=asked.now)
    subsidies.release(session, booking_id=booking.id, now=asked.now)
    terms.put_forward(session, booking, asked, kind="booking-changed")
