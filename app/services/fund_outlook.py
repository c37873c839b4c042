"""How a fund burns down: month by month, and how far it will reach, by category and by town.

The forecast is what anybody can check by hand: visits go on costing what they cost a day lately.
What is reserved for visits to come is part of that, and counts in full where it is more.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import Fund
from app.services.calendar import local_date

LATELY_DAYS = 90
"""How far back the forecast looks: a quarter, so that neither a holiday nor a rush decides it."""

_ALL, _CATEGORY, _TOWN = 3, 1, 2

# Of `due_fen` (confirmed, to be paid or paid) and `reserved_fen` (set aside) what there is by now,
# and what of the first fell due lately; by nothing, by category, and by town.
_SPENT = text("""
    SELECT grouping(s.category, s.town_id) AS by, s.category, s.town_id, t.name AS town,
        coalesce(sum(m.due_fen), 0)::bigint,
        coalesce(sum(m.due_fen) FILTER (WHERE l.booked_on > :since), 0)::bigint,
        coalesce(sum(m.reserved_fen), 0)::bigint
    FROM ledger_entry l
    JOIN booking b ON b.id = l.booking_id
    JOIN site s ON s.id = b.site_id
    JOIN organisation t ON t.id = s.town_id
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN l.to_account = 'payable' THEN l.amount_fen
                WHEN l.from_account = 'payable' THEN -l.amount_fen ELSE 0 END AS due_fen,
            CASE WHEN l.to_account = 'reserved' THEN l.amount_fen
                WHEN l.from_account = 'reserved' THEN -l.amount_fen ELSE 0 END AS reserved_fen
    ) m
    WHERE l.fund_id = :fund_id
    GROUP BY GROUPING SETS ((), (s.category), (s.town_id, t.name))
    ORDER BY 1, s.category, t.name, s.town_id
""")
_MONTHS = text("""
    SELECT CAST(date_trunc('month', CAST(booked_on AS timestamp)) AS date) AS month,
        coalesce(sum(CASE WHEN from_account = 'source' THEN amount_fen
            WHEN to_account = 'source' THEN -amount_fen END), 0)::bigint,
        coalesce(sum(CASE WHEN to_account = 'payable' THEN amount_fen
            WHEN from_account = 'payable' THEN -amount_fen END)
            FILTER (WHERE 'paid' NOT IN (from_account, to_account)), 0)::bigint,
        coalesce(sum(CASE WHEN to_account = 'available' THEN amount_fen
            WHEN from_account = 'available' THEN -amount_fen END), 0)::bigint
    FROM ledger_entry WHERE fund_id = :fund_id
    GROUP BY 1 ORDER BY 1
""")


@dataclass(frozen=True)
class Month:
    """A month that something was booked in, by its first day; amounts in fen.

    Attributes:
        month: its first day.
        appropriated_fen: brought in, less what lapsed or was reversed.
        due_fen: confirmed for visits, less what was reversed.
        available_fen: what was left to reserve at its end.
    """

    month: date
    appropriated_fen: int
    due_fen: int
    available_fen: int


@dataclass(frozen=True)
class Part:
    """What visits have cost and will cost, fen.

    Attributes:
        due_fen: confirmed by now, paid or not.
        reserved_fen: set aside for visits to come.
        forecast_fen: `due_fen` at the end of the fund's year, if visits go on as lately.
    """

    due_fen: int
    reserved_fen: int
    forecast_fen: int


@dataclass(frozen=True)
class Outlook:
    """A fund so far, and to the end of its year.

    Attributes:
        months: in order; a month in which nothing was booked is left out.
        total: of all visits.
        by_category: by the site's category.
        by_town: by the id and name of the site's town.
        runs_out_on: the first day for which nothing will be left, if that is in the fund's year.
    """

    months: list[Month]
    total: Part
    by_category: dict[str, Part]
    by_town: dict[tuple[UUID, str], Part]
    runs_out_on: date | None


def of(session: Session, *, fund: Fund, now: datetime) -> Outlook:
    """Return how a fund burns down, in two statements.

    Args:
        session: open transaction.
        fund: which; the caller has made sure that the reader may see it.
        now: the present instant, aware.
    """
    span = _Span.of(fund.fiscal_year, local_date(now))
    asked = {"fund_id": fund.id, "since": span.since}
    total, lately = Part(0, 0, 0), 0
    by_category: dict[str, Part] = {}
    by_town: dict[tuple[UUID, str], Part] = {}
    for by, category, town_id, town, due, recent, reserved in session.connection().execute(
        _SPENT, asked
    ):
        part = Part(due, reserved, due + max(reserved, span.to_come(recent)))
        if by == _ALL:
            total, lately = part, recent
        elif by == _CATEGORY:
            by_category[category] = part
        else:
            by_town[town_id, town] = part
    months = _months(session, asked)
    left = months[-1].available_fen if months else 0
    out = span.runs_out_on(left + total.reserved_fen, lately)
    return Outlook(months, total, by_category, by_town, out)


def _months(session: Session, asked: dict[str, object]) -> list[Month]:
    rows = session.connection().execute(_MONTHS, asked).all()
    left = accumulate(available for *_, available in rows)
    return [
        Month(month, brought, due, available)
        for (month, brought, due, _), available in zip(rows, left, strict=True)
    ]


@dataclass(frozen=True)
class _Span:
    """The days that the forecast counts with: those looked back on, and those to come."""

    today: date
    since: date
    looked_back: int
    ahead: int

    @classmethod
    def of(cls, year: int, today: date) -> "_Span":
        """Look back from today, within the year; a year that is over has nothing to come."""
        first, last = date(year, 1, 1), date(year, 12, 31)
        since = max(today - timedelta(days=LATELY_DAYS), first - timedelta(days=1))
        ahead = max((last - max(today, first - timedelta(days=1))).days, 0)
        return cls(today, since, max((today - since).days, 1), ahead)

    def to_come(self, lately_fen: int) -> int:
        """Return what the days to come cost at the rate of those looked back on; rounded down."""
        return max(lately_fen, 0) * self.ahead // self.looked_back

    def runs_out_on(self, left_fen: int, lately_fen: int) -> date | None:
        """Return the first day to come that what is left does not cover, if there is one."""
        if lately_fen <= 0:
            return None
        lasts = max(left_fen, 0) * self.looked_back // lately_fen
        return self.today + timedelta(days=lasts + 1) if lasts < self.ahead else None
