"""Making the rules of ordering: versions of a district's policy and of a site's own, written once.

A version is never edited: another one takes its place, and bookings keep the one they met.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Malformed, NotFound, Stale
from app.models import Organisation, OrganisationKind, Policy, Role
from app.services import organisations, policy_history, site_scope
from app.services.access import Actor
from app.services.policy_history import Line, PolicyState, Version

VERSION_ONCE = "policy_version_once"
DAYS_OF_A_WEEK = 7
WORKING_DAYS_OF_A_WEEK = 5


class LargePartyLeadTooShort(Malformed):
    """Large parties cannot order later than others."""

    zh = "大团队的提前量不能短于一般提前量"
    detail_en = "At least {limit} working days"
    detail_zh = "大团队至少提前 {limit} 个工作日"


class HorizonTooShort(Malformed):
    """The horizon leaves no day that is late enough for the lead time."""

    zh = "可预约范围太短，扣除提前量后没有可约的日子"
    detail_en = "At least {limit} days: a week for every five working days of lead"
    detail_zh = "至少 {limit} 天：每 5 个工作日提前量按一周计"


class FreeCancelTooEarly(Malformed):
    """Free cancellation would be over before anybody can order."""

    zh = "免责取消期限不能早于预约提前量"
    detail_en = "At most {limit} working days ahead"
    detail_zh = "最多提前 {limit} 个工作日"


class PolicyBackdated(Conflict):
    """Rules take effect now or later, never in the past."""

    zh = "生效时间不能早于现在"


class NotADistrict(Conflict):
    """Rules are made for a district, or for a site."""

    zh = "规则只能按区县或阵地制定"


class SitePolicyNotFound(NotFound):
    """The site has no rules of its own."""

    zh = "该阵地没有单独的规则"


@dataclass(frozen=True)
class Rules:
    """What a version says; see `Policy`."""

    lead_working_days: int
    lead_working_days_large: int
    large_party_people: int
    horizon_days: int
    answer_working_days: int
    free_cancel_working_days: int
    approval_mode: str
    open_bookings_limit: int
    late_cancel_strikes: int
    no_show_strikes: int
    strikes_limit: int
    strike_months: int
    suspension_days: int
    offer_hours: int
    travel_km_per_hour: int


def enact_for_district(
    session: Session,
    *,
    actor: Actor,
    organisation_id: UUID,
    version: int,
    rules: Rules,
    effective_at: datetime | None,
    now: datetime,
) -> Version:
    """Write a new version of a district's rules; the newest that is effective holds.

    Args:
        session: open transaction; roll it back on any error.
        actor: district staff.
        organisation_id: the district.
        version: the newest one that the actor has seen.
        rules: all of them.
        effective_at: from when on, aware; None for at once.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but are no staff of its district.
        NotADistrict: it is another organisation.
        Stale: there is a newer version by now.
        PolicyBackdated: `effective_at` is before `now`.
        LargePartyLeadTooShort, HorizonTooShort, FreeCancelTooEarly: they contradict each other.
    """
    found = organisations.get(session, actor=actor, organisation_id=organisation_id)
    policy_history.require(actor, found, (Role.DISTRICT_STAFF,))
    if found.kind != OrganisationKind.DISTRICT:
        raise NotADistrict
    # Of two who write, the second waits here, and then finds the version of the first.
    own = select(Organisation.id).where(Organisation.id == organisation_id)
    session.exec(own.with_for_update(key_share=True)).one()
    return _enact(session, Line(found.id, None), actor, version, rules, effective_at, now)


def enact_for_site(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    version: int,
    rules: Rules,
    effective_at: datetime | None,
    now: datetime,
) -> Version:
    """Write a new version of a site's own rules, which go before its district's.

    `version` is 0 where the site never had any; else see `enact_for_district`.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but are no district staff.
        SiteClosed: it was closed for good.
        Stale, PolicyBackdated: as `enact_for_district`.
        LargePartyLeadTooShort, HorizonTooShort, FreeCancelTooEarly: they contradict each other.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, roles=site_scope.STAFF)
    line = Line(site.district_id, site.id)
    return _enact(session, line, actor, version, rules, effective_at, now)


def withdraw(session: Session, *, actor: Actor, site_id: UUID, version: int, now: datetime) -> None:
    """End a site's own rules, those to come too: it follows its district again.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but are no district staff.
        SiteClosed: it was closed for good.
        Stale: there is a newer version by now.
        SitePolicyNotFound: it has none that holds or will hold.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, roles=site_scope.STAFF)
    line = Line(site.district_id, site.id)
    if policy_history.newest(session, line) != version:
        raise Stale
    ended = session.exec(
        update(Policy)
        .where(line.has(), col(Policy.ends_at).is_(None))
        .values(ends_at=now)
        .execution_options(synchronize_session="fetch")
    )
    if not ended.rowcount:
        raise SitePolicyNotFound


def _enact(
    session: Session,
    line: Line,
    actor: Actor,
    version: int,
    rules: Rules,
    effective_at: datetime | None,
    now: datetime,
) -> Version:
    _check(rules)
    if effective_at is not None and effective_at < now:
        raise PolicyBackdated
    if policy_history.newest(session, line) != version:
        raise Stale
    policy = Policy(
        **vars(line),
        version=version + 1,
        effective_at=effective_at or now,
        made_by=actor.account_id,
        created_at=now,
        **asdict(rules),
    )
    session.add(policy)
    with violating(VERSION_ONCE, Stale()):
        session.flush()
    state = PolicyState.PLANNED if policy.effective_at > now else PolicyState.IN_FORCE
    return Version(policy, state, actor.name)


def _check(rules: Rules) -> None:
    if rules.lead_working_days_large < rules.lead_working_days:
        raise LargePartyLeadTooShort(limit=rules.lead_working_days)
    weeks = -(-rules.lead_working_days_large // WORKING_DAYS_OF_A_WEEK)
    if rules.horizon_days < weeks * DAYS_OF_A_WEEK:
        raise HorizonTooShort(limit=weeks * DAYS_OF_A_WEEK)
    if rules.free_cancel_working_days > rules.lead_working_days:
        raise FreeCancelTooEarly(limit=rules.lead_working_days)
