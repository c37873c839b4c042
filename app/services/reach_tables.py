"""Reach as a table: a row for each active branch, and whether a free place is near."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app.services import coverage, reach
from app.services.access import Actor
from app.services.calendar import midnight
from app.services.table_notes import SECTORS, Asked, notes
from app.services.tables import AT_A_TIME, Cell, Column, Table

COUNTED = (
    "所辖在册党支部，每行一个；"
    "直线 {radius} 米内有本区已发布阵地在期间内可供 {people} 人预约的为“可达”，"
    "没有本支部位置的按镇街位置计算，都没有的为“无位置”"
)
COLUMNS = (
    Column("town", "镇街", "Town", width=20),
    Column("code", "支部编号", "Branch code"),
    Column("name", "支部", "Branch", width=30),
    Column("sector", "行业", "Sector"),
    Column("near", "是否可达", "Within reach"),
    Column("placed", "位置依据", "Placed by"),
)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return the active branches an actor oversees, town by town."""
    # What has begun has no free place any more.
    since = max(midnight(asked.since), asked.now)
    about = reach.Asked(asked.radius_m, since, midnight(asked.until), asked.people)
    counted = COUNTED.format(radius=asked.radius_m, people=asked.people)
    return Table(
        name="reach",
        title="十五分钟党建圈",
        columns=COLUMNS,
        rows=_rows(session, actor, about),
        total=coverage.overseen(session, actor=actor),
        notes=notes(session, actor=actor, asked=asked, counted=counted),
    )


def _rows(session: Session, actor: Actor, about: reach.Asked) -> Iterator[Sequence[Cell]]:
    for one in reach.judged(session, actor=actor, asked=about, at_a_time=AT_A_TIME):
        yield (
            one.town,
            one.code,
            one.name,
            SECTORS[one.sector] if one.sector else None,
            ("可达" if one.near else "不可达") if one.placed else "无位置",
            ("本支部" if one.own else "镇街") if one.placed else None,
        )
