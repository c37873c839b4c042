"""What a branch has against it: open bookings, strikes, and suspensions from new bookings."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, update
from sqlmodel import Session, col, select

from app.models import OPEN, Booking, Organisation, Policy, Strike, StrikeKind, Suspension
from app.models.base import Instant
from app.services import notifications
from app.services.calendar import ZONE, spoken
from app.services.codes import code_of


@dataclass(frozen=True)
class Standing:
    """How a branch stands.

    Attributes:
        suspension: what stops its new bookings now, if anything does.
        open_numbers: of its open bookings, by site.
    """

    suspension: Suspension | None
    open_numbers: Mapping[UUID, Set[int]]

    def open_at(self, site_id: UUID) -> int:
        """Return how many open bookings the branch has at a site."""
        return len(self.open_numbers.get(site_id, frozenset()))

    def next_number(self, site_id: UUID) -> int:
        """Return the least number that no open booking at a site has; they count from 1."""
        taken = self.open_numbers.get(site_id, frozenset())
        return next(n for n in range(1, len(taken) + 2) if n not in taken)


def hold(session: Session, *, organisation_id: UUID) -> None:
    """Keep everybody else from ordering for a branch until the transaction ends.

    What a branch may have is counted, and only one at a time can count and add.
    """
    theirs = select(Organisation.id).where(Organisation.id == organisation_id)
    session.exec(theirs.with_for_update(key_share=True)).one()


def _stops(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return func.coalesce(Suspension.lifted_at, Suspension.ends_at) > now


_STANDING = (  # made once: every order asks it
    select(Suspension, Booking.site_id, Booking.open_number)
    .select_from(Organisation)
    .outerjoin(
        Suspension,
        and_(
            col(Suspension.organisation_id) == Organisation.id,
            _stops(bindparam("now", type_=Instant)),
        ),
    )
    .outerjoin(
        Booking,
        and_(col(Booking.organisation_id) == Organisation.id, col(Booking.status).in_(OPEN)),
    )
    .where(col(Organisation.id) == bindparam("organisation_id"))
)


def suspension_of(session: Session, *, organisation_id: UUID, now: datetime) -> Suspension | None:
    """Return what stops a branch's new bookings at `now`, if anything does.

    One that somebody wrote an instant after `now`, and was quicker, counts too.
    """
    return session.exec(
        select(Suspension).where(
            Suspension.organisation_id == organisation_id,
            _stops(now),
        )
    ).first()


def of(session: Session, *, organisation_id: UUID, now: datetime) -> Standing:
    """Return how a branch stands at `now`; `hold` it first, or it may be otherwise soon."""
    rows = session.exec(_STANDING, params={"organisation_id": organisation_id, "now": now}).all()
    numbers: dict[UUID, set[int]] = {}
    for _, site_id, number in rows:
        if site_id is not None:
            numbers.setdefault(site_id, set()).add(number)
    return Standing(rows[0][0], numbers)


def counts_until(policy: Policy) -> ColumnElement[datetime]:
    """Say in SQL from which instant on a strike counts no more: months are those of the wall."""
    on_the_wall = func.timezone(ZONE.key, Strike.at)
    months = func.make_interval(0, policy.strike_months)
    return func.timezone(ZONE.key, on_the_wall + months, type_=Instant)


def counting(
    *, organisation_id: UUID, policy: Policy, now: datetime
) -> tuple[ColumnElement[bool], ...]:
    """Say in SQL which strikes of a branch count at `now` by a policy."""
    return (
        col(Strike.organisation_id) == organisation_id,
        col(Strike.suspension_id).is_(None),
        counts_until(policy) > now,
    )


def strike(session: Session, booking: Booking, *, kind: StrikeKind, now: datetime) -> None:
    """Count a late cancellation or a no-show, by the policy the booking was judged by.

    The strike that reaches the limit suspends the branch from new bookings, and its organisers are
    told; what led to one suspension counts for no other. Hold no session's lock before: whoever
    orders takes the branch's first.

    Args:
        session: open transaction.
        booking: locked; it has no strike yet.
        kind: which.
        now: the present instant, aware.
    """
    policy = session.get_one(Policy, booking.policy_id)
    late = kind == StrikeKind.LATE_CANCEL
    points = policy.late_cancel_strikes if late else policy.no_show_strikes
    if not points:
        return
    organisation_id = booking.organisation_id
    hold(session, organisation_id=organisation_id)
    session.add(
        Strike(
            organisation_id=organisation_id,
            booking_id=booking.id,
            kind=kind,
            points=points,
            at=now,
        )
    )
    session.flush()
    theirs = counting(organisation_id=organisation_id, policy=policy, now=now)
    total = session.exec(select(func.sum(Strike.points)).where(*theirs)).one()
    if total < policy.strikes_limit:
        return
    if suspension_of(session, organisation_id=organisation_id, now=now) is None:
        _suspend(session, booking, policy=policy, total=total, now=now)


def _suspend(
    session: Session, booking: Booking, *, policy: Policy, total: int, now: datetime
) -> None:
    organisation_id = booking.organisation_id
    suspension = Suspension(
        district_id=booking.district_id,
        organisation_id=organisation_id,
        starts_at=now,
        ends_at=now + timedelta(days=policy.suspension_days),
    )
    session.add(suspension)
    session.flush()
    session.exec(
        update(Strike)
        .where(*counting(organisation_id=organisation_id, policy=policy, now=now))
        .values(suspension_id=suspension.id)
        .execution_options(synchronize_session="fetch")
    )
    notifications.owe(
        session,
        to=notifications.organisers_of(organisation_id),
        kind="branch-suspended",
        booking_id=booking.id,
        facts={
            "branch": session.get_one(Organisation, organisation_id).name,
            "points": str(total),
            "months": str(policy.strike_months),
            "code": code_of(booking.number or 0),
            "until": spoken(suspension.ends_at),
        },
        due_at=now,
    )
