"""Planting, changing and moving organisations: who may, what hangs where, and one at a time."""

from typing import TypedDict
from uuid import UUID

from sqlalchemy import cast, func, update
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Stale
from app.models import Organisation, OrganisationKind, Role, Sector
from app.models.base import Ltree
from app.services import organisations
from app.services.access import Actor, NotInScope, hangs_below, is_below
from app.services.organisations import CODE_ONCE, OrganisationCodeTaken

_K = OrganisationKind
PARENTS: dict[OrganisationKind, tuple[OrganisationKind, ...]] = {
    _K.DISTRICT: (),
    _K.TOWN: (_K.DISTRICT,),
    _K.DEPARTMENT: (_K.DISTRICT, _K.TOWN, _K.DEPARTMENT),
    _K.GENERAL_BRANCH: (_K.DISTRICT, _K.TOWN, _K.DEPARTMENT),
    _K.BRANCH: (_K.DISTRICT, _K.TOWN, _K.DEPARTMENT, _K.GENERAL_BRANCH),
}
"""What hangs under what."""
BRANCHES = (_K.GENERAL_BRANCH, _K.BRANCH)
"""What a town plants and changes by itself; committees are the district's business."""
DEEPEST = 16
"""Most levels of the tree, the district among them; an index holds no path of any length."""
STAFF = (Role.DISTRICT_STAFF, Role.TOWN_STAFF)


class KindMisplaced(Conflict):
    """An organisation of this kind does not hang under one of that kind."""

    zh = "党组织类型与上级党组织类型不符"
    detail_en = "A {kind} does not hang under a {parent_kind}"
    detail_zh = "{parent_kind} 之下不能设 {kind}"


class OrganisationInACircle(Conflict):
    """An organisation cannot hang under itself, or under what hangs under it."""

    zh = "不能把党组织移到其自身或其下级之下"


class TreeTooDeep(Conflict):
    """The tree would have more levels than it may."""

    zh = "党组织层级过深"
    detail_en = "At most {limit} levels"
    detail_zh = "最多 {limit} 级"


class OtherDistrict(Conflict):
    """An organisation stays in its district."""

    zh = "党组织不能跨区调整"


class Changes(TypedDict, total=False):
    """What becomes different; what is absent stays."""

    name: str
    code: str
    sector: Sector | None
    member_count: int
    active: bool
    place: str | None
    parent_id: UUID


def roles_below(actor: Actor, *, kind: str, path: str) -> frozenset[Role]:
    """Return the roles by which an actor hangs a `kind` right below `path`, or takes it away."""
    fitting = STAFF if kind in BRANCHES else (Role.DISTRICT_STAFF,)
    held = [g for g in actor.grants if g.role in fitting and g.path and is_below(path, g.path)]
    return frozenset(grant.role for grant in held)


def roles_over(actor: Actor, *, kind: str, path: str) -> frozenset[Role]:
    """Return the roles by which an actor changes the `kind` at `path` where it hangs."""
    own = {Role.DISTRICT_STAFF} if path in actor.paths(Role.DISTRICT_STAFF) else set()
    return roles_below(actor, kind=kind, path=above(path)) | own


def above(path: str) -> str:
    """Return the path of the parent; nothing for a root."""
    return path.rpartition(".")[0]


def is_nested(kind: str, parent_kind: str) -> bool:
    """Tell whether a `kind` may hang under a `parent_kind`."""
    return parent_kind in PARENTS[OrganisationKind(kind)]


def plant(
    session: Session,
    *,
    actor: Actor,
    name: str,
    code: str,
    kind: OrganisationKind,
    parent_id: UUID,
    sector: Sector | None = None,
    member_count: int = 0,
    outside: bool = False,
    place: str | None = None,
) -> Organisation:
    """Plant an organisation in the name of an actor; see `organisations.Sapling`.

    Args:
        session: open transaction.
        actor: who plants.
        name: as people call it.
        code: unique in the deployment.
        kind: where in the tree it stands.
        parent_id: what it hangs under.
        sector: None where there is none.
        member_count: party members, 0 or more.
        outside: from another district, let in by this one.
        place: what a map calls it.

    Raises:
        OrganisationNotFound: the actor sees no such parent.
        NotInScope: they may not plant this kind there.
        KindMisplaced: this kind does not hang under the parent's.
        TreeTooDeep: it would hang below the deepest level.
        OrganisationCodeTaken: another one has the code.
    """
    parent = organisations.get(session, actor=actor, organisation_id=parent_id)
    hold(session, district_id=parent.district_id, moving=False)
    session.refresh(parent)
    _require(actor, roles_below(actor, kind=kind, path=parent.path))
    _nest(kind, parent)
    if parent.path.count(".") + 1 >= DEEPEST:
        raise TreeTooDeep(limit=DEEPEST)
    return organisations.create(
        session,
        name=name,
        code=code,
        kind=kind,
        parent=parent,
        sector=sector,
        member_count=member_count,
        outside=outside,
        place=place,
    )


def change(
    session: Session, *, actor: Actor, organisation_id: UUID, version: int, changes: Changes
) -> Organisation:
    """Change an organisation, and move it with all below it if it gets another parent.

    Args:
        session: open transaction.
        actor: who changes it.
        organisation_id: which.
        version: the one the actor saw.
        changes: what becomes different.

    Raises:
        OrganisationNotFound: the actor does not see it, or not the new parent.
        NotInScope: they may not change it, or not take it from where it is to where it goes.
        Stale: it has another version by now.
        OrganisationCodeTaken: another one has the code.
        KindMisplaced: it does not hang under the new parent's kind.
        OrganisationInACircle: the new parent hangs below it.
        OtherDistrict: the new parent is another district's.
        TreeTooDeep: some of what moves would hang below the deepest level.
    """
    node = organisations.get(session, actor=actor, organisation_id=organisation_id)
    target = changes.get("parent_id")
    if target is not None:
        hold(session, district_id=node.district_id, moving=True)
    session.refresh(node, with_for_update={"key_share": True})
    _require(actor, roles_over(actor, kind=node.kind, path=node.path))
    if node.version != version:
        raise Stale
    moving = target is not None and target != node.parent_id
    parent = _new_parent(session, actor, node, target) if moving and target else None
    old_path = node.path
    for name, value in changes.items():
        setattr(node, name, value)
    if node.kind == OrganisationKind.TOWN and node.place is None:
        node.place = node.name
    node.version += 1
    with violating(CODE_ONCE, OrganisationCodeTaken()):
        session.flush()
    if parent is not None:
        _rehang(session, old_path, parent.path)
        check_depth(session, path=node.path)
    return node


def hold(session: Session, *, district_id: UUID, moving: bool) -> None:
    """Keep the paths of a district as they are until the transaction ends.

    Who plants shares this with others who plant; who moves is alone. So a second move waits, and
    reads the tree as the first has left it. References to the district do not wait for either.
    """
    root = select(Organisation.id).where(Organisation.id == district_id)
    lock = root.with_for_update(key_share=True) if moving else root.with_for_update(read=True)
    session.exec(lock).one()


def check_depth(session: Session, *, path: str) -> None:
    """Pass if nothing at `path` or below it hangs deeper than it may.

    Raises:
        TreeTooDeep: something does.
    """
    column = col(Organisation.path)
    deepest = select(func.max(func.nlevel(column))).where(hangs_below(column, path))
    if session.exec(deepest).one() > DEEPEST:
        raise TreeTooDeep(limit=DEEPEST)


def _new_parent(session: Session, actor: Actor, node: Organisation, target: UUID) -> Organisation:
    parent = organisations.get(session, actor=actor, organisation_id=target)
    session.refresh(parent)
    for end in (above(node.path), parent.path):
        _require(actor, roles_below(actor, kind=node.kind, path=end))
    if parent.district_id != node.district_id:
        raise OtherDistrict
    if is_below(parent.path, node.path):
        raise OrganisationInACircle
    _nest(node.kind, parent)
    return parent


def _rehang(session: Session, path: str, parent_path: str) -> None:
    """Write the paths of a subtree anew, in one statement."""
    root, onto = cast(path, Ltree), cast(parent_path, Ltree)
    column = col(Organisation.path)
    tail = func.subpath(column, func.nlevel(root) - 1)
    moved = update(Organisation).where(hangs_below(column, path)).values(path=onto.op("||")(tail))
    session.exec(moved.execution_options(synchronize_session=False))
    session.expire_all()


def _require(actor: Actor, roles: frozenset[Role]) -> None:
    if not roles:
        raise NotInScope(roles=[str(role) for role in STAFF])
    actor.act_as(roles)


def _nest(kind: str, parent: Organisation) -> None:
    if not is_nested(kind, parent.kind):
        allowed = [str(one) for one in PARENTS[OrganisationKind(kind)]]
        raise KindMisplaced(kind=str(kind), parent_kind=parent.kind, allowed=allowed)
