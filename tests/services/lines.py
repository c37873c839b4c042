"""Branches that stand in line for a session."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import (
    Account,
    Booking,
    Notification,
    Organisation,
    Role,
    VenueSession,
    WaitlistEntry,
    WaitlistStatus,
)
from app.services import orders, waitlist
from tests.conftest import NOW
from tests.makers import World, actor, make_account, make_organisation, wanted

W = WaitlistStatus


@dataclass(frozen=True)
class Party:
    """A branch and who orders for it."""

    branch: Organisation
    organiser: Account


def make_parties(session: Session, world: World, number: int) -> list[Party]:
    """Save so many branches of the world's town, each with an organiser."""
    branches = [make_organisation(session, parent=world.town) for _ in range(number)]
    return [Party(branch, make_account(session, Role.ORGANISER, at=branch)) for branch in branches]


def order(
    session: Session,
    world: World,
    party: Party,
    *slots: VenueSession,
    people: int = 20,
    now: datetime = NOW,
) -> Booking:
    """Order for a branch."""
    wish = wanted(world, *slots, people=people, branch=party.branch)
    return orders.order(session, actor=actor(session, party.organiser, now), wanted=wish, now=now)


def join(
    session: Session,
    world: World,
    party: Party,
    slot: VenueSession | None = None,
    *,
    people: int = 20,
    now: datetime = NOW,
) -> WaitlistEntry:
    """Stand in line for the world's session, unless another is given."""
    wish = wanted(world, slot or world.slot, people=people, branch=party.branch)
    return waitlist.join(session, actor=actor(session, party.organiser, now), wanted=wish, now=now)


def confirm(session: Session, party: Party, entry: WaitlistEntry, now: datetime = NOW) -> Booking:
    """Order what was offered."""
    who = actor(session, party.organiser, now)
    return waitlist.confirm(session, actor=who, entry_id=entry.id, now=now)


def withdraw(session: Session, party: Party, entry: WaitlistEntry, now: datetime = NOW) -> None:
    """Leave the line."""
    who = actor(session, party.organiser, now)
    waitlist.withdraw(session, actor=who, entry_id=entry.id, now=now)


def line(session: Session, slot: VenueSession) -> list[str]:
    """Return the states of everybody who ever stood in a session's line, in its order."""
    wanted = select(WaitlistEntry.status).where(WaitlistEntry.session_id == slot.id)
    return list(session.exec(wanted.order_by(col(WaitlistEntry.number))))


def held(session: Session, slot: VenueSession) -> tuple[int, int]:
    """Return the people and groups a session holds."""
    session.refresh(slot)
    return slot.people_held, slot.groups_held


def messages(session: Session, whom: UUID) -> list[str]:
    """Return the kinds of what a person is owed of waitlists, oldest first."""
    wanted = select(Notification.kind).where(
        Notification.account_id == whom, col(Notification.waitlist_entry_id).is_not(None)
    )
    return list(session.exec(wanted.order_by(col(Notification.due_at), col(Notification.id))))
