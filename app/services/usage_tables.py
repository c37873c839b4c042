"""Usage as a table: a row for each site and month in which there was any."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlmodel import Session

from app.services import usage
from app.services.access import Actor
from app.services.table_notes import Asked, notes
from app.services.tables import AT_A_TIME, Cell, Column, Kind, Table
from app.services.usage import By, Query

COUNTED = "所辖阵地与党组织在期间内开始的预约，按阵地与月份；各项指标的含义见使用说明“统计口径”"
COLUMNS = (
    Column("month", "月份", "Month", width=10),
    Column("site", "阵地", "Site", width=24),
    Column("bookings", "预约", "Bookings", Kind.INTEGER),
    Column("rejected", "拒单", "Rejected", Kind.INTEGER),
    Column("visits", "到访", "Visits", Kind.INTEGER),
    Column("people", "人次", "People", Kind.INTEGER),
    Column("occupancy", "上座率", "Occupancy", Kind.PERCENT),
    Column("no_shows", "爽约", "No-shows", Kind.INTEGER),
    Column("late_cancels", "临期取消", "Late cancels", Kind.INTEGER),
    Column("rating", "平均评分", "Rating", Kind.FLOAT),
    Column("answer_minutes", "平均接单时长（分）", "Answer minutes", Kind.FLOAT, 18),
    Column("subsidy_fen", "补助（元）", "Subsidy (yuan)", Kind.FEN, 16),
)
_KEYS = (By.MONTH, By.SITE)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return what an actor oversees, by site and month."""
    query = Query(since=asked.since, until=asked.until, group_by=_KEYS)
    wanted, given = usage.statement(actor, query, _KEYS, every=True)
    total = session.execute(text(f"SELECT count(*) FROM ({wanted}) c"), given)  # noqa: S608 - ours
    return Table(
        name="usage",
        title="阵地使用统计",
        columns=COLUMNS,
        rows=_rows(session, wanted, given),
        total=total.scalar_one(),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )


def _rows(
    session: Session, wanted: TextClause, given: Mapping[str, Any]
) -> Iterator[Sequence[Cell]]:
    """Read by a cursor of the server."""
    found = session.execute(wanted, given, execution_options={"yield_per": AT_A_TIME})
    for row in found.mappings():
        measured = usage.measures(row)
        names = (key.name for key in usage.keys_of(row, _KEYS))
        yield *names, *(getattr(measured, c.key) for c in COLUMNS[2:])
