"""Tables as files: whatever is in them, they can be read back, and no cell is a formula."""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from xlsxwriter.exceptions import FileSizeError

from app.harmless import harmless, original
from app.services import table_sheets, table_texts
from app.services.tables import Cell, Column, Kind, Table

FORMULA = tuple("=+-@＝＋－＠﹦﹢﹣﹫\t\r\n")
NASTY = [
    "=1+1",
    " =1",
    "\t=1",
    "\x01=1",
    "\u3000＝1",
    "'=1",
    "''=1",
    "-5",
    "@SUM(A1)",
    "\r\n+1",
    "\u202e=1",
    "\xad+1",
    "﹦1",
    'a,"b',
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.builds(
    str.__add__, st.sampled_from(NASTY), st.text("=+-@' \t\r\n一", max_size=4)
)
KINDS: tuple[tuple[Kind, Cell], ...] = (
    (Kind.TEXT, "=1+1"),
    (Kind.INTEGER, -5),
    (Kind.FEN, -123_45),
    (Kind.DATE, date(2026, 12, 1)),
    (Kind.INSTANT, datetime(2026, 12, 1, 1, tzinfo=UTC)),
    (Kind.PERCENT, 0.25),
    (Kind.FLOAT, -1.5),
)


def of(rows: Sequence[Sequence[Cell]], kinds: Sequence[Kind] = (Kind.TEXT,)) -> Table:
    columns = tuple(Column(f"c{n}", f"列{n}", f"C{n}", kind) for n, kind in enumerate(kinds))
    return Table("t", "=标题", columns, iter(rows), len(rows), (("内容 Content", "=全部"),))


def as_csv(table: Table) -> list[list[str]]:
    file = io.BytesIO()
    table_texts.write(table, file)
    text = file.getvalue().decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline=""), strict=True))


def as_sheets(table: Table) -> list[list[list[object]]]:
    file = io.BytesIO()
    table_sheets.write(table, file)
    book = load_workbook(io.BytesIO(file.getvalue()))
    assert {cell.data_type for sheet in book for row in sheet.rows for cell in row} <= set("sndi")
    return [[[cell.value for cell in row] for row in sheet.rows] for sheet in book]


def starts_a_formula(cell: str) -> bool:
    return cell.lstrip(" \u3000\xa0\xad\u202e").startswith(FORMULA)


@given(st.lists(TEXTS, min_size=1, max_size=5))
@example(NASTY)
@settings(deadline=None)
def test_no_cell_of_a_csv_is_a_formula_and_each_gives_its_text_back(texts: list[str]) -> None:
    (_, *rows) = as_csv(of([[text] for text in texts]))
    # The reader of the standard library has no line for a row of one empty cell.
    assert [original(row[0] if row else "") for row in rows] == texts
    assert not [row for row in rows if row and starts_a_formula(row[0])]


@pytest.mark.parametrize("text", NASTY[:-1])
def test_without_the_guard_a_formula_would_be_seen(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control."""
    monkeypatch.setattr(table_texts, "harmless", lambda said: said)
    (_, (cell,)) = as_csv(of([[text]]))
    assert starts_a_formula(cell.lstrip("\x01'"))


@given(TEXTS)
@example("_x0041_")
@settings(deadline=None)
def test_a_sheet_gives_its_texts_back(text: str) -> None:
    data = as_sheets(of([[text, "end"]], [Kind.TEXT, Kind.TEXT]))[0]
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = table_sheets.text(text)
    assert not starts_a_formula(kept)
    told = data[3][0] or ""
    assert str(told).replace("x005F_", "") == kept.replace("x005F_", "")
    assert original(kept) == table_sheets._NOT_OF_XML.sub("", lines)


def test_numbers_stay_numbers_and_texts_texts() -> None:
    kinds, values = zip(*KINDS, strict=True)
    (_, row) = as_csv(of([values], kinds))
    assert row == ["'=1+1", "-5", "-123.45", "2026-12-01", "2026-12-01 09:00", "0.25", "-1.5"]
    sheet, notes = as_sheets(of([values], kinds))
    assert sheet[0][0] == "'=标题"
    nine = datetime(2026, 12, 1, 9)  # noqa: DTZ001 - a sheet knows the wall only
    day = datetime(2026, 12, 1)  # noqa: DTZ001
    assert sheet[3] == ["'=1+1", -5, -123.45, day, nine, 0.25, -1.5]
    assert notes == [["内容 Content", "'=全部"], ["行数 Rows", "1"]]


def test_a_sheet_is_laid_out_to_be_read() -> None:
    kinds, values = zip(*KINDS, strict=True)
    file = io.BytesIO()
    table_sheets.write(of([values], kinds), file)
    sheet = load_workbook(io.BytesIO(file.getvalue())).worksheets[0]
    assert sheet.freeze_panes == "A4"
    assert sheet.auto_filter.ref == "A3:G4"
    assert [sheet.cell(4, n).number_format for n in range(1, 8)] == [
        table_sheets.FORMATS[kind] for kind in kinds
    ]


@pytest.mark.parametrize(("rows", "sheets"), [(0, 1), (7, 1), (8, 2), (14, 2), (15, 3)])
def test_rows_go_on_on_the_next_sheet(
    rows: int, sheets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_sheets, "MOST_ROWS", 10)
    (*data, _) = as_sheets(of([[n] for n in range(rows)], [Kind.INTEGER]))
    assert len(data) == sheets
    assert [row[0] for sheet in data for row in sheet[3:]] == list(range(rows))
    assert all(len(sheet) <= 10 for sheet in data)


def test_a_sheet_may_be_larger_than_its_container_was_made_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full sheet passes 2 GB before it is packed; here, that is 2 KB."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 2048)
    data, _ = as_sheets(of([[n] for n in range(500)], [Kind.INTEGER]))
    assert len(data) == 503
    monkeypatch.delitem(table_sheets.OPTIONS, "use_zip64")
    with pytest.raises(FileSizeError):
        as_sheets(of([[n] for n in range(500)], [Kind.INTEGER]))


def test_rows_are_read_as_they_are_written() -> None:
    seen = []

    def rows() -> Iterator[Sequence[Cell]]:
        for n in range(5):
            seen.append(n)
            yield (n,)

    table = Table("t", "t", (Column("n", "数", "N", Kind.INTEGER),), rows(), 5, ())
    assert seen == []
    assert table_texts.write(table, io.BytesIO()) == 5
    assert seen == list(range(5))


@pytest.mark.parametrize("fen", [0, 5, -5, 100, -101, 10**15 + 1])
def test_yuan_is_exact(fen: int) -> None:
    whole, rest = table_texts.yuan(fen).lstrip("-").split(".")
    assert (int(whole) * 100 + int(rest)) * (-1 if fen < 0 else 1) == fen


def test_what_is_harmless_stays_as_it_is() -> None:
    for text in ("", "党", "1-2", "a=b", "'党'", "赵 - 钱"):
        assert harmless(text) == text == original(text)
    assert harmless("-5") == "'-5"
