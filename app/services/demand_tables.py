"""Demand as a table: searches that found nothing, by month, town and what was looked for."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app.errors import TooLarge
from app.services import demand
from app.services.access import Actor
from app.services.demand import By, Query
from app.services.table_notes import CATEGORIES, KINDS, Asked, notes
from app.services.tables import Cell, Column, Kind, Table

MOST = 100_000
"""Rows that are counted at most."""
COUNTED = (
    "期间内没有找到可约场次的查询，按查询月份、最近镇街、所选类别与菜单；"
    "没有选的为空，不记录查询人；人数为各次查询人数之和"
)
COLUMNS = (
    Column("month", "月份", "Month", width=10),
    Column("town", "镇街", "Town", width=20),
    Column("category", "类别", "Category"),
    Column("programme_kind", "菜单", "Programme kind"),
    Column("searches", "查询次数", "Searches", Kind.INTEGER),
    Column("people", "人数", "People", Kind.INTEGER),
)
_KEYS = (By.MONTH, By.TOWN, By.CATEGORY, By.PROGRAMME_KIND)


class TableTooLarge(TooLarge):
    """The table has more rows than are counted at once; ask for fewer days."""

    zh = "数据过多，请缩短统计区间"
    detail_en = "At most {limit} rows"
    detail_zh = "最多 {limit} 行"


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return what was looked for in vain near the towns an actor oversees.

    Raises:
        TableTooLarge: it has more than `MOST` rows.
    """
    query = Query(asked.since, asked.until, _KEYS, MOST)
    found = demand.demand(session, actor=actor, query=query)
    if len(found) > MOST:
        raise TableTooLarge(limit=MOST)
    return Table(
        name="demand",
        title="未满足需求",
        columns=COLUMNS,
        rows=_rows(found),
        total=len(found),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )


def _rows(found: Sequence[demand.Cell]) -> Iterator[Sequence[Cell]]:
    for cell in found:
        month, town, category, kind = cell.keys
        yield (
            month,
            town,
            CATEGORIES.get(category or ""),
            KINDS.get(kind or ""),
            cell.searches,
            cell.people,
        )
