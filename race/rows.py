"""Rows that any district needs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

from geoalchemy2.shape import from_shape
from shapely import Point
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import (
    Account,
    Category,
    Grant,
    Organisation,
    OrganisationKind,
    Programme,
    ProgrammeKind,
    Role,
    Site,
    SiteStatus,
    SubsidyRule,
    Venue,
    VenueSession,
)
from app.services import privacy, tokens

MANY = 10_000
LASTING = timedelta(minutes=20)
LONG_AGO = timedelta(days=400)
_phones = count(13_000_000_000)


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in."""

    account_id: UUID
    token: str


@dataclass(frozen=True)
class Branch:
    """A branch and who orders for it."""

    id: UUID
    organiser: Person


@dataclass(frozen=True)
class Slot:
    """A session and its limits."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    people_limit: int
    groups_limit: int


def organisation(
    session: Session, parent: Organisation | None, kind: OrganisationKind
) -> Organisation:
    """Save an organisation below another; without one, a district."""
    id_ = uuid7()
    made = Organisation(
        id=id_,
        parent_id=parent.id if parent else None,
        district_id=parent.district_id if parent else id_,
        path=f"{parent.path}.{id_.hex}" if parent else id_.hex,
        code=id_.hex,
        name=f"组织 {id_.hex[-6:]}",
        place="某镇" if kind == OrganisationKind.TOWN else None,
        kind=kind,
    )
    session.add(made)
    session.flush()
    return made


def person(
    session: Session,
    role: Role,
    now: datetime,
    *,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
) -> Person:
    """Save an account with one role, and sign it in."""
    phone = str(next(_phones))
    account = Account(
        name=f"人员 {phone[-4:]}",
        phone_hash=privacy.fingerprint(phone),
        phone_sealed=privacy.seal(phone),
    )
    session.add(account)
    session.flush()
    session.add(
        Grant(account_id=account.id, role=role, organisation_id=organisation_id, site_id=site_id)
    )
    token = tokens.issue(session, account_id=account.id, now=now).access_token
    return Person(account.id, token)


def site(session: Session, *, district_id: UUID, town_id: UUID) -> Site:
    """Save a published site."""
    code = uuid7().hex
    here = from_shape(Point(117.97, 36.64), srid=4326)
    made = Site(
        district_id=district_id,
        town_id=town_id,
        code=code,
        name=f"阵地 {code[-6:]}",
        short_name=f"阵地 {code[-6:]}",
        category=Category.URBAN,
        kinds=["education_base"],
        status=SiteStatus.PUBLISHED,
        address="某路 1 号",
        summary="",
        introduction="",
        location=here,
        navigation_point=here,
        source_crs="wgs84",
        source_longitude=117.97,
        source_latitude=36.64,
        lend=[],
        honours=[],
        contact_name="管理员",
        contact_phone="0533-0000000",
    )
    session.add(made)
    session.flush()
    return made


def slot(session: Session, venue: Venue, starts_at: datetime) -> Slot:
    """Save a session of `LASTING` with the limits of its hall."""
    made = VenueSession(
        site_id=venue.site_id,
        venue_id=venue.id,
        starts_at=starts_at,
        ends_at=starts_at + LASTING,
        people_limit=venue.people_limit,
        groups_limit=venue.groups_limit,
    )
    session.add(made)
    session.flush()
    return Slot(made.id, made.starts_at, made.ends_at, made.people_limit, made.groups_limit)


def programme(session: Session, site_id: UUID, *, needs_guide: bool) -> UUID:
    """Save a menu item that takes anybody."""
    item = Programme(
        site_id=site_id,
        kind=ProgrammeKind.VISIT,
        name="参观",
        minutes=20,
        people_limit=MANY,
        needs_guide=needs_guide,
    )
    session.add(item)
    session.flush()
    return item.id


def tariff(district: Organisation, now: datetime) -> SubsidyRule:
    """Return the one line of a district's tariff, not saved."""
    return SubsidyRule(
        organisation_id=district.id,
        code=district.code,
        version=1,
        valid_from=(now - LONG_AGO).date(),
        base_fen=10_000,
        per_head_fen=500,
        head_cap=40,
        visit_cap_fen=25_000,
    )
