"""What branches thought of their visits, by menu item: means of the stars they gave.

A review counts on the day, in Shanghai, on which its visit began; of a visit with several menu
items, for each of them. Rows are read, so what was corrected or removed shows at once.
"""

# ruff: noqa: S608 - names of our own, nothing anybody sent

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.services.access import OVERSEERS, Actor
from app.services.calendar import midnight


class Thought(NamedTuple):
    """What was thought of a menu item, in a month if months are told apart; stars 1 to 5.

    A visit without a menu item has none. `rating` is the mean of all three.
    """

    site_id: UUID
    site: str
    programme_id: UUID | None
    programme: str | None
    month: str | None
    reviews: int
    content: float
    reception: float
    facilities: float
    rating: float


@dataclass(frozen=True)
class Asked:
    """Days `[since, until)` and filters; None filters nothing."""

    since: date
    until: date
    by_month: bool = False
    site_id: UUID | None = None
    outside: bool | None = None
    limit: int = 1000


_STARS = ", ".join(
    f"round(avg({stars}), 2)::float8"
    for stars in (
        "r.content",
        "r.reception",
        "r.facilities",
        "(r.content + r.reception + r.facilities) / 3.0",
    )
)
_MONTH = "CASE WHEN :by_month THEN to_char(b.starts_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM') END"
_THOUGHTS = text(f"""
    SELECT s.id, s.short_name, p.id, p.name, {_MONTH} AS month, count(*), {_STARS}
    FROM review r JOIN booking b ON b.id = r.booking_id
    JOIN organisation o ON o.id = b.organisation_id
    JOIN site s ON s.id = b.site_id JOIN organisation t ON t.id = s.town_id
    LEFT JOIN booking_programme i ON i.booking_id = b.id
    LEFT JOIN programme p ON p.id = i.programme_id
    WHERE b.starts_at >= :since AND b.starts_at < :until
    AND (t.path <@ ANY(CAST(:paths AS ltree[])) OR o.path <@ ANY(CAST(:paths AS ltree[])))
    AND (CAST(:site_id AS uuid) IS NULL OR b.site_id = :site_id)
    AND (CAST(:outside AS boolean) IS NULL OR o.outside = :outside)
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 2, 1, 4 NULLS LAST, 3, 5 LIMIT :limit""")


def satisfaction(session: Session, *, actor: Actor, asked: Asked) -> list[Thought]:
    """Return what was thought of menu items, site by site; one more than asked if there are more.

    Args:
        session: open transaction.
        actor: who reads; visits of branches and at sites they oversee are counted.
        asked: what is asked.
    """
    given = {
        "paths": actor.paths(*OVERSEERS),
        "since": midnight(asked.since),
        "until": midnight(asked.until),
        "by_month": asked.by_month,
        "site_id": asked.site_id,
        "outside": asked.outside,
        "limit": asked.limit + 1,
    }
    return [Thought(*row) for row in session.connection().execute(_THOUGHTS, given)]
