"""Districts built for conflict: few sessions, few places, many branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from itertools import count
from random import Random
from uuid import UUID

from geoalchemy2.shape import from_shape
from shapely import Point
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import (
    Account,
    ApprovalMode,
    Category,
    Grant,
    Guide,
    Organisation,
    OrganisationKind,
    Policy,
    Programme,
    ProgrammeKind,
    Role,
    Site,
    SiteStatus,
    SubsidyRule,
    Venue,
    VenueSession,
)
from app.services import ledger, privacy, tokens
from app.services.calendar import DAY

BRANCHES = 12
"""Branches a district."""
_LASTING = timedelta(minutes=20)
_LONG_AGO = timedelta(days=400)
_PLENTY_FEN, _LITTLE_FEN = 10**12, 200_000
_MANY = 10_000
_phones = count(13_000_000_000)


class Kind(Enum):
    """How a district answers orders, and when its sessions are."""

    MANUAL = "manual"
    AUTO = "auto"
    TODAY = "today"
    """Sessions begin within the hour, so that groups arrive, and who cancels is late."""


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


@dataclass(frozen=True)
class Scene:
    """Where one history takes place: a site with one hall, which no other history touches.

    The branches are shared with other histories of the district, as its fund is.
    """

    kind: Kind
    site_id: UUID
    venue_id: UUID
    slots: list[Slot]
    plain_id: UUID
    guided_id: UUID
    guides: int
    manager: Person
    branches: list[Branch]
    open_limit: int


@dataclass(frozen=True)
class District:
    """What the histories of a district share."""

    id: UUID
    town_id: UUID
    kind: Kind
    branches: list[Branch]
    policy: Policy


def build(
    session: Session,
    *,
    rng: Random,
    scenes: int,
    now: datetime,
    kinds: Sequence[Kind] = tuple(Kind),
) -> list[Scene]:
    """Make new districts, one of each kind, and so many sites in them.

    Args:
        session: open transaction.
        rng: where chance comes from.
        scenes: how many.
        now: the present instant, aware.
        kinds: of the districts.
    """
    districts = [_district(session, kind, rng, now) for kind in kinds]
    return [_scene(session, rng.choice(districts), rng, now) for _ in range(scenes)]


def _district(session: Session, kind: Kind, rng: Random, now: datetime) -> District:
    district = _organisation(session, None, OrganisationKind.DISTRICT)
    town = _organisation(session, district, OrganisationKind.TOWN)
    policy = Policy(
        district_id=district.id,
        effective_at=now - _LONG_AGO,
        approval_mode=ApprovalMode.AUTO if kind is Kind.AUTO else ApprovalMode.MANUAL,
        open_bookings_limit=2,
    )
    if kind is Kind.TODAY:
        policy.lead_working_days = policy.lead_working_days_large = 0
    session.add(policy)
    fund = ledger.open_fund(
        session, organisation_id=district.id, fiscal_year=now.year, name="专项经费"
    )
    # A fund that runs dry in the course of the histories refuses what would else be approved.
    amount = rng.choice([_LITTLE_FEN, _PLENTY_FEN]) if kind is Kind.MANUAL else _PLENTY_FEN
    ledger.appropriate(session, fund_id=fund.id, amount_fen=amount, document="1")
    session.add(
        SubsidyRule(
            organisation_id=district.id,
            code=district.code,
            version=1,
            valid_from=(now - _LONG_AGO).date(),
            base_fen=10_000,
            per_head_fen=500,
            head_cap=40,
            visit_cap_fen=25_000,
        )
    )
    branches = []
    for _ in range(BRANCHES):
        branch = _organisation(session, town, OrganisationKind.BRANCH)
        organiser = _person(session, Role.ORGANISER, now, organisation_id=branch.id)
        branches.append(Branch(branch.id, organiser))
    return District(district.id, town.id, kind, branches, policy)


def _organisation(
    session: Session, parent: Organisation | None, kind: OrganisationKind
) -> Organisation:
    id_ = uuid7()
    organisation = Organisation(
        id=id_,
        parent_id=parent.id if parent else None,
        district_id=parent.district_id if parent else id_,
        path=f"{parent.path}.{id_.hex}" if parent else id_.hex,
        code=id_.hex,
        name=f"组织 {id_.hex[-6:]}",
        place="某镇" if kind == OrganisationKind.TOWN else None,
        kind=kind,
    )
    session.add(organisation)
    session.flush()
    return organisation


def _person(
    session: Session,
    role: Role,
    now: datetime,
    *,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
) -> Person:
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


def _scene(session: Session, district: District, rng: Random, now: datetime) -> Scene:
    site = _site(session, district)
    people, groups = rng.choice([(20, _MANY), (60, 1), (60, 2), (45, 3)])
    venue = Venue(site_id=site.id, name="报告厅", people_limit=people, groups_limit=groups)
    session.add(venue)
    guides = rng.choice([0, 1, 2])
    session.add_all(Guide(site_id=site.id, name=f"讲解员 {n}") for n in range(guides))
    session.flush()
    slots = [_slot(session, venue, start) for start in _starts(district.kind, rng, now)]
    return Scene(
        kind=district.kind,
        site_id=site.id,
        venue_id=venue.id,
        slots=slots,
        plain_id=_programme(session, site, needs_guide=False),
        guided_id=_programme(session, site, needs_guide=True),
        guides=guides,
        manager=_person(session, Role.SITE_MANAGER, now, site_id=site.id),
        branches=district.branches,
        open_limit=district.policy.open_bookings_limit,
    )


def _site(session: Session, district: District) -> Site:
    code = uuid7().hex
    here = from_shape(Point(117.97, 36.64), srid=4326)
    site = Site(
        district_id=district.id,
        town_id=district.town_id,
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
    session.add(site)
    session.flush()
    return site


def _starts(kind: Kind, rng: Random, now: datetime) -> list[datetime]:
    """Return when two sessions begin that follow one another, and a third on another day."""
    if kind is Kind.TODAY:
        soon = now + timedelta(minutes=15)
        return [soon, soon + _LASTING, soon + DAY]
    first = now + rng.randint(15, 25) * DAY
    return [first, first + _LASTING, first + DAY]


def _slot(session: Session, venue: Venue, starts_at: datetime) -> Slot:
    slot = VenueSession(
        site_id=venue.site_id,
        venue_id=venue.id,
        starts_at=starts_at,
        ends_at=starts_at + _LASTING,
        people_limit=venue.people_limit,
        groups_limit=venue.groups_limit,
    )
    session.add(slot)
    session.flush()
    return Slot(slot.id, slot.starts_at, slot.ends_at, slot.people_limit, slot.groups_limit)


def _programme(session: Session, site: Site, *, needs_guide: bool) -> UUID:
    item = Programme(
        site_id=site.id,
        kind=ProgrammeKind.VISIT,
        name="参观",
        minutes=20,
        people_limit=_MANY,
        needs_guide=needs_guide,
    )
    session.add(item)
    session.flush()
    return item.id
