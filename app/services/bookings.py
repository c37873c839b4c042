"""Bookings as read: who sees which, and all that is shown of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import BindParameter, ColumnElement, Uuid, bindparam, false, func, or_, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import NotFound
from app.models import (
    Account,
    Booking,
    BookingEvent,
    BookingProgramme,
    BookingSession,
    Organisation,
    Programme,
    Review,
    Role,
    Site,
    Subsidy,
    SubsidyRule,
    Venue,
    Visit,
)
from app.services.access import OVERSEERS, Actor, below
from app.services.codes import number_of

_PLACES = "bookings.places"


class BookingNotFound(NotFound):
    """There is no such booking, or it is not yours to see."""

    zh = "未找到该预约"


class Scope(StrEnum):
    """Whose bookings: my branches', my sites', or all in my subtree."""

    MINE = "mine"
    SITE = "site"
    DISTRICT = "district"


def _mine(actor: Actor) -> ColumnElement[bool]:
    return col(Booking.organisation_id).in_(actor.organisations(Role.ORGANISER, Role.MEMBER))


def _at_my_sites(actor: Actor) -> ColumnElement[bool]:
    return col(Booking.site_id).in_(actor.sites())


def _overseen(actor: Actor) -> ColumnElement[bool]:
    paths = actor.paths(*OVERSEERS)
    if not paths:
        return false()
    at_site = select(Site.town_id).where(Site.id == Booking.site_id)
    town = at_site.correlate(Booking).scalar_subquery()  # two levels up, so it must be told
    return or_(below(col(Booking.organisation_id), paths), below(town, paths))


_SCOPES = {Scope.MINE: _mine, Scope.SITE: _at_my_sites, Scope.DISTRICT: _overseen}


def visible(actor: Actor, scope: Scope | None = None) -> SelectOfScalar[Booking]:
    """Return the bookings an actor may see, all of them or those of one scope.

    A branch sees its own, a manager those at the sites, staff and auditors those of branches and
    of sites below them; a system administrator sees none.
    """
    return select(Booking).where(within(actor, *([scope] if scope else Scope)))


def within(actor: Actor, *scopes: Scope) -> ColumnElement[bool]:
    """Say in SQL that a booking is in one of an actor's scopes."""
    return or_(*(_SCOPES[scope](actor) for scope in scopes))


def matching(q: str) -> ColumnElement[bool]:
    """Say which bookings a reader means by `q`: a code, or part of a contact's name."""
    number = number_of(q.strip())
    if number is not None:
        return col(Booking.number) == number
    return col(Booking.contact_name).contains(q.strip(), autoescape=True)


@dataclass(frozen=True)
class Named:
    """An id with the name to show for it."""

    id: UUID
    name: str


@dataclass(frozen=True)
class View:
    """A booking with everything shown of it."""

    booking: Booking
    site: Named
    venue: Named
    organisation: Named
    session_ids: list[UUID]
    programmes: list[Named]
    visit: Visit | None
    subsidy: Subsidy | None
    rule_version: int | None
    reviewed: bool
    roles: frozenset[Role]


_IDS: BindParameter[UUID] = bindparam("ids", expanding=True)
_TOWN, _BRANCH = aliased(Organisation), aliased(Organisation)
_SLOTS = (
    sqlalchemy.select(col(BookingSession.session_id))
    .where(col(BookingSession.booking_id) == Booking.id)
    .order_by(col(BookingSession.session_id))
    .correlate(Booking)
)
_MENU = (
    sqlalchemy.select(col(Programme.id))
    .join(BookingProgramme, col(BookingProgramme.programme_id) == Programme.id)
    .where(col(BookingProgramme.booking_id) == Booking.id)
    .order_by(col(Programme.id))
    .correlate(Booking)
)
_SHOWN = (  # made once: every answer with a booking asks it
    sqlalchemy.select(
        col(Booking.id),
        func.array(_SLOTS.scalar_subquery(), type_=ARRAY(Uuid)),
        func.array(_MENU.scalar_subquery(), type_=ARRAY(Uuid)),
        func.array(_MENU.with_only_columns(col(Programme.name)).scalar_subquery()),
        col(Site.name),
        col(Venue.name),
        col(_BRANCH.name),
        col(_BRANCH.path),
        col(_TOWN.path),
        Visit,
        Subsidy,
        col(SubsidyRule.version),
        col(Review.id),
    )
    .join(Site, col(Site.id) == Booking.site_id)
    .join(_TOWN, col(_TOWN.id) == Site.town_id)
    .join(Venue, col(Venue.id) == Booking.venue_id)
    .join(_BRANCH, col(_BRANCH.id) == Booking.organisation_id)
    .outerjoin(Visit, col(Visit.booking_id) == Booking.id)
    .outerjoin(Subsidy, col(Subsidy.booking_id) == Booking.id)
    .outerjoin(SubsidyRule, col(SubsidyRule.id) == Subsidy.rule_id)
    .outerjoin(Review, col(Review.booking_id) == Booking.id)
    .where(col(Booking.id).in_(_IDS))
)


def views(session: Session, bookings: Sequence[Booking], *, actor: Actor) -> list[View]:
    """Return what is shown of `bookings`, in their order; one statement, however many."""
    ids = [booking.id for booking in bookings]
    rows = session.exec(_SHOWN, params={"ids": ids})  # type: ignore[call-overload]
    by_id = {row[0]: tuple(row) for row in rows}
    return [_view(booking, by_id[booking.id], actor) for booking in bookings]


def _view(booking: Booking, row: tuple[Any, ...], actor: Actor) -> View:
    _, slots, items, names, site, venue, branch, *paths, visit, subsidy, version, review = row
    return View(
        booking=booking,
        site=Named(booking.site_id, site),
        venue=Named(booking.venue_id, venue),
        organisation=Named(booking.organisation_id, branch),
        session_ids=slots,
        programmes=[Named(*item) for item in zip(items, names, strict=True)],
        visit=visit,
        subsidy=subsidy,
        rule_version=version,
        reviewed=review is not None,
        roles=actor.roles_at(
            *paths, organisation_id=booking.organisation_id, site_id=booking.site_id
        ),
    )


def programme_names(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return the names of what bookings order; one that orders nothing has no line."""
    found: dict[UUID, list[str]] = defaultdict(list)
    rows = session.exec(
        select(BookingProgramme.booking_id, Programme.name)
        .join(Programme, col(Programme.id) == BookingProgramme.programme_id)
        .where(col(BookingProgramme.booking_id).in_(ids))
        .order_by(col(Programme.id))
    )
    for booking_id, name in rows:
        found[booking_id].append(name)
    return found


def get(session: Session, *, actor: Actor, booking_id: UUID, lock: bool = False) -> Booking:
    """Return one booking the actor may see, as it is now.

    Args:
        session: open transaction.
        actor: who asks.
        booking_id: which.
        lock: keep everybody else from changing it until the transaction ends.

    Raises:
        BookingNotFound: there is none, or it is not theirs to see.
    """
    wanted = visible(actor).where(Booking.id == booking_id)
    if lock:
        wanted = wanted.with_for_update(key_share=True, of=Booking)
    found = session.exec(wanted.execution_options(populate_existing=True)).first()
    if found is None:
        raise BookingNotFound(booking_id=booking_id)
    return found


def events(session: Session, *, booking_id: UUID) -> list[tuple[BookingEvent, str | None]]:
    """Return the steps of a booking, oldest first, each with its actor's name if it had one."""
    rows = session.exec(
        select(BookingEvent, Account.name)
        .outerjoin(Account, col(Account.id) == BookingEvent.actor_id)
        .where(BookingEvent.booking_id == booking_id)
        .order_by(col(BookingEvent.version))
    )
    return [(event, name) for event, name in rows]


def place_of(session: Session, booking: Booking) -> tuple[Site, Organisation]:
    """Return where a booking is for, and the branch it is of."""
    site = session.get_one(Site, booking.site_id)
    branch = session.get_one(Organisation, booking.organisation_id)
    # A session forgets what nobody refers to, and would ask for it again at each step of a move.
    session.info.setdefault(_PLACES, {}).update({site.id: site, branch.id: branch})
    return site, branch


def roles(session: Session, booking: Booking, *, actor: Actor) -> frozenset[Role]:
    """Return the roles an actor has over one booking."""
    site, branch = place_of(session, booking)
    town = session.get_one(Organisation, site.town_id)
    return actor.roles_at(branch.path, town.path, organisation_id=branch.id, site_id=site.id)


def session_ids(session: Session, booking: Booking) -> list[UUID]:
    """Return the sessions a booking is for."""
    theirs = select(BookingSession.session_id).where(BookingSession.booking_id == booking.id)
    return list(session.exec(theirs.order_by(col(BookingSession.session_id))))


def programme_kinds(session: Session, booking: Booking) -> list[str]:
    """Return the kinds of what a booking orders."""
    kinds = session.exec(
        select(Programme.kind)
        .join(BookingProgramme, col(BookingProgramme.programme_id) == Programme.id)
        .where(BookingProgramme.booking_id == booking.id)
    )
    return list(kinds.all())


def page(
    session: Session,
    wanted: SelectOfScalar[Booking],
    *,
    soonest: bool,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Booking]:
    """Return one more than `limit` of `wanted`, by start, so that the caller sees if more follow.

    Args:
        session: open transaction.
        wanted: which bookings.
        soonest: soonest first, else latest first.
        after: start and id of the last one of the page before.
        limit: length of a page.
    """
    keys = tuple_(col(Booking.starts_at), col(Booking.id))
    if after is not None:
        last = tuple_(*after)
        wanted = wanted.where(keys > last if soonest else keys < last)
    order = [col(Booking.starts_at), col(Booking.id)]
    wanted = wanted.order_by(*(key.asc() if soonest else key.desc() for key in order))
    return list(session.exec(wanted.limit(limit + 1)).all())
