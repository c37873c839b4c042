"""Who gives which role, who keeps whose account, and how far that reaches."""

from enum import StrEnum

from app.models import Role
from app.services.access import Actor, Held, is_below


class Reach(StrEnum):
    """Over which places a role gives another, or keeps accounts."""

    ANYWHERE = "anywhere"
    SUBTREE = "subtree"
    BELOW = "below"
    OWN = "own"


_STAFF = {Role.DISTRICT_STAFF: Reach.SUBTREE, Role.TOWN_STAFF: Reach.SUBTREE}
_SECURITY = {Role.SECURITY_ADMIN: Reach.ANYWHERE}

GIVERS: dict[Role, dict[Role, Reach]] = {
    Role.MEMBER: _SECURITY | _STAFF | {Role.ORGANISER: Reach.OWN},
    Role.ORGANISER: _SECURITY | _STAFF,
    Role.SITE_MANAGER: _SECURITY | _STAFF,
    Role.TOWN_STAFF: _SECURITY | {Role.DISTRICT_STAFF: Reach.BELOW},
    Role.DISTRICT_STAFF: _SECURITY,
    Role.FUND_OFFICER: _SECURITY,
    Role.FUND_APPROVER: _SECURITY,
    Role.AUDITOR: _SECURITY,
    Role.SYSTEM_ADMIN: _SECURITY,
    Role.SECURITY_ADMIN: _SECURITY,
}
"""Who gives and takes a role, and where; a site is where its town is. Nobody does to themselves."""

KEEPERS: dict[Role, Reach] = {
    Role.SYSTEM_ADMIN: Reach.ANYWHERE,
    Role.DISTRICT_STAFF: Reach.SUBTREE,
    Role.TOWN_STAFF: Reach.SUBTREE,
    Role.ORGANISER: Reach.OWN,
}
"""Who makes and changes accounts, and of which home branches.

All but the system administrator keep only those who hold nothing that they could not give: who can
reset a password can be the person.
"""

WATCHERS: dict[Role, Reach] = KEEPERS | {
    Role.SECURITY_ADMIN: Reach.ANYWHERE,
    Role.AUDITOR: Reach.SUBTREE,
}
"""Who sees accounts: those at home there, and those who hold a role there."""


def reaches(held: Held, reach: Reach, path: str | None) -> bool:
    """Tell whether a grant reaches the place at `path`; None is nowhere in the tree."""
    if reach is Reach.ANYWHERE:
        return True
    if path is None or held.path is None:
        return False
    if reach is Reach.OWN:
        return path == held.path
    return is_below(path, held.path) and (reach is Reach.SUBTREE or path != held.path)


def givers(actor: Actor, role: Role, path: str | None) -> list[Role]:
    """Return by which of their roles the actor may give or take `role` at `path`."""
    allowed = GIVERS[role]
    return [
        held.role
        for held in actor.grants
        if held.role in allowed and reaches(held, allowed[held.role], path)
    ]


def keepers(actor: Actor, path: str | None) -> list[Role]:
    """Return by which of their roles the actor may keep accounts whose home is at `path`."""
    return [
        held.role
        for held in actor.grants
        if held.role in KEEPERS and reaches(held, KEEPERS[held.role], path)
    ]
