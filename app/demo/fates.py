"""What becomes of an order: answered or not, cancelled, used, missed, reviewed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from app.demo import words
from app.demo.places import Place
from app.demo.staff import Branch
from app.demo.world import World, pick
from app.models import Booking, BookingStatus
from app.services import moves, overdue, reviews
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER

_MOMENT = timedelta(minutes=2)
"""How soon after a deadline the scheduler comes by."""

ANSWERS = {"approve": 0.875, "reject": 0.055, "withdraw": 0.025, "lapse": 0.045}
USES = {"use": 0.875, "cancel": 0.075, "call off": 0.015, "stay away": 0.035}
UNANSWERED_NOW = 0.85
"""Share of the orders that may still wait for their answer that do."""
PASSED_ON_NOW = 0.25
"""Share of the orders their town may still answer that the site left to it."""


@dataclass(frozen=True)
class Order:
    """A booking, by whom and where."""

    id: UUID
    branch: Branch
    place: Place
    starts_at: datetime
    ends_at: datetime
    free_cancel_until: datetime
    people: int


def follow(world: World, order: Order, booking: Booking) -> None:
    """Enter into the agenda what becomes of a new order."""
    if booking.status == BookingStatus.APPROVED:
        _plan_use(world, order)
        return
    assert booking.respond_by is not None  # noqa: S101
    if booking.respond_by > world.agenda.until and world.chance(UNANSWERED_NOW):
        return
    answer = pick(world.luck, ANSWERS)
    answerable_by_the_town = world.days.later(booking.respond_by, 1) > world.agenda.until
    if answer == "lapse" or (answerable_by_the_town and world.chance(PASSED_ON_NOW)):
        world.agenda.enter(booking.respond_by + _MOMENT, partial(_pass_on, world, order))
        return
    at = world.soon(world.now, (0.3, 5))
    act = {"approve": _approve, "reject": _reject, "withdraw": _cancel}[answer]
    world.agenda.enter(min(at, booking.respond_by - _MOMENT), partial(act, world, order))


def catch_up(world: World) -> None:
    """Do what the scheduler does: write every step the clock has made due."""
    world.tally["moved by the clock"] += overdue.catch_up(world.session, now=world.now)


def call_off(world: World, booking_id: UUID, manager: UUID, reason: str) -> None:
    """Cancel a booking for the site."""
    world.called_off.add(booking_id)
    _move(world, manager, booking_id, "cancel", reason=reason)


def _move(
    world: World,
    account_id: UUID,
    booking_id: UUID,
    name: str,
    *,
    reason: str | None = None,
    people: int | None = None,
) -> Booking:
    world.tally[name] += 1
    return moves.move(
        world.session,
        actor=world.actor(account_id),
        booking_id=booking_id,
        name=name,
        now=world.now,
        reason=reason,
        people=people,
    )


def _approve(world: World, order: Order) -> None:
    if order.id not in world.called_off:
        _move(world, order.place.manager, order.id, "approve")
        _plan_use(world, order)


def _reject(world: World, order: Order) -> None:
    if order.id not in world.called_off:
        reason = world.luck.choice(words.REJECTED)
        _move(world, order.place.manager, order.id, "reject", reason=reason)


def _cancel(world: World, order: Order) -> None:
    if order.id not in world.called_off:
        reason = world.luck.choice(words.CANCELLED)
        _move(world, order.branch.organiser.account_id, order.id, "cancel", reason=reason)


def _pass_on(world: World, order: Order) -> None:
    """Let the clock pass an unanswered order to the town, which answers it or lets it expire."""
    catch_up(world)
    booking = world.session.get_one(Booking, order.id)
    if booking.status != BookingStatus.PENDING or booking.respond_by is None:
        return
    if booking.respond_by > world.agenda.until and world.chance(UNANSWERED_NOW):
        return
    if world.chance(0.6):
        at = min(world.soon(world.now, (0.5, 5)), booking.respond_by - _MOMENT)
        world.agenda.enter(at, partial(_stand_in, world, order))
    else:
        world.agenda.enter(booking.respond_by + _MOMENT, partial(catch_up, world))


def _stand_in(world: World, order: Order) -> None:
    if order.id not in world.called_off:
        _move(world, world.staff.towns[order.place.town.id], order.id, "approve")
        _plan_use(world, order)


def _plan_use(world: World, order: Order) -> None:
    use = pick(world.luck, USES)
    latest = order.starts_at - timedelta(hours=1)
    if use == "use":
        at = order.starts_at + timedelta(minutes=world.luck.uniform(-30, 8))
        world.agenda.enter(at, partial(_arrive, world, order))
    elif use == "stay away":
        at = order.ends_at + NO_SHOW_AFTER + _MOMENT
        world.agenda.enter(at, partial(catch_up, world))
    elif use == "call off":
        reason = world.luck.choice(words.REJECTED)
        at = min(world.soon(world.now, (20, 60)), latest)
        world.agenda.enter(at, partial(_call_off, world, order, reason))
    else:
        early = (order.free_cancel_until - world.now) * world.luck.random()
        late = order.free_cancel_until - world.now + timedelta(hours=world.luck.uniform(1, 30))
        at = min(world.now + (late if world.chance(0.25) else early), latest)
        world.agenda.enter(max(at, world.now), partial(_cancel, world, order))


def _call_off(world: World, order: Order, reason: str) -> None:
    if order.id not in world.called_off:
        call_off(world, order.id, order.place.manager, reason)


def _arrive(world: World, order: Order) -> None:
    if order.id in world.called_off:
        return
    came = max(1, round(order.people * min(world.luck.gauss(0.95, 0.06), 1.08)))
    _move(world, order.place.manager, order.id, "arrive", people=came)
    if world.chance(0.88):
        at = order.ends_at + timedelta(minutes=world.luck.uniform(-10, 40))
        world.agenda.enter(at, partial(_complete, world, order, came))
    else:
        at = order.ends_at + CLOSES_AFTER + _MOMENT
        world.agenda.enter(at, partial(_close, world, order))


def _complete(world: World, order: Order, came: int) -> None:
    _move(world, order.place.manager, order.id, "complete", people=came)
    _plan_review(world, order)


def _close(world: World, order: Order) -> None:
    catch_up(world)
    _plan_review(world, order)


def _plan_review(world: World, order: Order) -> None:
    if world.chance(0.62):
        at = world.soon(world.now, (0.5, 48))
        world.agenda.enter(at, partial(_review, world, order))


def _review(world: World, order: Order) -> None:
    stars = world.luck.choices((5, 4, 3, 2), (62, 28, 8, 2), k=3)
    world.tally["review"] += 1
    reviews.write(
        world.session,
        actor=world.actor(order.branch.organiser.account_id),
        booking_id=order.id,
        content=stars[0],
        reception=stars[1],
        facilities=stars[2],
        text=words.opinion(world.luck),
        now=world.now,
    )
