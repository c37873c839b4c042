"""Coverage as a table: a row for each active branch, and whether it came."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlmodel import Session

from app.services import coverage
from app.services.access import Actor
from app.services.calendar import local_date
from app.services.table_notes import SECTORS, Asked, notes
from app.services.tables import AT_A_TIME, Cell, Column, Kind, Table

COUNTED = (
    "所辖在册党支部，每行一个，含其在任何阵地的到访；“期间来过”指期间内有到访，"
    "“从未来过”指截至期末没有到访，“长期未来”指截至期末已超过 {days} 天没有到访"
)
COLUMNS = (
    Column("town", "镇街", "Town", width=20),
    Column("code", "支部编号", "Branch code"),
    Column("name", "支部", "Branch", width=30),
    Column("sector", "行业", "Sector"),
    Column("visits", "期间到访", "Visits", Kind.INTEGER),
    Column("last_on", "最近到访", "Last visit", Kind.DATE),
    Column("came", "期间来过", "Came"),
    Column("never", "从未来过", "Never came"),
    Column("silent", "长期未来", "Silent"),
)
_SAID = {True: "是", False: "否"}


def make(session: Session, actor: Actor, asked: Asked) -> Table:
    """Return the active branches an actor oversees, town by town."""
    silent_since = asked.until - timedelta(days=asked.silent_days)
    about = coverage.Asked(asked.since, asked.until, silent_since)
    counted = COUNTED.format(days=asked.silent_days)
    return Table(
        name="coverage",
        title="支部覆盖情况",
        columns=COLUMNS,
        rows=_rows(session, actor, about),
        total=coverage.overseen(session, actor=actor),
        notes=notes(session, actor=actor, asked=asked, counted=counted),
    )


def _rows(session: Session, actor: Actor, about: coverage.Asked) -> Iterator[Sequence[Cell]]:
    for one in coverage.standings(session, actor=actor, asked=about, at_a_time=AT_A_TIME):
        yield (
            one.town,
            one.code,
            one.name,
            SECTORS[one.sector] if one.sector else None,
            one.visits,
            local_date(one.last_at) if one.last_at else None,
            _SAID[one.came],
            _SAID[one.never],
            _SAID[one.silent],
        )
