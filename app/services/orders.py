"""Ordering: a branch asks for sessions, and every rule is asked before it gets them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NoReturn
from uuid import UUID

from sqlmodel import Session, col, select

from app.errors import Conflict
from app.models import (
    ApprovalMode,
    Booking,
    BookingEvent,
    BookingProgramme,
    BookingSession,
    BookingStatus,
    Organisation,
    Policy,
    Programme,
    Purpose,
    Role,
    Site,
    SiteStatus,
    VenueSession,
)
from app.services import (
    alternatives,
    calendar,
    guides,
    holds,
    organisations,
    policies,
    privacy,
    steps,
)
from app.services.access import Actor, NotInScope
from app.services.calendar import local_date, midnight
from app.services.sessions import SessionNotFound


class Refused(Conflict):
    """The rules do not allow this order."""

    zh = "不符合预约规则"


class OrganisationInactive(Refused):
    """The branch is not active."""

    zh = "该党组织已停用"


class SiteNotOpen(Refused):
    """The site takes no orders at present."""

    zh = "该阵地暂不接受预约"


class SessionsNotConsecutive(Refused):
    """The sessions do not follow one another in one venue on one day."""

    zh = "所选场次须为同一场地、同一天的连续场次"


class SessionClosed(Refused):
    """The session was closed."""

    zh = "该场次已临时闭馆"
    detail_en = "Closed: {reason}"
    detail_zh = "闭馆原因：{reason}"


class LeadTimeTooShort(Refused):
    """Orders must be made earlier."""

    zh = "预约时间过晚"
    detail_en = "At least {limit} working days ahead; the first day is {earliest_day}"
    detail_zh = "须至少提前 {limit} 个工作日预约，最早可约 {earliest_day}"


class BeyondHorizon(Refused):
    """Orders cannot be made so far ahead."""

    zh = "超出可预约范围"
    detail_en = "At most {limit} days ahead; the last day is {latest_day}"
    detail_zh = "最多可提前 {limit} 天预约，最晚可约 {latest_day}"


class ProgrammeNotOffered(Refused):
    """The site does not offer that menu item."""

    zh = "该阵地没有所选菜单项"


class PartyTooLarge(Refused):
    """Too many people for what was chosen."""

    zh = "人数超出上限"
    detail_en = "At most {limit} people"
    detail_zh = "最多 {limit} 人"


class SessionFull(Refused):
    """The session has no room for another group of this size."""

    zh = "该场次名额不足"


class GuideNotFree(Refused):
    """No guide of the site is free then."""

    zh = "该时段没有空闲的讲解员"


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
    """An order with everything it is judged by."""

    wanted: Wanted
    slots: list[VenueSession]
    site: Site
    branch: Organisation
    menu: list[Programme]
    rules: policies.Policies
    days: calendar.Calendar
    now: datetime

    @property
    def guided(self) -> bool:
        """Whether somebody has to show them round."""
        return any(item.needs_guide for item in self.menu)

    @property
    def policy(self) -> Policy:
        """The rules of the site."""
        return self.rules.of(self.site.id)


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
    branch = organisations.get(session, actor=actor, organisation_id=wanted.organisation_id)
    if branch.id not in actor.organisations(Role.ORGANISER):
        raise NotInScope(roles=[str(Role.ORGANISER)])
    actor.act_as([Role.ORGANISER])
    asked = _gather(session, wanted=wanted, branch=branch, now=now)
    refusal = _judge(asked)
    ids = [slot.id for slot in asked.slots]
    if refusal is None and not holds.take(session, session_ids=ids, people=wanted.people_expected):
        refusal = SessionFull(**_room(asked.slots))
    if refusal is not None:
        _refuse(session, asked, refusal)
    return _write(session, asked, actor)


def _gather(session: Session, *, wanted: Wanted, branch: Organisation, now: datetime) -> Asked:
    rows = session.exec(
        select(VenueSession, Site)
        .join(Site, col(Site.id) == VenueSession.site_id)
        .where(col(VenueSession.id).in_(wanted.session_ids))
        .order_by(col(VenueSession.starts_at), col(VenueSession.id))
    ).all()
    public = (SiteStatus.PUBLISHED, SiteStatus.SUSPENDED)
    if len(rows) < len(set(wanted.session_ids)) or any(s.status not in public for _, s in rows):
        raise SessionNotFound
    site = rows[0][1]
    menu = session.exec(
        select(Programme).where(
            col(Programme.id).in_(wanted.programme_ids),
            Programme.site_id == site.id,
            col(Programme.active),
        )
    ).all()
    return Asked(
        wanted=wanted,
        slots=[slot for slot, _ in rows],
        site=site,
        branch=branch,
        menu=list(menu),
        rules=policies.in_force(session, district_id=site.district_id, now=now),
        days=calendar.load(session),
        now=now,
    )


def _judge(asked: Asked) -> Refused | None:
    """Return the first rule broken, in the order a person would name them."""
    rules = (_branch_rule, _sessions_rule, _days_rule, _menu_rule, _room_rule)
    return next((broken for rule in rules if (broken := rule(asked))), None)


def _branch_rule(asked: Asked) -> Refused | None:
    if not asked.branch.active:
        return OrganisationInactive()
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
    policy, people = asked.policy, asked.wanted.people_expected
    outside = alternatives.is_outside(asked.branch, asked.site)
    first = policies.earliest_day(asked.days, policy, people=people, outside=outside, now=asked.now)
    last = policies.latest_day(policy, now=asked.now)
    day = local_date(asked.slots[0].starts_at)
    if day < first or asked.slots[0].starts_at <= asked.now:
        lead = _working_days(asked.days, local_date(asked.now), first)
        return LeadTimeTooShort(limit=lead, earliest_day=first.isoformat())
    if day > last:
        return BeyondHorizon(limit=policy.horizon_days, latest_day=last.isoformat())
    return None


def _working_days(days: calendar.Calendar, since: date, until: date) -> int:
    span = (until - since).days
    return sum(days.is_working(since + timedelta(days=n)) for n in range(1, span + 1))


def _menu_rule(asked: Asked) -> Refused | None:
    if len(asked.menu) < len(set(asked.wanted.programme_ids)):
        return ProgrammeNotOffered()
    limits = [item.people_limit for item in asked.menu]
    limit = min([*limits, *(slot.people_limit for slot in asked.slots)])
    return PartyTooLarge(limit=limit) if asked.wanted.people_expected > limit else None


def _room_rule(asked: Asked) -> Refused | None:
    """Spare a hopeless order the wait for the lock; who passes is asked again under it."""
    room = _room(asked.slots)
    enough = room["people_free"] >= asked.wanted.people_expected and room["groups_free"] >= 1
    return None if enough else SessionFull(**room)


def _room(slots: Sequence[VenueSession]) -> dict[str, int]:
    return {
        "people_free": min(slot.people_limit - slot.people_held for slot in slots),
        "groups_free": min(slot.groups_limit - slot.groups_held for slot in slots),
    }


def _refuse(session: Session, asked: Asked, refusal: Refused) -> NoReturn:
    refusal.facts["rule"] = refusal.slug()
    refusal.facts["alternatives"] = alternatives.nearest(
        session,
        to=asked.slots[0],
        site=asked.site,
        branch=asked.branch,
        people=asked.wanted.people_expected,
        menu=asked.menu,
        rules=asked.rules,
        calendar=asked.days,
        now=asked.now,
    )
    raise refusal


def _write(session: Session, asked: Asked, actor: Actor) -> Booking:
    wanted, slots, policy = asked.wanted, asked.slots, asked.policy
    last_free_day = asked.days.add(local_date(slots[0].starts_at), -policy.free_cancel_working_days)
    booking = Booking(
        created_at=asked.now,
        district_id=asked.site.district_id,
        site_id=asked.site.id,
        venue_id=slots[0].venue_id,
        organisation_id=asked.branch.id,
        policy_id=policy.id,
        made_by=actor.account_id,
        starts_at=slots[0].starts_at,
        ends_at=slots[-1].ends_at,
        people_expected=wanted.people_expected,
        purpose=wanted.purpose,
        contact_name=wanted.contact_name,
        contact_phone_hash=privacy.fingerprint(wanted.contact_phone),
        contact_phone_sealed=privacy.seal(privacy.normalise(wanted.contact_phone)),
        note=wanted.note,
        respond_by=steps.answer_due(asked.days, policy, slots[0].starts_at, asked.now),
        free_cancel_until=midnight(last_free_day + timedelta(days=1)),
    )
    session.add(booking)
    session.flush()
    if asked.guided and not guides.take(
        session,
        booking_id=booking.id,
        site_id=booking.site_id,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
    ):
        _refuse(session, asked, GuideNotFree())
    session.add_all(BookingSession(booking_id=booking.id, session_id=slot.id) for slot in slots)
    session.add_all(
        BookingProgramme(booking_id=booking.id, programme_id=item.id) for item in asked.menu
    )
    session.add(
        BookingEvent(
            booking_id=booking.id,
            version=1,
            at=asked.now,
            to_status=BookingStatus.PENDING,
            actor_id=actor.account_id,
        )
    )
    session.flush()
    if policy.approval_mode == ApprovalMode.AUTO:
        steps.reserve(session, booking)
        steps.step(session, booking, BookingStatus.APPROVED, now=asked.now)
        steps.tell(session, booking, "booking-approved", asked.now, branch=True, site=True)
    else:
        steps.tell(session, booking, "booking-pending", asked.now, site=True)
    return booking
