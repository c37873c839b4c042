"""The monthly bulletin as a paper (PDF), its charts drawn as lines and letters, not pictures."""

from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any

from reportlab.graphics.charts.barcharts import HorizontalBarChart, VerticalBarChart
from reportlab.graphics.charts.linecharts import HorizontalLineChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from app.services.bulletins import Bulletin
from app.services.claim_papers import FONT
from app.services.statistics import Use
from app.services.table_notes import CATEGORIES

MARGIN = 18 * mm
WIDE = A4[0] - 2 * MARGIN
RED = colors.HexColor("#b3261e")
_TITLE = ParagraphStyle("title", fontName=FONT, fontSize=18, leading=26, alignment=1)
_UNDER = ParagraphStyle("under", fontName=FONT, fontSize=10, leading=14, alignment=1)
_HEAD = ParagraphStyle("head", fontName=FONT, fontSize=12, leading=18, spaceBefore=8)
_CELL = ParagraphStyle("cell", fontName=FONT, fontSize=9, leading=12, wordWrap="CJK")
_GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ]
)
USES = ("名称", "预约", "到访", "人次")
FIGURES = ("指标", "本月", "上月", "增减")


def write(told: Bulletin) -> bytes:
    """Return the bulletin as PDF; the same figures give the same bytes."""
    file = BytesIO()
    title = f"党建阵地使用月报（{told.month.year}年{told.month.month}月）"
    document = SimpleDocTemplate(
        file,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=title,
        invariant=1,
    )
    document.build(
        [
            _said(title, _TITLE),
            _said(told.scope, _UNDER),
            *_section("一、主要指标", _figures(told)),
            *_section("二、各类别人次", _bars(_named(told.this.by_category))),
            _uses(_named(told.this.by_category)),
            *_section("三、各镇街", _uses(told.this.by_town)),
            *_section("四、人次居前的阵地", _across(told.this.top_sites)),
            _uses(told.this.top_sites),
            *_section("五、近十二个月人次", _line(told.line)),
            *_section("六、说明", *(_said(f"{name}：{said}", _CELL) for name, said in told.notes)),
        ],
        onFirstPage=_number,
        onLaterPages=_number,
    )
    return file.getvalue()


def _section(head: str, first: Flowable, *rest: Flowable) -> list[Flowable]:
    return [KeepTogether([_said(head, _HEAD), first]), *rest, Spacer(1, 2 * mm)]


def _named(uses: Iterable[Use]) -> list[Use]:
    return [Use(u.id, CATEGORIES[u.name], u.bookings, u.visits, u.people) for u in uses]


def _figures(told: Bulletin) -> Flowable:
    rows = [
        (name, _number_of(value), _number_of(earlier), _difference(value, earlier))
        for name, value, earlier in told.figures()
    ]
    return _table(FIGURES, rows)


def _number_of(value: float | None) -> str:
    return "—" if value is None else str(value)


def _difference(value: float | None, earlier: float | None) -> str:
    if value is None or earlier is None:
        return "—"
    by = round(value - earlier, 2)
    share = f"（{by / earlier:+.1%}）" if earlier else ""
    return f"{by:+}{share}"


def _uses(uses: Sequence[Use]) -> Flowable:
    if not uses:
        return _said("本月无", _CELL)
    return _table(USES, [(u.name, str(u.bookings), str(u.visits), str(u.people)) for u in uses])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Flowable:
    cells = [[_said(text, _CELL) for text in row] for row in (head, *rows)]
    first = WIDE * 0.4
    widths = [first, *[(WIDE - first) / (len(head) - 1)] * (len(head) - 1)]
    return Table(cells, colWidths=widths, repeatRows=1, style=_GRID)


def _chart(chart: Any, names: Sequence[str], values: Sequence[int], high: float) -> Flowable:
    """Draw one row of numbers; the axis begins at 0."""
    drawing = Drawing(WIDE, high)
    chart.x, chart.y = (90 if isinstance(chart, HorizontalBarChart) else 40), 24
    chart.width, chart.height = WIDE - chart.x - 20, high - 36
    chart.data = [list(values)]
    chart.categoryAxis.categoryNames = list(names)
    for axis in (chart.categoryAxis, chart.valueAxis):
        axis.labels.fontName, axis.labels.fontSize = FONT, 8
    chart.valueAxis.valueMin = 0
    chart.valueAxis.valueMax = max([*values, 1]) * 1.1
    chart.valueAxis.labelTextFormat = "%d"
    drawing.add(chart)
    return drawing


def _bars(uses: Sequence[Use]) -> Flowable:
    if not uses:
        return _said("本月无", _CELL)
    chart = VerticalBarChart()
    chart.bars[0].fillColor = RED
    return _chart(chart, [use.name for use in uses], [use.people for use in uses], 130)


def _across(uses: Sequence[Use]) -> Flowable:
    """Draw bars to the right, the longest on top."""
    if not uses:
        return _said("本月无", _CELL)
    chart = HorizontalBarChart()
    chart.bars[0].fillColor = RED
    upwards = list(reversed(uses))
    names, values = [use.name for use in upwards], [use.people for use in upwards]
    return _chart(chart, names, values, 40 + 16 * len(uses))


def _line(line: Sequence[tuple[str, int]]) -> Flowable:
    chart = HorizontalLineChart()
    chart.lines[0].strokeColor = RED
    chart.lineLabelFormat = "%d"
    chart.lineLabels.fontName, chart.lineLabels.fontSize = FONT, 8
    return _chart(chart, [name for name, _ in line], [people for _, people in line], 150)


def _said(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _number(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont(FONT, 8)
    canvas.drawCentredString(A4[0] / 2, MARGIN / 2, f"第 {document.page} 页")
