"""The audit log: who is told to have done it, looks at personal data, and reading the log.

Changes are written by the database (see `app/models/audit.py`); here it learns whose they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, cast, event, func, or_, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import ORMExecuteState
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import Select

from app import settings
from app.errors import TooLarge
from app.models import DEPLOYMENT, Account, AuditEvent, Role
from app.services.access import Actor

NOTED = "audit.noted"
WRITTEN = "audit.written"
_SIGN = text(
    "SELECT set_config('audit.actor_id', :actor_id, true),"
    " set_config('audit.actor_role', :actor_role, true),"
    " set_config('audit.request_id', :request_id, true),"
    " set_config('audit.address', :address, true)"
)

LONGEST_EXPORT = 50_000
DAYS_OF_A_MONTH = 31


class ExportTooLarge(TooLarge):
    """The period holds more events than one file takes; ask for a shorter one."""

    zh = "导出的记录过多，请缩短时间范围"
    detail_en = "at most {limit} events"
    detail_zh = "每次最多导出 {limit} 条"


@dataclass(frozen=True)
class Wanted:
    """Which events; None leaves a question open. `[since, until)` are aware instants."""

    noun: str | None = None
    row_id: str | None = None
    action: str | None = None
    actor_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@event.listens_for(Session, "after_flush")
def _remember(session: Session, _: object) -> None:
    session.info[WRITTEN] = True


@event.listens_for(Session, "do_orm_execute")
def _remember_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info[WRITTEN] = True


def mark_written(session: Session) -> None:
    """Say that the transaction changes rows, where a function of the database does it."""
    session.info[WRITTEN] = True


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


def events(
    *, actor: Actor, wanted: Wanted, after: tuple[UUID, int] | None = None, limit: int
) -> Select[AuditEvent, str]:
    """Return the query for one page of the log and its actors' names, the newest first.

    Each district's log is read to its end before the next one's.

    Args:
        actor: who looks.
        wanted: which events.
        after: district and number of the last event of the page before.
        limit: most rows.

    Raises:
        NotInScope: the actor is no auditor.
    """
    actor.require(Role.AUDITOR)
    district, number = col(AuditEvent.district_id), col(AuditEvent.number)
    query = (
        select(AuditEvent, Account.name)
        .outerjoin(Account, col(Account.id) == AuditEvent.actor_id)
        .where(district.in_(_districts(actor)))
        .order_by(district, number.desc())
        .limit(limit)
    )
    asked = {
        AuditEvent.noun: wanted.noun,
        AuditEvent.row_id: wanted.row_id,
        AuditEvent.action: wanted.action,
        AuditEvent.actor_id: wanted.actor_id,
    }
    for column, value in asked.items():
        if value is not None:
            query = query.where(col(column) == value)
    if wanted.since is not None:
        query = query.where(col(AuditEvent.at) >= wanted.since)
    if wanted.until is not None:
        query = query.where(col(AuditEvent.at) < wanted.until)
    if after is not None:
        query = query.where(or_(district > after[0], and_(district == after[0], number < after[1])))
    return query


def _districts(actor: Actor) -> list[UUID]:
    """Return whose logs the actor reads: those of the districts, not of towns, they audit."""
    roots = [
        g.organisation_id
        for g in actor.grants
        if g.role is Role.AUDITOR and g.organisation_id and g.path == g.organisation_id.hex
    ]
    return [*roots, DEPLOYMENT] if roots else []


def export(
    session: Session, *, actor: Actor, wanted: Wanted
) -> Iterator[tuple[AuditEvent, str | None]]:
    """Yield every wanted event; the export is itself an event.

    Raises:
        NotInScope: the actor is no auditor.
        ExportTooLarge: there are more than `LONGEST_EXPORT`.
    """
    found = session.execute(events(actor=actor, wanted=wanted, limit=LONGEST_EXPORT + 1)).all()
    if len(found) > LONGEST_EXPORT:
        raise ExportTooLarge(limit=LONGEST_EXPORT)
    district = next(iter(_districts(actor)), None)
    note(session, action="export", noun="audit_event", district_id=district, rows=len(found))
    yield from ((event, name) for event, name in found)


def forget_old(session: Session, now: datetime) -> int:
    """Delete events past their retention and return how many; a job.

    The database itself keeps the last six months, whatever the setting and the clock say.
    """
    kept = timedelta(days=DAYS_OF_A_MONTH * settings.load().audit_months)
    forgotten = select(func.audit_forget(now - kept))
    return int(session.exec(forgotten).one())
