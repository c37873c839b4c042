"""Writing and reading rules of ordering as people of a world do."""

from datetime import datetime

from sqlmodel import Session

from app.models import Account, Site
from app.services import policies, policy_editing, policy_history
from app.services.policy_editing import Rules
from app.services.policy_history import History, Version
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
)

DEFAULT = Rules(
    lead_working_days=3,
    lead_working_days_large=5,
    large_party_people=50,
    horizon_days=60,
    answer_working_days=1,
    free_cancel_working_days=2,
    approval_mode="manual",
    open_bookings_limit=2,
    late_cancel_strikes=1,
    no_show_strikes=2,
    strikes_limit=3,
    strike_months=12,
    suspension_days=90,
    offer_hours=24,
    travel_km_per_hour=30,
)


def enact(
    session: Session,
    world: World,
    *,
    version: int = 1,
    rules: Rules = DEFAULT,
    effective_at: datetime | None = None,
    who: Account | None = None,
    now: datetime = NOW,
) -> Version:
    return policy_editing.enact_for_district(
        session,
        actor=actor(session, who or world.district_staff, now),
        organisation_id=world.district.id,
        version=version,
        rules=rules,
        effective_at=effective_at,
        now=now,
    )


def enact_here(
    session: Session,
    world: World,
    *,
    version: int = 0,
    rules: Rules = DEFAULT,
    effective_at: datetime | None = None,
    who: Account | None = None,
    now: datetime = NOW,
) -> Version:
    return policy_editing.enact_for_site(
        session,
        actor=actor(session, who or world.district_staff, now),
        site_id=world.site.id,
        version=version,
        rules=rules,
        effective_at=effective_at,
        now=now,
    )


def withdraw(
    session: Session, world: World, version: int, now: datetime = NOW, who: Account | None = None
) -> None:
    policy_editing.withdraw(
        session,
        actor=actor(session, who or world.district_staff, now),
        site_id=world.site.id,
        version=version,
        now=now,
    )


def history(session: Session, world: World, now: datetime = NOW) -> History:
    who = actor(session, world.district_staff, now)
    district = world.district.id
    return policy_history.of_district(
        session, actor=who, organisation_id=district, limit=50, now=now
    )


def history_here(session: Session, world: World, now: datetime = NOW) -> History:
    who = actor(session, world.manager, now)
    return policy_history.of_site(session, actor=who, site_id=world.site.id, limit=50, now=now)


def states(told: History) -> list[tuple[int, str]]:
    return [(one.policy.version, str(one.state)) for one in told.versions]


def lead(session: Session, world: World, now: datetime = NOW, site: Site | None = None) -> int:
    rules = policies.in_force(session, district_id=world.district.id, now=now)
    return rules.of((site or world.site).id).lead_working_days
