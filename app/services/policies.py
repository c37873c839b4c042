"""The rules in force, and the days they leave open."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, or_
from sqlmodel import Session, col, select

from app.models import Policy
from app.models.base import Instant
from app.services.calendar import Calendar, local_date


@dataclass(frozen=True)
class Policies:
    """The rules in force in one district: its own, and those of sites that have their own."""

    district: Policy
    sites: Mapping[UUID, Policy]

    def of(self, site_id: UUID) -> Policy:
        """Return the rules of a site."""
        return self.sites.get(site_id, self.district)

    def all(self) -> list[Policy]:
        """Return the district's policy and every site's own."""
        return [self.district, *self.sites.values()]


def holds(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Say in SQL that a version is effective at the aware instant `now`, and has not ended."""
    lasts = or_(col(Policy.ends_at).is_(None), col(Policy.ends_at) > now)
    return and_(col(Policy.effective_at) <= now, lasts)


_IN_FORCE = (  # made once: every order asks it
    select(Policy)
    .where(
        col(Policy.district_id) == bindparam("district_id"), holds(bindparam("now", type_=Instant))
    )
    .order_by(col(Policy.version))
)


def in_force(session: Session, *, district_id: UUID, now: datetime) -> Policies:
    """Return the newest effective version of every policy of a district.

    Args:
        session: open transaction.
        district_id: the district; it always has a policy of its own, made with it.
        now: the present instant, aware.
    """
    found = session.exec(_IN_FORCE, params={"district_id": district_id, "now": now})
    newest = {policy.site_id: policy for policy in found}
    district = newest.pop(None)
    return Policies(district, {site: policy for site, policy in newest.items() if site})


def earliest_day(
    calendar: Calendar, policy: Policy, *, people: int, outside: bool, now: datetime
) -> date:
    """Return the first day that may be ordered at `now`; lead times count working days."""
    large = outside or people > policy.large_party_people
    lead = policy.lead_working_days_large if large else policy.lead_working_days
    return calendar.add(local_date(now), lead)


def latest_day(policy: Policy, *, now: datetime) -> date:
    """Return the last day that may be ordered at `now`."""
    return local_date(now) + timedelta(days=policy.horizon_days)


def longest_horizon(session: Session, *, now: datetime) -> int:
    """Return how many days ahead somebody somewhere may order; 0 where there is no policy."""
    longest = select(func.max(Policy.horizon_days)).where(holds(now))
    return session.exec(longest).one() or 0
