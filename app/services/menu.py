"""The menu of a site (菜单): what a branch may order with a session."""

from collections.abc import Sequence
from typing import TypedDict
from uuid import UUID

from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound, Stale
from app.models import Programme, ProgrammeKind, Site
from app.services import site_scope, sites, venues
from app.services.access import Actor


class ProgrammeNotFound(NotFound):
    """There is no such menu item, or it is not yours to see."""

    zh = "未找到该菜单项"


class CaseMisplaced(Conflict):
    """Only a training case has roles and steps."""

    zh = "只有实训案例可以设置角色和步骤"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays."""

    name: str
    description: str
    minutes: int
    people_limit: int
    roles: list[dict[str, str]]
    steps: list[dict[str, str]]
    active: bool


def add(
    session: Session,
    *,
    site: Site,
    kind: ProgrammeKind,
    name: str,
    minutes: int,
    people_limit: int,
    description: str = "",
    needs_guide: bool = False,
    roles: Sequence[dict[str, str]] = (),
    steps: Sequence[dict[str, str]] = (),
) -> Programme:
    """Add a menu item.

    Args:
        session: open transaction.
        site: whose menu.
        kind: what it is.
        name: as people call it.
        minutes: how long it takes.
        people_limit: the largest group.
        description: how it goes.
        needs_guide: whether somebody of the site has to be there.
        roles: of a training case: `{"name", "colour"}`, the colour `#rrggbb`.
        steps: of a training case: `{"title", "detail"}`, in their order.

    Raises:
        CaseMisplaced: roles or steps for something else than a training case.
    """
    programme = Programme(
        site_id=site.id,
        kind=kind,
        name=name,
        description=description,
        minutes=minutes,
        people_limit=people_limit,
        needs_guide=needs_guide,
        roles=list(roles),
        steps=list(steps),
    )
    _require_case(programme)
    session.add(programme)
    session.flush()
    return programme


def create(
    session: Session,
    *,
    actor: Actor,
    site_id: UUID,
    kind: ProgrammeKind,
    name: str,
    minutes: int,
    people_limit: int,
    description: str,
    needs_guide: bool,
    roles: Sequence[dict[str, str]],
    steps: Sequence[dict[str, str]],
) -> Programme:
    """Add a menu item in the name of an actor; see `add`.

    Raises:
        SiteNotFound: there is no such site in the actor's scope.
        NotInScope: they may not change it.
        SiteClosed: it was closed for good.
        CaseMisplaced: roles or steps for something else than a training case.
        SiteIsFull: it has as many as it may.
    """
    site = site_scope.hold(session, actor=actor, site_id=site_id)
    venues.require_room(session, select(Programme.id).where(Programme.site_id == site_id))
    return add(
        session,
        site=site,
        kind=kind,
        name=name,
        minutes=minutes,
        people_limit=people_limit,
        description=description,
        needs_guide=needs_guide,
        roles=roles,
        steps=steps,
    )


def listed(session: Session, *, actor: Actor | None, site_id: UUID) -> Sequence[Programme]:
    """Return the menu of a site, first added first; what is out of use for its keepers alone.

    Raises:
        SiteNotFound: as `venues.look`.
    """
    _, inside = venues.look(session, actor=actor, site_id=site_id)
    wanted = select(Programme).where(Programme.site_id == site_id).order_by(col(Programme.id))
    return session.exec(wanted if inside else wanted.where(col(Programme.active))).all()


def change(
    session: Session, *, actor: Actor, programme_id: UUID, version: int, changes: Changes
) -> Programme:
    """Change a menu item; who has ordered it keeps it, also when it is not active any more.

    Its kind, and whether it needs a guide, stay: bookings were judged by them.

    Args:
        session: open transaction; roll it back on any error.
        actor: who changes it.
        programme_id: which.
        version: the one the actor saw.
        changes: what becomes different.

    Raises:
        ProgrammeNotFound: there is none in the actor's scope.
        NotInScope: they see the site, but may not change it.
        SiteClosed: the site was closed for good.
        Stale: it has another version by now.
        CaseMisplaced: roles or steps for something else than a training case.
    """
    programme = session.get(Programme, programme_id)
    if programme is None:
        raise ProgrammeNotFound
    try:
        site_scope.hold(session, actor=actor, site_id=programme.site_id)
    except sites.SiteNotFound as absent:
        raise ProgrammeNotFound from absent
    session.refresh(programme, with_for_update={"key_share": True})
    if programme.version != version:
        raise Stale
    for name, value in changes.items():
        setattr(programme, name, value)
    programme.version += 1
    _require_case(programme)
    session.flush()
    return programme


def _require_case(programme: Programme) -> None:
    if programme.kind != ProgrammeKind.TRAINING_CASE and (programme.roles or programme.steps):
        raise CaseMisplaced
