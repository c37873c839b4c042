"""Who works where: offices, and the organisers of branches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from uuid import UUID

from sqlmodel import Session

from app.demo import words
from app.demo.people import Directory, Person
from app.demo.scale import Scale, chance
from app.demo.tree import Tree
from app.models import Organisation, Role, Sector

SHOWN = (Sector.URBAN, Sector.RURAL, Sector.EDUCATION, Sector.TWO_NEW, Sector.GOVERNMENT)
"""Sectors whose first active branch has an organiser to sign in as."""
_FAVOUR = 6.0


@dataclass(frozen=True)
class Staff:
    """Those of the district's offices who act in the simulated year; `towns` by organisation."""

    district: UUID
    officer: UUID
    approver: UUID
    towns: dict[UUID, UUID]


@dataclass
class Branch:
    """A branch that orders, and its organiser."""

    organisation: Organisation
    organiser: Person
    eagerness: float
    busy: set[date] = field(default_factory=set)
    """Days it has been anywhere, or will be."""


def engage(session: Session, *, tree: Tree, directory: Directory, seed: int) -> Staff:
    """Fill the offices; the administrator comes first."""
    luck = chance(seed, "staff")
    district = tree.district

    def hire(role: Role, organisation: Organisation | None) -> UUID:
        person = directory.enrol(session, role, words.person(luck), organisation)
        directory.appoint(session, person, role, organisation=organisation)
        return person.account_id

    hire(Role.SYSTEM_ADMIN, None)
    staff = Staff(
        district=hire(Role.DISTRICT_STAFF, district),
        officer=hire(Role.FUND_OFFICER, district),
        approver=hire(Role.FUND_APPROVER, district),
        towns={town.id: hire(Role.TOWN_STAFF, town) for town in tree.towns.values()},
    )
    hire(Role.AUDITOR, district)
    hire(Role.SECURITY_ADMIN, None)
    return staff


def enlist(
    session: Session, *, tree: Tree, directory: Directory, seed: int, scale: Scale
) -> list[Branch]:
    """Choose the branches that order, and give each an organiser; a few can be signed in as."""
    luck = chance(seed, "branches")
    active = luck.sample(tree.branches, scale.organisers)
    shown = _shown(active, tree.outside)
    branches = []
    for organisation in [*shown, *(o for o in [*active, *tree.outside] if o not in shown)]:
        role = Role.ORGANISER if organisation in shown else None
        person = directory.enrol(session, role, words.person(luck), organisation)
        directory.appoint(session, person, Role.ORGANISER, organisation=organisation)
        eagerness = luck.uniform(0.3, 1.7) * (_FAVOUR if role else 1)
        branches.append(Branch(organisation, person, eagerness))
    _join(session, shown[:2], directory, luck)
    return branches


def _shown(active: Sequence[Organisation], outside: Sequence[Organisation]) -> list[Organisation]:
    first = {sector: next((o for o in active if o.sector == sector), None) for sector in SHOWN}
    return [*(branch for branch in first.values() if branch), outside[0]]


def _join(
    session: Session, branches: Sequence[Organisation], directory: Directory, luck: Random
) -> None:
    for branch in branches:
        member = directory.enrol(session, Role.MEMBER, words.person(luck), branch)
        directory.appoint(session, member, Role.MEMBER, organisation=branch)
