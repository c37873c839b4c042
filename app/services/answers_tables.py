"""Answers as a table: a row for each site and month in which anything was ordered there."""

from sqlmodel import Session

from app.services import answers
from app.services.access import Actor
from app.services.answers import By
from app.services.table_notes import Asked, notes
from app.services.tables import MOST, Column, Kind, Table, TableTooLarge

COUNTED = (
    "开始时间在期间内的预约；接单时长为下单至人工接单或婉拒的分钟数；"
    "“按时接单”指转接到镇街之前的答复"
)
COLUMNS = (
    Column("site", "阵地", "Site", width=24),
    Column("month", "月份", "Month"),
    Column("bookings", "预约", "Bookings", Kind.INTEGER),
    Column("answers", "人工答复", "Answers", Kind.INTEGER),
    Column("in_time", "按时接单", "In time", Kind.INTEGER),
    Column("mean_minutes", "平均接单时长（分）", "Mean wait (min)", Kind.FLOAT),
    Column("median_minutes", "接单时长中位数（分）", "Median wait (min)", Kind.FLOAT),
    Column("p90_minutes", "九成接单时长（分）", "90 % wait (min)", Kind.FLOAT),
    Column("escalated", "限时转接", "Escalated", Kind.INTEGER),
    Column("expired", "超时失效", "Expired", Kind.INTEGER),
    Column("rejected", "婉拒", "Rejected", Kind.INTEGER),
    Column("no_shows", "爽约", "No-shows", Kind.INTEGER),
    Column("late_cancels", "临期取消", "Late cancellations", Kind.INTEGER),
)


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return how orders were answered within what an actor oversees.

    Raises:
        TableTooLarge: it has more than `MOST` rows.
    """
    about = answers.Asked(asked.since, asked.until, (By.SITE, By.MONTH), limit=MOST)
    found = answers.answers(session, actor=actor, asked=about)
    if found.more:
        raise TableTooLarge(limit=MOST)
    names = [column.key for column in COLUMNS[2:]]
    return Table(
        name="answers",
        title="接单时效与履约情况",
        columns=COLUMNS,
        rows=(
            (*(key.name for key in cell.keys), *(getattr(cell.measures, name) for name in names))
            for cell in found.cells
        ),
        total=len(found.cells),
        notes=notes(session, actor=actor, asked=asked, counted=COUNTED),
    )
