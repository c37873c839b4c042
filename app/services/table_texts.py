"""A table as CSV (RFC 4180): UTF-8 with a byte order mark, lines ended by CRLF."""

import csv
import io
from datetime import date, datetime
from typing import BinaryIO

from app.harmless import harmless
from app.services.calendar import ZONE
from app.services.tables import Cell, Kind, Table

MEDIA_TYPE = "text/csv; charset=utf-8"


def write(table: Table, file: BinaryIO) -> int:
    """Write a table row by row into an open file; return how many rows it had.

    Numbers stay numbers, minus signs and all; only texts are made harmless. A share is written as
    a fraction of 1, money as yuan.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", newline="", write_through=False)
    try:
        lines = csv.writer(text, lineterminator="\r\n")
        lines.writerow([harmless(column.heading) for column in table.columns])
        kinds = [column.kind for column in table.columns]
        written = 0
        for row in table.rows:
            lines.writerow([_cell(*pair) for pair in zip(kinds, row, strict=True)])
            written += 1
    finally:
        text.detach()  # flushed; the file is its owner's to close
    return written


def _cell(kind: Kind, value: Cell) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless(value)
    if kind is Kind.FEN:
        return yuan(int(value))  # type: ignore[arg-type]
    if isinstance(value, datetime):
        return value.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
    return value.isoformat() if isinstance(value, date) else value


def yuan(fen: int) -> str:
    """Return an amount as yuan with two decimals, exactly."""
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{rest:02}"
