"""Tables that people fill in: CSV or XLSX, told apart by their bytes, as rows of plain text."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from zipfile import BadZipFile, ZipFile

from app.errors import Malformed, TooLarge

MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 20_000
FARTHEST_ROW = 2 * MOST_ROWS
"""Empty rows cost time too, and a few bytes can stand for a million of them."""
MOST_COLUMNS = 60
MOST_UNPACKED_BYTES = 64 * 1024 * 1024
MOST_PARTS = 500
_ZIP = b"PK\x03\x04"
_TRUE = {True: "TRUE", False: "FALSE"}


class SheetTooLarge(TooLarge):
    """The table is larger than is taken at once."""

    zh = "表格过大，请分批导入"
    detail_en = "At most {limit} {unit}"
    detail_zh = "最多 {limit} {unit}"


class SheetUnreadable(Malformed):
    """The file is neither CSV in UTF-8 or GB18030 nor XLSX."""

    zh = "无法读取该文件，请使用 UTF-8 或 GB18030 编码的 CSV，或 XLSX"


@dataclass(frozen=True)
class Row:
    """A row up to its last cell; `number` counts from 1, as a spreadsheet shows it."""

    number: int
    cells: tuple[str, ...]


def read(data: bytes) -> list[Row]:
    """Return the rows of a CSV file, or of the first sheet of an XLSX file, that are not blank.

    A formula is the text it is written as; nothing is computed.

    Args:
        data: the file, whatever its name says.

    Raises:
        SheetTooLarge: it has too many bytes, packed or unpacked, or more than `MOST_ROWS` rows
            below the first, or reaches beyond `FARTHEST_ROW`, empty rows counted.
        SheetUnreadable: it is no table.
    """
    if len(data) > MOST_BYTES:
        raise SheetTooLarge(limit=MOST_BYTES, unit="bytes")
    rows = _xlsx(data) if data.startswith(_ZIP) else _csv(data)
    found = []
    for number, cells in enumerate(rows, 1):
        if cells:
            found.append(Row(number, cells))
        if len(found) > MOST_ROWS + 1 or number > FARTHEST_ROW:
            raise SheetTooLarge(limit=MOST_ROWS, unit="rows")
    return found


def _csv(data: bytes) -> Iterator[tuple[str, ...]]:
    table = csv.reader(io.StringIO(_decoded(data), newline=""), strict=True)
    try:
        for cells in table:
            yield _texts(cells)
    except csv.Error as exc:
        raise SheetUnreadable from exc


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SheetUnreadable


def _xlsx(data: bytes) -> Iterator[tuple[str, ...]]:
    from openpyxl import load_workbook

    _weigh(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its own size is often wrong
        for cells in sheet.iter_rows(max_col=MOST_COLUMNS, values_only=True):
            yield _texts(cells)
    except Exception as exc:  # it fails in as many ways as a file can be broken
        raise SheetUnreadable from exc


def _weigh(data: bytes) -> None:
    """Refuse a bomb by the sizes it states; no part is ever read beyond its own.

    Raises:
        SheetTooLarge: it would unpack to too much.
        SheetUnreadable: it is no archive.
    """
    try:
        parts = ZipFile(io.BytesIO(data)).infolist()
    except (BadZipFile, ValueError, OSError, NotImplementedError) as exc:
        raise SheetUnreadable from exc
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
        raise SheetTooLarge(limit=MOST_UNPACKED_BYTES, unit="bytes")


def _texts(cells: Iterable[object]) -> tuple[str, ...]:
    texts = [_text(cell).strip() for cell in islice(cells, MOST_COLUMNS)]
    while texts and not texts[-1]:
        texts.pop()
    return tuple(texts)


def _text(value: object) -> str:
    from openpyxl.worksheet.formula import ArrayFormula

    match value:
        case None:
            return ""
        case bool():
            return _TRUE[value]
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case ArrayFormula():
            return value.text or ""
        case _:
            return str(value)
