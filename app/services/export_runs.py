"""Making the tables that wait, and forgetting those whose time is over.

Unlike other services this one commits, for others must see who has claimed an export and how far
it is while it is made.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Engine, and_, func, or_, update
from sqlmodel import Session, col, select

from app.errors import DomainError, Forbidden, TooLarge, Unauthenticated
from app.models import Export, ExportState
from app.services import access, audit, exports, job_rows
from app.services.access import OVERSEERS, Actor
from app.services.export_orders import KEPT, PIECE_BYTES, key_of
from app.services.exports import Media
from app.services.table_notes import Asked
from app.services.tables import Cell
from app.storage import Storage, StorageUnavailable

LEASE = timedelta(minutes=15)
"""How long nothing may be heard of who makes one; longer than its longest statement."""
PATIENCE_MS = 10 * 60 * 1000
MOST_ATTEMPTS = 3
"""Then one whose maker has died is given up, for it may be what they die of."""
JOB = "make-exports"
LEFT = "export-left"
"""What is told of one that was given up."""
STEP = 5_000
"""Rows after which it is said how far it is."""

Now = Callable[[], datetime]
log = structlog.get_logger()


class _Superseded(Exception):
    """Somebody else makes it by now."""


def make_due(engine: Engine, *, now: Now, storage: Storage) -> int:
    """Forget what is over, make what waits and what somebody began and left; return how many.

    One that fails waits, longer each time, before it is tried again, and is parked at last.

    Args:
        engine: the database.
        now: tells the present instant, aware.
        storage: where files are kept.
    """
    touched = _forget(engine, now(), storage)  # first, for it makes room
    while (claimed := _claim(engine, now())) is not None:
        touched += _make(engine, claimed, now, storage)
    return touched


def _claim(engine: Engine, now: datetime) -> Export | None:
    held = job_rows.held_back(job=JOB, now=now)
    due = or_(
        and_(col(Export.state) == ExportState.WAITING, col(Export.id).not_in(held)),
        and_(col(Export.state) == ExportState.RUNNING, col(Export.lease_until) <= now),
    )
    wanted = select(Export).where(due).order_by(col(Export.id)).limit(1)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        while found := session.exec(wanted.with_for_update(skip_locked=True)).first():
            if found.state == ExportState.WAITING or found.attempt < MOST_ATTEMPTS:
                found.state, found.lease_until = ExportState.RUNNING, now + LEASE
                found.attempt += 1
                found.rows_done = 0
                return found
            found.state, found.lease_until, found.finished_at = ExportState.FAILED, None, now
            found.problem = LEFT
            session.flush()
    return None


def _make(engine: Engine, export: Export, now: Now, storage: Storage) -> int:
    try:
        _finish(engine, export, now, storage)
    except _Superseded:
        return 0
    except (Forbidden, TooLarge, Unauthenticated) as refusal:
        _give_up(engine, export, refusal.slug(), now())
    except Exception as error:  # whatever it was, the next one may be sound
        log.exception("export-failed", export=str(export.id))
        _put_off(engine, export, error, now())
        return 0
    return 1


def _finish(engine: Engine, export: Export, now: Now, storage: Storage) -> None:
    with exports.scratch() as file, ExitStack() as undo:
        actor, total, rows = _write(engine, export, now, file)
        size = file.tell()
        undo.callback(_take_back, export, storage, size)
        digest = _keep(engine, export, now, storage, file)
        with Session(engine) as session, session.begin():
            facts = {
                "state": ExportState.DONE,
                "lease_until": None,
                "problem": None,
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
            job_rows.done(session, job=JOB, row_id=export.id)
            session.flush()
            undo.pop_all()  # a commit that is lost on its way may have been one


def _give_up(engine: Engine, export: Export, slug: str, now: datetime) -> None:
    facts = {
        "state": ExportState.FAILED,
        "lease_until": None,
        "problem": slug,
        "finished_at": now,
    }
    with suppress(_Superseded), Session(engine) as session, session.begin():
        _say(session, export, facts)
        job_rows.done(session, job=JOB, row_id=export.id)


def _put_off(engine: Engine, export: Export, error: Exception, now: datetime) -> None:
    """Have it wait, longer each time, until it is parked for somebody to look at."""
    facts = {
        "state": ExportState.WAITING,
        "lease_until": None,
        "rows_done": 0,
        "problem": error.slug() if isinstance(error, DomainError) else "internal",
    }
    with suppress(_Superseded), Session(engine) as session, session.begin():
        _say(session, export, facts)
        told = job_rows.told(error)
        job_rows.fail(session, job=JOB, row_id=export.id, error=told, now=now)


def _write(engine: Engine, export: Export, now: Now, file: BinaryIO) -> tuple[Actor, int, int]:
    """Write the file, within what its owner oversees now; return them, rows told of and written."""
    with Session(engine) as session, session.begin():
        session.execute(select(func.set_config("statement_timeout", str(PATIENCE_MS), True)))
        instant = now()
        actor = access.load(session, account_id=export.account_id, now=instant)
        asked = _asked(export, instant)
        table = exports.table(session, name=export.name, actor=actor, asked=asked)
        _progress(engine, export, now, rows_total=table.total, rows_done=0)

        def told() -> Iterator[Sequence[Cell]]:
            for number, row in enumerate(table.rows):
                if number and number % STEP == 0:
                    _progress(engine, export, now, rows_done=number)
                yield row

        rows = exports.write(replace(table, rows=told()), Media(export.media), file)
        return actor, table.total, rows


def _asked(export: Export, now: datetime) -> Asked:
    return Asked(export.since, export.until, now, **export.options)


def _progress(engine: Engine, export: Export, now: Now, **facts: int) -> None:
    """Say how far it is, and hold it for longer.

    Raises:
        _Superseded: it is not ours any more.
    """
    with Session(engine) as session, session.begin():
        _say(session, export, facts | {"lease_until": now() + LEASE})


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


def _keep(engine: Engine, export: Export, now: Now, storage: Storage, file: BinaryIO) -> str:
    """Put the file into the store; return its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    number = 0
    while piece := file.read(PIECE_BYTES):
        _progress(engine, export, now)
        digest.update(piece)
        storage.put(key_of(export.id, export.attempt, number), piece)
        number += 1
    return digest.hexdigest()


def _take_back(export: Export, storage: Storage, size: int) -> None:
    """Delete what there is of a file that will not be offered."""
    with suppress(StorageUnavailable):  # then it goes with its row
        for number in reversed(range(-(-size // PIECE_BYTES))):
            storage.delete(key_of(export.id, export.attempt, number))


def _forget(engine: Engine, now: datetime, storage: Storage) -> int:
    """Delete files and rows whose time is over, but none that is being made; return how many."""
    held = job_rows.held_back(job=JOB, now=now)
    over = (
        col(Export.expires_at) <= now,
        col(Export.state) != ExportState.RUNNING,
        col(Export.id).not_in(held),
    )
    with Session(engine) as session:
        ids = session.exec(select(Export.id).where(*over)).all()
    forgotten = 0
    for export_id in ids:
        try:
            forgotten += _forget_one(engine, export_id, over, storage)
        except StorageUnavailable as error:
            log.exception("export-not-forgotten", export=str(export_id))
            told = job_rows.told(error)
            with Session(engine) as session, session.begin():
                job_rows.fail(session, job=JOB, row_id=export_id, error=told, now=now)
    return forgotten


def _forget_one(
    engine: Engine, export_id: UUID, over: Sequence[ColumnElement[bool]], storage: Storage
) -> int:
    """Delete a file, then its row: as long as there is a piece, there is a row that knows of it."""
    theirs = select(Export).where(Export.id == export_id, *over)
    wanted = theirs.with_for_update(skip_locked=True)
    with Session(engine) as session, session.begin():
        export = session.exec(wanted).first()
        if export is None:
            return 0
        for attempt in range(1, export.attempt + 1):
            _drop(export.id, attempt, storage)
        job_rows.done(session, job=JOB, row_id=export.id)
        session.delete(export)
    return 1


def _drop(export_id: UUID, attempt: int, storage: Storage) -> None:
    """Delete the pieces of an attempt, the last first: whoever begins again finds what is left."""
    count = 0
    while storage.get(key_of(export_id, attempt, count)) is not None:
        count += 1
    for number in reversed(range(count)):
        storage.delete(key_of(export_id, attempt, number))
