"""Whose business a site is: who sees it before it is published, and who changes it."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import Stale
from app.models import Organisation, Role, Site, SiteStatus
from app.services.access import OVERSEERS, Actor, NotInScope, below, is_below
from app.services.sites import SiteClosed, SiteNotFound

KEEPERS = (Role.SITE_MANAGER, Role.DISTRICT_STAFF)
"""Roles that change what a site is and offers."""
STAFF = (Role.DISTRICT_STAFF,)
"""Roles that open and shut sites."""


def in_scope(actor: Actor) -> ColumnElement[bool]:
    """Say in SQL which sites an actor sees whatever their state.

    A manager sees their own, staff and auditors those of towns below them. What everybody sees of
    published sites is not asked here.
    """
    overseen = below(col(Site.town_id), actor.paths(*OVERSEERS))
    return or_(col(Site.id).in_(actor.sites()), overseen)


def visible(actor: Actor) -> SelectOfScalar[Site]:
    """Return the query for the sites an actor sees whatever their state."""
    return select(Site).where(in_scope(actor))


def oversees(session: Session, *, actor: Actor, site_id: UUID) -> bool:
    """Tell whether a site is the actor's business."""
    if not actor.sites() and not actor.paths(*OVERSEERS):
        return False
    return session.exec(visible(actor).where(Site.id == site_id)).first() is not None


def get(session: Session, *, actor: Actor, site_id: UUID) -> Site:
    """Return a site of the actor's scope.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
    """
    found = session.exec(visible(actor).where(Site.id == site_id)).one_or_none()
    if found is None:
        raise SiteNotFound
    return found


def roles_over(session: Session, *, actor: Actor, site: Site) -> frozenset[Role]:
    """Return by which of their roles an actor may change a site at all."""
    path = session.get_one(Organisation, site.town_id).path
    return frozenset(
        held.role
        for held in actor.grants
        if held.site_id == site.id
        or (held.role in STAFF and held.path is not None and is_below(path, held.path))
    )


def require(
    session: Session, *, actor: Actor, site: Site, roles: Iterable[Role] = KEEPERS
) -> frozenset[Role]:
    """Pass if the actor has one of `roles` over the site, and return which.

    Raises:
        NotInScope: they have none of them.
    """
    wanted = frozenset(roles)
    held = roles_over(session, actor=actor, site=site) & wanted
    if not held:
        raise NotInScope(roles=sorted(str(role) for role in wanted))
    actor.act_as(held)
    return held


def hold(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    version: int | None = None,
    roles: Iterable[Role] = KEEPERS,
) -> Site:
    """Return a site, locked until the transaction ends, that the actor may change now.

    Args:
        session: open transaction.
        actor: who changes it, or something of it.
        site_id: which.
        version: the one the actor saw; None where what is changed has a version of its own.
        roles: by which of them.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: the actor sees it, but has none of `roles` over it.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
    """
    site = get(session, actor=actor, site_id=site_id)
    require(session, actor=actor, site=site, roles=roles)
    # Of two who change it, the second waits here, and then reads what the first has made of it.
    session.refresh(site, with_for_update={"key_share": True})
    if site.status == SiteStatus.CLOSED:
        raise SiteClosed
    if version is not None and site.version != version:
        raise Stale
    return site
