"""Moving a booking on: answered, cancelled, received, completed or missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from sqlmodel import Session, col

from app.errors import Conflict, DomainError, Malformed, Stale
from app.models import Booking, BookingStatus, Role, StrikeKind, Visit
from app.services import bookings, overdue, standings, steps, subsidies
from app.services.access import Actor, NotInScope
from app.services.states import MOVES, allowed_moves, status_at

S = BookingStatus


class BookingStateConflict(Conflict):
    """The booking cannot make this move now."""

    zh = "预约当前状态不允许此操作"


class BookingChanged(Stale):
    """The booking has changed since you looked; read it again."""

    zh = "预约已有变化，请刷新后重试"


class ReasonMissing(Malformed):
    """Say why."""

    zh = "请填写原因"


@dataclass(frozen=True)
class Asked:
    """A move as it was asked for."""

    actor_id: UUID
    by_branch: bool
    reason: str | None
    people: int | None
    now: datetime

    def named_reason(self) -> str:
        """Return the reason.

        Raises:
            ReasonMissing: none was given.
        """
        if self.reason is None:
            raise ReasonMissing
        return self.reason


def move(
    session: Session,
    *,
    actor: Actor,
    booking_id: UUID,
    name: str,
    now: datetime,
    version: int | None = None,
    reason: str | None = None,
    people: int | None = None,
    as_site: bool = False,
) -> Booking:
    """Make one of `MOVES` but a change on a booking, and all that follows from it.

    Args:
        session: open transaction; roll it back on any error.
        actor: who moves it.
        booking_id: which.
        name: the move.
        now: the present instant, aware.
        version: the booking's as the actor has seen it; None where they do not care.
        reason: why; a rejection, and a cancellation by the site, need one.
        people: how many came, where the move is about that.
        as_site: in the name of the site, also where the actor is the branch's organiser.

    Raises:
        BookingNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        BookingChanged: it has another version by now.
        BookingStateConflict: its state, or the clock, does not allow it.
        ReasonMissing: this needs a reason.
        FundExhausted: approving it costs more than the fund has.
    """
    booking = bookings.get(session, actor=actor, booking_id=booking_id, lock=True)
    roles = begin(session, booking, actor=actor, name=name, version=version, now=now)
    asked = Asked(
        actor_id=actor.account_id,
        by_branch=Role.ORGANISER in roles and not as_site,
        reason=reason,
        people=people,
        now=now,
    )
    _EFFECTS[name](session, booking, asked)
    return booking


def approve_many(
    session: Session, *, actor: Actor, wanted: Sequence[tuple[UUID, int | None]], now: datetime
) -> list[Booking | DomainError]:
    """Approve bookings one by one; each is approved, or left as it was with what `move` raises.

    Args:
        session: open transaction.
        actor: who approves.
        wanted: ids, each with the version the actor has seen, or None.
        now: the present instant, aware.
    """
    ids = [booking_id for booking_id, _ in wanted]
    theirs = bookings.visible(actor).where(col(Booking.id).in_(ids)).order_by(col(Booking.id))
    seen = session.exec(theirs.with_for_update(key_share=True, of=Booking)).all()
    overdue.settle(session, theirs=col(Booking.id).in_([one.id for one in seen]), now=now)
    return [_tried(session, actor, booking_id, version, now) for booking_id, version in wanted]


def _tried(
    session: Session, actor: Actor, booking_id: UUID, version: int | None, now: datetime
) -> Booking | DomainError:
    attempt = session.begin_nested()
    try:
        moved = move(
            session, actor=actor, booking_id=booking_id, name="approve", version=version, now=now
        )
    except DomainError as refusal:
        attempt.rollback()
        return refusal
    attempt.commit()
    return moved


def begin(
    session: Session,
    booking: Booking,
    *,
    actor: Actor,
    name: str,
    version: int | None,
    now: datetime,
) -> frozenset[Role]:
    """Pass if an actor may make a move on a locked booking now; return the roles they have there.

    Raises:
        BookingChanged: the booking has another version by now.
        NotInScope, BookingStateConflict: as `move`.
    """
    if version is not None and version != booking.version:
        raise BookingChanged
    steps.catch_up(session, booking, now=now)
    roles = bookings.roles(session, booking, actor=actor)
    allowed = allowed_moves(booking, roles, now)
    if name not in allowed:
        _refuse(booking, roles, name, allowed, now)
    actor.act_as(roles & _makers(booking, name))
    return roles


def _refuse(
    booking: Booking, roles: frozenset[Role], name: str, allowed: list[str], now: datetime
) -> NoReturn:
    status = status_at(booking, now)
    makers = _makers(booking, name)
    if not roles & makers:
        raise NotInScope(roles=sorted(makers))
    raise BookingStateConflict(current_status=status, allowed_moves=allowed)


def _makers(booking: Booking, name: str) -> frozenset[Role]:
    move = MOVES[name]
    return move.roles | (move.stand_ins if booking.escalated_at else frozenset())


def _approve(session: Session, booking: Booking, asked: Asked) -> None:
    steps.reserve(session, booking, now=asked.now)
    steps.step(session, booking, S.APPROVED, now=asked.now, actor_id=asked.actor_id)
    steps.tell(session, booking, "booking-approved", asked.now, branch=True)


def _reject(session: Session, booking: Booking, asked: Asked) -> None:
    reason = asked.named_reason()
    steps.step(session, booking, S.REJECTED, now=asked.now, actor_id=asked.actor_id, reason=reason)
    steps.tell(session, booking, "booking-rejected", asked.now, branch=True, reason=reason)


def _cancel(session: Session, booking: Booking, asked: Asked) -> None:
    reason = asked.reason if asked.by_branch else asked.named_reason()
    late = asked.by_branch and asked.now >= booking.free_cancel_until
    if late:
        standings.strike(session, booking, kind=StrikeKind.LATE_CANCEL, now=asked.now)
    booking.late_cancelled = late
    steps.step(session, booking, S.CANCELLED, now=asked.now, actor_id=asked.actor_id, reason=reason)
    subsidies.release(session, booking_id=booking.id, now=asked.now)
    steps.tell(
        session,
        booking,
        "booking-cancelled",
        asked.now,
        branch=not asked.by_branch,
        site=asked.by_branch,
        reason=reason or "",
    )


def _arrive(session: Session, booking: Booking, asked: Asked) -> None:
    visit = Visit(
        booking_id=booking.id,
        arrived_at=asked.now,
        people_attended=booking.people_expected if asked.people is None else asked.people,
        confirmed_by=asked.actor_id,
    )
    session.add(visit)
    steps.step(session, booking, S.ARRIVED, now=asked.now, actor_id=asked.actor_id)


def _complete(session: Session, booking: Booking, asked: Asked) -> None:
    steps.finish(session, booking, people=asked.people, actor_id=asked.actor_id, now=asked.now)


def _no_show(session: Session, booking: Booking, asked: Asked) -> None:
    steps.miss(session, booking, asked.now, actor_id=asked.actor_id, reason=asked.reason)


_EFFECTS = {
    "approve": _approve,
    "reject": _reject,
    "cancel": _cancel,
    "arrive": _arrive,
    "complete": _complete,
    "no-show": _no_show,
}
