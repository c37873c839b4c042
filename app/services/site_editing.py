"""Drafting and changing sites in the name of somebody: what they are, and where."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlmodel import Session

from app.db import violating
from app.errors import Conflict
from app.models import Category, Organisation, OrganisationKind, Site, SiteKind
from app.services import locations, organisations, site_scope, sites
from app.services.access import Actor, NotInScope, is_below
from app.services.locations import Typed
from app.services.site_scope import STAFF
from app.services.sites import CODE_ONCE, SiteCodeTaken

DISTRICTS_OWN = frozenset({"code", "town_id", "honours", "ticketed"})
"""What a manager does not change of their own site."""


class NotATown(Conflict):
    """A site lies in a town of its own district."""

    zh = "阵地须属于本区的镇街"


class Facts(TypedDict):
    """What a site is, but for where."""

    code: str
    name: str
    short_name: str
    category: Category
    kinds: Sequence[SiteKind]
    address: str
    summary: str
    introduction: str
    contact_name: str
    contact_phone: str
    parking_cars: int
    parking_coaches: int
    step_free: bool
    ticketed: bool
    lend: Sequence[str]
    honours: Sequence[str]


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays."""

    code: str
    name: str
    short_name: str
    category: Category
    kinds: list[SiteKind]
    town_id: UUID
    address: str
    summary: str
    introduction: str
    contact_name: str
    contact_phone: str
    parking_cars: int
    parking_coaches: int
    step_free: bool
    ticketed: bool
    lend: list[str]
    honours: list[str]


def draft(
    session: Session,
    *,
    actor: Actor,
    town_id: UUID,
    typed: Typed,
    confirmed_outside: bool,
    facts: Facts,
) -> Site:
    """Draft a site in a town.

    Args:
        session: open transaction.
        actor: who drafts it.
        town_id: where it lies.
        typed: where exactly.
        confirmed_outside: the actor says that this is meant even outside the outline.
        facts: what it is.

    Raises:
        OrganisationNotFound: the actor sees no such town.
        NotInScope: they draft no sites there.
        NotATown: it is another kind of organisation.
        OutsideDistrict: the point is outside the district, and nobody says that it is meant.
        SiteCodeTaken: another site has the code.
    """
    town = organisations.get(session, actor=actor, organisation_id=town_id)
    held = [
        g.role for g in actor.grants if g.role in STAFF and g.path and is_below(town.path, g.path)
    ]
    if not held:
        raise NotInScope(roles=[str(role) for role in STAFF])
    actor.act_as(held)
    _require_town(town, town.district_id)
    return sites.create(
        session,
        district_id=town.district_id,
        town_id=town.id,
        at=typed.at,
        crs=typed.crs,
        gate=typed.gate,
        source_note=typed.note,
        confirmed_outside_by=actor.account_id if confirmed_outside else None,
        **facts,
    )


def change(
    session: Session, *, actor: Actor, site_id: UUID, version: int, changes: Changes
) -> Site:
    """Change what a site is; another phone is not confirmed any more.

    Args:
        session: open transaction.
        actor: who changes it.
        site_id: which.
        version: the one the actor saw.
        changes: what becomes different.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they may not change it, or not this of it.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
        OrganisationNotFound: the actor sees no such town.
        NotATown: that is none of the site's district.
        SiteCodeTaken: another site has the code.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version)
    new = {name: value for name, value in changes.items() if value != getattr(site, name)}
    if new.keys() & DISTRICTS_OWN:
        site_scope.require(session, actor=actor, site=site, roles=STAFF)
    if "town_id" in new:
        town = organisations.get(session, actor=actor, organisation_id=changes["town_id"])
        _require_town(town, site.district_id)
    if "contact_phone" in new:
        new |= {"phone_confirmed_at": None, "phone_confirmed_by": None}
    with violating(CODE_ONCE, SiteCodeTaken(site_code=changes.get("code", site.code))):
        _write(session, site, new)
    return site


def relocate(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    version: int,
    typed: Typed,
    confirmed_outside: bool,
) -> Site:
    """Put a site where it is; once moved, its place is not verified any more.

    Args:
        session: open transaction.
        actor: who says so.
        site_id: which.
        version: the one the actor saw.
        typed: where it is.
        confirmed_outside: the actor, who is staff, says that this is meant even outside the
            outline.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they may not move it, or not confirm that it lies outside.
        SiteClosed: it was closed for good.
        Stale: it has another version by now.
        OutsideDistrict: the point is outside the district, and nobody says that it is meant.
    """
    roles = STAFF if confirmed_outside else site_scope.KEEPERS
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version, roles=roles)
    by = actor.account_id if confirmed_outside else None
    new = locations.columns(session, district_id=site.district_id, typed=typed, confirmed_by=by)
    if locations.is_moved(site, typed):
        new |= {"location_verified_at": None, "location_verified_by": None}
    _write(session, site, new)
    return site


def verify_location(
    session: Session, *, actor: Actor, site_id: UUID, version: int, now: datetime
) -> Site:
    """Record that the actor compared a site's point with the ground.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they may not say so.
        SiteClosed: it was closed for good.
        Stale: it has another version by now, so that another point may be meant.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version)
    sites.verify_location(session, site=site, by=actor.account_id, now=now)
    return site


def confirm_phone(
    session: Session, *, actor: Actor, site_id: UUID, version: int, now: datetime
) -> Site:
    """Record that the actor rang a site's number, and that it is right.

    Raises:
        SiteNotFound: there is none, or it is outside the actor's scope.
        NotInScope: they may not say so.
        SiteClosed: it was closed for good.
        Stale: it has another version by now, so that another number may be meant.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id, version=version)
    _write(session, site, {"phone_confirmed_at": now, "phone_confirmed_by": actor.account_id})
    return site


def _require_town(town: Organisation, district_id: UUID) -> None:
    if town.kind != OrganisationKind.TOWN or town.district_id != district_id:
        raise NotATown


def _write(session: Session, site: Site, new: dict[str, object]) -> None:
    for name, value in new.items():
        setattr(site, name, value)
    site.version += 1
    session.flush()
