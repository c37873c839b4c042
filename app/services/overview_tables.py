"""The overview as a table: its totals first, then its parts."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app.services import statistics
from app.services.access import Actor
from app.services.calendars import STATUSES
from app.services.statistics import Overview, Use
from app.services.table_notes import ACCOUNTS, CATEGORIES, Asked, notes
from app.services.tables import Cell, Column, Kind, Table

COUNTED = "所辖阵地与党组织在期间内的预约、到访与人次；待接单、阵地数与支部数为导出时的数"
COLUMNS = (
    Column("part", "分组", "Part", width=14),
    Column("name", "名称", "Name", width=24),
    Column("bookings", "预约", "Bookings", Kind.INTEGER),
    Column("visits", "到访", "Visits", Kind.INTEGER),
    Column("people", "人次", "People", Kind.INTEGER),
    Column("value", "数值", "Value", Kind.FLOAT),
    Column("amount_fen", "金额（元）", "Amount (yuan)", Kind.FEN, 16),
)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return what an actor oversees in numbers."""
    found = statistics.overview(session, actor=actor, since=asked.since, until=asked.until)
    rows = list(_rows(found))
    return Table(
        name="overview",
        title="阵地使用数据概览",
        columns=COLUMNS,
        rows=iter(rows),
        total=len(rows),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )


def totals(found: Overview) -> dict[str, int | float | None]:
    """Return the totals by what they are called."""
    return {
        "阵地": found.sites,
        "党支部": found.branches,
        "到访支部": found.branches_came,
        "到访": found.visits,
        "人次": found.people,
        "待接单": found.waiting,
        "临期取消": found.late_cancels,
        "平均评分": found.rating,
        "平均接单时长（分）": found.answer_minutes,
    }


def _rows(found: Overview) -> Iterator[Sequence[Cell]]:
    for name, value in totals(found).items():
        yield "总计", name, None, None, None, value, None
    for status, spoken in STATUSES.items():
        yield "状态", spoken[0], found.statuses.get(status, 0), None, None, None, None
    parts = (("月份", found.by_month), ("镇街", found.by_town), ("阵地", found.top_sites))
    for part, uses in parts:
        yield from (_use(part, use, use.name) for use in uses)
    yield from (_use("类别", use, CATEGORIES[use.name]) for use in found.by_category)
    for account, fen in found.balances_fen.items():
        yield "经费", ACCOUNTS[account], None, None, None, None, fen


def _use(part: str, use: Use, name: str) -> Sequence[Cell]:
    return part, name, use.bookings, use.visits, use.people, None, None
