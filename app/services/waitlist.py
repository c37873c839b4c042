"""Waitlists (候补): waiting for places in a full session, and taking those that are offered."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlmodel import Session

from app.db import violating
from app.errors import Conflict
from app.models import (
    WAITS_ONCE,
    Account,
    Booking,
    Purpose,
    Role,
    VenueSession,
    WaitlistEntry,
    WaitlistProgramme,
    WaitlistStatus,
)
from app.services import (
    holds,
    order_rules,
    orders,
    overdue,
    privacy,
    queues,
    standings,
    waiting,
)
from app.services.access import Actor, NotInScope
from app.services.order_rules import Asked, Wanted

W = WaitlistStatus
MOVES: dict[WaitlistStatus, tuple[str, ...]] = {
    W.WAITING: ("withdraw",),
    W.OFFERED: ("confirm", "withdraw"),
    W.CONFIRMED: (),
    W.EXPIRED: (),
    W.WITHDRAWN: (),
    W.LAPSED: (),
}
"""What an organiser of the branch may do with an entry, by its state as the clock has it."""


class SessionHasRoom(Conflict):
    """The session has room: order it."""

    zh = "该场次尚有名额，请直接预约"


class AlreadyWaiting(Conflict):
    """The branch stands in the line of this session already."""

    zh = "该党组织已在候补该场次"


class WaitlistStateConflict(Conflict):
    """The entry cannot make this move now."""

    zh = "候补当前状态不允许此操作"


def join(session: Session, *, actor: Actor, wanted: Wanted, now: datetime) -> WaitlistEntry:
    """Put a branch at the end of the line of a full session.

    It is judged by every rule of an order but room and how much the branch has open, for nothing
    is booked yet.

    Args:
        session: open transaction; roll it back on any error.
        actor: who asks; an organiser of the branch.
        wanted: what the order would be; of one session.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: no such branch in the actor's sight.
        NotInScope: the actor is not its organiser.
        SessionNotFound: the session does not exist, or its site is not public.
        InvalidPhone: the contact's phone number is none.
        Refused: one of its kinds, with up to 3 sessions that would be accepted.
        SessionHasRoom: there is nothing to wait for.
        AlreadyWaiting: the branch stands in this line already.
    """
    orders.require_organiser(session, actor=actor, organisation_id=wanted.organisation_id)
    branch = orders.hold(
        session, organisation_id=wanted.organisation_id, session_ids=wanted.session_ids, now=now
    )
    overdue.lapse(session, session_ids=wanted.session_ids, now=now)
    holds.lock(session, session_ids=wanted.session_ids)
    standing = standings.of(session, organisation_id=branch.id, now=now)
    asked = order_rules.gather(
        session,
        session_ids=wanted.session_ids,
        programme_ids=wanted.programme_ids,
        people=wanted.people_expected,
        branch=branch,
        standing=replace(standing, open_numbers={}),
        now=now,
    )
    refusal = order_rules.judge(asked)
    if refusal is not None:
        order_rules.refuse(session, asked, refusal)
    _require_full(asked)
    return _write(session, asked, wanted, actor)


def _require_full(asked: Asked) -> None:
    slot = asked.slots[0]
    people_free = slot.people_limit - slot.people_held
    if asked.people <= people_free and slot.groups_held < slot.groups_limit:
        raise SessionHasRoom(people_free=people_free)


def _write(session: Session, asked: Asked, wanted: Wanted, actor: Actor) -> WaitlistEntry:
    entry = WaitlistEntry(
        created_at=asked.now,
        session_id=asked.slots[0].id,
        site_id=asked.site.id,
        organisation_id=asked.branch.id,
        made_by=actor.account_id,
        people_expected=asked.people,
        purpose=wanted.purpose,
        contact_name=wanted.contact_name,
        contact_phone_hash=privacy.fingerprint(wanted.contact_phone),
        contact_phone_sealed=privacy.seal(privacy.normalise(wanted.contact_phone)),
        note=wanted.note,
    )
    session.add(entry)
    with violating(WAITS_ONCE, AlreadyWaiting()):
        session.flush()
    session.add_all(
        WaitlistProgramme(entry_id=entry.id, programme_id=item.id) for item in asked.menu
    )
    session.flush()
    return entry


def confirm(session: Session, *, actor: Actor, entry_id: UUID, now: datetime) -> Booking:
    """Order what an offer holds places for; nobody else can have them in between.

    Lead times count from when the branch began to wait. A refusal leaves the offer as it was.

    Args:
        session: open transaction; roll it back on any error.
        actor: an organiser of the branch.
        entry_id: which.
        now: the present instant, aware.

    Raises:
        WaitlistEntryNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        WaitlistStateConflict: nothing is offered, or not any more.
        SessionNotFound: its site is not public any more.
        Refused: one of its kinds, with up to 3 sessions that would be accepted.
        FundExhausted: it would be approved at once, and the fund refuses.
    """
    entry = _theirs(session, actor=actor, entry_id=entry_id)
    branch = orders.hold(
        session, organisation_id=entry.organisation_id, session_ids=[entry.session_id], now=now
    )
    _lock(session, entry)
    _require(session, entry, "confirm", now)
    wanted = _wanted(session, entry, actor)
    queues.give_up(session, entry)
    booking = orders.place(
        session, actor=actor, branch=branch, wanted=wanted, since=entry.created_at, now=now
    )
    entry.status, entry.confirm_by, entry.booking_id = W.CONFIRMED, None, booking.id
    session.flush()
    return booking


def _wanted(session: Session, entry: WaitlistEntry, actor: Actor) -> Wanted:
    name, sealed = entry.contact_name, entry.contact_phone_sealed
    if sealed is None:  # whoever was to be called is erased: now it is who confirms
        account = session.get_one(Account, actor.account_id)
        name, sealed = account.name, account.phone_sealed
    assert sealed is not None  # noqa: S101
    return Wanted(
        session_ids=[entry.session_id],
        programme_ids=[item.id for item in waiting.programmes(session, [entry.id])[entry.id]],
        organisation_id=entry.organisation_id,
        people_expected=entry.people_expected,
        purpose=Purpose(entry.purpose),
        contact_name=name,
        contact_phone=privacy.unseal(sealed),
        note=entry.note,
    )


def withdraw(session: Session, *, actor: Actor, entry_id: UUID, now: datetime) -> None:
    """Take a branch out of a line; what it was offered goes to the next. Twice is as good as once.

    Raises:
        WaitlistEntryNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
        WaitlistStateConflict: it does not stand in the line any more.
    """
    entry = _theirs(session, actor=actor, entry_id=entry_id)
    _lock(session, entry)
    if entry.status == W.WITHDRAWN:
        return
    _require(session, entry, "withdraw", now)
    queues.leave(session, entry, W.WITHDRAWN)
    queues.tend(session, session_ids=[entry.session_id], now=now)


def _theirs(session: Session, *, actor: Actor, entry_id: UUID) -> WaitlistEntry:
    """Return an entry of a branch that the actor orders for; branch and session never change.

    Raises:
        WaitlistEntryNotFound: there is none, or it is not theirs to see.
        NotInScope: they may see it, but not do this.
    """
    entry = waiting.get(session, actor=actor, entry_id=entry_id)
    if entry.organisation_id not in actor.organisations(Role.ORGANISER):
        raise NotInScope(roles=[str(Role.ORGANISER)])
    actor.act_as([Role.ORGANISER])
    return entry


def _lock(session: Session, entry: WaitlistEntry) -> None:
    holds.lock(session, session_ids=[entry.session_id])
    session.refresh(entry, with_for_update={"key_share": True})


def _require(session: Session, entry: WaitlistEntry, move: str, now: datetime) -> None:
    slot = session.get_one(VenueSession, entry.session_id)
    status = queues.status_at(entry, slot, now)
    if move not in MOVES[status]:
        raise WaitlistStateConflict(current_status=status, allowed_moves=list(MOVES[status]))
