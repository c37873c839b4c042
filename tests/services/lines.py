"""Branches that stand in line for a session."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from app.models import (
    Account,
    Booking,
    Notification,
    Organisation,
    Role,
    Suspension,
    VenueSession,
    WaitlistEntry,
    WaitlistStatus,
)
from app.services import changes, orders, queues, verify, waitlist
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_organisation,
    make_session,
    move,
    wanted,
)

W = WaitlistStatus
DAY = timedelta(days=1)


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


def nothing_wrong(session: Session, now: datetime = NOW) -> None:
    """Pass if `verify` finds nothing but what no job has done here yet."""
    found = verify.violations(session, now=now)
    assert [line for line in found if "message" not in line and "card" not in line] == []


def suspend(session: Session, party: Party) -> Suspension:
    """Let a branch make no new booking for a while."""
    suspension = Suspension(
        district_id=party.branch.district_id,
        organisation_id=party.branch.id,
        starts_at=NOW - HOUR,
        ends_at=NOW + 90 * DAY,
    )
    session.add(suspension)
    session.flush()
    return suspension


def cancelled(session: Session, world: World, booking: Booking) -> None:
    """Have the branch cancel."""
    move(session, world.organiser, booking, "cancel")


def moved_away(session: Session, world: World, booking: Booking) -> None:
    """Have the branch move its booking to a session of its own."""
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    changes.change(
        session,
        actor=actor(session, world.organiser),
        booking_id=booking.id,
        version=booking.version,
        wanted=changes.Wanted(session_ids=[later.id]),
        now=NOW,
    )


def offered(session: Session, world: World, booking: Booking, *parties: Party) -> None:
    """Have them stand in line, and the first one be offered what the booking held."""
    for party in parties:
        join(session, world, party)
    cancelled(session, world, booking)


def entry_of(session: Session, party: Party) -> WaitlistEntry:
    """Return what a branch has in a line."""
    wanted = select(WaitlistEntry).where(WaitlistEntry.organisation_id == party.branch.id)
    return session.exec(wanted).one()


def tend(session: Session, now: datetime) -> int:
    """What the scheduler does."""
    ids = queues.untended(session, now=now)
    return sum(queues.tend(session, session_ids=[id_], now=now) for id_ in ids)
