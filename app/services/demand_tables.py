"""Demand as a table: searches in vain and refused orders, by month, town and what was wanted."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app.models import Shortage
from app.services import demand
from app.services.access import Actor
from app.services.demand import By, Query
from app.services.table_notes import CATEGORIES, KINDS, Asked, notes
from app.services.tables import MOST, Cell, Column, Kind, Table, TableTooLarge

COUNTED = (
    "期间内没有找到可约场次的查询，按查询月份、最近镇街、所选类别与菜单；"
    "以及因名额或讲解员不足被拒的预约，按提交月份、阵地及其所属镇街与类别；"
    "没有的为空，不记录查询人与预约人；人数按档向上取整，为各次人数之和"
)
COLUMNS = (
    Column("month", "月份", "Month", width=10),
    Column("town", "镇街", "Town", width=20),
    Column("category", "类别", "Category"),
    Column("programme_kind", "菜单", "Programme kind"),
    Column("searches", "查询次数", "Searches", Kind.INTEGER),
    Column("people", "人数", "People", Kind.INTEGER),
    Column("site", "阵地", "Site", width=30),
    Column("short_of", "不足", "Short of"),
    Column("refusals", "被拒预约", "Refused orders", Kind.INTEGER),
    Column("refused_people", "被拒人数", "Refused people", Kind.INTEGER),
)
SHORT_OF = {Shortage.PLACES: "名额", Shortage.GUIDES: "讲解员"}
_KEYS = (By.MONTH, By.TOWN, By.CATEGORY, By.PROGRAMME_KIND, By.SITE, By.RULE)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return what was wanted in vain in the towns an actor oversees, and near them.

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
        month, town, category, kind, site, rule = cell.keys
        yield (
            month,
            town,
            CATEGORIES.get(category or ""),
            KINDS.get(kind or ""),
            cell.searches,
            cell.people,
            site,
            SHORT_OF[Shortage(rule)] if rule else None,
            cell.refusals,
            cell.refused_people,
        )
