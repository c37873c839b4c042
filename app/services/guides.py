"""Guides (讲解员): a site's own, and the only writer of who is with which booking."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import sqlalchemy
from sqlalchemy import ColumnElement, and_, delete, exists, func, literal
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col, select

from app.errors import NotFound, Stale
from app.models import Guide, GuideDuty
from app.services import site_scope, sites, venues
from app.services.access import Actor


class GuideNotFound(NotFound):
    """There is no such guide, or they are not yours to see."""

    zh = "未找到该讲解员"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays."""

    name: str
    active: bool


def add(session: Session, *, site_id: UUID, name: str) -> Guide:
    """Add a guide to a site."""
    guide = Guide(site_id=site_id, name=name)
    session.add(guide)
    session.flush()
    return guide


def create(session: Session, *, actor: Actor, site_id: UUID, name: str) -> Guide:
    """Add a guide in the name of an actor.

    Raises:
        SiteNotFound: there is no such site in the actor's scope.
        NotInScope: they may not change it.
        SiteClosed: it was closed for good.
        SiteIsFull: it has as many as it may.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id)
    venues.require_room(session, select(Guide.id).where(Guide.site_id == site_id))
    return add(session, site_id=site.id, name=name)


def listed(session: Session, *, actor: Actor, site_id: UUID) -> tuple[Sequence[Guide], bool]:
    """Return the guides of a site of the actor's scope, and whether the actor may know who.

    Raises:
        SiteNotFound: there is none in the actor's scope.
    """
    site = site_scope.get(session, actor=actor, site_id=site_id)
    roles = site_scope.roles_over(session, actor=actor, site=site)
    wanted = select(Guide).where(Guide.site_id == site_id).order_by(col(Guide.id))
    return session.exec(wanted).all(), bool(roles.intersection(site_scope.KEEPERS))


def change(
    session: Session, *, actor: Actor, guide_id: UUID, version: int, changes: Changes
) -> Guide:
    """Change a guide; one who is not active any more keeps the duties they have.

    Args:
        session: open transaction.
        actor: who changes it.
        guide_id: which.
        version: the one the actor saw.
        changes: what becomes different.

    Raises:
        GuideNotFound: there is none in the actor's scope.
        NotInScope: they may not change the site's guides.
        SiteClosed: the site was closed for good.
        Stale: it has another version by now.
    """
    guide = session.get(Guide, guide_id)
    if guide is None:
        raise GuideNotFound
    try:
        site_scope.hold(session, actor=actor, site_id=guide.site_id)
    except sites.SiteNotFound as absent:
        raise GuideNotFound from absent
    session.refresh(guide, with_for_update={"key_share": True})
    if guide.version != version:
        raise Stale
    for name, value in changes.items():
        setattr(guide, name, value)
    guide.version += 1
    session.flush()
    return guide


def free(
    site_id: SQLCoreOperations[UUID] | UUID,
    starts_at: SQLCoreOperations[datetime] | datetime,
    ends_at: SQLCoreOperations[datetime] | datetime,
) -> ColumnElement[bool]:
    """Say in SQL of a `Guide` that a site has them free for `[starts_at, ends_at)`."""
    on_duty = func.tstzrange(GuideDuty.starts_at, GuideDuty.ends_at)
    meets = on_duty.op("&&", is_comparison=True)(func.tstzrange(starts_at, ends_at))
    busy = exists().where(col(GuideDuty.guide_id) == Guide.id, meets).correlate_except(GuideDuty)
    return and_(col(Guide.site_id) == site_id, col(Guide.active), ~busy)


def lock(session: Session, *, site_ids: Sequence[UUID]) -> None:
    """Keep everybody else from taking a guide of these sites until the transaction ends.

    Rivals are let in one after another, in id order, so that they cannot deadlock.
    """
    theirs = select(Guide.id).where(col(Guide.site_id).in_(site_ids), col(Guide.active))
    session.exec(theirs.order_by(col(Guide.id)).with_for_update(key_share=True)).all()


def take(
    session: Session, *, booking_id: UUID, site_id: UUID, starts_at: datetime, ends_at: datetime
) -> bool:
    """Give a booking a guide of its site for its time, or tell that none is free.

    Rivals are let in as `lock` does. The table's exclusion stands behind.

    Args:
        session: open transaction; roll it back if the answer is False.
        booking_id: a booking without a guide.
        site_id: its site.
        starts_at: its start, aware.
        ends_at: its end, aware.
    """
    lock(session, site_ids=[site_id])
    # A statement of its own: it sees what the rival before has left.
    chosen = (
        sqlalchemy.select(literal(booking_id), col(Guide.id), literal(starts_at), literal(ends_at))
        .where(free(site_id, starts_at, ends_at))
        .order_by(col(Guide.id))
        .limit(1)
    )
    taken = session.exec(
        insert(GuideDuty)
        .from_select(["booking_id", "guide_id", "starts_at", "ends_at"], chosen)
        .on_conflict_do_nothing()
        .returning(col(GuideDuty.guide_id))
    )
    return taken.first() is not None


def give_back(session: Session, *, booking_id: UUID) -> None:
    """Let a booking's guide go, if it has one."""
    theirs = col(GuideDuty.booking_id) == booking_id
    session.exec(delete(GuideDuty).where(theirs).execution_options(synchronize_session="fetch"))
