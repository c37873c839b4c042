"""Routes (线路): several sites in one day, with the time to get from one to the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from uuid import UUID

from sqlalchemy import func, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.models import (
    OPEN,
    Booking,
    BookingGroup,
    GroupKind,
    Organisation,
    Site,
    VenueSession,
)
from app.services import policies, standings
from app.services.booking_groups import Item, Plan
from app.services.calendar import local_date
from app.services.order_rules import Wanted
from app.services.refusals import Refused

MINUTE = timedelta(minutes=1)


class StopsNotInOrder(Refused):
    """The stops of a route follow one another on one day."""

    zh = "线路各站须在同一天、按时间先后且不重叠"


class TravelTooShort(Refused):
    """There is too little time to get there from the stop before."""

    zh = "两站之间路上时间不够"
    detail_en = "It takes {needed_minutes} minutes, and there are {available_minutes}"
    detail_zh = "路上约需 {needed_minutes} 分钟，两站之间只有 {available_minutes} 分钟"


@dataclass(frozen=True)
class Ways:
    """How far it is between sites, and how fast a group gets along.

    Attributes:
        metres: from each site to each other one, as the crow flies between their gates.
        km_per_hour: what each site's rules count with.
    """

    metres: Mapping[tuple[UUID, UUID], float]
    km_per_hour: Mapping[UUID, int]

    def minutes(self, here: UUID, there: UUID) -> int:
        """Return how long it takes from one site to another; the slower one's rules count."""
        if here == there:
            return 0
        speed = min(self.km_per_hour[here], self.km_per_hour[there])
        return ceil(self.metres[here, there] * 60 / (speed * 1000))


@dataclass(frozen=True)
class Stop:
    """Where a group is during `[starts_at, ends_at)`."""

    site_id: UUID
    starts_at: datetime
    ends_at: datetime


def plan(session: Session, *, stops: Sequence[Wanted], now: datetime) -> Plan:
    """Return the plan of a route.

    Args:
        session: open transaction.
        stops: two or more orders of one branch, in the order in which they are visited.
        now: the present instant, aware.
    """
    ids = {id_ for stop in stops for id_ in stop.session_ids}
    found = session.exec(select(VenueSession).where(col(VenueSession.id).in_(ids))).all()
    slots = {slot.id: slot for slot in found}
    items = [_item(stop, slots) for stop in stops]
    ways = _ways(session, {slot.site_id for slot in found}, now)

    def rule(_: Organisation, item: Item, last: Booking | None) -> None:
        if last and item.slots:
            _require_leg(ways, _stop(last), _place(item.slots))

    return Plan(GroupKind.ROUTE, stops[0].organisation_id, items, rule)


def require_way(
    session: Session, booking: Booking, *, slots: Sequence[VenueSession], now: datetime
) -> None:
    """Have a stop of a route be in time for the stops around it, if it moves to other sessions.

    The branch is locked, so that two stops cannot move at once.

    Args:
        session: open transaction; hold no session's lock before.
        booking: locked; any booking, stop of a route or not.
        slots: where it is to be, by start.
        now: the present instant, aware.

    Raises:
        StopsNotInOrder: it would overlap another stop, or be on another day.
        TravelTooShort: there is too little time to get there, or from there to the next stop.
    """
    if booking.group_id is None:
        return
    if session.get_one(BookingGroup, booking.group_id).kind != GroupKind.ROUTE:
        return
    standings.hold(session, organisation_id=booking.organisation_id)
    others = select(Booking).where(
        Booking.group_id == booking.group_id,
        Booking.id != booking.id,
        col(Booking.status).in_(OPEN),
    )
    found = session.exec(others.execution_options(populate_existing=True))
    moved = _place(slots)
    stops = sorted([moved, *map(_stop, found)], key=lambda stop: stop.starts_at)
    ways = _ways(session, {stop.site_id for stop in stops}, now)
    for leg in pairwise(stops):
        if moved in leg:
            _require_leg(ways, *leg)


def _stop(booking: Booking) -> Stop:
    return Stop(booking.site_id, booking.starts_at, booking.ends_at)


def _place(slots: Sequence[VenueSession]) -> Stop:
    return Stop(slots[0].site_id, slots[0].starts_at, slots[-1].ends_at)


def _require_leg(ways: Ways, last: Stop, first: Stop) -> None:
    broken = _leg_rule(ways, last, first)
    if broken:
        # Sessions to have instead would have to fit the other stops, too.
        broken.facts |= {"rule": broken.slug(), "alternatives": []}
        raise broken


def _item(stop: Wanted, slots: Mapping[UUID, VenueSession]) -> Item:
    theirs = {slots[id_].starts_at: slots[id_] for id_ in stop.session_ids if id_ in slots}
    ordered = [theirs[start] for start in sorted(theirs)]
    return Item(local_date(ordered[0].starts_at) if ordered else None, ordered, stop)


def _leg_rule(ways: Ways, last: Stop, first: Stop) -> Refused | None:
    """Ask whether a group that leaves one stop as it ends is at the next one as it begins."""
    same_day = local_date(last.starts_at) == local_date(first.starts_at)
    if not same_day or first.starts_at < last.ends_at:
        return StopsNotInOrder()
    needed = ways.minutes(last.site_id, first.site_id)
    available = (first.starts_at - last.ends_at) // MINUTE
    if needed <= available:
        return None
    return TravelTooShort(needed_minutes=needed, available_minutes=available)


def _ways(session: Session, site_ids: set[UUID], now: datetime) -> Ways:
    here, there = aliased(Site), aliased(Site)
    apart = func.ST_Distance(
        func.geography(here.navigation_point), func.geography(there.navigation_point)
    )
    legs = session.exec(
        select(here.id, there.id, here.district_id, apart)
        .join(there, true())
        .where(col(here.id).in_(site_ids), col(there.id).in_(site_ids))
    ).all()
    districts = {a: district for a, _, district, _ in legs}
    rules = {
        district: policies.in_force(session, district_id=district, now=now)
        for district in set(districts.values())
    }
    return Ways(
        metres={(a, b): metres for a, b, _, metres in legs},
        km_per_hour={
            site_id: rules[district].of(site_id).travel_km_per_hour
            for site_id, district in districts.items()
        },
    )
