"""Tables by their bytes: encodings, workbooks, and files that mean harm."""

import io
import struct
import zipfile
from datetime import date
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.formula import ArrayFormula

from app.services import sheets
from app.services.sheets import Row, SheetTooLarge, SheetUnreadable

TEXT = "党组织代码,名称\r\n001,第一党支部\r\n"
READ = [Row(1, ("党组织代码", "名称")), Row(2, ("001", "第一党支部"))]


def workbook(rows: list[list[Any]]) -> bytes:
    book = Workbook()
    for row in rows:
        assert book.active
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_sheet(xml: str, stated: int | None = None) -> bytes:
    """A workbook whose sheet is `xml`, stating another size if wanted."""
    whole = io.BytesIO(workbook([["a"]]))
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            body = xml.encode() if name == "xl/worksheets/sheet1.xml" else old.read(name)
            new.writestr(name, body)
    packed = out.getvalue()
    if stated is None:
        return packed
    real = struct.pack("<I", len(xml.encode()))
    return packed.replace(real, struct.pack("<I", stated))


def sheet_xml(rows: str) -> str:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_csv_in_any_of_the_usual_encodings(encoding: str) -> None:
    assert sheets.read(TEXT.encode(encoding)) == READ


def test_rows_keep_the_numbers_a_spreadsheet_shows() -> None:
    data = 'a,b\n\n,\n"两\n行",1\nx,y\n'.encode()
    assert [(row.number, row.cells[0]) for row in sheets.read(data)] == [
        (1, "a"),
        (4, "两\n行"),
        (5, "x"),
    ]


def test_cells_of_a_workbook_are_text() -> None:
    cells = [370302001, 42.0, 1.5, True, date(2026, 1, 2), " 两端 ", None, "=1+1"]
    found = sheets.read(workbook([cells, ["最后"]]))
    said = ("370302001", "42", "1.5", "TRUE", "2026-01-02T00:00:00", "两端", "", "=1+1")
    assert found[0].cells[:8] == said
    book = Workbook()
    assert book.active
    book.active["A1"] = ArrayFormula("A1:A1", "=SUM(B1:B2)")
    out = io.BytesIO()
    book.save(out)
    assert sheets.read(out.getvalue())[0].cells[0] == "=SUM(B1:B2)"


def test_bytes_decide_and_not_names() -> None:
    assert sheets.read(workbook([["党组织代码", "名称"], ["001", "第一党支部"]])) == READ


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfea\x00",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"PK\x03\x04 and nothing more",
        b'a,"b',
        b"a," + b"x" * 200_000,
        with_sheet("<worksheet"),
        with_sheet(sheet_xml('<row r="x"><c r="A1"><v>1</v></c></row>')),
    ],
    ids=["utf-16", "xls", "torn zip", "torn quote", "huge cell", "torn xml", "row of no number"],
)
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(SheetUnreadable):
        sheets.read(data)


def test_a_plain_archive_is_no_workbook() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SheetUnreadable):
        sheets.read(out.getvalue())


def test_entities_do_not_multiply() -> None:
    names = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<!DOCTYPE worksheet [<!ENTITY e0 "{"x" * 100}">{names}]>'
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>&e9;</t></is></c></row>'
    with pytest.raises(SheetUnreadable):
        sheets.read(with_sheet(head + sheet_xml(row)))


def test_limits() -> None:
    rows = [f"{n}" for n in range(sheets.MOST_ROWS + 1)]
    assert len(sheets.read("\n".join(rows).encode())) == sheets.MOST_ROWS + 1
    for data in ("\n".join([*rows, "x"]).encode(), b"," * (sheets.MOST_BYTES + 1)):
        with pytest.raises(SheetTooLarge):
            sheets.read(data)


def test_a_bomb_is_refused_before_it_is_opened() -> None:
    bomb = with_sheet(sheet_xml(" " * (sheets.MOST_UNPACKED_BYTES + 1)))
    assert len(bomb) < 200_000
    with pytest.raises(SheetTooLarge):
        sheets.read(bomb)


def test_a_bomb_that_lies_is_not_read_beyond_what_it_says() -> None:
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
    xml = sheet_xml(row + " " * sheets.MOST_UNPACKED_BYTES)
    with pytest.raises(SheetUnreadable):
        sheets.read(with_sheet(xml, stated=1000))


def test_too_many_parts_are_refused() -> None:
    out = io.BytesIO(workbook([["a"]]))
    with zipfile.ZipFile(out, "a") as archive:
        for number in range(sheets.MOST_PARTS):
            archive.writestr(f"part{number}", "")
    with pytest.raises(SheetTooLarge):
        sheets.read(out.getvalue())


def test_far_cells_cost_nothing() -> None:
    far = '<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>远</t></is></c></row>'
    beyond = far.replace("1048576", "99999999999")
    wide = '<row r="1"><c r="XFD1" t="inlineStr"><is><t>宽</t></is></c></row>'
    for xml in (sheet_xml(far), sheet_xml(beyond)):
        with pytest.raises(SheetTooLarge):
            sheets.read(with_sheet(xml))
    near = sheet_xml(far.replace("1048576", "30000"))
    assert sheets.read(with_sheet(near)) == [Row(30_000, ("远",))]
    assert sheets.read(with_sheet(sheet_xml(wide))) == []


def test_a_wrong_dimension_hides_nothing() -> None:
    xml = sheet_xml(
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="A2"><v>2</v></c></row>'
    ).replace("<sheetData>", '<dimension ref="A1"/><sheetData>')
    assert [row.cells[0] for row in sheets.read(with_sheet(xml))] == ["1", "2"]
