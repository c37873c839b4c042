"""Districts to order in: many branches, and sessions with room for all of them or for few."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from uuid import UUID

from sqlmodel import Session

from app.models import (
    MOST_OPEN_BOOKINGS,
    Organisation,
    OrganisationKind,
    Policy,
    Role,
    Venue,
)
from app.services import ledger
from app.services.calendar import DAY
from race import rows
from race.rows import Branch, Person, Slot

_PEOPLE = 3
_AHEAD = 15
_PLENTY_FEN = 10**12


@dataclass(frozen=True)
class Post:
    """A request that creates or moves something."""

    path: str
    token: str
    body: dict[str, object]


@dataclass(frozen=True)
class Hall:
    """A hall with its sessions, what can be ordered there, and who answers."""

    site_id: UUID
    slots: list[Slot]
    programme_id: UUID
    manager: Person


@dataclass(frozen=True)
class Market:
    """A district to order in."""

    branches: list[Branch]
    halls: list[Hall]

    def orders(self) -> Iterator[Post]:
        """Yield orders of every branch for every session, each time another branch's."""
        slots = [(hall, slot) for hall in self.halls for slot in hall.slots]
        for hall_slot, branch in product(slots, self.branches):
            yield order(branch, *hall_slot)


def order(branch: Branch, hall: Hall, slot: Slot) -> Post:
    """Return an order."""
    body: dict[str, object] = {
        "session_ids": [str(slot.id)],
        "programme_ids": [str(hall.programme_id)],
        "organisation_id": str(branch.id),
        "people_expected": _PEOPLE,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000000",
    }
    return Post("/bookings", branch.organiser.token, body)


def build(
    session: Session,
    *,
    branches: int,
    halls: int,
    sessions: int,
    groups: int,
    funded: bool,
    now: datetime,
) -> Market:
    """Make a district.

    Args:
        session: open transaction.
        branches: that order.
        halls: each at a site of its own.
        sessions: of each hall.
        groups: that fit into each of them.
        funded: whether there is a fund, and a tariff.
        now: the present instant, aware.
    """
    district = rows.organisation(session, None, OrganisationKind.DISTRICT)
    town = rows.organisation(session, district, OrganisationKind.TOWN)
    session.add(
        Policy(
            district_id=district.id,
            effective_at=now - rows.LONG_AGO,
            open_bookings_limit=MOST_OPEN_BOOKINGS,
        )
    )
    if funded:
        fund = ledger.open_fund(
            session, organisation_id=district.id, fiscal_year=now.year, name="专项经费"
        )
        ledger.appropriate(session, fund_id=fund.id, amount_fen=_PLENTY_FEN, document="1")
        session.add(rows.tariff(district, now))
    return Market(
        [_branch(session, town, now) for _ in range(branches)],
        [_hall(session, district.id, town.id, sessions, groups, now) for _ in range(halls)],
    )


def _branch(session: Session, town: Organisation, now: datetime) -> Branch:
    branch = rows.organisation(session, town, OrganisationKind.BRANCH)
    organiser = rows.person(session, Role.ORGANISER, now, organisation_id=branch.id)
    return Branch(branch.id, organiser)


def _hall(
    session: Session, district_id: UUID, town_id: UUID, sessions: int, groups: int, now: datetime
) -> Hall:
    site = rows.site(session, district_id=district_id, town_id=town_id)
    venue = Venue(site_id=site.id, name="报告厅", people_limit=rows.MANY, groups_limit=groups)
    session.add(venue)
    session.flush()
    starts = [now + _AHEAD * DAY + n * rows.LASTING for n in range(sessions)]
    return Hall(
        site.id,
        [rows.slot(session, venue, start) for start in starts],
        rows.programme(session, site.id, needs_guide=False),
        rows.person(session, Role.SITE_MANAGER, now, site_id=site.id),
    )
