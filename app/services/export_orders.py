"""Tables that somebody asked for and comes back to fetch: asking, looking, fetching."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from sqlmodel import Session, col, select

from app.errors import Conflict, NotFound
from app.models import Export, ExportState, Organisation
from app.services import exports
from app.services.access import OVERSEERS, Actor, NotInScope, below
from app.services.exports import Media
from app.services.table_notes import Asked
from app.storage import Storage, StorageUnavailable

KEPT = timedelta(days=7)
"""How long a file can be fetched."""
PIECE_BYTES = 4 * 1024 * 1024
"""Files are kept in pieces, so that none is ever in memory as a whole."""


OPTIONS = ("silent_days", "radius_m", "people")
"""What of the question is more than its days."""


class ExportNotFound(NotFound):
    """There is no such export, it is not yours, or its time is over."""

    zh = "未找到该导出任务，或已过期"


class ExportNotReady(Conflict):
    """The file is not made yet, or could not be made; its state says which."""

    zh = "导出文件尚未生成"
    detail_en = "its state is {state}; what went wrong last: {problem}"
    detail_zh = "当前状态：{state}；最近一次问题：{problem}"


def ask(session: Session, *, actor: Actor, name: str, media: Media, asked: Asked) -> Export:
    """Return a new export that waits to be made; asking is an event of the audit log.

    Args:
        session: open transaction.
        actor: who will fetch it.
        name: which of `exports.TABLES`.
        media: written as what.
        asked: what is counted.

    Raises:
        NotInScope: the actor oversees nothing.
    """
    actor.require(*OVERSEERS)
    made = Export(
        account_id=actor.account_id,
        name=name,
        media=media,
        since=asked.since,
        until=asked.until,
        options={name: getattr(asked, name) for name in OPTIONS},
        expires_at=asked.now + KEPT,
    )
    session.add(made)
    session.flush()
    _note(session, "ask", actor, made, asked.now)
    return made


def page(
    session: Session, *, actor: Actor, now: datetime, before: UUID | None, limit: int
) -> list[Export]:
    """Return one more than `limit` exports of the actor's own, the newest first."""
    wanted = select(Export).where(
        Export.account_id == actor.account_id, col(Export.expires_at) > now
    )
    if before is not None:
        wanted = wanted.where(col(Export.id) < before)
    return list(session.exec(wanted.order_by(col(Export.id).desc()).limit(limit + 1)))


def get(session: Session, *, actor: Actor, export_id: UUID, now: datetime) -> Export:
    """Return an export of the actor's own.

    Raises:
        ExportNotFound: there is none, it is somebody else's, or its time is over.
    """
    found = session.get(Export, export_id)
    if found is None or found.account_id != actor.account_id or found.expires_at <= now:
        raise ExportNotFound(export_id=export_id)
    return found


def fetch(session: Session, *, actor: Actor, export_id: UUID, now: datetime) -> Export:
    """Return an export whose file the actor may have now; this is an event of the audit log.

    Raises:
        ExportNotFound: there is none, it is somebody else's, or its time is over.
        ExportNotReady: it has no file.
        NotInScope: the actor no longer oversees all that is in it.
    """
    found = get(session, actor=actor, export_id=export_id, now=now)
    if found.state != ExportState.DONE:
        raise ExportNotReady(state=found.state, problem=found.problem)
    actor.require(*OVERSEERS)
    paths = actor.paths(*OVERSEERS)
    still = select(Organisation.id).where(
        col(Organisation.id).in_(found.scope or []), below(col(Organisation.id), paths)
    )
    if set(session.exec(still)) != set(found.scope or []):
        raise NotInScope(roles=[str(role) for role in OVERSEERS])
    _note(session, "download", actor, found, now)
    return found


def _note(session: Session, action: str, actor: Actor, export: Export, now: datetime) -> None:
    exports.note(
        session,
        action=action,
        actor=actor,
        table=export.name,
        media=export.media,
        asked=Asked(export.since, export.until, now, **export.options),
        rows=export.rows_done if export.state == ExportState.DONE else None,
        row_id=export.id,
    )


def key_of(export_id: UUID, attempt: int, piece: int) -> str:
    """Return the key under which a piece of an attempt's file is kept, counted from 0."""
    return f"{export_id.hex}-{attempt}-{piece}"


def pieces(export: Export, storage: Storage) -> Iterator[bytes]:
    """Return a file piece by piece; the first is there, so that none is begun that cannot be had.

    Raises:
        StorageUnavailable: a piece cannot be had; the first now, another one when its turn comes.
    """
    count = -(-(export.size_bytes or 0) // PIECE_BYTES)
    first = _piece(export, storage, 0)
    return chain([first], (_piece(export, storage, number) for number in range(1, count)))


def _piece(export: Export, storage: Storage, number: int) -> bytes:
    piece = storage.get(key_of(export.id, export.attempt, number))
    if piece is None:
        raise StorageUnavailable
    return piece
