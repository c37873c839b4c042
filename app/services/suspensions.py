"""What a branch has against it, as people see it, and lifting a suspension (解除暂停)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, func, null, or_
from sqlmodel import Session, col, select

from app.errors import Conflict
from app.models import Booking, Organisation, Policy, Role, Strike, Suspension
from app.services import notifications, orders, organisations, policies, standings
from app.services.access import OVERSEERS, Actor, NotInScope, is_below
from app.services.codes import code_of

OWN = (Role.ORGANISER, Role.MEMBER)
"""Roles that see how their own branch stands."""
LIFTERS = (Role.TOWN_STAFF, Role.DISTRICT_STAFF)
"""Roles that lift a suspension of what is below them."""
MOST = 200
"""Strikes told of, the latest; nobody has so many."""


class NotSuspended(Conflict):
    """The branch may make new bookings; there is nothing to lift."""

    zh = "该党组织没有被暂停预约"


@dataclass(frozen=True)
class Counted:
    """A strike with its booking's code; `counts_until` is None where it led to a suspension."""

    strike: Strike
    code: str
    counts_until: datetime | None


@dataclass(frozen=True)
class Record:
    """How a branch stands at some instant.

    Attributes:
        branch: whose.
        suspension: what stops its new bookings, if anything does.
        strikes: that count, or led to `suspension`; the latest first.
        points: of those that count.
        policy: its district's rules in force.
        may_lift: whether who looks may lift `suspension`.
    """

    branch: Organisation
    suspension: Suspension | None
    strikes: list[Counted]
    points: int
    policy: Policy
    may_lift: bool


def look(session: Session, *, actor: Actor, organisation_id: UUID, now: datetime) -> Record:
    """Return how a branch stands.

    Args:
        session: open transaction.
        actor: who looks: of the branch, or staff or an auditor above it.
        organisation_id: the branch.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but it is none of their business.
    """
    branch = organisations.get(session, actor=actor, organisation_id=organisation_id)
    _require(actor, branch, (*OWN, *OVERSEERS))
    return _record(session, actor, branch, now)


def lift(
    session: Session, *, actor: Actor, organisation_id: UUID, reason: str, now: datetime
) -> Record:
    """Let a branch order again at once; what led to its suspension counts no more.

    Args:
        session: open transaction; roll it back on any error.
        actor: staff above the branch.
        organisation_id: the branch; its organisers are told.
        reason: why, told to them and kept.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but may not do this.
        NotSuspended: nothing is to be lifted, or somebody was quicker.
    """
    branch = organisations.get(session, actor=actor, organisation_id=organisation_id)
    _require(actor, branch, LIFTERS)
    orders.hold(session, organisation_id=branch.id, session_ids=(), now=now)
    suspension = standings.suspension_of(session, organisation_id=branch.id, now=now)
    if suspension is None:
        raise NotSuspended
    # Whoever wrote it may have asked an instant later, and been quicker.
    suspension.lifted_at = max(now, suspension.starts_at)
    suspension.lifted_by, suspension.lift_reason = actor.account_id, reason
    session.flush()
    notifications.owe(
        session,
        to=notifications.organisers_of(branch.id),
        kind="suspension-lifted",
        booking_id=None,
        facts={"branch": branch.name, "reason": reason},
        due_at=now,
    )
    return _record(session, actor, branch, suspension.lifted_at)


def _held(actor: Actor, branch: Organisation) -> set[Role]:
    return {
        grant.role
        for grant in actor.grants
        if (grant.role in OWN and grant.organisation_id == branch.id)
        or (grant.role in OVERSEERS and grant.path and is_below(branch.path, grant.path))
    }


def _require(actor: Actor, branch: Organisation, roles: Iterable[Role]) -> None:
    wanted = set(roles)
    held = _held(actor, branch) & wanted
    if not held:
        raise NotInScope(roles=sorted(str(role) for role in wanted))
    actor.act_as(held)


def _record(session: Session, actor: Actor, branch: Organisation, now: datetime) -> Record:
    policy = policies.in_force(session, district_id=branch.district_id, now=now).district
    suspension = standings.suspension_of(session, organisation_id=branch.id, now=now)
    counting = standings.counting(organisation_id=branch.id, policy=policy, now=now)
    free = col(Strike.suspension_id).is_(None)
    told = and_(*counting)
    if suspension is not None:
        told = or_(told, col(Strike.suspension_id) == suspension.id)
    rows = session.exec(
        select(Strike, Booking.number, case((free, standings.counts_until(policy)), else_=null()))
        .join(Booking, col(Booking.id) == Strike.booking_id)
        .where(told)
        .order_by(col(Strike.at).desc(), col(Strike.id).desc())
        .limit(MOST)
    )
    points = session.exec(select(func.sum(Strike.points)).where(*counting)).one()
    return Record(
        branch=branch,
        suspension=suspension,
        strikes=[Counted(strike, code_of(number or 0), until) for strike, number, until in rows],
        points=points or 0,
        policy=policy,
        may_lift=suspension is not None and bool(_held(actor, branch) & set(LIFTERS)),
    )
