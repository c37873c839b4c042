"""A claim as a spreadsheet, in the layout that finance offices file."""

from decimal import Decimal
from io import BytesIO

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from app.harmless import harmless
from app.services.claim_forms import HEADER, Form, FormLine, yuan

MONEY = "#,##0.00"
WIDTHS = (6, 13, 26, 17, 9, 9, 16, 16, 18, 30, 13)
HEADER_ROW = 4
_LAST = len(HEADER)
_LINE = Side(style="thin")
_GRID = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)


def write(form: Form) -> bytes:
    """Return the form as XLSX."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)  # noqa: S101
    sheet.title = "补助申领表"
    _head(sheet, form)
    for line in form.lines:
        _row(sheet, HEADER_ROW + line.number, _cells(line))
    _foot(sheet, form, HEADER_ROW + len(form.lines) + 1)
    _page(sheet)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def _head(sheet: Worksheet, form: Form) -> None:
    for row, said, size in ((1, form.title, 16), (2, form.fund, 11), (3, form.facts(), 11)):
        _across(sheet, row, said)
        sheet.cell(row, 1).font = Font(size=size, bold=row == 1)
        sheet.cell(row, 1).alignment = Alignment(horizontal="left" if row == 3 else "center")
    _row(sheet, HEADER_ROW, HEADER)
    for column in range(1, _LAST + 1):
        sheet.cell(HEADER_ROW, column).font = Font(bold=True)
        sheet.cell(HEADER_ROW, column).alignment = Alignment(horizontal="center", wrap_text=True)


def _cells(line: FormLine) -> tuple[str | int | Decimal, ...]:
    return (
        line.number,
        line.code,
        line.branch,
        line.when,
        line.expected,
        line.attended,
        line.received,
        line.reviewed,
        line.rule,
        line.arithmetic,
        _yuan(line.amount_fen),
    )


def _foot(sheet: Worksheet, form: Form, row: int) -> None:
    expected = sum(line.expected for line in form.lines)
    total = ("合计", "", "", "", expected, form.people(), "", "", "", "", _yuan(form.amount_fen))
    _row(sheet, row, total)
    capitals = f"合计金额（大写）：{form.capitals()}    （小写）：¥{yuan(form.amount_fen)}"
    _across(sheet, row + 1, capitals)
    signed = [f"{said}：{name}" for said, name in form.signatures]
    for n, said in enumerate(signed):
        _put(sheet, row + 3, 1 + n * 3, said)


def _page(sheet: Worksheet) -> None:
    for column, width in enumerate(WIDTHS, 1):
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.freeze_panes = f"A{HEADER_ROW + 1}"
    sheet.print_title_rows = f"{HEADER_ROW}:{HEADER_ROW}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True  # type: ignore[union-attr]


def _row(sheet: Worksheet, row: int, cells: tuple[str | int | Decimal, ...]) -> None:
    for column, value in enumerate(cells, 1):
        _put(sheet, row, column, value)
        sheet.cell(row, column).border = _GRID
        if isinstance(value, Decimal):
            sheet.cell(row, column).number_format = MONEY


def _across(sheet: Worksheet, row: int, said: str) -> None:
    _put(sheet, row, 1, said)
    sheet.merge_cells(start_row=row, start_column=1, end_row=row, end_column=_LAST)


def _put(sheet: Worksheet, row: int, column: int, value: str | int | Decimal) -> None:
    sheet.cell(row, column).value = _harmless(value) if isinstance(value, str) else value


def _harmless(said: str) -> str:
    """Return a text that stays one, here and in whatever table is made of this one."""
    return harmless(ILLEGAL_CHARACTERS_RE.sub("", said))


def _yuan(fen: int) -> Decimal:
    return Decimal(fen) / 100
