"""What to offer instead of a session that cannot be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, true
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.models import (
    Guide,
    Organisation,
    Policy,
    Programme,
    Site,
    SiteStatus,
    Venue,
    VenueSession,
)
from app.services import guides, policies
from app.services.calendar import Calendar, midnight

MOST = 3
LOOKED_AT = 24
"""Candidates read before each site's own rules are asked; enough unless most sites differ."""
WITH_ROOM = 200
"""Candidates looked at for a free guide."""
NEARBY = 200
"""Sites looked at, the nearest ones."""


@dataclass(frozen=True)
class Place:
    """The site an alternative is at."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Alternative:
    """A session that would be accepted: the API's Session, and its site."""

    id: UUID
    venue_id: UUID
    venue_name: str
    starts_at: datetime
    ends_at: datetime
    people_limit: int
    groups_limit: int
    people_free: int
    groups_free: int
    bookable: bool
    site: Place


def nearest(
    session: Session,
    *,
    to: VenueSession,
    site: Site,
    branch: Organisation,
    people: int,
    menu: Sequence[Programme],
    rules: policies.Policies,
    calendar: Calendar,
    besides: Sequence[UUID] = (),
    elsewhere: bool = True,
    now: datetime,
) -> list[Alternative]:
    """Return up to `MOST` sessions that would be accepted now: nearest in time, then in distance.

    At the same site the same menu is offered for so many people, elsewhere items of the same
    kinds; and a guide is free where one is needed.

    Args:
        session: open transaction.
        to: the session that cannot be had.
        site: its site.
        branch: who asks.
        people: how many are coming.
        menu: what they order with it.
        rules: the district's policies in force.
        calendar: working days.
        besides: sites where they may not order another.
        elsewhere: whether another site will do.
        now: the present instant, aware.
    """
    outside = is_outside(branch, site)

    def open_days(policy: Policy) -> tuple[datetime, datetime]:
        first = policies.earliest_day(calendar, policy, people=people, outside=outside, now=now)
        last = policies.latest_day(policy, now=now)
        return midnight(first), midnight(last + timedelta(days=1))

    spans = [open_days(policy) for policy in rules.all()]
    since, until = min(span[0] for span in spans), max(span[1] for span in spans)
    places = _places(session, site, menu, people)
    guided = {
        id_: guided
        for id_, guided in places.items()
        if id_ not in besides and (elsewhere or id_ == site.id)
    }
    offers = []
    for slot, venue_name, name in _with_room(
        session, to=to, site=site, people=people, guided=guided, since=since, until=until
    ):
        first, end = open_days(rules.of(slot.site_id))
        if first <= slot.starts_at < end:
            offers.append(_offer(slot, venue_name, Place(slot.site_id, name)))
    return offers[:MOST]


def _offer(slot: VenueSession, venue_name: str, site: Place) -> Alternative:
    return Alternative(
        id=slot.id,
        venue_id=slot.venue_id,
        venue_name=venue_name,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        people_limit=slot.people_limit,
        groups_limit=slot.groups_limit,
        people_free=slot.people_limit - slot.people_held,
        groups_free=slot.groups_limit - slot.groups_held,
        bookable=True,
        site=site,
    )


def is_outside(branch: Organisation, site: Site) -> bool:
    """Tell whether `branch` is from another district than `site`."""
    return branch.outside or branch.district_id != site.district_id


def _places(
    session: Session, site: Site, menu: Sequence[Programme], people: int
) -> dict[UUID, bool]:
    """Return the sites nearby that offer as much, the site among them; and who needs a guide."""
    same = all(item.active and item.people_limit >= people for item in menu)
    kinds = sorted({item.kind for item in menu})
    offered = [_offers(kind, people) for kind in kinds]
    plain = [_offers(kind, people, ~col(Programme.needs_guide)) for kind in kinds]
    here = aliased(Site)
    start = select(func.geography(here.location)).where(here.id == site.id).scalar_subquery()
    away = func.geography(Site.location).op("<->")(start)
    rows = session.exec(
        select(Site.id, and_(true(), *plain))
        .where(
            Site.district_id == site.district_id,
            Site.status == SiteStatus.PUBLISHED,
            Site.id != site.id,
            *offered,
        )
        .order_by(away)
        .limit(NEARBY)
    )
    guided = {id_: not without for id_, without in rows}
    if same and site.status == SiteStatus.PUBLISHED:
        guided[site.id] = any(item.needs_guide for item in menu)
    return guided


def _offers(kind: str, people: int, *more: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        col(Programme.site_id) == Site.id,
        col(Programme.kind) == kind,
        col(Programme.people_limit) >= people,
        col(Programme.active),
        *more,
    )


def _with_room(
    session: Session,
    *,
    to: VenueSession,
    site: Site,
    people: int,
    guided: dict[UUID, bool],
    since: datetime,
    until: datetime,
) -> list[tuple[VenueSession, str, str]]:
    apart = func.abs(func.extract("epoch", col(VenueSession.starts_at) - to.starts_at))
    here = aliased(Site)
    start = select(func.geography(here.location)).where(here.id == site.id).scalar_subquery()
    away = func.ST_Distance(func.geography(Site.location), start)
    order = (apart, away, col(VenueSession.id))
    room = (
        select(VenueSession.id)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(
            col(VenueSession.site_id).in_(list(guided)),
            VenueSession.id != to.id,
            col(VenueSession.starts_at) >= since,
            col(VenueSession.starts_at) < until,
            VenueSession.groups_held < VenueSession.groups_limit,
            VenueSession.people_held < VenueSession.people_limit,
            VenueSession.people_held + people <= VenueSession.people_limit,
            col(VenueSession.closed_reason).is_(None),
        )
        .order_by(*order)
        .limit(WITH_ROOM)
        .subquery()
    )
    found = (
        select(VenueSession, Venue.name, Site.name)
        .join(room, room.c.id == col(VenueSession.id))
        .join(Site, col(Site.id) == VenueSession.site_id)
        .join(Venue, col(Venue.id) == VenueSession.venue_id)
        .order_by(*order)
        .limit(LOOKED_AT)
    )
    if needing := [site_id for site_id, needs in guided.items() if needs]:
        free = guides.free(
            col(VenueSession.site_id), col(VenueSession.starts_at), col(VenueSession.ends_at)
        )
        shown_round = exists().where(free).correlate_except(Guide)
        found = found.where(or_(col(VenueSession.site_id).not_in(needing), shown_round))
    return list(session.exec(found))
