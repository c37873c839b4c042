"""What a booking may do next: by its state, the reader's role and the clock. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models import Booking, BookingStatus, Role

ARRIVAL_OPENS = timedelta(minutes=60)
"""How long before the start a group may be received."""
NO_SHOW_AFTER = timedelta(hours=2)
"""How long after the end a group that was not received counts as a no-show."""
CLOSES_AFTER = timedelta(hours=24)
"""How long after the end a received visit is completed by the clock."""

S = BookingStatus


@dataclass(frozen=True)
class Move:
    """A step somebody may ask for: from which states, to which, and in which role."""

    sources: frozenset[BookingStatus]
    target: BookingStatus
    roles: frozenset[Role]
    stand_ins: frozenset[Role] = frozenset()
    """Who may make it too once the booking was escalated."""


_MANAGER = frozenset({Role.SITE_MANAGER})
_STAFF = frozenset({Role.TOWN_STAFF, Role.DISTRICT_STAFF})
MOVES: Mapping[str, Move] = {
    "approve": Move(frozenset({S.PENDING}), S.APPROVED, _MANAGER, _STAFF),
    "reject": Move(frozenset({S.PENDING}), S.REJECTED, _MANAGER, _STAFF),
    "change": Move(frozenset({S.PENDING, S.APPROVED}), S.PENDING, frozenset({Role.ORGANISER})),
    "cancel": Move(
        frozenset({S.PENDING, S.APPROVED}), S.CANCELLED, frozenset({Role.ORGANISER}) | _MANAGER
    ),
    "arrive": Move(frozenset({S.APPROVED}), S.ARRIVED, _MANAGER),
    "complete": Move(frozenset({S.ARRIVED}), S.COMPLETED, _MANAGER),
    "no-show": Move(frozenset({S.APPROVED}), S.NO_SHOW, _MANAGER),
}


def in_time(name: str, booking: Booking, roles: frozenset[Role], now: datetime) -> bool:
    """Tell whether the clock allows a move that state and role allow.

    A branch cannot cancel what has begun, or nobody would ever be a no-show; the site can. What may
    be cancelled freely, and has not begun, may be changed.
    """
    if name == "change":
        return now < min(booking.free_cancel_until, booking.starts_at)
    if name == "cancel":
        return Role.SITE_MANAGER in roles or now < booking.starts_at
    if name == "arrive":
        return booking.starts_at - ARRIVAL_OPENS <= now
    if name == "no-show":
        return booking.ends_at <= now
    return True


def allowed_moves(booking: Booking, roles: frozenset[Role], now: datetime) -> list[str]:
    """Return the moves somebody with `roles` over the booking may make at `now`."""
    status = status_at(booking, now)
    return [
        name
        for name, move in MOVES.items()
        if status in move.sources
        and roles & (move.roles | (move.stand_ins if _is_escalated(booking, now) else frozenset()))
        and in_time(name, booking, roles, now)
    ]


def _is_overdue(booking: Booking, now: datetime) -> bool:
    return booking.respond_by is not None and booking.respond_by <= now


def _is_escalated(booking: Booking, now: datetime) -> bool:
    return booking.escalated_at is not None or _is_overdue(booking, now)


def _is_lost(booking: Booking, now: datetime) -> bool:
    overdue_again = booking.escalated_at is not None and _is_overdue(booking, now)
    return overdue_again or booking.starts_at <= now


def status_at(booking: Booking, now: datetime) -> BookingStatus:
    """Return the status as the clock has it: a deadline counts once it has passed.

    The row follows when the scheduler, or the next move, gets to it.
    """
    if booking.status == S.PENDING and _is_lost(booking, now):
        return S.EXPIRED
    if booking.status == S.APPROVED and booking.ends_at + NO_SHOW_AFTER <= now:
        return S.NO_SHOW
    if booking.status == S.ARRIVED and booking.ends_at + CLOSES_AFTER <= now:
        return S.COMPLETED
    return S(booking.status)
