"""A year of the district, day by day, through the same services that serve people."""

from collections.abc import Callable
from datetime import date, time, timedelta
from functools import partial

from sqlmodel import col, select

from app.demo import fates, words
from app.demo.fates import Order
from app.demo.places import Place
from app.demo.scale import Scale
from app.demo.staff import Branch
from app.demo.world import World, at_local
from app.models import (
    Booking,
    BookingStatus,
    Category,
    Programme,
    ProgrammeKind,
    Purpose,
    Sector,
)
from app.services import (
    calendar,
    closures,
    free_sessions,
    notifications,
    order_rules,
    orders,
    policies,
    refusals,
    sessions,
)
from app.services.alternatives import is_outside
from app.services.calendar import DAY, local_date
from app.services.free_sessions import SessionView

AHEAD = 60
_WEEK = timedelta(days=7)
_SEASON = (0.75, 0.5, 0.95, 1.1, 1.0, 1.5, 1.3, 0.75, 1.0, 1.25, 1.1, 0.8)
"""How busy each month is: around 1 July most, around the Spring Festival least."""
_RUSH = ((3, 4.0), (21, 1.9))
"""The latest days and weeks are busier, so that plenty is open when the demonstration begins."""
_TRIES = 4

_LIKED = {
    Sector.RURAL: Category.RURAL,
    Sector.URBAN: Category.URBAN,
    Sector.TWO_NEW: Category.TWO_NEW,
}
_PURPOSES = {
    ProgrammeKind.MEETING: (Purpose.MEMBERS_MEETING, Purpose.ORGANISATION_LIFE_MEETING),
    ProgrammeKind.LECTURE: (Purpose.PARTY_LECTURE, Purpose.THEME_PARTY_DAY),
    ProgrammeKind.VOLUNTEERING: (Purpose.VOLUNTEERING, Purpose.THEME_PARTY_DAY),
    ProgrammeKind.TRAINING_CASE: (Purpose.TRAINING, Purpose.ORGANISATION_LIFE_MEETING),
}
_USUALLY = (Purpose.THEME_PARTY_DAY, Purpose.THEME_PARTY_DAY, Purpose.VISIT)


def plan(world: World, *, scale: Scale, tell: Callable[[float], None]) -> None:
    """Enter every day of the history; `tell` hears the share that is over."""
    first, last = world.today, local_date(world.agenda.until)
    for n in range((last - first).days + 1):
        day = first + n * DAY
        begin = partial(_begin_day, world, scale, day, since=first, tell=tell)
        world.agenda.enter(max(at_local(day, time(0, 5)), world.now), begin)
    _plan_closures(world, first, last)


def _begin_day(
    world: World, scale: Scale, day: date, *, since: date, tell: Callable[[float], None]
) -> None:
    today = local_date(world.agenda.until)
    tell((day - since).days / max((today - since).days, 1))
    if (day - since).days % _WEEK.days == 0:
        made_until = day + (AHEAD - _WEEK.days + 1) * DAY
        begin = day if day == since else made_until
        sessions.make_ahead(world.session, now=world.now, days=AHEAD, since=begin)
    for clock in (time(12, 30), time(18, 30)):
        world.agenda.enter(at_local(day, clock), partial(_deliver, world))
    for _ in range(_orders_on(world, scale, day, today)):
        minutes = world.luck.triangular(8 * 60, 18 * 60, 9.5 * 60)
        at = at_local(day, time()) + timedelta(minutes=minutes)
        world.agenda.enter(at, partial(_order, world))


def _deliver(world: World) -> None:
    notifications.deliver_due(world.session, world.now)


def _orders_on(world: World, scale: Scale, day: date, today: date) -> int:
    """Draw how many orders come in on a day: few when offices are closed."""
    mean = scale.orders / scale.days * _SEASON[day.month - 1]
    mean *= 1.35 if world.days.is_working(day) else 0.2
    mean *= next((factor for days, factor in _RUSH if today - day < timedelta(days=days)), 1)
    return int(mean) + world.chance(mean % 1)


def _order(world: World) -> None:
    (branch,) = world.luck.choices(world.branches, [b.eagerness for b in world.branches])
    members = branch.organisation.member_count
    people = max(5, round(members * world.luck.uniform(0.6, 1.05)))
    for _ in range(_TRIES):
        place = _choose_place(world, branch)
        menu = _choose_menu(world, place, people)
        slots = menu and _choose_sessions(world, branch, place, people)
        if slots:
            _send(world, branch, place, menu, slots, people)
            return
    world.tally["found nothing"] += 1


def _choose_place(world: World, branch: Branch) -> Place:
    liked = _LIKED.get(Sector(branch.organisation.sector or Sector.GOVERNMENT), Category.GENERAL)

    def weight(place: Place) -> float:
        near = 3 if place.town.id == branch.organisation.parent_id else 1
        return place.attraction * near * (2 if place.site.category == liked else 1)

    (place,) = world.luck.choices(world.places, [weight(place) for place in world.places])
    return place


def _choose_menu(world: World, place: Place, people: int) -> list[Programme]:
    fitting = [item for item in place.menu if item.people_limit >= people]
    return world.luck.sample(fitting, min(len(fitting), world.luck.choice((1, 1, 2, 2, 3))))


def _choose_sessions(world: World, branch: Branch, place: Place, people: int) -> list[SessionView]:
    policy = world.rules.of(place.site.id)
    outside = is_outside(branch.organisation, place.site)
    earliest = policies.earliest_day(
        world.days, policy, people=people, outside=outside, now=world.now
    )
    latest = policies.latest_day(policy, now=world.now)
    day = min(earliest + int(world.luck.expovariate(1 / 9)) * DAY, latest)
    free = [
        slot
        for slot in free_sessions.sessions_of(
            world.session,
            site_id=place.site.id,
            since=day,
            until=min(day + 4 * DAY, latest),
            people=people,
            earliest=earliest,
            latest=latest,
            now=world.now,
        )
        if slot.bookable and local_date(slot.starts_at) not in branch.busy
    ]
    if not free:
        return []
    chosen = world.luck.choice(free)
    following = [
        slot
        for slot in free
        if slot.venue_id == chosen.venue_id and slot.starts_at == chosen.ends_at
    ]
    return [chosen, *following] if world.chance(0.1) else [chosen]


def _send(
    world: World,
    branch: Branch,
    place: Place,
    menu: list[Programme],
    slots: list[SessionView],
    people: int,
) -> None:
    wanted = order_rules.Wanted(
        session_ids=[slot.id for slot in slots],
        programme_ids=[item.id for item in menu],
        organisation_id=branch.organisation.id,
        people_expected=people,
        purpose=world.luck.choice(_PURPOSES.get(ProgrammeKind(menu[0].kind), _USUALLY)),
        contact_name=branch.organiser.name,
        contact_phone=branch.organiser.phone,
        note=world.luck.choice(words.NOTES) if world.chance(0.25) else None,
    )
    organiser = world.actor(branch.organiser.account_id)
    try:
        with world.session.begin_nested():
            booking = orders.order(world.session, actor=organiser, wanted=wanted, now=world.now)
    except refusals.Refused as refusal:
        world.tally[f"refused: {refusal.slug()}"] += 1
        return
    world.tally["ordered"] += 1
    branch.busy.add(local_date(booking.starts_at))
    order = Order(
        id=booking.id,
        branch=branch,
        place=place,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        free_cancel_until=booking.free_cancel_until,
        people=people,
    )
    fates.follow(world, order, booking)


def _plan_closures(world: World, first: date, last: date) -> None:
    """Shut some places for a day or two: in the past, and one of them soon."""
    span = (last - first).days
    soon = [(last - 5 * DAY, last + 9 * DAY)]
    past = [(first + n * DAY, first + (n + 15) * DAY) for n in range(20, span - 30, 55)]
    for n, (announced, day) in enumerate([*past, *soon]):
        place = world.places[(5 * n + 2) % len(world.places)]
        reason = words.CLOSED[n % len(words.CLOSED)]
        shut = partial(_close, world, place, day, reason)
        world.agenda.enter(at_local(announced, time(16)), shut)


def _close(world: World, place: Place, day: date, reason: str) -> None:
    closure = closures.shut(
        world.session,
        site_id=place.site.id,
        venue_id=None,
        starts_at=calendar.midnight(day),
        ends_at=calendar.midnight(day + 2 * DAY),
        reason=reason,
        now=world.now,
    )
    hit = world.session.exec(
        select(Booking.id)
        .where(
            Booking.site_id == place.site.id,
            col(Booking.status).in_((BookingStatus.PENDING, BookingStatus.APPROVED)),
            col(Booking.starts_at) < closure.ends_at,
            col(Booking.ends_at) > closure.starts_at,
        )
        .order_by(col(Booking.number))
    ).all()
    for booking_id in hit:
        fates.call_off(world, booking_id, place.manager, f"临时闭馆：{reason}")
