"""Roles of people at places: which they hold, and giving them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Malformed
from app.models import Grant, Organisation, Role, Site

GRANT_ONCE = "role_grant_once"
SCOPE_FITS = "role_grant_scope_fits_role_check"


class AlreadyGranted(Conflict):
    """The person has this role there already."""

    zh = "该人员已有此角色"


class ScopeUnfit(Malformed):
    """This role is not given at such a place."""

    zh = "角色与授权范围不符"


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


def grant(
    session: Session,
    *,
    account_id: UUID,
    role: Role,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> Grant:
    """Give a person a role at one place.

    Args:
        session: open transaction.
        account_id: the person.
        role: what they become.
        organisation_id: where, for all roles but the next two.
        site_id: where, for a site manager; a system administrator has no place.
        ends_at: first instant without it, aware; None for good.

    Raises:
        AlreadyGranted: they have exactly this, in force or lapsed.
        ScopeUnfit: the place is not of the kind the role needs.
    """
    given = Grant(
        account_id=account_id,
        role=role,
        organisation_id=organisation_id,
        site_id=site_id,
        ends_at=ends_at,
    )
    session.add(given)
    with violating(GRANT_ONCE, AlreadyGranted()), violating(SCOPE_FITS, ScopeUnfit()):
        session.flush()
    return given


def grants_of(session: Session, *, account_id: UUID, now: datetime) -> list[Granted]:
    """Return what a person holds at the aware instant `now`, in the order it was given."""
    rows = session.exec(
        select(Grant, Organisation.name, Site.name)
        .outerjoin(Organisation, col(Organisation.id) == Grant.organisation_id)
        .outerjoin(Site, col(Site.id) == Grant.site_id)
        .where(
            Grant.account_id == account_id,
            or_(col(Grant.ends_at).is_(None), col(Grant.ends_at) > now),
        )
        .order_by(col(Grant.id))
    ).all()
    return [
        Granted(
            id=held.id,
            role=Role(held.role),
            organisation=_place(held.organisation_id, organisation),
            site=_place(held.site_id, site),
        )
        for held, organisation, site in rows
    ]


def _place(place_id: UUID | None, name: str | None) -> Place | None:
    return None if place_id is None or name is None else Place(place_id, name)
