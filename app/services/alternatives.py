"""What to offer instead of a session that cannot be had."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.models import Organisation, Policy, Site, SiteStatus, Venue, VenueSession
from app.services import policies
from app.services.calendar import Calendar, midnight

MOST = 3
LOOKED_AT = 24
"""Candidates read before each site's own rules are asked; enough unless most sites differ."""


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
    rules: policies.Policies,
    calendar: Calendar,
    now: datetime,
) -> list[Alternative]:
    """Return up to `MOST` sessions that would be accepted now: nearest in time, then in distance.

    Args:
        session: open transaction.
        to: the session that cannot be had.
        site: its site.
        branch: who asks.
        people: how many are coming.
        rules: the district's policies in force.
        calendar: working days.
        now: the present instant, aware.
    """
    outside = is_outside(branch, site)

    def open_days(policy: Policy) -> tuple[datetime, datetime]:
        first = policies.earliest_day(calendar, policy, people=people, outside=outside, now=now)
        last = policies.latest_day(policy, now=now)
        return midnight(first), midnight(last + timedelta(days=1))

    spans = [open_days(policy) for policy in rules.all()]
    since, until = min(span[0] for span in spans), max(span[1] for span in spans)
    found = _with_room(session, to=to, site=site, people=people, since=since, until=until)
    offers = []
    for slot, venue_name, site_id, site_name in found:
        first, end = open_days(rules.of(site_id))
        if first <= slot.starts_at < end:
            offers.append(_offer(slot, venue_name, Place(site_id, site_name)))
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


def _with_room(
    session: Session, *, to: VenueSession, site: Site, people: int, since: datetime, until: datetime
) -> list[tuple[VenueSession, str, UUID, str]]:
    apart = func.abs(func.extract("epoch", col(VenueSession.starts_at) - to.starts_at))
    here = aliased(Site)
    start = select(func.geography(here.location)).where(here.id == site.id).scalar_subquery()
    away = func.ST_Distance(func.geography(Site.location), start)
    return list(
        session.exec(
            select(VenueSession, Venue.name, Site.id, Site.name)
            .join(Site, col(Site.id) == VenueSession.site_id)
            .join(Venue, col(Venue.id) == VenueSession.venue_id)
            .where(
                Site.district_id == site.district_id,
                Site.status == SiteStatus.PUBLISHED,
                VenueSession.id != to.id,
                col(VenueSession.starts_at) >= since,
                col(VenueSession.starts_at) < until,
                VenueSession.groups_held < VenueSession.groups_limit,
                VenueSession.people_held < VenueSession.people_limit,
                VenueSession.people_held + people <= VenueSession.people_limit,
                col(VenueSession.closed_reason).is_(None),
            )
            .order_by(apart, away, col(VenueSession.id))
            .limit(LOOKED_AT)
        )
    )
