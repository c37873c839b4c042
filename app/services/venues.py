"""Halls and rooms of a site (场地): added, changed, taken out of use."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import Conflict, NotFound, Stale
from app.models import Site, Venue
from app.services import sessions, site_scope, sites
from app.services.access import Actor

MOST = 200
"""Halls, menu items or guides of one site, rules of one hall."""

# Those made from rules follow the hall; those made one by one as far as they had its numbers.
# What is held already must fit, else the session keeps its own.
_FIT = text("""
    WITH fitting AS (
        SELECT s.id,
            CASE WHEN s.rule_id IS NOT NULL OR s.people_limit = :old_people THEN :people
                ELSE s.people_limit END AS people_limit,
            CASE WHEN s.rule_id IS NOT NULL OR s.groups_limit = :old_groups THEN :groups
                ELSE s.groups_limit END AS groups_limit
        FROM venue_session s WHERE s.venue_id = :venue AND s.starts_at > :now
        ORDER BY s.id FOR NO KEY UPDATE
    )
    UPDATE venue_session s SET people_limit = f.people_limit, groups_limit = f.groups_limit
    FROM fitting f
    WHERE s.id = f.id AND s.people_held <= f.people_limit AND s.groups_held <= f.groups_limit
""")


class VenueNotFound(NotFound):
    """There is no such venue at this site."""

    zh = "场地不存在"


class SiteIsFull(Conflict):
    """There are as many of these as there may be."""

    zh = "数量已达上限"
    detail_en = "At most {limit}"
    detail_zh = "最多 {limit} 个"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays."""

    name: str
    people_limit: int
    groups_limit: int
    active: bool


def add(
    session: Session, *, site: Site, name: str, people_limit: int, groups_limit: int = 1
) -> Venue:
    """Add a hall for `people_limit` people, and so many groups at once."""
    venue = Venue(site_id=site.id, name=name, people_limit=people_limit, groups_limit=groups_limit)
    session.add(venue)
    session.flush()
    return venue


def create(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    name: str,
    people_limit: int,
    groups_limit: int,
) -> Venue:
    """Add a hall in the name of an actor.

    Raises:
        SiteNotFound: there is no such site in the actor's scope.
        NotInScope: they may not change it.
        SiteClosed: it was closed for good.
        SiteIsFull: it has as many as it may.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id)
    require_room(session, select(Venue.id).where(Venue.site_id == site_id))
    return add(session, site=site, name=name, people_limit=people_limit, groups_limit=groups_limit)


def require_room(session: Session, theirs: SelectOfScalar[UUID], *, adding: int = 1) -> None:
    """Pass if `theirs` and as many more are not too many for one list.

    Raises:
        SiteIsFull: they are.
    """
    if len(session.exec(theirs.limit(MOST)).all()) + adding > MOST:
        raise SiteIsFull(limit=MOST)


def of(session: Session, *, site_id: UUID, venue_id: UUID) -> Venue:
    """Return a hall of a site.

    Raises:
        VenueNotFound: the site has none of this id.
    """
    venue = session.get(Venue, venue_id)
    if venue is None or venue.site_id != site_id:
        raise VenueNotFound
    return venue


def hold(session: Session, *, actor: Actor, venue_id: UUID) -> Venue:
    """Return a hall of a site that the actor may change now, the site locked.

    Raises:
        VenueNotFound: there is none in the actor's scope.
        NotInScope: they see the site, but may not change it.
        SiteClosed: the site was closed for good.
    """
    venue = session.get(Venue, venue_id)
    if venue is None:
        raise VenueNotFound
    try:
        site_scope.hold(session, actor=actor, site_id=venue.site_id)
    except sites.SiteNotFound as absent:
        raise VenueNotFound from absent
    session.refresh(venue)
    return venue


def seen(session: Session, *, actor: Actor | None, venue_id: UUID) -> Venue:
    """Return a hall as somebody may see it: in use at a published site, or of their scope.

    Raises:
        VenueNotFound: there is none for them.
    """
    venue = session.get(Venue, venue_id)
    if venue is None:
        raise VenueNotFound
    try:
        _, inside = look(session, actor=actor, site_id=venue.site_id)
    except sites.SiteNotFound as absent:
        raise VenueNotFound from absent
    if not venue.active and not inside:
        raise VenueNotFound
    return venue


def look(session: Session, *, actor: Actor | None, site_id: UUID) -> tuple[Site, bool]:
    """Return a site, and whether it is in the actor's scope, where they see what is out of use.

    Raises:
        SiteNotFound: there is none, or it is not published and not in the actor's scope.
    """
    if actor is not None:
        theirs = site_scope.visible(actor).where(Site.id == site_id)
        site = session.exec(theirs).one_or_none()
        if site is not None:
            return site, True
    return sites.published(session, site_id=site_id), False


def listed(session: Session, *, actor: Actor | None, site_id: UUID) -> Sequence[Venue]:
    """Return the halls of a site, first added first; those out of use for its keepers alone.

    Raises:
        SiteNotFound: as `look`.
    """
    _, inside = look(session, actor=actor, site_id=site_id)
    wanted = select(Venue).where(Venue.site_id == site_id).order_by(col(Venue.id))
    return session.exec(wanted if inside else wanted.where(col(Venue.active))).all()


def change(
    session: Session,
    *,
    actor: Actor,
    venue_id: UUID,
    version: int,
    changes: Changes,
    now: datetime,
) -> Venue:
    """Change a hall; its sessions to come follow as far as what is held in them allows.

    Args:
        session: open transaction.
        actor: who changes it.
        venue_id: which.
        version: the one the actor saw.
        changes: what becomes different.
        now: the present instant, aware.

    Raises:
        VenueNotFound, NotInScope, SiteClosed: as `hold`.
        Stale: it has another version by now.
    """
    venue = hold(session, actor=actor, venue_id=venue_id)
    if venue.version != version:
        raise Stale
    sessions.hold(session, site_id=venue.site_id, now=now)
    before = {"old_people": venue.people_limit, "old_groups": venue.groups_limit}
    for name, value in changes.items():
        setattr(venue, name, value)
    venue.version += 1
    session.flush()
    after = {"people": venue.people_limit, "groups": venue.groups_limit}
    session.connection().execute(_FIT, before | after | {"venue": venue.id, "now": now})
    sessions.remake(session, site_id=venue.site_id, now=now)
    return venue
