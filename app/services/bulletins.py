"""The figures of the monthly bulletin (月报): a month, the one before, the year up to it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import Session

from app.services import statistics
from app.services.access import OVERSEERS, Actor
from app.services.overview_tables import totals
from app.services.statistics import Overview
from app.services.table_notes import Asked, notes

MONTHS = 12
"""Of the line by months, the bulletin's own among them."""
COUNTED = (
    "开始时间在当月的预约与到访；阵地数、支部数与待接单为导出时的数，不作比较；"
    "人次为到访确认人数；评分为三项均分"
)
OF_NOW = frozenset({"阵地", "党支部", "待接单"})
"""Totals of the present instant, which no month has."""


@dataclass(frozen=True)
class Bulletin:
    """What the bulletin of `month`, its first day, says; `line` is people by month."""

    month: date
    scope: str
    this: Overview
    before: Overview
    line: list[tuple[str, int]]
    notes: tuple[tuple[str, str], ...]

    def figures(self) -> list[tuple[str, float | None, float | None]]:
        """Return each total's name, this month's value and the month before's."""
        earlier = totals(self.before)
        return [
            (name, value, None if name in OF_NOW else earlier[name])
            for name, value in totals(self.this).items()
        ]


def bulletin(session: Session, *, actor: Actor, month: date, now: datetime) -> Bulletin:
    """Return the figures of a month within what an actor oversees.

    Args:
        session: open transaction.
        actor: who reads.
        month: its first day.
        now: the present instant, aware.

    Raises:
        NotInScope: the actor oversees nothing.
    """
    actor.require(*OVERSEERS)
    until, began = _later(month, 1), _later(month, 1 - MONTHS)
    asked = Asked(month, until, now)
    said = notes(session, actor=actor, asked=asked, counted=COUNTED)
    year = statistics.overview(session, actor=actor, since=began, until=until)
    came = {use.name: use.people for use in year.by_month}
    months = [f"{_later(began, n):%Y-%m}" for n in range(MONTHS)]
    before = _later(month, -1)
    return Bulletin(
        month=month,
        scope=dict(said)["范围 Scope"],
        this=statistics.overview(session, actor=actor, since=month, until=until),
        before=statistics.overview(session, actor=actor, since=before, until=month),
        line=[(name, came.get(name, 0)) for name in months],
        notes=said,
    )


def _later(month: date, n: int) -> date:
    """Return the first day of the `n`-th month after one; before it, if negative."""
    years, index = divmod(month.year * 12 + month.month - 1 + n, 12)
    return date(years, index + 1, 1)


def last_month(today: date) -> date:
    """Return the first day of the last month that is over."""
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
