"""Roles of people at places: which they hold, who gives and who takes them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Forbidden, Malformed, NotFound
from app.models import Account, Grant, Organisation, Role, Site
from app.services import offices, organisations
from app.services.access import Actor, NotInScope, in_force
from app.services.powers import GIVERS, givers

GRANT_ONCE = "role_grant_once"
SCOPE_FITS = "role_grant_scope_fits_role_check"
OFFICES_APART = "role_grant_offices_apart"


class AlreadyGranted(Conflict):
    """The person has this role there already."""

    zh = "该人员已有此角色"


class ScopeUnfit(Malformed):
    """This role is not given at such a place."""

    zh = "角色与授权范围不符"


class EndsInThePast(Malformed):
    """A grant ends after it begins."""

    zh = "授权截止时间须晚于当前时间"


class OfficesApart(Conflict):
    """System administrator, security administrator and auditor are never one person."""

    zh = "系统管理员、安全管理员和审计员须由不同人员担任"


class NotForOneself(Forbidden):
    """Somebody else must do this for you."""

    zh = "不得为本人办理，须由他人操作"


class GrantNotFound(NotFound):
    """The person has no such grant."""

    zh = "未找到该授权"


class PlaceNotFound(NotFound):
    """There is no such organisation or site, or it is not yours to see."""

    zh = "未找到该党组织或阵地"


@dataclass(frozen=True)
class Place:
    """What a grant is given at."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Granted:
    """A grant in force, with the names of its places."""

    id: UUID
    role: Role
    organisation: Place | None
    site: Place | None
    ends_at: datetime | None


def grant(
    session: Session,
    *,
    account_id: UUID,
    role: Role,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
    ends_at: datetime | None = None,
    granted_by: UUID | None = None,
) -> Grant:
    """Write down that a person has a role at one place; `give` asks who may.

    Args:
        session: open transaction.
        account_id: the person.
        role: what they become.
        organisation_id: where, for all roles but the next two.
        site_id: where, for a site manager; an administrator has no place.
        ends_at: first instant without it, aware; None for good.
        granted_by: who gives it; None for the command line.

    Raises:
        AlreadyGranted: they have exactly this, in force or lapsed.
        ScopeUnfit: the place is not of the kind the role needs.
        OfficesApart: they hold another of the three offices.
    """
    given = Grant(
        account_id=account_id,
        role=role,
        organisation_id=organisation_id,
        site_id=site_id,
        ends_at=ends_at,
        granted_by=granted_by,
    )
    session.add(given)
    with (
        violating(GRANT_ONCE, AlreadyGranted()),
        violating(SCOPE_FITS, ScopeUnfit()),
        violating(OFFICES_APART, OfficesApart()),
    ):
        session.flush()
    return given


def give(
    session: Session,
    *,
    actor: Actor,
    account: Account,
    role: Role,
    organisation_id: UUID | None,
    site_id: UUID | None,
    ends_at: datetime | None,
    now: datetime,
) -> Grant:
    """Give a role as `GIVERS` allows; one that has lapsed is begun anew.

    Args:
        session: open transaction.
        actor: who gives it.
        account: the person, locked.
        role: what they become.
        organisation_id: where; see `grant`.
        site_id: where; see `grant`.
        ends_at: first instant without it, aware; None for good.
        now: the present instant, aware.

    Raises:
        NotForOneself: the person is the actor.
        PlaceNotFound: there is none, or it is not the actor's to see.
        NotInScope: the actor does not give this role there.
        EndsInThePast: it would have ended already.
        AlreadyGranted: they have exactly this.
        ScopeUnfit: the place is not of the kind the role needs.
        OfficesApart: they hold another of the three offices.
    """
    if organisation_id and site_id:
        raise ScopeUnfit
    path = _path(session, organisation_id=organisation_id, site_id=site_id)
    if path is None and (organisation_id or site_id):
        raise PlaceNotFound
    _allow(session, actor=actor, account_id=account.id, role=role, path=path)
    if ends_at is not None and ends_at <= now:
        raise EndsInThePast
    same_place = (
        col(Grant.organisation_id).is_not_distinct_from(organisation_id),
        col(Grant.site_id).is_not_distinct_from(site_id),
    )
    lapsed = delete(Grant).where(
        col(Grant.account_id) == account.id, col(Grant.role) == role, *same_place, ~in_force(now)
    )
    session.exec(lapsed)
    return grant(
        session,
        account_id=account.id,
        role=role,
        organisation_id=organisation_id,
        site_id=site_id,
        ends_at=ends_at and ends_at.astimezone(UTC),
        granted_by=actor.account_id,
    )


def take(
    session: Session, *, actor: Actor, account: Account, grant_id: UUID, now: datetime
) -> None:
    """Take a role from a person, as `GIVERS` allows.

    Args:
        session: open transaction.
        actor: who takes it.
        account: the person, locked.
        grant_id: which of their grants.
        now: the present instant, aware.

    Raises:
        GrantNotFound: they have no such grant.
        NotForOneself: the person is the actor.
        NotInScope: the actor does not take this role there.
        LastOfItsOffice: nobody else holds this office.
    """
    taken = session.get(Grant, grant_id)
    if taken is None or taken.account_id != account.id:
        raise GrantNotFound
    path = _path(session, organisation_id=taken.organisation_id, site_id=taken.site_id)
    role = Role(taken.role)
    _allow(session, actor=actor, account_id=account.id, role=role, path=path)
    offices.leave(session, account=account, left=[role], now=now)
    session.delete(taken)
    session.flush()


def holds_beyond(session: Session, *, actor: Actor, account_id: UUID, now: datetime) -> bool:
    """Tell whether a person holds anything that the actor could not have given them."""
    held = session.exec(select(Grant).where(Grant.account_id == account_id, in_force(now))).all()
    return any(
        not givers(
            actor,
            Role(one.role),
            _path(session, organisation_id=one.organisation_id, site_id=one.site_id),
        )
        for one in held
    )


def grants_of(session: Session, *, account_id: UUID, now: datetime) -> list[Granted]:
    """Return what a person holds at the aware instant `now`, in the order it was given."""
    return grants_of_many(session, account_ids=[account_id], now=now)[account_id]


def grants_of_many(
    session: Session, *, account_ids: Iterable[UUID], now: datetime
) -> dict[UUID, list[Granted]]:
    """Return what each of many people holds at the aware instant `now`; by one statement."""
    rows = session.exec(
        select(Grant, Organisation.name, Site.name)
        .outerjoin(Organisation, col(Organisation.id) == Grant.organisation_id)
        .outerjoin(Site, col(Site.id) == Grant.site_id)
        .where(col(Grant.account_id).in_(list(account_ids)), in_force(now))
        .order_by(col(Grant.id))
    ).all()
    found: dict[UUID, list[Granted]] = defaultdict(list)
    for held, organisation, site in rows:
        found[held.account_id].append(
            Granted(
                id=held.id,
                role=Role(held.role),
                organisation=_place(held.organisation_id, organisation),
                site=_place(held.site_id, site),
                ends_at=held.ends_at,
            )
        )
    return found


def _place(place_id: UUID | None, name: str | None) -> Place | None:
    return None if place_id is None or name is None else Place(place_id, name)


def _path(session: Session, *, organisation_id: UUID | None, site_id: UUID | None) -> str | None:
    """Return where in the tree a grant hangs: a site's where its town does."""
    town = select(Site.town_id).where(Site.id == site_id).scalar_subquery()
    node = col(Organisation.id) == (organisation_id or town)
    return session.exec(select(Organisation.path).where(node)).one_or_none()


def _allow(
    session: Session, *, actor: Actor, account_id: UUID, role: Role, path: str | None
) -> None:
    """Pass if the actor may give or take the role there, and remember by which roles.

    Raises:
        NotForOneself: the person is the actor.
        PlaceNotFound: the place is not the actor's to see.
        NotInScope: the actor does not give this role there.
    """
    if account_id == actor.account_id:
        raise NotForOneself
    allowed = givers(actor, role, path)
    if not allowed:
        seen = organisations.visible(actor).where(Organisation.path == path)
        if path is not None and session.exec(seen).one_or_none() is None:
            raise PlaceNotFound
        raise NotInScope(roles=sorted(GIVERS[role]))
    actor.act_as(allowed)
