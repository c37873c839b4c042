"""The rules an order is judged by, each with its refusal, in the order a person would name them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import NoReturn
from uuid import UUID

from sqlalchemy import BindParameter, bindparam
from sqlmodel import Session, col, select

from app.models import (
    Organisation,
    Policy,
    Programme,
    Purpose,
    Site,
    SiteStatus,
    VenueSession,
)
from app.services import alternatives, calendar, policies
from app.services.calendar import local_date
from app.services.refusals import (
    SHORT_OF_ROOM,
    BeyondHorizon,
    BranchSuspended,
    LeadTimeTooShort,
    OrganisationInactive,
    PartyTooLarge,
    ProgrammeNotOffered,
    Refused,
    SessionClosed,
    SessionFull,
    SessionsNotConsecutive,
    SiteNotOpen,
    TooManyOpenBookings,
    Want,
)
from app.services.sessions import SessionNotFound
from app.services.standings import Standing


@dataclass(frozen=True)
class Wanted:
    """What a branch asks for.

    Attributes:
        session_ids: one or more, in any order.
        programme_ids: menu items of the same site.
        organisation_id: the branch.
        people_expected: 1 to 10,000.
        purpose: what they come for.
        contact_name: whom the site may call.
        contact_phone: and where.
        note: anything else.
    """

    session_ids: Sequence[UUID]
    programme_ids: Sequence[UUID]
    organisation_id: UUID
    people_expected: int
    purpose: Purpose
    contact_name: str
    contact_phone: str
    note: str | None


@dataclass(frozen=True)
class Asked:
    """Sessions as they are asked for, with everything that is judged.

    Attributes:
        people: how many are coming.
        programme_ids: the menu as it was asked for.
        slots: the sessions, by start.
        site: where they are.
        branch: who asks.
        menu: those of the items that the site offers.
        rules: the policies of the district in force.
        days: working days.
        standing: the branch's; None where what it has already is only changed, at its site.
        since: the instant that lead times count from, aware.
        now: the present instant, aware.
    """

    people: int
    programme_ids: Sequence[UUID]
    slots: list[VenueSession]
    site: Site
    branch: Organisation
    menu: list[Programme]
    rules: policies.Policies
    days: calendar.Calendar
    standing: Standing | None
    since: datetime
    now: datetime

    @property
    def guided(self) -> bool:
        """Whether somebody has to show them round."""
        return any(item.needs_guide for item in self.menu)

    @property
    def policy(self) -> Policy:
        """The rules of the site."""
        return self.rules.of(self.site.id)

    @property
    def session_ids(self) -> list[UUID]:
        """The sessions, by start."""
        return [slot.id for slot in self.slots]


_IDS: BindParameter[UUID] = bindparam("ids", expanding=True)
_SLOTS = (  # made once, as the next one: every order asks them
    select(VenueSession, Site)
    .join(Site, col(Site.id) == VenueSession.site_id)
    .where(col(VenueSession.id).in_(_IDS))
    .order_by(col(VenueSession.starts_at), col(VenueSession.id))
    .execution_options(populate_existing=True)
)
_MENU = select(Programme).where(
    col(Programme.id).in_(_IDS),
    col(Programme.site_id) == bindparam("site_id"),
    col(Programme.active),
)


def gather(
    session: Session,
    *,
    session_ids: Sequence[UUID],
    programme_ids: Sequence[UUID],
    people: int,
    branch: Organisation,
    standing: Standing | None,
    now: datetime,
    since: datetime | None = None,
) -> Asked:
    """Return what is asked for with everything it is judged by; see `Asked`.

    Raises:
        SessionNotFound: a session does not exist, or its site is not public.
    """
    rows = session.exec(_SLOTS, params={"ids": session_ids}).all()
    public = (SiteStatus.PUBLISHED, SiteStatus.SUSPENDED)
    if len(rows) < len(set(session_ids)) or any(s.status not in public for _, s in rows):
        raise SessionNotFound
    site = rows[0][1]
    offered = {"ids": programme_ids, "site_id": site.id}
    menu = session.exec(_MENU, params=offered).all() if programme_ids else []
    return Asked(
        people=people,
        programme_ids=programme_ids,
        slots=[slot for slot, _ in rows],
        site=site,
        branch=branch,
        menu=list(menu),
        rules=policies.in_force(session, district_id=site.district_id, now=now),
        days=calendar.load(session),
        standing=standing,
        since=since or now,
        now=now,
    )


def judge(asked: Asked) -> Refused | None:
    """Return the first rule broken, in the order a person would name them.

    Whether there is room is decided where it is taken, under the sessions' locks.
    """
    rules = (_branch_rule, _sessions_rule, _days_rule, _standing_rule, _menu_rule)
    return next((broken for rule in rules if (broken := rule(asked))), None)


def _branch_rule(asked: Asked) -> Refused | None:
    if not asked.branch.active:
        return OrganisationInactive()
    if asked.standing is not None and asked.standing.suspension is not None:
        until = asked.standing.suspension.ends_at.astimezone(calendar.ZONE)
        limit = asked.policy.strikes_limit
        return BranchSuspended(limit=limit, until=until.isoformat())
    return SiteNotOpen() if asked.site.status != SiteStatus.PUBLISHED else None


def _sessions_rule(asked: Asked) -> Refused | None:
    slots = asked.slots
    one_hall = len({slot.venue_id for slot in slots}) == 1
    one_day = len({local_date(slot.starts_at) for slot in slots}) == 1
    if not one_hall or not one_day or not _follow(slots):
        return SessionsNotConsecutive()
    closed = next((slot.closed_reason for slot in slots if slot.closed_reason), None)
    return SessionClosed(reason=closed) if closed else None


def _follow(slots: Sequence[VenueSession]) -> bool:
    return all(a.ends_at == b.starts_at for a, b in pairwise(slots))


def _days_rule(asked: Asked) -> Refused | None:
    policy = asked.policy
    outside = alternatives.is_outside(asked.branch, asked.site)
    first = policies.earliest_day(
        asked.days, policy, people=asked.people, outside=outside, now=asked.since
    )
    last = policies.latest_day(policy, now=asked.now)
    day = local_date(asked.slots[0].starts_at)
    if day < first or asked.slots[0].starts_at <= asked.now:
        lead = _working_days(asked.days, local_date(asked.since), first)
        return LeadTimeTooShort(limit=lead, earliest_day=first.isoformat())
    if day > last:
        return BeyondHorizon(limit=policy.horizon_days, latest_day=last.isoformat())
    return None


def _working_days(days: calendar.Calendar, since: date, until: date) -> int:
    span = (until - since).days
    return sum(days.is_working(since + n * calendar.DAY) for n in range(1, span + 1))


def _standing_rule(asked: Asked) -> Refused | None:
    limit = asked.policy.open_bookings_limit
    if asked.standing is None or asked.standing.open_at(asked.site.id) < limit:
        return None
    return TooManyOpenBookings(limit=limit)


def _menu_rule(asked: Asked) -> Refused | None:
    if len(asked.menu) < len(set(asked.programme_ids)):
        return ProgrammeNotOffered()
    limits = [item.people_limit for item in asked.menu]
    limit = min([*limits, *(slot.people_limit for slot in asked.slots)])
    return PartyTooLarge(limit=limit) if asked.people > limit else None


def no_room(session: Session, asked: Asked) -> Refused:
    """Return why places could not be had, as the sessions are now: shut meanwhile, or full.

    Raises:
        SessionNotFound: a session was taken away meanwhile.
    """
    slots = asked.slots
    here = select(VenueSession).where(col(VenueSession.id).in_(asked.session_ids))
    left = session.exec(here.execution_options(populate_existing=True)).all()
    if len(left) < len(slots):
        raise SessionNotFound
    return _sessions_rule(asked) or SessionFull(
        people_free=min(slot.people_limit - slot.people_held for slot in slots),
        groups_free=min(slot.groups_limit - slot.groups_held for slot in slots),
    )


def refuse(session: Session, asked: Asked, refusal: Refused) -> NoReturn:
    """Raise a refusal, with the rule and up to 3 sessions that would be accepted.

    Raises:
        Refused: always.
    """
    refusal.facts["rule"] = refusal.slug()
    if isinstance(refusal, SHORT_OF_ROOM):
        refusal.want = Want(asked.site.id, asked.slots[0].starts_at, asked.people)
    refusal.facts["alternatives"] = [] if _hopeless(asked) else _offers(session, asked)
    raise refusal


def _hopeless(asked: Asked) -> bool:
    suspended = asked.standing is not None and asked.standing.suspension is not None
    return suspended or not asked.branch.active


def _offers(session: Session, asked: Asked) -> list[alternatives.Alternative]:
    numbers = asked.standing.open_numbers if asked.standing else {}
    used_up = [
        site_id
        for site_id in numbers
        if len(numbers[site_id]) >= asked.rules.of(site_id).open_bookings_limit
    ]
    return alternatives.nearest(
        session,
        to=asked.slots[0],
        site=asked.site,
        branch=asked.branch,
        people=asked.people,
        menu=asked.menu,
        rules=asked.rules,
        calendar=asked.days,
        besides=used_up,
        elsewhere=asked.standing is not None,
        now=asked.now,
    )
