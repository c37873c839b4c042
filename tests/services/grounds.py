"""Districts and sites to try things on."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import (
    Category,
    Closure,
    Crs,
    OnHoliday,
    OpeningRule,
    Organisation,
    OrganisationKind,
    Site,
    SiteKind,
    Venue,
    VenueSession,
)
from app.services import boundaries, closures, coordinates, sessions, sites, venues
from app.services import hours as hours_service
from app.services.calendar import ZONE, midnight
from app.services.coordinates import Place
from tests.conftest import NOW
from tests.makers import make_organisation

ZICHUAN = (117.97, 36.64)
SQUARE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[117.8, 36.4], [118.2, 36.4], [118.2, 36.8], [117.8, 36.8], [117.8, 36.4]]],
}
TODAY = date(2026, 11, 25)
DAY = timedelta(days=1)
EVERY_DAY = range(1, 8)
WORKDAYS = range(1, 6)
MORNING = (time(9), time(11))
AFTERNOON = (time(14), time(16))
EVENING = (time(18), time(20))

_numbers = count(1)


def plant_town(
    session: Session,
    *,
    name: str = "太河镇",
    at: tuple[float, float] | None = ZICHUAN,
    outlined: bool = False,
) -> Organisation:
    """A town in a district of its own, which may have an outline."""
    district = make_organisation(session)
    if outlined:
        boundaries.import_outline(
            session, district_id=district.id, geojson=SQUARE, crs=Crs.WGS84, source="test"
        )
    town = make_organisation(session, parent=district, kind=OrganisationKind.TOWN, name=name)
    town.location = at and coordinates.point(Place(*at))
    session.flush()
    return town


def draft_site(session: Session, *, town: Organisation | None = None, **facts: Any) -> Site:
    town = town or plant_town(session)
    number = next(_numbers)
    plain: dict[str, Any] = {
        "district_id": town.district_id,
        "town_id": town.id,
        "code": f"G{number}",
        "name": f"示例阵地 {number}",
        "short_name": f"阵地 {number}",
        "category": Category.RURAL,
        "kinds": [SiteKind.EDUCATION_BASE],
        "address": "示例路 1 号",
        "summary": "示例",
        "introduction": "示例介绍",
        "at": ZICHUAN,
        "crs": Crs.WGS84,
        "contact_name": "李示例",
        "contact_phone": "0533-5180000",
    }
    return sites.create(session, **plain | facts)


def open_site(session: Session, **facts: Any) -> Site:
    """A published site."""
    site = draft_site(session, **facts)
    sites.publish(session, site=site)
    return site


def open_hall(
    session: Session,
    *,
    site: Site | None = None,
    name: str = "报告厅",
    people: int = 60,
    groups: int = 1,
) -> Venue:
    """A hall of a published site, without hours."""
    site = site or open_site(session)
    return venues.add(session, site=site, name=name, people_limit=people, groups_limit=groups)


def hours(
    session: Session,
    venue: Venue,
    weekdays: Sequence[int] = EVERY_DAY,
    *each: tuple[time, time],
    on_holiday: OnHoliday = OnHoliday.CLOSED,
    valid_from: date = date(2026, 1, 1),
    valid_to: date | None = None,
) -> list[OpeningRule]:
    """Weekly sessions, mornings unless said otherwise."""
    return hours_service.add(
        session,
        venue=venue,
        weekdays=weekdays,
        hours=each or (MORNING,),
        valid_from=valid_from,
        valid_to=valid_to,
        on_holiday=on_holiday,
    )


def at(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, ZONE)


def made(session: Session, venue: Venue) -> list[VenueSession]:
    return list(
        session.exec(
            select(VenueSession)
            .where(VenueSession.venue_id == venue.id)
            .order_by(col(VenueSession.starts_at))
        )
    )


def clocks(session: Session, venue: Venue, day: date) -> list[time]:
    """When the day's sessions start, on the wall in Shanghai."""
    starts = [slot.starts_at.astimezone(ZONE) for slot in made(session, venue)]
    return [start.time() for start in starts if start.date() == day]


def make_one(session: Session, day: date) -> int:
    """Make the sessions of one day."""
    return sessions.make_ahead(session, now=midnight(day), days=0)


def close(session: Session, site_id: UUID, venue_id: UUID | None = None, **facts: Any) -> Closure:
    plain: dict[str, Any] = {
        "starts_at": at(TODAY + DAY, time(0)),
        "ends_at": at(TODAY + 2 * DAY, time(0)),
        "reason": "设备检修",
        "now": NOW,
    }
    return closures.shut(session, site_id=site_id, venue_id=venue_id, **plain | facts)
