"""The pages offer those roles to give that the service lets people give."""

import re

from app.machine import CHECKOUT
from app.models import Role
from app.services.powers import GIVERS

PERSON = CHECKOUT / "web/src/components/people/person.ts"


def offered(text: str) -> dict[str, set[str]]:
    """What `GIVEN_BY` says: the roles that each role gives."""
    (shared,) = re.findall(r"const IN_A_TOWN: Role\[\] = \[(.*?)\]", text)
    (table,) = re.findall(r"const GIVEN_BY.*? = \{\n(.*?)\n\}", text, re.DOTALL)
    table = table.replace("...IN_A_TOWN", shared).replace("IN_A_TOWN", f"[{shared}]")
    table = table.replace("Object.keys(ROLES) as Role[]", repr([str(role) for role in Role]))
    lines = re.findall(r"^ +(\w+): \[(.*)\],$", table, re.MULTILINE)
    return {giver: set(re.findall(r"'(\w+)'", roles)) for giver, roles in lines}


def allowed() -> dict[str, set[str]]:
    """The same by the service."""
    givers = {giver for by in GIVERS.values() for giver in by}
    return {giver: {role for role, by in GIVERS.items() if giver in by} for giver in givers}


def test_pages_offer_what_may_be_given() -> None:
    text = PERSON.read_text(encoding="utf-8")
    assert offered(text) == allowed()
    assert offered(text.replace("'town_staff'", "'auditor'")) != allowed()
