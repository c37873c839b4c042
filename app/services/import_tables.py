"""Tables to take in, whatever they tell of: headings, cells, and every fault at once."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from app.errors import Malformed
from app.services.sheets import Row

MOST_TOLD = 200
"""Faults told of one table; the first by row."""
SHOWN = 60
"""Letters of a cell that a fault repeats."""
PATIENCE_MS = 120_000
"""How long one statement of an import may take."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Progress = Callable[[str, float], None]
"""Hears the name of a stage, and the share of the whole that is done, 0 to 1."""
Wrong = tuple[str, str]
"""Code and sentence of what is wrong with a cell."""


class ImportRefused(Malformed):
    """The table has faults; nothing of it was imported."""

    zh = "表格有误，未导入任何内容"
    detail_en = "{faults} fault(s), listed by row"
    detail_zh = "共 {faults} 处有误，已按行列出"


@dataclass(frozen=True)
class Imported:
    """What an import did, or would do."""

    rows: int
    created: int
    changed: int
    unchanged: int


@dataclass(frozen=True)
class Fault:
    """What is wrong with one cell; `row` is as the spreadsheet shows it."""

    row: int
    column: str
    value: str
    code: str
    detail: str


@dataclass(frozen=True)
class Form:
    """What a table looks like.

    Attributes:
        columns: by name, with their Chinese headings; either is understood.
        needed: columns that every table has.
        wrong: returns what is wrong with a cell of a column by itself, or None.
    """

    columns: Mapping[str, str]
    needed: Sequence[str]
    wrong: Callable[[str, str], Wrong | None]


Cells = dict[str, str]
"""A row's texts by the columns that the table has."""


def read(rows: list[Row], form: Form) -> tuple[list[tuple[Row, Cells]], list[Fault]]:
    """Return the rows below the headings, and what is wrong with headings and cells.

    Args:
        rows: of which the first has the headings, in any order.
        form: what they should be.
    """
    if not rows:
        return [], [Fault(1, "", "", "missing-heading", "表格为空")]
    headings, faults = _headings(rows[0], form)
    if faults:
        return [], faults
    lines = []
    for row in rows[1:]:
        cells = {c: row.cells[at] if at < len(row.cells) else "" for c, at in headings.items()}
        lines.append((row, cells))
        faults += _faults(row, cells, headings, form)
    return lines, faults


def refuse(faults: Iterable[Fault], form: Form) -> None:
    """Pass if there is no fault.

    Raises:
        ImportRefused: with the first of them, by row and column.
    """
    order = list(form.columns)
    found = sorted(
        faults, key=lambda f: (f.row, order.index(f.column) if f.column in order else -1)
    )
    if found:
        raise ImportRefused(faults=len(found), errors=[asdict(f) for f in found[:MOST_TOLD]])


def _headings(row: Row, form: Form) -> tuple[dict[str, int], list[Fault]]:
    columns = form.columns
    named = {chinese: column for column, chinese in columns.items()} | {c: c for c in columns}
    found: dict[str, int] = {}
    faults = []
    for at, heading in enumerate(row.cells):
        column = named.get(heading.lower())
        if column is None and heading:
            faults.append(Fault(row.number, heading[:SHOWN], "", "unknown-heading", "未知的列"))
        elif column in found:
            faults.append(Fault(row.number, heading, "", "duplicate-heading", "列重复"))
        elif column:
            found[column] = at
    faults += [
        Fault(row.number, column, "", "missing-heading", f"缺少“{columns[column]}”列")
        for column in form.needed
        if column not in found
    ]
    return found, faults


def _faults(row: Row, cells: Cells, headings: dict[str, int], form: Form) -> Iterator[Fault]:
    for column, value in cells.items():
        wrong = form.wrong(column, value)
        if wrong:
            yield Fault(row.number, column, value[:SHOWN], *wrong)
    for at, value in enumerate(row.cells):
        if value and at not in headings.values():
            yield Fault(row.number, "", value[:SHOWN], "no-heading", "该单元格不在任何列之下")


def misfit(value: str, longest: int) -> Wrong | None:
    """Return what is wrong with the letters of a text, or None."""
    if CONTROL.search(value):
        return "control-character", "含有控制字符或换行"
    return ("too-long", f"最多 {longest} 个字符") if len(value) > longest else None
