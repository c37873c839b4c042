"""A claim as a paper for the file (PDF); the same claim gives the same bytes.

The font is one of those that every reader of PDF has for Chinese by name (STSong-Light, Adobe-GB1),
so that none has to be on the server.
"""

from collections.abc import Sequence
from html import escape
from io import BytesIO

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from app.services.claim_forms import HEADER, Form, FormLine, yuan

FONT = "STSong-Light"
MARGIN = 12 * mm
WIDTHS = tuple(wide * mm for wide in (10, 27, 44, 30, 14, 14, 28, 28, 26, 32, 20))

pdfmetrics.registerFont(UnicodeCIDFont(FONT))
_TITLE = ParagraphStyle("title", fontName=FONT, fontSize=16, leading=22, alignment=1)
_UNDER = ParagraphStyle("under", fontName=FONT, fontSize=10, leading=14, alignment=1)
_PLAIN = ParagraphStyle("plain", fontName=FONT, fontSize=10, leading=15, wordWrap="CJK")
_CELL = ParagraphStyle("cell", fontName=FONT, fontSize=8, leading=10, wordWrap="CJK")
_GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.5, colors.black),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
)


def write(form: Form) -> bytes:
    """Return the form as PDF, A4 across, the table's header on every page."""
    file = BytesIO()
    document = SimpleDocTemplate(
        file,
        pagesize=landscape(A4),
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 4 * mm,
        title=f"{form.unit} {form.month}",
        invariant=1,
    )
    total = ("合计", "", "", "", "", str(form.people()), "", "", "", "", yuan(form.amount_fen))
    rows = [_row(cells) for cells in (HEADER, *map(_cells, form.lines), total)]
    capitals = f"合计金额（大写）：{form.capitals()}　（小写）：¥{yuan(form.amount_fen)}"
    signed = [f"{said}：{name}" for said, name in form.signatures]
    document.build(
        [
            _said(form.title, _TITLE),
            _said(form.fund, _UNDER),
            _said(form.facts(), _PLAIN),
            Spacer(1, 2 * mm),
            Table(rows, colWidths=WIDTHS, repeatRows=1, style=_GRID),
            Spacer(1, 3 * mm),
            _said(capitals, _PLAIN),
            Spacer(1, 8 * mm),
            Table([[_said(text, _PLAIN) for text in signed]], colWidths=[sum(WIDTHS) / 4] * 4),
        ],
        onFirstPage=_number,
        onLaterPages=_number,
    )
    return file.getvalue()


def _cells(line: FormLine) -> tuple[str, ...]:
    return (
        str(line.number),
        line.code,
        line.branch,
        line.when,
        str(line.expected),
        str(line.attended),
        line.received,
        line.reviewed,
        line.rule,
        line.arithmetic,
        yuan(line.amount_fen),
    )


def _row(cells: Sequence[str]) -> list[Paragraph]:
    return [_said(cell, _CELL) for cell in cells]


def _said(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _number(canvas: Canvas, document: SimpleDocTemplate) -> None:
    canvas.setFont(FONT, 8)
    canvas.drawCentredString(landscape(A4)[0] / 2, MARGIN / 2, f"第 {document.page} 页")
