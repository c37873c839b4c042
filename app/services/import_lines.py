"""What a row of an imported table says, and everything that is wrong with it by itself."""

import re
from dataclasses import dataclass

from app.models import OrganisationKind, Sector
from app.services import import_tables
from app.services.import_tables import SHOWN, Fault, Form, Wrong, misfit
from app.services.sheets import Row

COLUMNS = {
    "code": "党组织代码",
    "name": "名称",
    "kind": "类型",
    "parent_code": "上级代码",
    "sector": "行业",
    "member_count": "党员数",
    "place": "地图名称",
}
"""The columns, with their Chinese headings."""
NEEDED = ("code", "name", "kind", "parent_code")
LENGTHS = {"code": 32, "name": 120, "parent_code": 32, "place": 40}
MOST_MEMBERS = 100_000_000
KINDS = {
    "区委": OrganisationKind.DISTRICT,
    "镇街": OrganisationKind.TOWN,
    "党委": OrganisationKind.DEPARTMENT,
    "党总支": OrganisationKind.GENERAL_BRANCH,
    "党支部": OrganisationKind.BRANCH,
} | {str(kind): kind for kind in OrganisationKind}
SECTORS = {
    "农村": Sector.RURAL,
    "城市社区": Sector.URBAN,
    "两新": Sector.TWO_NEW,
    "机关": Sector.GOVERNMENT,
    "教育": Sector.EDUCATION,
    "卫健": Sector.HEALTH,
    "国企": Sector.STATE_OWNED,
} | {str(sector): sector for sector in Sector}
_WORDS = {"kind": frozenset(KINDS), "sector": frozenset(SECTORS)}
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass
class Line:
    """One organisation as the table has it; what could not be read is None.

    `said` names the columns that the table has: what it has no column for stays as it is.
    """

    row: int
    said: frozenset[str]
    code: str
    name: str
    kind: OrganisationKind | None
    parent_code: str
    sector: Sector | None
    member_count: int
    place: str | None

    def fault(self, column: str, value: str, code: str, detail: str) -> Fault:
        """Return a fault of this row."""
        return Fault(self.row, column, value[:SHOWN], code, detail)


def read(rows: list[Row]) -> tuple[list[Line], list[Fault]]:
    """Return the lines below the headings, and what is wrong with headings and cells.

    Args:
        rows: of which the first has the headings, Chinese or English, in any order.
    """
    found, faults = import_tables.read(rows, FORM)
    return [_line(row.number, cells) for row, cells in found], faults


def _line(row: int, cells: dict[str, str]) -> Line:
    count = cells.get("member_count", "")
    return Line(
        row=row,
        said=frozenset(cells),
        code=cells["code"],
        name=cells["name"],
        kind=KINDS.get(cells["kind"]),
        parent_code=cells["parent_code"],
        sector=SECTORS.get(cells.get("sector", "")),
        member_count=int(count) if _NUMBER.fullmatch(count) else 0,
        place=cells.get("place") or None,
    )


def _wrong(column: str, value: str) -> Wrong | None:
    """Return what is wrong with one cell."""
    if not value:
        return ("missing", "不能为空") if column in {"code", "name", "kind"} else None
    if wrong := misfit(value, LENGTHS.get(column, SHOWN)):
        return wrong
    return None if _is_known(column, value) else ("unknown-value", _choices(column))


def _is_known(column: str, value: str) -> bool:
    if column == "member_count":
        return _is_count(value)
    return column not in _WORDS or value in _WORDS[column]


def _is_count(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) and int(value) <= MOST_MEMBERS


def _choices(column: str) -> str:
    if column == "member_count":
        return f"应为 0 至 {MOST_MEMBERS} 的整数"
    known = KINDS if column == "kind" else SECTORS
    return "应为：" + "、".join(word for word in known if not word.isascii())


FORM = Form(COLUMNS, NEEDED, _wrong)
