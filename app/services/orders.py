"""Ordering: a branch asks for sessions, and every rule is asked before it gets them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Executable, bindparam, exists, or_
from sqlmodel import Session, col, select

from app.db import violating
from app.models import (
    OPEN_NUMBER_TAKEN,
    Booking,
    BookingEvent,
    BookingStatus,
    Organisation,
    Role,
)
from app.models.base import Instant
from app.services import (
    holds,
    order_rules,
    organisations,
    overdue,
    privacy,
    standings,
    terms,
)
from app.services.access import Actor, NotInScope
from app.services.order_rules import Asked, Wanted
from app.services.refusals import TooManyOpenBookings


def order(session: Session, *, actor: Actor, wanted: Wanted, now: datetime) -> Booking:
    """Book sessions for a branch; its places are held at once.

    Where the site approves by itself the booking is approved, else it waits for an answer.

    Args:
        session: open transaction; roll it back on any error.
        actor: who orders; an organiser of the branch.
        wanted: what.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: no such branch in the actor's sight.
        NotInScope: the actor is not its organiser.
        SessionNotFound: a session does not exist, or its site is not public.
        InvalidPhone: the contact's phone number is none.
        Refused: one of its kinds, with up to 3 sessions that would be accepted.
        FundExhausted: it would be approved at once, and the fund refuses.
    """
    require_organiser(session, actor=actor, organisation_id=wanted.organisation_id)
    branch = hold(
        session, organisation_id=wanted.organisation_id, session_ids=wanted.session_ids, now=now
    )
    return place(session, actor=actor, branch=branch, wanted=wanted, now=now)


def require_organiser(session: Session, *, actor: Actor, organisation_id: UUID) -> None:
    """Have an actor be one who may order for a branch.

    Raises:
        OrganisationNotFound: no such branch in the actor's sight.
        NotInScope: the actor is not its organiser.
    """
    if organisation_id not in actor.organisations(Role.ORGANISER):
        organisations.get(session, actor=actor, organisation_id=organisation_id)
        raise NotInScope(roles=[str(Role.ORGANISER)])
    actor.act_as([Role.ORGANISER])


def _hold() -> Executable:
    now = bindparam("now", type_=Instant)
    owed = exists().where(
        col(Booking.organisation_id) == Organisation.id,
        or_(overdue.unanswered(now), overdue.missed(now)),
    )
    return (
        select(Organisation, owed)
        .where(col(Organisation.id) == bindparam("organisation_id"))
        .with_for_update(key_share=True, of=Organisation)
        .execution_options(populate_existing=True)
    )


_HOLD = _hold()


def hold(
    session: Session, *, organisation_id: UUID, session_ids: Sequence[UUID], now: datetime
) -> Organisation:
    """Let a branch order one thing after another, and do what the clock owes its bookings.

    What has lapsed by now is not open any more, and a visit that nobody came to is a strike.

    Args:
        session: open transaction.
        organisation_id: the branch.
        session_ids: what it is about to order.
        now: the present instant, aware.

    Returns:
        The branch as it is now.
    """
    asked = {"organisation_id": organisation_id, "now": now}
    branch: Organisation
    branch, is_owed = session.exec(_HOLD, params=asked).one()  # type: ignore[call-overload]
    if is_owed:
        theirs = or_(col(Booking.organisation_id) == branch.id, overdue.waiting_at(session_ids))
        overdue.settle(session, theirs=theirs, besides=session_ids, now=now)
    return branch


def place(
    session: Session,
    *,
    actor: Actor,
    branch: Organisation,
    wanted: Wanted,
    now: datetime,
    since: datetime | None = None,
    group_id: UUID | None = None,
) -> Booking:
    """Make one booking for a branch that is on `hold`.

    Args:
        session: open transaction; roll it back on any error.
        actor: who orders.
        branch: for whom.
        wanted: what.
        now: the present instant, aware.
        since: the instant that lead times count from, if that is another.
        group_id: the route or series it is part of.

    Raises:
        SessionNotFound: a session does not exist, or its site is not public.
        InvalidPhone: the contact's phone number is none.
        Refused: one of its kinds, with up to 3 sessions that would be accepted.
        FundExhausted: it would be approved at once, and the fund refuses.
    """
    asked = order_rules.gather(
        session,
        session_ids=wanted.session_ids,
        programme_ids=wanted.programme_ids,
        people=wanted.people_expected,
        branch=branch,
        standing=standings.of(session, organisation_id=branch.id, now=now),
        since=since,
        now=now,
    )
    refusal = order_rules.judge(asked)
    if refusal is None and not _take(session, asked):
        refusal = order_rules.no_room(session, asked)
    if refusal is not None:
        order_rules.refuse(session, asked, refusal)
    booking = _write(session, asked, wanted, actor, group_id)
    terms.seat(session, booking, asked)
    terms.put_forward(session, booking, asked, kind="booking-pending")
    return booking


def _take(session: Session, asked: Asked) -> bool:
    ids = asked.session_ids

    def taken() -> bool:
        return holds.take(session, session_ids=ids, people=asked.people)

    return overdue.try_for(session, taken, session_ids=ids, now=asked.now)


def _write(
    session: Session, asked: Asked, wanted: Wanted, actor: Actor, group_id: UUID | None
) -> Booking:
    assert asked.standing is not None  # noqa: S101
    booking = Booking(
        created_at=asked.now,
        district_id=asked.site.district_id,
        site_id=asked.site.id,
        organisation_id=asked.branch.id,
        group_id=group_id,
        open_number=asked.standing.next_number(asked.site.id),
        made_by=actor.account_id,
        purpose=wanted.purpose,
        contact_name=wanted.contact_name,
        contact_phone_hash=privacy.fingerprint(wanted.contact_phone),
        contact_phone_sealed=privacy.seal(privacy.normalise(wanted.contact_phone)),
        note=wanted.note,
        **terms.of(asked),
    )
    ordered = BookingEvent(
        booking_id=booking.id,
        version=booking.version,
        at=asked.now,
        to_status=BookingStatus.PENDING,
        actor_id=actor.account_id,
    )
    session.add_all((booking, ordered))
    with violating(OPEN_NUMBER_TAKEN, TooManyOpenBookings(limit=asked.policy.open_bookings_limit)):
        session.flush()
    return booking
