"""Districts built for conflict: few sessions, few places, many branches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from random import Random
from uuid import UUID

from sqlmodel import Session

from app.models import (
    ApprovalMode,
    Guide,
    OrganisationKind,
    Policy,
    Role,
    Venue,
)
from app.services import ledger
from app.services.calendar import DAY
from race import rows
from race.rows import Branch, Person, Slot

BRANCHES = 12
"""Branches a district."""
_PLENTY_FEN, _LITTLE_FEN = 10**12, 200_000


class Kind(Enum):
    """How a district answers orders, and when its sessions are."""

    MANUAL = "manual"
    AUTO = "auto"
    TODAY = "today"
    """Sessions begin within the hour, so that groups arrive, and who cancels is late."""


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
    district = rows.organisation(session, None, OrganisationKind.DISTRICT)
    town = rows.organisation(session, district, OrganisationKind.TOWN)
    policy = Policy(
        district_id=district.id,
        effective_at=now - rows.LONG_AGO,
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
    session.add(rows.tariff(district, now))
    branches = []
    for _ in range(BRANCHES):
        branch = rows.organisation(session, town, OrganisationKind.BRANCH)
        organiser = rows.person(session, Role.ORGANISER, now, organisation_id=branch.id)
        branches.append(Branch(branch.id, organiser))
    return District(district.id, town.id, kind, branches, policy)


def _scene(session: Session, district: District, rng: Random, now: datetime) -> Scene:
    site = rows.site(session, district_id=district.id, town_id=district.town_id)
    people, groups = rng.choice([(20, rows.MANY), (60, 1), (60, 2), (45, 3)])
    venue = Venue(site_id=site.id, name="报告厅", people_limit=people, groups_limit=groups)
    session.add(venue)
    guides = rng.choice([0, 1, 2])
    session.add_all(Guide(site_id=site.id, name=f"讲解员 {n}") for n in range(guides))
    session.flush()
    slots = [rows.slot(session, venue, start) for start in _starts(district.kind, rng, now)]
    return Scene(
        kind=district.kind,
        site_id=site.id,
        venue_id=venue.id,
        slots=slots,
        plain_id=rows.programme(session, site.id, needs_guide=False),
        guided_id=rows.programme(session, site.id, needs_guide=True),
        guides=guides,
        manager=rows.person(session, Role.SITE_MANAGER, now, site_id=site.id),
        branches=district.branches,
        open_limit=district.policy.open_bookings_limit,
    )


def _starts(kind: Kind, rng: Random, now: datetime) -> list[datetime]:
    """Return when two sessions begin that follow one another, and a third on another day."""
    if kind is Kind.TODAY:
        soon = now + timedelta(minutes=15)
        return [soon, soon + rows.LASTING, soon + DAY]
    first = now + rng.randint(15, 25) * DAY
    return [first, first + rows.LASTING, first + DAY]
