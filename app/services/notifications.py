"""Telling people, reliably: written with the fact, delivered after it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import Executable, String, Uuid, bindparam, func, or_, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.sql.elements import SQLCoreOperations
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import Grant, Notification, Role
from app.models.base import Instant
from app.services import letters
from app.services.messages import Kind
from app.services.truths import ABOUT, untrue


@dataclass(frozen=True)
class Readers:
    """Whom a message is for: those who hold some roles at one site or organisation."""

    owed: Executable
    at: UUID


def owe(
    session: Session,
    *,
    to: Readers,
    kind: Kind,
    booking_id: UUID | None,
    facts: Mapping[str, str],
    due_at: datetime,
    waitlist_entry_id: UUID | None = None,
    useless_at: datetime | None = None,
) -> int:
    """Owe a message to every reader, if and only if this transaction commits; return how many.

    Args:
        session: open transaction.
        to: see `managers_of`, `organisers_of` and `staff_of`.
        kind: what it tells.
        booking_id: what it is about, if that is a booking.
        facts: what fills the gaps of the template.
        due_at: when it may be read, aware; grants that have ended by then get none.
        waitlist_entry_id: what it is about, if that is an entry of a waitlist.
        useless_at: from when on it would tell nothing any more, after `due_at`; None for never.
    """
    told = {
        "at": to.at,
        "kind": kind,
        "booking_id": booking_id,
        "waitlist_entry_id": waitlist_entry_id,
        "facts": dict(facts),
        "due_at": due_at,
        "useless_at": useless_at,
    }
    return int(session.connection().execute(to.owed, told).rowcount)


def _owed(at: SQLCoreOperations[UUID | None], *roles: Role) -> Executable:
    """Return the statement that owes a message to the holders of roles; made once for each."""
    due_at = bindparam("due_at", type_=Instant)
    holders = (
        sqlalchemy.select(
            func.uuid7(),
            col(Grant.account_id),
            bindparam("kind", type_=String),
            bindparam("booking_id", type_=Uuid),
            bindparam("waitlist_entry_id", type_=Uuid),
            bindparam("facts", type_=JSONB),
            due_at,
            bindparam("useless_at", type_=Instant),
        )
        .where(col(Grant.role).in_(roles), at == bindparam("at"))
        .where(or_(col(Grant.ends_at).is_(None), col(Grant.ends_at) > due_at))
        .group_by(col(Grant.account_id))
    )
    about = ["booking_id", "waitlist_entry_id"]
    columns = ["id", "account_id", "kind", *about, "facts", "due_at", "useless_at"]
    return (
        insert(Notification)
        .from_select(columns, holders)
        .on_conflict_do_nothing(constraint="notification_once")
        .execution_options(preserve_rowcount=True)
    )


_TO_MANAGERS = _owed(col(Grant.site_id), Role.SITE_MANAGER)
_TO_ORGANISERS = _owed(col(Grant.organisation_id), Role.ORGANISER)
_TO_STAFF = _owed(col(Grant.organisation_id), Role.TOWN_STAFF, Role.DISTRICT_STAFF)


def managers_of(site_id: UUID) -> Readers:
    """Say who manages a site."""
    return Readers(_TO_MANAGERS, site_id)


def organisers_of(organisation_id: UUID) -> Readers:
    """Say who may order for a branch."""
    return Readers(_TO_ORGANISERS, organisation_id)


def staff_of(organisation_id: UUID) -> Readers:
    """Say who is staff of a town or district committee."""
    return Readers(_TO_STAFF, organisation_id)


_DELIVER = text(f"""
    WITH due AS MATERIALIZED (
        SELECT id FROM notification
        WHERE delivered_at IS NULL AND missed_at IS NULL AND due_at <= :now
        ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ), judged AS (
        SELECT n.id, {untrue(inbox=True)} AS why
        FROM due JOIN notification n ON n.id = due.id {ABOUT})
    UPDATE notification n SET
        delivered_at = CASE WHEN why IS NULL THEN CAST(:now AS timestamptz) END,
        missed_at = CASE WHEN why IS NOT NULL THEN CAST(:now AS timestamptz) END
    FROM judged WHERE n.id = judged.id
    RETURNING n.id, judged.why""")  # noqa: S608 - the rules of our own


def deliver_due(
    session: Session, now: datetime, *, batch: int = 1000, ways: Collection[str] = ()
) -> int:
    """Put what is due into the inboxes, oldest first, and return how many were looked at.

    A letter is written for each, by its reader's first way. What is useless by now is written down
    as missed. Rows another worker has are skipped, so several workers may run at once.

    Args:
        session: open transaction.
        now: the present instant, aware.
        batch: most messages.
        ways: that there is a channel for, beside the inbox.
    """
    session.flush()
    rows = session.connection().execute(_DELIVER, {"now": now, "batch": batch}).all()
    letters.miss(session, whys={row.id: row.why for row in rows if row.why}, now=now)
    fresh = [row.id for row in rows if not row.why]
    letters.write(session, notification_ids=fresh, ways=ways, now=now)
    return len(rows)


def inbox(account_id: UUID) -> SelectOfScalar[Notification]:
    """Return what a person has been delivered; newest first once ordered by the caller."""
    return select(Notification).where(
        Notification.account_id == account_id, col(Notification.delivered_at).is_not(None)
    )


def page(
    session: Session,
    *,
    account_id: UUID,
    only_unread: bool,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[Notification]:
    """Return one more than `limit` messages of a person, newest first.

    Args:
        session: open transaction.
        account_id: whose inbox.
        only_unread: leave out what was read.
        after: delivery and id of the last one of the page before.
        limit: length of a page.
    """
    wanted = inbox(account_id)
    if only_unread:
        wanted = wanted.where(col(Notification.read_at).is_(None))
    if after is not None:
        keys = tuple_(col(Notification.delivered_at), col(Notification.id))
        wanted = wanted.where(keys < tuple_(*after))
    latest = (col(Notification.delivered_at).desc(), col(Notification.id).desc())
    return list(session.exec(wanted.order_by(*latest).limit(limit + 1)).all())


def unread(session: Session, *, account_id: UUID) -> int:
    """Return how many delivered messages a person has not read."""
    waiting = inbox(account_id).where(col(Notification.read_at).is_(None)).subquery()
    return session.exec(select(func.count()).select_from(waiting)).one()


def mark_read(session: Session, *, account_id: UUID, ids: Sequence[UUID], now: datetime) -> int:
    """Mark messages of this person as read and return how many were not before."""
    marked = session.exec(
        update(Notification)
        .where(
            col(Notification.id).in_(ids),
            col(Notification.account_id) == account_id,
            col(Notification.delivered_at).is_not(None),
            col(Notification.read_at).is_(None),
        )
        .values(read_at=now)
        .execution_options(synchronize_session=False)
    )
    return int(marked.rowcount)
