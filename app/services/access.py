"""Who is asking, and where their roles reach."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Executable,
    and_,
    bindparam,
    cast,
    exists,
    false,
    or_,
)
from sqlalchemy.orm import aliased
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col

from app.errors import Forbidden, Unauthenticated
from app.models import Account, Grant, Organisation, Role
from app.models.base import Instant, Ltree

OVERSEERS = (Role.TOWN_STAFF, Role.DISTRICT_STAFF, Role.AUDITOR)
"""Roles that read everything below their organisation."""


class NotInScope(Forbidden):
    """Your role does not allow this here."""

    zh = "您的角色无权执行此操作"


@dataclass(frozen=True)
class Held:
    """A grant in force: a role, and its site or its organisation with its path in the tree."""

    role: Role
    organisation_id: UUID | None
    path: str | None
    site_id: UUID | None


@dataclass(frozen=True)
class Actor:
    """A signed-in person and their grants in force; `exercised` are the roles made use of."""

    account_id: UUID
    name: str
    grants: tuple[Held, ...]
    exercised: list[Role] = field(default_factory=list, compare=False, repr=False)

    def organisations(self, *roles: Role) -> list[UUID]:
        """Return where the actor has one of `roles`."""
        return [g.organisation_id for g in self.grants if g.role in roles and g.organisation_id]

    def sites(self) -> list[UUID]:
        """Return the sites the actor manages."""
        return [g.site_id for g in self.grants if g.site_id]

    def paths(self, *roles: Role) -> list[str]:
        """Return the roots of the subtrees the actor has one of `roles` over."""
        return [g.path for g in self.grants if g.role in roles and g.path]

    def roles_at(self, *paths: str, organisation_id: UUID, site_id: UUID) -> frozenset[Role]:
        """Return the roles the actor has over a row of one branch at one site.

        Args:
            paths: where the row hangs in the tree; a staff role over any of them counts.
            organisation_id: the branch.
            site_id: the site.
        """
        return frozenset(
            g.role
            for g in self.grants
            if g.site_id == site_id
            or (g.organisation_id == organisation_id and g.role in {Role.ORGANISER, Role.MEMBER})
            or (g.role in OVERSEERS and g.path and any(is_below(p, g.path) for p in paths))
        )

    def require(self, *roles: Role) -> None:
        """Pass if the actor has one of `roles` anywhere.

        Raises:
            NotInScope: they have none of them.
        """
        held = [g.role for g in self.grants if g.role in roles]
        if not held:
            raise NotInScope(roles=[str(role) for role in roles])
        self.act_as(held)

    def act_as(self, roles: Iterable[Role]) -> None:
        """Remember the roles that something was allowed to, for the audit log."""
        self.exercised.extend(sorted(roles))

    def acting_role(self) -> Role | None:
        """Return the role of what was done last; failing that the only one, or none."""
        held = {g.role for g in self.grants}
        return self.exercised[-1] if self.exercised else held.pop() if len(held) == 1 else None


def is_below(path: str, root: str) -> bool:
    """Tell whether the organisation at `path` is the one at `root` or below it."""
    return path == root or path.startswith(f"{root}.")


def in_force(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Say in SQL that a grant has not ended by the aware instant `now`."""
    return or_(col(Grant.ends_at).is_(None), col(Grant.ends_at) > now)


def _of_account() -> Executable:
    now, issued_at = (bindparam(name, type_=Instant) for name in ("now", "issued_at"))
    since = col(Account.logins_since)
    return (
        sqlalchemy.select(
            col(Account.name),
            col(Grant.role),
            col(Grant.organisation_id),
            col(Organisation.path),
            col(Grant.site_id),
        )
        .outerjoin(Grant, and_(col(Grant.account_id) == Account.id, in_force(now)))
        .outerjoin(Organisation, col(Organisation.id) == Grant.organisation_id)
        .where(
            col(Account.id) == bindparam("account_id"),
            col(Account.active),
            or_(since.is_(None), since <= issued_at),
        )
    )


_OF_ACCOUNT = _of_account()  # once: every request asks it


def load(
    session: Session, *, account_id: UUID, now: datetime, issued_at: datetime | None = None
) -> Actor:
    """Return the actor an access token names, with the grants in force at `now`.

    Args:
        session: open transaction.
        account_id: the token's.
        now: the present instant, aware.
        issued_at: the token's, aware; None where there is no token.

    Raises:
        Unauthenticated: the account is gone or not active, or its logins were ended since.
    """
    asked = {"account_id": account_id, "now": now, "issued_at": issued_at or now}
    rows = session.connection().execute(_OF_ACCOUNT, asked).all()
    if not rows:
        raise Unauthenticated
    held = [Held(Role(role), *place) for _, role, *place in rows if role is not None]
    return Actor(account_id, rows[0].name, tuple(held))


def below(column: SQLCoreOperations[UUID], paths: Sequence[str]) -> ColumnElement[bool]:
    """Say in SQL that `column` is an organisation in the subtree of one of `paths`."""
    # A name of its own: in a query over organisations the plain one would mean the outer row's.
    node = aliased(Organisation)
    reached = or_(false(), *(hangs_below(col(node.path), path) for path in paths))
    return exists().where(col(node.id) == column, reached)


def hangs_below(path: SQLCoreOperations[str], root: str) -> ColumnElement[bool]:
    """Say in SQL what `is_below` tells: that `path` is `root` or below it; by index."""
    return path.op("<@", is_comparison=True)(cast(root, Ltree))
