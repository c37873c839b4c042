"""The rules of ordering as they were, are and will be: of a district, and of a site by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, exists, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.models import Account, Organisation, Policy, Role
from app.services import organisations, policies, site_scope
from app.services.access import OVERSEERS, Actor, NotInScope, is_below


class PolicyState(StrEnum):
    """执行中、待生效、已被新版本替代、已撤销."""

    IN_FORCE = "in_force"
    PLANNED = "planned"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Version:
    """A version as it stands at some instant; `made_by` is a name, None for the first ones."""

    policy: Policy
    state: PolicyState
    made_by: str | None


@dataclass(frozen=True)
class History:
    """What holds at some instant, the newest version of a line (0 where it has none), and a page.

    `versions` are one more than were asked for, if there are so many, the newest first.
    """

    in_force: Version
    newest: int
    versions: list[Version]


@dataclass(frozen=True)
class Line:
    """The versions of a district's rules, or of a site's own."""

    district_id: UUID
    site_id: UUID | None

    def has(self) -> ColumnElement[bool]:
        """Say in SQL which versions are its own."""
        same_site = col(Policy.site_id).is_not_distinct_from(self.site_id)
        return and_(col(Policy.district_id) == self.district_id, same_site)


def of_district(
    session: Session,
    *,
    actor: Actor,
    organisation_id: UUID,
    before: int | None = None,
    limit: int,
    now: datetime,
) -> History:
    """Return the rules of the district that an organisation is in.

    Args:
        session: open transaction.
        actor: who looks: staff or an auditor over the organisation.
        organisation_id: the district, or one of those below it.
        before: the version of the last one of the page before.
        limit: length of a page.
        now: the present instant, aware.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they see it, but do not oversee it.
    """
    found = organisations.get(session, actor=actor, organisation_id=organisation_id)
    require(actor, found, OVERSEERS)
    line = Line(found.district_id, None)
    return _history(session, line, before=before, limit=limit, now=now)


def of_site(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    before: int | None = None,
    limit: int,
    now: datetime,
) -> History:
    """Return the rules that hold at a site, and the versions of its own.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
    """
    site = site_scope.get(session, actor=actor, site_id=site_id)
    line = Line(site.district_id, site_id)
    return _history(session, line, before=before, limit=limit, now=now)


def require(actor: Actor, over: Organisation, roles: Iterable[Role]) -> None:
    """Pass if an actor has one of `roles` over an organisation.

    Raises:
        NotInScope: they have none of them.
    """
    wanted = set(roles)
    held = {
        grant.role
        for grant in actor.grants
        if grant.role in wanted and grant.path and is_below(over.path, grant.path)
    }
    if not held:
        raise NotInScope(roles=sorted(str(role) for role in wanted))
    actor.act_as(held)


def newest(session: Session, line: Line) -> int:
    """Return the number of the newest version of a line; 0 where it has none."""
    return session.exec(select(func.max(Policy.version)).where(line.has())).one() or 0


def _history(
    session: Session, line: Line, *, before: int | None, limit: int, now: datetime
) -> History:
    rules = policies.in_force(session, district_id=line.district_id, now=now)
    holding = rules.of(line.site_id) if line.site_id else rules.district
    page = [line.has()]
    if before is not None:
        page.append(col(Policy.version) < before)
    return History(
        in_force=_versions(session, col(Policy.id) == holding.id, limit=1, now=now)[0],
        newest=newest(session, line),
        versions=_versions(session, *page, limit=limit + 1, now=now),
    )


def _versions(
    session: Session, *which: ColumnElement[bool], limit: int, now: datetime
) -> list[Version]:
    newer = aliased(Policy)
    replaced = exists().where(
        col(newer.district_id) == Policy.district_id,
        col(newer.site_id).is_not_distinct_from(col(Policy.site_id)),
        col(newer.version) > Policy.version,
        # One that is to come is passed over by a newer one that holds sooner.
        col(newer.effective_at) <= func.greatest(Policy.effective_at, now),
    )
    state = case(
        (col(Policy.ends_at) <= now, PolicyState.WITHDRAWN.value),
        (replaced, PolicyState.REPLACED.value),
        (col(Policy.effective_at) > now, PolicyState.PLANNED.value),
        else_=PolicyState.IN_FORCE.value,
    )
    found = session.exec(
        select(Policy, state, Account.name)
        .outerjoin(Account, col(Account.id) == Policy.made_by)
        .where(*which)
        .order_by(col(Policy.version).desc())
        .limit(limit)
    )
    return [Version(policy, PolicyState(state), made_by) for policy, state, made_by in found]
