"""Lines for full sessions (候补): who is offered places that came free, and for how long.

An offer holds its places itself, so nobody can order them meanwhile. Whoever gives places back
tends the line in the same transaction. A session's lock is the lock of its line: it is taken
first, and whoever has it may write the entries.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import (
    IN_LINE,
    Guide,
    Organisation,
    Programme,
    Site,
    SiteStatus,
    Suspension,
    VenueSession,
    WaitlistEntry,
    WaitlistProgramme,
    WaitlistStatus,
)
from app.services import guides, holds, notifications, policies
from app.services.calendar import spoken
from app.services.messages import Kind

W = WaitlistStatus
SITE_CLOSED = "阵地已关闭"
"""What those are told who waited at a site that was closed for good."""


def status_at(entry: WaitlistEntry, slot: VenueSession, now: datetime) -> WaitlistStatus:
    """Return the status as the clock has it: a deadline counts once it has passed."""
    if entry.confirm_by is not None and entry.confirm_by <= now:
        return W.EXPIRED
    if entry.status == W.WAITING and slot.starts_at <= now:
        return W.LAPSED
    return W(entry.status)


def tend(session: Session, *, session_ids: Sequence[UUID], now: datetime) -> int:
    """Let the lines of some sessions be as the clock, the site and the free places have it.

    An offer expires at its time. Nobody waits for what has begun or was shut. Free places are
    offered to the first in the line who fits; somebody who does not fit is passed over, and so are
    a branch that may not order now, and a menu that needs a guide when none is free.

    Args:
        session: open transaction; holds all or none of these sessions.
        session_ids: which; they are locked if anybody stands in a line there.
        now: the present instant, aware.

    Returns:
        How many entries moved.
    """
    here = and_(col(WaitlistEntry.session_id).in_(session_ids), _in_line())
    lined = session.exec(select(WaitlistEntry.session_id).where(here).distinct()).all()
    if not lined:
        return 0
    holds.lock(session, session_ids=session_ids)
    rows = session.exec(
        select(VenueSession, Site)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(col(VenueSession.id).in_(lined))
        .order_by(col(VenueSession.id))
        .execution_options(populate_existing=True)
    ).all()
    return sum(
        _end(session, slot, site, now) + _offer(session, slot, site, now) for slot, site in rows
    )


def pass_on(session: Session, *, session_ids: Sequence[UUID], now: datetime) -> int:
    """Tend the lines of some sessions if an offer there is past its time; else leave them alone."""
    here = col(WaitlistEntry.session_id).in_(session_ids)
    if session.exec(select(WaitlistEntry.id).where(here, _expired(now)).limit(1)).first() is None:
        return 0
    return tend(session, session_ids=session_ids, now=now)


def end_shut(session: Session, *, site_id: UUID, now: datetime) -> int:
    """Tend the lines at those sessions of a site that were shut; return how many entries moved."""
    shut = session.exec(
        select(WaitlistEntry.session_id)
        .join(VenueSession, col(VenueSession.id) == WaitlistEntry.session_id)
        .where(
            _in_line(),
            VenueSession.site_id == site_id,
            col(VenueSession.closed_reason).is_not(None),
        )
        .distinct()
    ).all()
    return tend(session, session_ids=shut, now=now)


def tend_hall(session: Session, *, venue_id: UUID, now: datetime) -> int:
    """Tend the lines of a hall that changed, whose sessions are locked; return how many moved."""
    lined = session.exec(
        select(WaitlistEntry.session_id)
        .join(VenueSession, col(VenueSession.id) == WaitlistEntry.session_id)
        .where(_in_line(), VenueSession.venue_id == venue_id, VenueSession.starts_at > now)
        .distinct()
    ).all()
    return tend(session, session_ids=lined, now=now)


def leave(session: Session, entry: WaitlistEntry, target: WaitlistStatus) -> None:
    """Take an entry of a locked session out of its line; places it was offered are free again."""
    if entry.status == W.OFFERED:
        give_up(session, entry)
    entry.status, entry.confirm_by = target, None
    session.flush()


def give_up(session: Session, entry: WaitlistEntry) -> None:
    """Give back the places that an offer holds."""
    holds.give_back(session, session_ids=[entry.session_id], people=entry.people_expected)


def untended(
    session: Session, *, now: datetime, besides: SelectOfScalar[UUID] | None = None, most: int = 500
) -> list[UUID]:
    """Return sessions whose line is not as `tend` would leave it, but those of `besides`."""
    wanted = (
        select(WaitlistEntry.session_id)
        .join(VenueSession, col(VenueSession.id) == WaitlistEntry.session_id)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(_in_line(), or_(_expired(now), _is_over(now), _comes_next(now)))
        .distinct()
        .limit(most)
    )
    if besides is not None:
        wanted = wanted.where(col(WaitlistEntry.session_id).not_in(besides))
    return list(session.exec(wanted).all())


def _in_line() -> ColumnElement[bool]:
    return col(WaitlistEntry.status).in_(IN_LINE)


def _expired(now: datetime) -> ColumnElement[bool]:
    return and_(col(WaitlistEntry.status) == W.OFFERED, col(WaitlistEntry.confirm_by) <= now)


def _is_over(now: datetime) -> ColumnElement[bool]:
    """Say that nobody waits any more for a `VenueSession` of a `Site`."""
    return or_(
        col(VenueSession.starts_at) <= now,
        col(VenueSession.closed_reason).is_not(None),
        col(Site.status) == SiteStatus.CLOSED,
    )


def _comes_next(now: datetime) -> ColumnElement[bool]:
    """Say of a `WaitlistEntry` that its `VenueSession` of a `Site` has places for it now."""
    has_room = and_(
        VenueSession.people_held + col(WaitlistEntry.people_expected) <= VenueSession.people_limit,
        col(VenueSession.groups_held) < col(VenueSession.groups_limit),
    )
    active = exists().where(
        col(Organisation.id) == WaitlistEntry.organisation_id, col(Organisation.active)
    )
    suspended = exists().where(
        col(Suspension.organisation_id) == WaitlistEntry.organisation_id,
        func.coalesce(Suspension.lifted_at, Suspension.ends_at) > now,
    )
    guided = exists().where(
        col(WaitlistProgramme.entry_id) == WaitlistEntry.id,
        col(Programme.id) == WaitlistProgramme.programme_id,
        col(Programme.needs_guide),
    )
    free = guides.free(
        col(VenueSession.site_id), col(VenueSession.starts_at), col(VenueSession.ends_at)
    )
    return and_(
        col(WaitlistEntry.status) == W.WAITING,
        col(Site.status) == SiteStatus.PUBLISHED,
        ~_is_over(now),
        has_room,
        active,
        ~suspended,
        or_(~guided, select(Guide.id).where(free).exists()),
    )


def _end(session: Session, slot: VenueSession, site: Site, now: datetime) -> int:
    reason = slot.closed_reason or (SITE_CLOSED if site.status == SiteStatus.CLOSED else None)
    over = reason is not None or slot.starts_at <= now
    ending = session.exec(
        select(WaitlistEntry)
        .where(WaitlistEntry.session_id == slot.id, _in_line() if over else _expired(now))
        .order_by(col(WaitlistEntry.number))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for entry in ending:
        offered = entry.status == W.OFFERED
        leave(session, entry, W.EXPIRED if offered else W.LAPSED)
        kind: Kind = "waitlist-expired" if offered else "waitlist-lapsed"
        _tell(session, entry, slot, site, "waitlist-closed" if reason else kind, now, reason or "")
    return len(ending)


def _offer(session: Session, slot: VenueSession, site: Site, now: datetime) -> int:
    offered = 0
    while (entry := _next(session, slot, now)) is not None and holds.take(
        session, session_ids=[slot.id], people=entry.people_expected
    ):
        policy = policies.in_force(session, district_id=site.district_id, now=now).of(site.id)
        entry.status = W.OFFERED
        entry.confirm_by = min(now + timedelta(hours=policy.offer_hours), slot.starts_at)
        session.flush()
        _tell(session, entry, slot, site, "waitlist-offered", now)
        offered += 1
    return offered


def _next(session: Session, slot: VenueSession, now: datetime) -> WaitlistEntry | None:
    return session.exec(
        select(WaitlistEntry)
        .join(VenueSession, col(VenueSession.id) == WaitlistEntry.session_id)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(VenueSession.id == slot.id, _comes_next(now))
        .order_by(col(WaitlistEntry.number))
        .limit(1)
        .with_for_update(key_share=True, of=WaitlistEntry)
        .execution_options(populate_existing=True)
    ).first()


def _tell(
    session: Session,
    entry: WaitlistEntry,
    slot: VenueSession,
    site: Site,
    kind: Kind,
    now: datetime,
    reason: str = "",
) -> None:
    branch = session.get_one(Organisation, entry.organisation_id)
    notifications.owe(
        session,
        to=notifications.organisers_of(branch.id),
        kind=kind,
        booking_id=None,
        waitlist_entry_id=entry.id,
        facts={
            "branch": branch.name,
            "site": site.name,
            "when": spoken(slot.starts_at),
            "people": str(entry.people_expected),
            "confirm_by": spoken(entry.confirm_by) if entry.confirm_by else "",
            "reason": reason,
        },
        due_at=now,
    )
