"""What a row of an imported table of sites says, and everything that is wrong with it by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.models import Category, Crs, SiteKind
from app.services import import_tables
from app.services.coordinates import Place
from app.services.import_tables import SHOWN, Cells, Fault, Form, Wrong, misfit
from app.services.sheets import Row
from app.services.sites import PHONE

COLUMNS = {
    "code": "阵地编号",
    "name": "名称",
    "short_name": "简称",
    "town_code": "镇街代码",
    "category": "类别",
    "kinds": "类型",
    "address": "地址",
    "summary": "简介",
    "introduction": "介绍",
    "lon": "经度",
    "lat": "纬度",
    "crs": "坐标系",
    "gate_lon": "导航经度",
    "gate_lat": "导航纬度",
    "source_note": "坐标来源",
    "contact_name": "联系人",
    "contact_phone": "联系电话",
    "parking_cars": "小车位",
    "parking_coaches": "大巴位",
    "step_free": "无障碍",
    "ticketed": "收费景区",
    "lend": "可借物品",
    "honours": "荣誉",
}
"""The columns, with their Chinese headings."""
NEEDED = ("code", "name", "town_code", "category", "kinds", "address", "lon", "lat", "crs")
"""Columns that every table has, and that no row leaves empty."""
LENGTHS = {
    "code": 32,
    "name": 120,
    "short_name": 20,
    "town_code": 32,
    "address": 200,
    "summary": 200,
    "introduction": 5000,
    "source_note": 80,
    "contact_name": 40,
    "contact_phone": 20,
}
MOST_PLACES = 100_000
MOST_WORDS = 20
LONGEST_WORD = 40
CATEGORIES = {
    "农村党建": Category.RURAL,
    "城市党建": Category.URBAN,
    "两新党建": Category.TWO_NEW,
    "党建综合": Category.GENERAL,
} | {str(category): category for category in Category}
KINDS = {
    "教育基地": SiteKind.EDUCATION_BASE,
    "示范点": SiteKind.DEMONSTRATION_SITE,
    "党校现场教学点": SiteKind.PARTY_SCHOOL_POINT,
    "服务中心": SiteKind.SERVICE_CENTRE,
    "体检中心": SiteKind.CHECKUP_CENTRE,
    "实训基地": SiteKind.TRAINING_BASE,
} | {str(kind): kind for kind in SiteKind}
SYSTEMS = {"wgs84": Crs.WGS84, "gcj02": Crs.GCJ02, "bd09": Crs.BD09} | {
    "wgs-84": Crs.WGS84,
    "gcj-02": Crs.GCJ02,
    "bd-09": Crs.BD09,
}
TRUTHS = {"是": True, "有": True, "true": True, "否": False, "无": False, "false": False}
TEXTS = ("name", "short_name", "address", "summary", "introduction", "contact_name")
_COUNTS = ("parking_cars", "parking_coaches")
_TRUTHS = ("step_free", "ticketed")
_DEGREES = {"lon": 180, "lat": 90, "gate_lon": 180, "gate_lat": 90}
_LISTS = ("kinds", "lend", "honours")
_NUMBER = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,20})?")
_BETWEEN = re.compile(r"[、,，;；]")


@dataclass(frozen=True)
class Line:
    """One site as the table has it; of a row at fault, only who it is.

    Attributes:
        row: as the spreadsheet shows it.
        code: which site.
        town_code: where it lies.
        facts: columns of the site that the table has.
        at: where it is, in `crs`; None of a row at fault.
        crs: of `at` and `gate`.
        gate: where to navigate to; None where the cells are empty.
        said: columns that the table has: what it has no column for stays as it is.
        note: where the point was read off.
    """

    row: int
    code: str
    town_code: str
    facts: dict[str, Any]
    at: Place | None
    crs: Crs
    gate: Place | None
    said: frozenset[str]
    note: str | None

    def fault(self, column: str, value: str, code: str, detail: str) -> Fault:
        """Return a fault of this row."""
        return Fault(self.row, column, value[:SHOWN], code, detail)


def read(rows: list[Row]) -> tuple[list[Line], list[Fault]]:
    """Return the lines below the headings, and what is wrong with headings and cells.

    Args:
        rows: of which the first has the headings, Chinese or English, in any order.
    """
    found, faults = import_tables.read(rows, FORM)
    for row, cells in found:
        faults += _half_a_gate(row, cells)
    bad = {fault.row for fault in faults}
    return [_line(row.number, cells, bad=row.number in bad) for row, cells in found], faults


def words(value: str) -> list[str]:
    """Return the parts of a cell that lists several things."""
    return [part.strip() for part in _BETWEEN.split(value) if part.strip()]


def _line(row: int, cells: Cells, *, bad: bool) -> Line:
    gate = None
    if not bad and cells.get("gate_lon"):
        gate = Place(float(cells["gate_lon"]), float(cells["gate_lat"]))
    return Line(
        row=row,
        code=cells["code"],
        town_code=cells["town_code"],
        facts={} if bad else _facts(cells),
        at=None if bad else Place(float(cells["lon"]), float(cells["lat"])),
        crs=SYSTEMS.get(cells["crs"].lower(), Crs.WGS84),
        gate=gate,
        said=frozenset(cells),
        note=cells.get("source_note") or None,
    )


def _facts(cells: Cells) -> dict[str, Any]:
    facts: dict[str, Any] = {
        name: cells[name] for name in (*TEXTS, "contact_phone") if name in cells
    }
    if not facts.get("short_name"):
        facts.pop("short_name", None)
    facts |= {name: int(cells[name] or 0) for name in _COUNTS if name in cells}
    facts |= {name: words(cells[name]) for name in ("lend", "honours") if name in cells}
    facts |= {name: TRUTHS.get(cells[name].lower(), False) for name in _TRUTHS if name in cells}
    kinds = dict.fromkeys(KINDS[word] for word in words(cells["kinds"]))
    return facts | {"category": CATEGORIES[cells["category"]], "kinds": list(kinds)}


def _half_a_gate(row: Row, cells: Cells) -> Iterator[Fault]:
    ends = ("gate_lon", "gate_lat")
    if bool(cells.get(ends[0])) != bool(cells.get(ends[1])):
        column = next(end for end in ends if not cells.get(end))
        yield Fault(row.number, column, "", "missing", "导航经度和导航纬度须同时填写")


def _wrong(column: str, value: str) -> Wrong | None:
    """Return what is wrong with one cell."""
    if not value:
        return ("missing", "不能为空") if column in NEEDED else None
    if value.startswith("="):
        return "formula", "是公式，请改为数值或文字"
    if column in _DEGREES:
        return _wrong_degrees(column, value)
    if column in _LISTS:
        return _wrong_list(column, words(value))
    plain = value.replace("\r", "").replace("\n", "") if column == "introduction" else value
    return misfit(plain, LENGTHS.get(column, SHOWN)) or _unknown(column, value)


def _wrong_degrees(column: str, value: str) -> Wrong | None:
    most = _DEGREES[column]
    if not _DECIMAL.fullmatch(value):
        return "unknown-value", "应为十进制度数，例如 118.105432"
    if abs(float(value)) <= most:
        return None
    swapped = "，经纬度似乎颠倒" if most == _DEGREES["lat"] else ""
    return "out-of-range", f"应在 -{most} 至 {most} 度之间{swapped}"


def _wrong_list(column: str, parts: list[str]) -> Wrong | None:
    if column == "kinds":
        known = bool(parts) and all(part in KINDS for part in parts)
        return None if known else _choices(KINDS)
    if len(parts) > MOST_WORDS:
        return "too-many", f"最多 {MOST_WORDS} 项"
    return next(filter(None, (misfit(part, LONGEST_WORD) for part in parts)), None)


def _unknown(column: str, value: str) -> Wrong | None:
    if column == "category":
        return None if value in CATEGORIES else _choices(CATEGORIES)
    if column == "crs":
        return (
            None if value.lower() in SYSTEMS else ("unknown-value", "应为：WGS-84、GCJ-02、BD-09")
        )
    if column in _COUNTS:
        known = _NUMBER.fullmatch(value) and int(value) <= MOST_PLACES
        return None if known else ("unknown-value", f"应为 0 至 {MOST_PLACES} 的整数")
    if column in _TRUTHS:
        return None if value.lower() in TRUTHS else ("unknown-value", "应为：是、否")
    if column == "contact_phone" and not re.fullmatch(PHONE, value):
        return "unknown-value", "应为电话号码，例如 0533-5180000"
    return None


def _choices(known: dict[str, Any]) -> Wrong:
    return "unknown-value", "应为：" + "、".join(word for word in known if not word.isascii())


FORM = Form(COLUMNS, NEEDED, _wrong)
