"""Making the tables that wait, and forgetting those whose time is over.

Unlike other services this one commits, for others must see who has claimed an export and how far
it is while it is made.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import BinaryIO
from uuid import UUID

from sqlalchemy import Engine, and_, func, or_, update
from sqlmodel import Session, col, select

from app.errors import Forbidden, Unauthenticated
from app.models import Export, ExportState
from app.services import access, audit, exports
from app.services.access import OVERSEERS, Actor
from app.services.export_orders import KEPT, PIECE_BYTES, key_of
from app.services.exports import Media
from app.services.table_notes import Asked
from app.services.tables import Cell
from app.storage import Storage

LEASE = timedelta(minutes=15)
"""How long nothing may be heard of who makes one; longer than its longest statement."""
PATIENCE_MS = 10 * 60 * 1000
MOST_ATTEMPTS = 3
STEP = 5_000
"""Rows after which it is said how far it is."""

Now = Callable[[], datetime]


class _Superseded(Exception):
    """Somebody else makes it by now."""


def make_due(engine: Engine, *, now: Now, storage: Storage) -> int:
    """Make what waits, and what somebody began and left; return how many.

    Args:
        engine: the database.
        now: tells the present instant, aware.
        storage: where files are kept.
    """
    made = 0
    while (claimed := _claim(engine, now())) is not None:
        made += _make(engine, claimed, now, storage)
    return made + _forget(engine, now(), storage)


def _claim(engine: Engine, now: datetime) -> Export | None:
    due = or_(
        col(Export.state) == ExportState.WAITING,
        and_(col(Export.state) == ExportState.RUNNING, col(Export.lease_until) <= now),
    )
    wanted = select(Export).where(due).order_by(col(Export.id)).limit(1)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        while found := session.exec(wanted.with_for_update(skip_locked=True)).first():
            if found.attempt < MOST_ATTEMPTS:
                found.state, found.lease_until = ExportState.RUNNING, now + LEASE
                found.attempt += 1
                found.rows_done = 0
                return found
            found.state, found.lease_until, found.finished_at = ExportState.FAILED, None, now
            session.flush()
    return None


def _make(engine: Engine, export: Export, now: Now, storage: Storage) -> int:
    try:
        with TemporaryFile() as file:
            actor, total, rows = _write(engine, export, now, file)
            digest = _keep(export, storage, file)
            size = file.tell()
        with Session(engine) as session, session.begin():
            facts = {
                "state": ExportState.DONE,
                "lease_until": None,
                "rows_total": total,
                "rows_done": rows,
                "size_bytes": size,
                "sha256": digest,
                "scope": sorted(actor.organisations(*OVERSEERS)),
                "finished_at": now(),
                "expires_at": now() + KEPT,
            }
            _say(session, export, facts)
            exports.note(
                session,
                action="export",
                actor=actor,
                table=export.name,
                media=export.media,
                asked=_asked(export, now()),
                rows=rows,
                row_id=export.id,
            )
            audit.sign(session, actor=actor, by=audit.By(None, None))
    except (Forbidden, Unauthenticated):
        ended = {"state": ExportState.FAILED, "lease_until": None, "finished_at": now()}
        with Session(engine) as session, session.begin():
            _say(session, export, ended)
    except _Superseded:
        return 0
    return 1


def _write(engine: Engine, export: Export, now: Now, file: BinaryIO) -> tuple[Actor, int, int]:
    """Write the file, within what its owner oversees now; return them, rows told of and written."""
    with Session(engine) as session, session.begin():
        session.execute(select(func.set_config("statement_timeout", str(PATIENCE_MS), True)))
        instant = now()
        actor = access.load(session, account_id=export.account_id, now=instant)
        asked = _asked(export, instant)
        table = exports.table(session, name=export.name, actor=actor, asked=asked)
        _progress(engine, export, now, total=table.total, done=0)

        def told() -> Iterator[Sequence[Cell]]:
            for number, row in enumerate(table.rows):
                if number and number % STEP == 0:
                    _progress(engine, export, now, total=table.total, done=number)
                yield row

        rows = exports.write(replace(table, rows=told()), Media(export.media), file)
        return actor, table.total, rows


def _asked(export: Export, now: datetime) -> Asked:
    return Asked(export.since, export.until, now)


def _progress(engine: Engine, export: Export, now: Now, *, total: int, done: int) -> None:
    facts = {"rows_total": total, "rows_done": done, "lease_until": now() + LEASE}
    with Session(engine) as session, session.begin():
        _say(session, export, facts)


def _say(session: Session, export: Export, facts: Mapping[str, object]) -> None:
    """Change the row, if it is ours still.

    Raises:
        _Superseded: it is not.
    """
    mine = (
        col(Export.id) == export.id,
        col(Export.attempt) == export.attempt,
        col(Export.state) == ExportState.RUNNING,
    )
    changed = update(Export).where(*mine).values(**facts).returning(col(Export.id))
    if session.exec(changed).first() is None:
        raise _Superseded


def _keep(export: Export, storage: Storage, file: BinaryIO) -> str:
    """Put the file into the store; return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    number = 0
    while piece := file.read(PIECE_BYTES):
        digest.update(piece)
        storage.put(key_of(export.id, export.attempt, number), piece)
        number += 1
    return digest.hexdigest()


def _forget(engine: Engine, now: datetime, storage: Storage) -> int:
    """Delete files and rows whose time is over, but none that is being made; return how many."""
    over = (col(Export.expires_at) <= now, col(Export.state) != ExportState.RUNNING)
    forgotten = 0
    with Session(engine) as session, session.begin():
        for export in session.exec(select(Export).where(*over).with_for_update(skip_locked=True)):
            for attempt in range(1, export.attempt + 1):
                _drop(export.id, attempt, storage)
            session.delete(export)
            forgotten += 1
    return forgotten


def _drop(export_id: UUID, attempt: int, storage: Storage) -> None:
    """Delete the pieces of an attempt, the last first: whoever begins again finds what is left."""
    count = 0
    while storage.get(key_of(export_id, attempt, count)) is not None:
        count += 1
    for number in reversed(range(count)):
        storage.delete(key_of(export_id, attempt, number))
