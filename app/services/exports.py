"""Tables that are taken away: which there are, and what is noted of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from importlib import import_module
from tempfile import TemporaryFile
from typing import BinaryIO
from uuid import UUID

from sqlmodel import Session

from app.errors import Conflict
from app.services import (
    answers_tables,
    audit,
    booking_tables,
    coverage_tables,
    demand_tables,
    overview_tables,
    reach_tables,
    satisfaction_tables,
    usage_tables,
)
from app.services.access import OVERSEERS, Actor
from app.services.table_notes import Asked
from app.services.tables import Table
from app.storage import StorageUnavailable

LONGEST = 20_000
"""Rows that are written while somebody waits."""

Make = Callable[[Session, Actor, Asked], Table]
TABLES: dict[str, Make] = {
    "answers": answers_tables.make,
    "bookings": booking_tables.make,
    "coverage": coverage_tables.make,
    "demand": demand_tables.make,
    "overview": overview_tables.make,
    "reach": reach_tables.make,
    "satisfaction": satisfaction_tables.make,
    "usage": usage_tables.make,
}
"""Every table there is, by its name in addresses."""


class Media(StrEnum):
    """What a table is written as."""

    CSV = "csv"
    XLSX = "xlsx"


_WRITERS = {Media.CSV: "app.services.table_texts", Media.XLSX: "app.services.table_sheets"}


class ExportTooLong(Conflict):
    """The table is too long to be waited for; have it made by `POST /exports`."""

    zh = "数据较多，请改用后台导出"
    detail_en = "{rows} rows; at most {limit} are answered at once, more by POST /exports"
    detail_zh = "共 {rows} 行，直接下载最多 {limit} 行，请通过“后台导出”生成"


def table(session: Session, *, name: str, actor: Actor, asked: Asked) -> Table:
    """Return one of `TABLES` within what an actor oversees.

    Args:
        session: open transaction; the rows are read while it is.
        name: which.
        actor: for whom.
        asked: what is counted.

    Raises:
        NotInScope: the actor oversees nothing.
        TableTooLarge: it would take too long to count.
    """
    actor.require(*OVERSEERS)
    return TABLES[name](session, actor, asked)


@contextmanager
def scratch() -> Iterator[BinaryIO]:
    """Give a file of nobody else's that is gone after the block.

    That there was no room for its last bytes is told by `write`, not once more by its end.
    """
    file = TemporaryFile()  # noqa: SIM115 - see above
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def write(made: Table, media: Media, file: BinaryIO) -> int:
    """Write a table into an open file; return how many rows it had.

    Raises:
        StorageUnavailable: there is no room for it.
    """
    try:
        written: int = import_module(_WRITERS[media]).write(made, file)
    except OSError as error:
        raise StorageUnavailable from error
    return written


def media_type(media: Media) -> str:
    """Return what an answer calls it."""
    return str(import_module(_WRITERS[media]).MEDIA_TYPE)


def export(
    session: Session, *, name: str, media: Media, actor: Actor, asked: Asked, file: BinaryIO
) -> Table:
    """Write a short table into an open file; this is an event of the audit log.

    Args:
        session: open transaction.
        name: which of `TABLES`.
        media: written as what.
        actor: who takes it away.
        asked: what is counted.
        file: open for writing, binary.

    Raises:
        NotInScope: the actor oversees nothing.
        ExportTooLong: it has more than `LONGEST` rows.
        TableTooLarge: it would take too long to count.
        StorageUnavailable: there is no room for it.
    """
    made = table(session, name=name, actor=actor, asked=asked)
    if made.total > LONGEST:
        raise ExportTooLong(rows=made.total, limit=LONGEST)
    rows = write(made, media, file)
    note(session, action="export", actor=actor, table=name, media=media, asked=asked, rows=rows)
    return made


def note(
    session: Session,
    *,
    action: str,
    actor: Actor,
    table: str,
    media: str,
    asked: Asked,
    rows: int | None,
    row_id: UUID | None = None,
) -> None:
    """Note in the log of each district somebody oversees a part of what they took away."""
    paths = actor.paths(*OVERSEERS)
    for district_id in sorted({UUID(path.partition(".")[0]) for path in paths}):
        audit.note(
            session,
            action=action,
            noun="export",
            row_id=row_id,
            district_id=district_id,
            table=table,
            media=media,
            since=asked.since.isoformat(),
            until=asked.until.isoformat(),
            rows=rows,
        )
