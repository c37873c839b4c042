"""Random districts, and what a plain model says can be ordered in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from math import asin, cos, radians, sin, sqrt
from random import Random
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import (
    Category,
    Guide,
    Organisation,
    OrganisationKind,
    Policy,
    Programme,
    ProgrammeKind,
    Site,
    SiteStatus,
    VenueSession,
)
from app.services.availability import MOST_SESSIONS, Wish
from app.services.calendar import ZONE, local_date
from app.services.coordinates import Place
from tests.conftest import NOW, as_owner
from tests.makers import make_organisation, make_site, make_venue

HERE = Place(117.97, 36.64)
KM_A_DEGREE = 89.2
"""Of longitude, at `HERE`."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = local_date(NOW)
DISTRICTS = 2
KINDS = (ProgrammeKind.VISIT, ProgrammeKind.GUIDED_TOUR)


@dataclass(frozen=True)
class Rules:
    """A policy, as the model knows it."""

    lead: int
    lead_large: int
    large_party: int
    horizon: int


@dataclass
class Room:
    """A site with all that decides about an order."""

    site: Site
    rules: Rules
    slots: list[VenueSession] = field(default_factory=list)
    menu: list[Programme] = field(default_factory=list)
    duties: dict[UUID, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    """Of every active guide."""


@dataclass
class Rooms:
    """Two districts with their sites."""

    districts: list[Organisation]
    towns: list[Organisation]
    rooms: list[Room]


def at(day: int, hour: int) -> datetime:
    """A full hour by the clock in Shanghai, so many days ahead."""
    return datetime.combine(TODAY + day * DAY, time(hour), ZONE)


def build(session: Session, luck: Random, *, sites: int) -> Rooms:
    """Save two districts with so many sites."""
    districts, towns, rules = [], [], []
    for _ in range(DISTRICTS):
        district = make_organisation(session)
        districts.append(district)
        towns.append(make_organisation(session, parent=district, kind=OrganisationKind.TOWN))
        rules.append(_rule(session, luck, district, None))
    made = Rooms(districts, towns, [])
    for _ in range(sites):
        which = luck.choice((0, 0, 1))
        km = luck.choice((0, 0, 2, 4, 6, 8, 20))
        site = make_site(
            session,
            towns[which],
            category=luck.choice((Category.URBAN, Category.RURAL)),
            status=luck.choice(
                (*[SiteStatus.PUBLISHED] * 5, SiteStatus.DRAFT, SiteStatus.SUSPENDED)
            ),
            at=(HERE.lon + km / KM_A_DEGREE, HERE.lat),
        )
        own = _rule(session, luck, districts[which], site) if luck.random() < 0.3 else None
        room = Room(site, own or rules[which])
        _furnish(session, luck, room)
        made.rooms.append(room)
    return made


def _rule(session: Session, luck: Random, district: Organisation, site: Site | None) -> Rules:
    """Save a policy, maybe with an older version and one that is not in force yet."""
    chosen = Rules(
        luck.randint(0, 3), luck.randint(2, 6), luck.choice((15, 35)), luck.randint(6, 14)
    )
    other = Rules(0, 0, 1000, 60)
    versions = [(other, -9), (chosen, -5), (other, 5)] if luck.random() < 0.5 else [(chosen, -5)]
    for number, (rules, days) in enumerate(versions, 1):
        session.add(
            Policy(
                district_id=district.id,
                site_id=site.id if site else None,
                version=number,
                effective_at=NOW + days * DAY,
                lead_working_days=rules.lead,
                lead_working_days_large=rules.lead_large,
                large_party_people=rules.large_party,
                horizon_days=rules.horizon,
            )
        )
    session.flush()
    return chosen


def _furnish(session: Session, luck: Random, room: Room) -> None:
    for _ in range(luck.randint(1, 2)):
        hall = make_venue(
            session, room.site, people_limit=luck.choice((20, 40)), groups_limit=luck.randint(1, 2)
        )
        for day in luck.sample(range(13), luck.randint(2, 6)):
            for hour in sorted(luck.sample((9, 10, 11, 12, 23), luck.randint(1, 4))):
                held = luck.choice((0, 0, 0, 1, hall.groups_limit))
                slot = VenueSession(
                    site_id=room.site.id,
                    venue_id=hall.id,
                    starts_at=at(day, hour),
                    ends_at=at(day, hour) + HOUR,
                    people_limit=hall.people_limit,
                    groups_limit=hall.groups_limit,
                    groups_held=held,
                    people_held=luck.choice((5, 15, hall.people_limit)) if held else 0,
                    closed_reason="检修" if luck.random() < 0.1 else None,
                )
                room.slots.append(slot)
    for _ in range(luck.randint(1, 4)):
        room.menu.append(
            Programme(
                site_id=room.site.id,
                kind=luck.choice(KINDS),
                name="菜单",
                minutes=60,
                people_limit=luck.choice((10, 25, 60)),
                needs_guide=luck.random() < 0.5,
                active=luck.random() < 0.8,
            )
        )
    guides = [
        Guide(site_id=room.site.id, name="讲解员", active=luck.random() < 0.5)
        for _ in range(luck.randint(0, 2))
    ]
    session.add_all([*room.slots, *room.menu, *guides])
    session.flush()
    for guide in guides:
        busy = [(at(d, 9), at(d, 9) + 2 * HOUR) for d in luck.sample(range(13), luck.randint(0, 8))]
        if guide.active:
            room.duties[guide.id] = busy
        _occupy(session, guide, busy)


_DUTY = text("""
    INSERT INTO guide_duty (booking_id, guide_id, starts_at, ends_at)
    VALUES (gen_random_uuid(), :guide, :starts, :ends)
""")


def _occupy(session: Session, guide: Guide, busy: list[tuple[datetime, datetime]]) -> None:
    """Say that a guide is with bookings; the bookings themselves are left out."""
    as_owner(session)
    run = session.connection().execute
    run(text("SET LOCAL session_replication_role = replica"))
    for starts, ends in busy:
        run(_DUTY, {"guide": guide.id, "starts": starts, "ends": ends})
    run(text("SET LOCAL session_replication_role = origin"))
    run(text("SET LOCAL ROLE party_map_service"))


def wish(luck: Random, rooms: Rooms) -> Wish:
    """Something to look for in them."""
    day, hour = luck.randint(0, 5), luck.choice((0, 10, 11))
    return Wish(
        near=HERE,
        radius_m=luck.choice((1000, 9000, 30_000)),
        since=at(day, hour),
        until=at(day, hour) + luck.choice((2 * HOUR, DAY, 9 * DAY, 12 * DAY)),
        people=luck.choice((1, 5, 12, 20, 36)),
        minutes=luck.choice((None, None, 60, 90, 120, 180)),
        category=luck.choice((None, None, Category.URBAN)),
        programme_kind=luck.choice((None, *KINDS)),
        homes=luck.choice((None, None, [], [rooms.districts[0].id])),
    )


Expected = list[tuple[UUID, list[tuple[UUID, list[UUID]]]]]


def expected(rooms: Rooms, wish: Wish) -> Expected:
    """What a person with the rules, paper and patience would answer."""
    found = []
    for room in rooms.rooms:
        away = metres(room.site)
        fits = room.site.status == SiteStatus.PUBLISHED and away <= wish.radius_m
        offers = list(_offers(room, wish)) if fits else []
        if offers and wish.category in {None, room.site.category}:
            found.append((round(away), offers[0][0].starts_at, room.site.id, offers))
    return [
        (site_id, [(slot.id, [s.id for s in run]) for slot, run in offers[:MOST_SESSIONS]])
        for _, _, site_id, offers in sorted(found, key=lambda one: one[:3])
    ]


def _offers(room: Room, wish: Wish) -> Iterator[tuple[VenueSession, list[VenueSession]]]:
    guest = wish.homes is not None and room.site.district_id not in wish.homes
    large = guest or wish.people > room.rules.large_party
    first = _working_day(room.rules.lead_large if large else room.rules.lead)
    for slot in sorted(room.slots, key=lambda s: (s.starts_at, s.id)):
        day = local_date(slot.starts_at)
        run = _run(room, slot, wish)
        if (
            run
            and slot.starts_at > NOW
            and first <= (day - TODAY).days <= room.rules.horizon
            and slot.starts_at >= wish.since
            and run[-1].ends_at <= wish.until
            and _menu(room, wish, slot.starts_at, run[-1].ends_at)
        ):
            yield slot, run


def _working_day(lead: int) -> int:
    """How many days from today the `lead`-th working day is; no holiday is known."""
    day = 0
    while lead:
        day += 1
        lead -= (TODAY + day * DAY).isoweekday() < 6
    return day


def _run(room: Room, slot: VenueSession, wish: Wish) -> list[VenueSession]:
    """Sessions on end from this one, as many as are needed; none if there are not enough."""
    run: list[VenueSession] = []
    step: VenueSession | None = slot
    while step and _has_room(step, wish.people):
        run.append(step)
        if wish.minutes is None or run[-1].ends_at - slot.starts_at >= timedelta(
            minutes=wish.minutes
        ):
            return run
        step = next(
            (
                s
                for s in room.slots
                if s.venue_id == slot.venue_id
                and s.starts_at == run[-1].ends_at
                and local_date(s.starts_at) == local_date(slot.starts_at)
            ),
            None,
        )
    return []


def _has_room(slot: VenueSession, people: int) -> bool:
    return (
        slot.closed_reason is None
        and slot.groups_held < slot.groups_limit
        and slot.people_held + people <= slot.people_limit
    )


def _menu(room: Room, wish: Wish, starts_at: datetime, ends_at: datetime) -> bool:
    if wish.programme_kind is None:
        return True
    guided = any(
        all(ends <= starts_at or starts >= ends_at for starts, ends in busy)
        for busy in room.duties.values()
    )
    return any(
        item.active
        and item.kind == wish.programme_kind
        and item.people_limit >= wish.people
        and (guided or not item.needs_guide)
        for item in room.menu
    )


def metres(site: Site) -> float:
    """Along a great circle of the mean sphere, from `HERE`."""
    east = radians(site.source_longitude - HERE.lon)
    chord = cos(radians(HERE.lat)) ** 2 * sin(east / 2) ** 2
    return 2 * 6_371_008.77 * asin(sqrt(chord))
