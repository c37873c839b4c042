"""Satisfaction as a table: a row for each menu item and month with a review."""

from sqlmodel import Session

from app.services import satisfaction
from app.services.access import Actor
from app.services.table_notes import Asked, notes
from app.services.tables import MOST, Column, Kind, Table, TableTooLarge

COUNTED = "开始时间在期间内的到访的评价，1 至 5 星；一次到访有多个菜单项目的，各计一次"
COLUMNS = (
    Column("site", "阵地", "Site", width=24),
    Column("programme", "菜单项目", "Menu item", width=30),
    Column("month", "月份", "Month"),
    Column("reviews", "评价数", "Reviews", Kind.INTEGER),
    Column("content", "内容", "Content", Kind.FLOAT),
    Column("reception", "接待", "Reception", Kind.FLOAT),
    Column("facilities", "设施", "Facilities", Kind.FLOAT),
    Column("rating", "综合", "Rating", Kind.FLOAT),
)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return what branches thought of menu items within what an actor oversees.

    Raises:
        TableTooLarge: it has more than `MOST` rows.
    """
    about = satisfaction.Asked(asked.since, asked.until, by_month=True, limit=MOST)
    found = satisfaction.satisfaction(session, actor=actor, asked=about)
    if len(found) > MOST:
        raise TableTooLarge(limit=MOST)
    return Table(
        name="satisfaction",
        title="菜单项目满意度",
        columns=COLUMNS,
        rows=(tuple(getattr(one, column.key) for column in COLUMNS) for one in found),
        total=len(found),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )
