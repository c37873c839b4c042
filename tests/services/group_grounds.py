"""Routes to order, and rivals for them."""

from dataclasses import replace

from sqlmodel import Session

from app.errors import DomainError
from app.models import BookingGroup, Role, VenueSession
from app.services import booking_groups, routes
from app.services.booking_groups import Outcome, Plan
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    wanted,
)


def stops(session: Session, world: World, count: int = 2) -> list[VenueSession]:
    """Sessions of one day at different sites in one place, the world's first."""
    halls = [make_venue(session, make_site(session, world.town)) for _ in range(count - 1)]
    later = [
        make_session(session, hall, starts_at=IN_A_WEEK + 2 * n * HOUR)
        for n, hall in enumerate(halls, 1)
    ]
    return [world.slot, *later]


def route(session: Session, world: World, *slots: VenueSession) -> Plan:
    """A route of single sessions, without a menu."""
    asked = [replace(wanted(world, slot), programme_ids=[]) for slot in slots]
    return routes.plan(session, stops=asked, now=NOW)


def order(
    session: Session, world: World, plan: Plan, *, skip: bool = False
) -> tuple[BookingGroup, list[Outcome]]:
    """Order as the world's organiser."""
    who = actor(session, world.organiser)
    return booking_groups.order(session, actor=who, plan=plan, skip=skip, now=NOW)


def refused_by(outcomes: list[Outcome]) -> list[type[DomainError] | None]:
    """The kind of refusal of each item, or None where it was booked."""
    return [type(one.refusal) if one.refusal else None for one in outcomes]


def rival(session: Session, world: World) -> World:
    """The same world for another branch of the town."""
    branch = make_organisation(session, parent=world.town)
    return replace(world, branch=branch, organiser=make_account(session, Role.ORGANISER, at=branch))
