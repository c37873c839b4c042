"""A table as XLSX, written row by row: memory does not grow with it."""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, BinaryIO

from app.harmless import harmless
from app.services.calendar import ZONE
from app.services.tables import Cell, Kind, Table

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_576
"""Rows of one sheet, as the format has it."""
LONGEST = 32_767
"""Characters of one cell, as the format has it."""
HEADER_ROW = 2
"""Counted from 0: the title and what it covers stand above."""
FORMATS = {
    Kind.TEXT: "@",
    Kind.INTEGER: "#,##0",
    Kind.FEN: "#,##0.00",
    Kind.DATE: "yyyy-mm-dd",
    Kind.INSTANT: "yyyy-mm-dd hh:mm",
    Kind.PERCENT: "0.0%",
    Kind.FLOAT: "0.00",
}
OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "use_zip64": True,  # a full sheet may be 2 GB before it is packed; no small one is touched
}
_PREFIX = "party-map-sheet-"
_YOUNG_S = 60
"""Until then a folder may not be held yet by who made it."""
_NOT_OF_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def write(table: Table, file: BinaryIO) -> int:
    """Write a table into an open file; return how many rows it had.

    Rows that one sheet cannot hold go on on further ones, each with its head. The last sheet says
    what was counted. Where it fails, nothing is left but what is in `file`.

    Raises:
        OSError: there is no room for it.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    with _folder() as folder:
        book = Workbook(file, OPTIONS | {"tmpdir": folder})
        try:
            written = _Sheets(book, table).fill()
            _notes(book, table, written)
            book.close()
        except FileCreateError as error:  # which hides from others what it is
            raise OSError(str(error)) from error
        finally:
            for sheet in book.worksheets():
                sheet._opt_close()
    return written


@contextmanager
def _folder() -> Iterator[str]:
    """Give a folder that is gone after the block, and remove those whose makers were killed.

    A maker holds a lock on its folder, which dies with it.
    """
    for left in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or gone already
            if time.time() - left.stat().st_mtime > _YOUNG_S and not _is_held(left):
                shutil.rmtree(left)
    with TemporaryDirectory(prefix=_PREFIX) as folder:
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(held)


def _is_held(folder: Path) -> bool:
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(opened)
    return False


class _Sheets:
    """The sheets of one table, filled one after another."""

    def __init__(self, book: "Workbook", table: Table) -> None:
        self.book, self.table = book, table
        self.title = book.add_format({"bold": True, "font_size": 16})
        self.head = book.add_format({"bold": True, "border": 1, "text_wrap": True})
        self.formats: list[Format] = [
            book.add_format({"num_format": FORMATS[column.kind]}) for column in table.columns
        ]
        self.kinds = [column.kind for column in table.columns]
        self.sheet: Worksheet = self._begun(1)
        self.row = HEADER_ROW

    def fill(self) -> int:
        """Write all rows."""
        sheets, written = 1, 0
        for cells in self.table.rows:
            if self.row + 1 >= MOST_ROWS:
                self._ended()
                sheets += 1
                self.sheet, self.row = self._begun(sheets), HEADER_ROW
            self.row += 1
            for column, value in enumerate(cells):
                self._put(column, value)
            written += 1
        self._ended()
        return written

    def _begun(self, number: int) -> "Worksheet":
        sheet = self.book.add_worksheet("数据" if number == 1 else f"数据{number}")
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(HEADER_ROW)
        for place, column in enumerate(self.table.columns):
            sheet.set_column(place, place, column.width)
        sheet.write_string(0, 0, text(self.table.title), self.title)
        covers = "；".join(f"{name}：{said}" for name, said in self.table.notes)
        sheet.write_string(1, 0, text(covers))
        for place, column in enumerate(self.table.columns):
            sheet.write_string(HEADER_ROW, place, text(column.heading), self.head)
        sheet.freeze_panes(HEADER_ROW + 1, 0)
        return sheet

    def _ended(self) -> None:
        self.sheet.autofilter(HEADER_ROW, 0, self.row, len(self.kinds) - 1)

    def _put(self, column: int, value: Cell) -> None:
        format_ = self.formats[column]
        if value is None:
            return
        if isinstance(value, str):
            self.sheet.write_string(self.row, column, text(value), format_)
        elif isinstance(value, datetime):
            wall = value.astimezone(ZONE).replace(tzinfo=None)
            self.sheet.write_datetime(self.row, column, wall, format_)
        elif isinstance(value, int | float):
            number = value / 100 if self.kinds[column] is Kind.FEN else value
            self.sheet.write_number(self.row, column, number, format_)
        else:
            self.sheet.write_datetime(self.row, column, value, format_)


def _notes(book: "Workbook", table: Table, written: int) -> None:
    sheet = book.add_worksheet("说明")
    sheet.set_column(0, 0, 16)
    sheet.set_column(1, 1, 90)
    for row, (name, said) in enumerate((*table.notes, ("行数 Rows", str(written)))):
        sheet.write_string(row, 0, text(name))
        sheet.write_string(row, 1, text(said))


def text(said: str) -> str:
    """Return a text as a cell of the format may hold it: harmless, and without control letters."""
    lines = said.replace("\r\n", "\n").replace("\r", "\n")
    return harmless(_NOT_OF_XML.sub("", lines))[:LONGEST]
