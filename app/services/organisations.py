"""The tree of party organisations: planting, and who may look."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from geoalchemy2 import WKBElement
from geoalchemy2.shape import from_shape
from shapely import Point
from sqlalchemy import ColumnElement, false, or_, true
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar
from uuid_utils.compat import uuid7

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import Organisation, OrganisationKind, Role, Sector
from app.services.access import OVERSEERS, Actor, hangs_below

CODE_ONCE = "organisation_code_key"
WGS84 = 4326
_WILD = re.compile(r"[\\%_]")


class OrganisationNotFound(NotFound):
    """There is no such organisation, or it is not yours to see."""

    zh = "未找到该党组织"


class OrganisationCodeTaken(Conflict):
    """Another organisation has this code."""

    zh = "党组织代码已存在"


@dataclass(frozen=True)
class Sapling:
    """An organisation to be planted.

    Attributes:
        name: as people call it.
        code: unique in the deployment.
        kind: where in the tree it stands.
        parent: planted before; None only for a district.
        sector: None where there is none, as for a committee.
        member_count: party members, 0 or more.
        outside: from another district, let in by this one.
        location: (longitude, latitude) in degrees, WGS-84.
        place: what a map calls it; a town's is its name, unless another is given.
    """

    name: str
    code: str
    kind: OrganisationKind
    parent: Organisation | None
    sector: Sector | None = None
    member_count: int = 0
    outside: bool = False
    location: tuple[float, float] | None = None
    place: str | None = None


def create(
    session: Session,
    *,
    name: str,
    code: str,
    kind: OrganisationKind,
    parent: Organisation | None,
    sector: Sector | None = None,
    member_count: int = 0,
    outside: bool = False,
    location: tuple[float, float] | None = None,
    place: str | None = None,
) -> Organisation:
    """Plant one organisation under `parent`; see `Sapling` for the arguments.

    Raises:
        OrganisationCodeTaken: another one has the code.
    """
    sapling = Sapling(
        name=name,
        code=code,
        kind=kind,
        parent=parent,
        sector=sector,
        member_count=member_count,
        outside=outside,
        location=location,
        place=place,
    )
    return create_many(session, saplings=[sapling])[0]


def create_many(session: Session, *, saplings: Iterable[Sapling]) -> list[Organisation]:
    """Plant many organisations, in order, by one statement for a thousand of them.

    Args:
        session: open transaction.
        saplings: their parents are planted already.

    Raises:
        OrganisationCodeTaken: a code is used twice, here or before.
    """
    planted = [_planted(sapling) for sapling in saplings]
    session.add_all(planted)
    with violating(CODE_ONCE, OrganisationCodeTaken()):
        session.flush()
    return planted


def _planted(sapling: Sapling) -> Organisation:
    own_id, parent = uuid7(), sapling.parent
    return Organisation(
        id=own_id,
        name=sapling.name,
        place=sapling.place or (sapling.name if sapling.kind == OrganisationKind.TOWN else None),
        code=sapling.code,
        kind=sapling.kind,
        parent_id=parent.id if parent else None,
        district_id=parent.district_id if parent else own_id,
        path=f"{parent.path}.{own_id.hex}" if parent else own_id.hex,
        sector=sapling.sector,
        member_count=sapling.member_count,
        outside=sapling.outside,
        location=_point(sapling.location),
    )


def _point(location: tuple[float, float] | None) -> WKBElement | None:
    return from_shape(Point(*location), srid=WGS84) if location else None


def district(session: Session, *, code: str) -> Organisation:
    """Return the district with this code, whoever asks.

    Raises:
        OrganisationNotFound: there is none.
    """
    found = by_code(session, code=code)
    if found.kind != OrganisationKind.DISTRICT:
        raise OrganisationNotFound
    return found


def by_code(session: Session, *, code: str) -> Organisation:
    """Return the organisation with this code, whoever asks.

    Raises:
        OrganisationNotFound: there is none.
    """
    found = session.exec(select(Organisation).where(Organisation.code == code)).one_or_none()
    if found is None:
        raise OrganisationNotFound
    return found


def get(session: Session, *, actor: Actor, organisation_id: UUID) -> Organisation:
    """Return an organisation the actor may see.

    Raises:
        OrganisationNotFound: there is none, or it is outside the actor's scope.
    """
    wanted = visible(actor).where(col(Organisation.id) == organisation_id)
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise OrganisationNotFound
    return found


def organisations(
    *,
    actor: Actor,
    q: str | None = None,
    parent_id: UUID | None = None,
    sector: Sector | None = None,
    after: str | None = None,
    limit: int,
) -> SelectOfScalar[Organisation]:
    """Return the query for one page of what the actor may see, in the order of codes.

    Args:
        actor: who looks.
        q: part of a name.
        parent_id: only those right below this one.
        sector: only those of this sector.
        after: code of the last organisation of the page before.
        limit: most rows.
    """
    wanted = visible(actor).order_by(col(Organisation.code)).limit(limit)
    if q is not None:
        # ILIKE as such: on lower(name), which `icontains` would ask, there is no index.
        escaped = _WILD.sub(r"\\\g<0>", q)
        wanted = wanted.where(col(Organisation.name).ilike(f"%{escaped}%"))
    if parent_id is not None:
        wanted = wanted.where(col(Organisation.parent_id) == parent_id)
    if sector is not None:
        wanted = wanted.where(col(Organisation.sector) == sector)
    if after is not None:
        wanted = wanted.where(col(Organisation.code) > after)
    return wanted


def visible(actor: Actor) -> SelectOfScalar[Organisation]:
    """Return the query for what the actor may see.

    Their own organisations, and for staff and auditors all below; administrators see the whole
    tree, for that is where accounts are at home and roles are granted.
    """
    return select(Organisation).where(_in_scope(actor))


def _in_scope(actor: Actor) -> ColumnElement[bool]:
    if any(grant.role in {Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN} for grant in actor.grants):
        return true()
    own = [grant.organisation_id for grant in actor.grants if grant.organisation_id]
    reached = [hangs_below(col(Organisation.path), path) for path in actor.paths(*OVERSEERS)]
    return or_(false(), col(Organisation.id).in_(own), *reached)
