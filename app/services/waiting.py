"""Entries of waitlists as read: who sees which, and all that is shown of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import NotFound
from app.models import (
    Organisation,
    Programme,
    Role,
    Site,
    Venue,
    VenueSession,
    WaitlistEntry,
    WaitlistProgramme,
    WaitlistStatus,
)
from app.services import queues
from app.services.access import OVERSEERS, Actor, below
from app.services.bookings import Named, Scope

W = WaitlistStatus


class WaitlistEntryNotFound(NotFound):
    """There is no such entry, or it is not yours to see."""

    zh = "未找到该候补"


def _mine(actor: Actor) -> ColumnElement[bool]:
    theirs = actor.organisations(Role.ORGANISER, Role.MEMBER)
    return col(WaitlistEntry.organisation_id).in_(theirs)


def _at_my_sites(actor: Actor) -> ColumnElement[bool]:
    return col(WaitlistEntry.site_id).in_(actor.sites())


def _overseen(actor: Actor) -> ColumnElement[bool]:
    paths = actor.paths(*OVERSEERS)
    at_site = select(Site.town_id).where(Site.id == WaitlistEntry.site_id)
    town = at_site.correlate(WaitlistEntry).scalar_subquery()
    return or_(below(col(WaitlistEntry.organisation_id), paths), below(town, paths))


_SCOPES = {Scope.MINE: _mine, Scope.SITE: _at_my_sites, Scope.DISTRICT: _overseen}


def visible(actor: Actor, scope: Scope | None = None) -> SelectOfScalar[WaitlistEntry]:
    """Return the entries an actor may see, all or those of one scope; as `bookings.visible`."""
    scopes = [scope] if scope else list(Scope)
    return select(WaitlistEntry).where(or_(*(_SCOPES[each](actor) for each in scopes)))


def get(session: Session, *, actor: Actor, entry_id: UUID) -> WaitlistEntry:
    """Return one entry the actor may see.

    Raises:
        WaitlistEntryNotFound: there is none, or it is not theirs to see.
    """
    entry = session.exec(visible(actor).where(WaitlistEntry.id == entry_id)).first()
    if entry is None:
        raise WaitlistEntryNotFound(entry_id=entry_id)
    return entry


@dataclass(frozen=True)
class View:
    """An entry with everything shown of it; `ahead` wait before it, if it waits."""

    entry: WaitlistEntry
    slot: VenueSession
    status: WaitlistStatus
    site: Named
    venue: Named
    organisation: Named
    programmes: list[Named]
    ahead: int | None
    is_own: bool


def views(
    session: Session, entries: Sequence[WaitlistEntry], *, actor: Actor, now: datetime
) -> list[View]:
    """Return what is shown of `entries`, in their order; two statements, however many."""
    ids = [entry.id for entry in entries]
    before = aliased(WaitlistEntry)
    ahead = (
        select(func.count())
        .where(
            before.session_id == WaitlistEntry.session_id,
            before.status == W.WAITING,
            col(before.number) < WaitlistEntry.number,
        )
        .scalar_subquery()
    )
    rows = session.exec(
        select(WaitlistEntry.id, VenueSession, Site.name, Venue.name, Organisation.name, ahead)  # type: ignore[call-overload]
        .join(VenueSession, col(VenueSession.id) == WaitlistEntry.session_id)
        .join(Site, col(Site.id) == WaitlistEntry.site_id)
        .join(Venue, col(Venue.id) == VenueSession.venue_id)
        .join(Organisation, col(Organisation.id) == WaitlistEntry.organisation_id)
        .where(col(WaitlistEntry.id).in_(ids))
    ).all()
    by_id = {row[0]: tuple(row) for row in rows}
    menus = programmes(session, ids)
    own = actor.organisations(Role.ORGANISER)

    def view(entry: WaitlistEntry) -> View:
        _, slot, site, venue, branch, before_it = by_id[entry.id]
        status = queues.status_at(entry, slot, now)
        return View(
            entry=entry,
            slot=slot,
            status=status,
            site=Named(entry.site_id, site),
            venue=Named(slot.venue_id, venue),
            organisation=Named(entry.organisation_id, branch),
            programmes=menus[entry.id],
            ahead=before_it if status == W.WAITING else None,
            is_own=entry.organisation_id in own,
        )

    return [view(entry) for entry in entries]


def programmes(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[Named]]:
    """Return what entries would order."""
    found: dict[UUID, list[Named]] = defaultdict(list)
    rows = session.exec(
        select(WaitlistProgramme.entry_id, Programme.id, Programme.name)
        .join(Programme, col(Programme.id) == WaitlistProgramme.programme_id)
        .where(col(WaitlistProgramme.entry_id).in_(ids))
        .order_by(col(Programme.id))
    )
    for entry_id, programme_id, name in rows:
        found[entry_id].append(Named(programme_id, name))
    return found


def page(
    session: Session,
    wanted: SelectOfScalar[WaitlistEntry],
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[WaitlistEntry]:
    """Return one more than `limit` of `wanted`, newest first.

    Args:
        session: open transaction.
        wanted: which entries.
        after: birth and id of the last one of the page before.
        limit: length of a page.
    """
    keys = (col(WaitlistEntry.created_at), col(WaitlistEntry.id))
    if after is not None:
        wanted = wanted.where(tuple_(*keys) < tuple_(*after))
    latest = [key.desc() for key in keys]
    return list(session.exec(wanted.order_by(*latest).limit(limit + 1)).all())
