"""The audit log: who is told to have done it, looks at personal data, and reading the log.

Changes are written by the database (see `app/models/audit.py`); here it learns whose they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import cast, event, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session, select

from app.services.access import Actor

NOTED = "audit.noted"
WRITTEN = "audit.written"
_SIGN = text(
    "SELECT set_config('audit.actor_id', :actor_id, true),"
    " set_config('audit.actor_role', :actor_role, true),"
    " set_config('audit.request_id', :request_id, true),"
    " set_config('audit.address', :address, true)"
)


@event.listens_for(Session, "after_flush")
def _remember(session: Session, _: object) -> None:
    session.info[WRITTEN] = True


@event.listens_for(Session, "do_orm_execute")
def _remember_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info[WRITTEN] = True


def is_owed(session: Session) -> bool:
    """Tell whether the transaction has changed a row, or has something to note."""
    session.flush()
    return bool(session.info.get(WRITTEN) or session.info.get(NOTED))


@dataclass(frozen=True)
class By:
    """Where a request comes from."""

    request_id: str | None
    address: str | None


@dataclass(frozen=True)
class _Note:
    district_id: UUID | None
    action: str
    noun: str
    row_id: str | None
    facts: Mapping[str, object]


def note(
    session: Session,
    *,
    action: str,
    noun: str,
    row_id: object = None,
    district_id: UUID | None = None,
    **facts: object,
) -> None:
    """Have something written down that changes no row; it is written when the transaction ends.

    Args:
        session: open transaction.
        action: `read`, `export`, `sign_in` ...; never `create`, `update` or `delete`.
        noun: the table.
        row_id: the row, if it was one.
        district_id: whose log; None for the deployment's.
        facts: what else is worth knowing; no personal data.
    """
    told = None if row_id is None else str(row_id)
    session.info.setdefault(NOTED, []).append(_Note(district_id, action, noun, told, facts))


def sign(session: Session, *, actor: Actor | None, by: By) -> None:
    """Say whose the changes of this transaction are, and write the notes; to be called last.

    Args:
        session: open transaction, about to be committed.
        actor: None for somebody who is not signed in.
        by: the request.
    """
    notes: list[_Note] = session.info.pop(NOTED, [])
    session.flush()
    session.connection().execute(
        _SIGN,
        {
            "actor_id": str(actor.account_id) if actor else "",
            "actor_role": (actor.acting_role() or "") if actor else "visitor",
            "request_id": by.request_id or "",
            "address": by.address or "",
        },
    )
    for one in notes:
        facts = cast(one.facts, JSONB)
        written = func.audit_note(one.district_id, one.action, one.noun, one.row_id, facts)
        session.connection().execute(select(written))
