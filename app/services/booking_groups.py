"""Routes and series: several bookings of a branch ordered together, and cancelled together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col

from app.errors import Conflict, DomainError, NotFound
from app.models import Booking, BookingGroup, GroupKind, Organisation, VenueSession
from app.services import bookings, guides, holds, moves, orders, overdue, standings
from app.services.access import Actor
from app.services.ledger import FundExhausted
from app.services.order_rules import Wanted
from app.services.refusals import Refused
from app.services.sessions import SessionNotFound


class GroupNotFound(NotFound):
    """There is no such route or series, or none of its bookings is yours to see."""

    zh = "未找到该线路或系列"


@dataclass(frozen=True)
class Item:
    """One booking of a route or series, as it is planned.

    Attributes:
        day: its date in Shanghai; None where none of its sessions exists.
        slots: its sessions, by start.
        wanted: the order; it names no session where the day has none.
        moved_from: the public holiday it was moved off.
    """

    day: date | None
    slots: Sequence[VenueSession]
    wanted: Wanted
    moved_from: date | None = None


@dataclass(frozen=True)
class Plan:
    """What is to be ordered together.

    Attributes:
        kind: a route or a series.
        organisation_id: the branch.
        items: one or more, in the order in which they are tried.
        rule: raises what speaks against an item besides the rules of any order, given the last
            booking made before it.
    """

    kind: GroupKind
    organisation_id: UUID
    items: Sequence[Item]
    rule: Callable[[Organisation, Item, Booking | None], None]


@dataclass(frozen=True)
class Outcome:
    """What became of an item: a booking, or the refusal it would have met alone."""

    item: Item
    booking: Booking | None
    refusal: DomainError | None


class GroupRefused(Conflict):
    """The route or series cannot be had as it was asked for; nothing was booked.

    `outcomes` tells of every item; a booking in it is one that could have been had.
    """

    zh = "线路或系列未能预约"
    detail_en = "Number {position} of {wanted} ({day}) cannot be had; {refused} in all"
    detail_zh = "第 {position} 项（{day}）不能预约；共 {wanted} 项，其中 {refused} 项不能预约"

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes
        refused = [(n, one) for n, one in enumerate(outcomes, 1) if one.refusal]
        position, first = refused[0]
        super().__init__(
            rule=first.refusal.slug() if first.refusal else None,
            position=position,
            day=first.item.day.isoformat() if first.item.day else "-",
            refused=len(refused),
            wanted=len(outcomes),
        )


def order(
    session: Session, *, actor: Actor, plan: Plan, skip: bool, now: datetime
) -> tuple[BookingGroup, list[Outcome]]:
    """Book all items of a plan, or with `skip` those that can be had.

    Every item is tried, so that a refusal tells all that is in the way.

    Args:
        session: open transaction; roll it back on any error.
        actor: who orders; an organiser of the branch.
        plan: what.
        skip: leave out what cannot be had.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: no such branch in the actor's sight.
        NotInScope: the actor is not its organiser.
        InvalidPhone: the contact's phone number is none.
        GroupRefused: an item cannot be had; with `skip`, none can.
    """
    orders.require_organiser(session, actor=actor, organisation_id=plan.organisation_id)
    branch = session.get_one(Organisation, plan.organisation_id)
    _hold(session, branch, plan.items, now)
    group = BookingGroup(
        created_at=now,
        kind=plan.kind,
        district_id=branch.district_id,
        organisation_id=branch.id,
        made_by=actor.account_id,
    )
    session.add(group)
    session.flush()
    outcomes: list[Outcome] = []
    last: Booking | None = None
    for item in plan.items:
        outcome = _attempt(session, actor, branch, plan, item, last, group.id, now)
        last = outcome.booking or last
        outcomes.append(outcome)
    _require(outcomes, skip=skip)
    return group, outcomes


def _hold(session: Session, branch: Organisation, items: Sequence[Item], now: datetime) -> None:
    """Lock all that the items fight over with others, in the order in which everybody does."""
    ids = sorted({id_ for item in items for id_ in item.wanted.session_ids})
    standings.hold(session, organisation_id=branch.id)
    # All that has lapsed at once: later, other branches would be locked with sessions in hand.
    theirs = or_(col(Booking.organisation_id) == branch.id, overdue.waiting_at(ids))
    overdue.settle(session, theirs=theirs, besides=ids, now=now)
    holds.lock(session, session_ids=ids)
    site_ids = {slot.site_id for item in items for slot in item.slots}
    guides.lock(session, site_ids=sorted(site_ids))


def _attempt(
    session: Session,
    actor: Actor,
    branch: Organisation,
    plan: Plan,
    item: Item,
    last: Booking | None,
    group_id: UUID,
    now: datetime,
) -> Outcome:
    attempt = session.begin_nested()
    try:
        plan.rule(branch, item, last)
        booking = orders.place(
            session, actor=actor, branch=branch, wanted=item.wanted, group_id=group_id, now=now
        )
    except (Refused, SessionNotFound, FundExhausted) as refusal:
        attempt.rollback()
        return Outcome(item, None, refusal)
    attempt.commit()
    return Outcome(item, booking, None)


def _require(outcomes: list[Outcome], *, skip: bool) -> None:
    refused = sum(outcome.refusal is not None for outcome in outcomes)
    if refused and not (skip and refused < len(outcomes)):
        raise GroupRefused(outcomes)


def get(session: Session, *, actor: Actor, group_id: UUID) -> tuple[BookingGroup, list[Booking]]:
    """Return a route or series with those of its bookings that the actor may see, by start.

    Raises:
        GroupNotFound: there is none, or none of its bookings is theirs to see.
    """
    theirs = bookings.visible(actor).where(Booking.group_id == group_id)
    found = session.exec(theirs.order_by(col(Booking.starts_at), col(Booking.id))).all()
    if not found:
        raise GroupNotFound(group_id=group_id)
    return session.get_one(BookingGroup, group_id), list(found)


def cancel(
    session: Session, *, actor: Actor, group_id: UUID, reason: str | None, now: datetime
) -> list[tuple[UUID, Booking | DomainError]]:
    """Cancel those bookings of a route or series that the actor sees and may cancel now.

    Args:
        session: open transaction; roll it back on any error.
        actor: an organiser of the branch, or a manager of one of the sites.
        group_id: which.
        reason: why; a manager needs one.
        now: the present instant, aware.

    Returns:
        Each booking by its id as it is now, or why it could not be cancelled; by start.

    Raises:
        GroupNotFound: there is none, or none of its bookings is theirs to see.
        DomainError: nothing could be cancelled; what the first booking was refused with.
    """
    theirs = bookings.visible(actor).where(Booking.group_id == group_id).order_by(col(Booking.id))
    locked = theirs.with_for_update(key_share=True, of=Booking)
    found = session.exec(locked.execution_options(populate_existing=True)).all()
    if not found:
        raise GroupNotFound(group_id=group_id)
    standings.hold(session, organisation_id=found[0].organisation_id)
    held = [id_ for booking in found for id_ in bookings.session_ids(session, booking)]
    holds.lock(session, session_ids=held)
    ids = [booking.id for booking in sorted(found, key=lambda booking: booking.starts_at)]
    tried = [(id_, _cancelled(session, actor, id_, reason, now)) for id_ in ids]
    first = tried[0][1]
    if isinstance(first, DomainError) and all(isinstance(one, DomainError) for _, one in tried):
        raise first
    return tried


def _cancelled(
    session: Session, actor: Actor, booking_id: UUID, reason: str | None, now: datetime
) -> Booking | DomainError:
    attempt = session.begin_nested()
    try:
        moved = moves.move(
            session, actor=actor, booking_id=booking_id, name="cancel", reason=reason, now=now
        )
    except DomainError as refusal:
        attempt.rollback()
        return refusal
    attempt.commit()
    return moved
