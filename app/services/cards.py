"""What everybody may see of a published site at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from app.models import MOST_LEAD_DAYS, Category
from app.services import calendar
from app.services.coordinates import Place

_FIRST = UUID(int=0)


def published(where: str) -> str:
    """Return SQL for the cards of published sites; needs the parameters of `known_at`.

    Args:
        where: more conditions on `site s`, and whatever may follow a condition.
    """
    # The partial index of free sessions answers next_free_at: its condition, word for word.
    return f"""
        SELECT s.id, s.name, s.short_name, s.category, s.kinds, t.place AS town, s.address,
            s.summary, s.location,
            (
                SELECT v.starts_at FROM venue_session v
                WHERE v.site_id = s.id AND v.starts_at > :now
                    AND v.starts_at >= coalesce((
                        SELECT (CAST(:opens AS timestamptz[]))[p.lead_working_days + 1]
                        FROM policy p
                        WHERE p.district_id = s.district_id AND p.effective_at <= :now
                            AND (p.site_id = s.id OR p.site_id IS NULL)
                        ORDER BY p.site_id IS NULL, p.version DESC LIMIT 1
                    ), :now)
                    AND v.groups_held < v.groups_limit AND v.people_held < v.people_limit
                    AND v.closed_reason IS NULL
                ORDER BY v.starts_at LIMIT 1
            ) AS next_free_at,
            (
                SELECT round(avg((r.content + r.reception + r.facilities) / 3.0), 1)::float8
                FROM review r WHERE r.site_id = s.id
            ) AS rating
        FROM site s JOIN organisation t ON t.id = s.town_id
        WHERE s.status = 'published' AND {where}
    """  # noqa: S608  # `where` is a constant of the calling module


def known_at(session: Session, now: datetime) -> dict[str, object]:
    """Return `now`, and when orders open after 0, 1, 2 ... working days of lead time."""
    days, first = calendar.load(session), calendar.local_date(now)
    opens = accumulate(range(MOST_LEAD_DAYS), lambda day, _: days.add(day, 1), initial=first)
    return {"now": now, "opens": [calendar.midnight(day) for day in opens]}


def _rows(where: str) -> str:
    cards = published(where)
    return (
        "SELECT id, name, short_name, category, kinds, town, address, summary, next_free_at,"  # noqa: S608
        f" rating, ST_X(location) AS lon, ST_Y(location) AS lat FROM ({cards}) c ORDER BY id"
    )


_ONE = text(_rows("s.id = :id"))
_PAGE = text(
    _rows("""
        s.id > :after AND s.category = ANY(:categories)
        AND (CAST(:town_id AS uuid) IS NULL OR s.town_id = :town_id)
        ORDER BY s.id LIMIT :limit
    """)
)


@dataclass(frozen=True)
class Card:
    """A published site at a glance.

    `at` is WGS-84; `next_free_at` the start of the first session a group may order now; `rating`
    the mean of all stars it was given, 1.0 to 5.0. Both are None where there is none.
    """

    id: UUID
    name: str
    short_name: str
    category: Category
    kinds: Sequence[str]
    town: str
    address: str
    summary: str
    next_free_at: datetime | None
    rating: float | None
    at: Place


def card(session: Session, *, site_id: UUID, now: datetime) -> Card | None:
    """Return the card of one published site, or None where there is no such site."""
    facts = {"id": site_id, **known_at(session, now)}
    row = session.connection().execute(_ONE, facts).mappings().first()
    return _card(row) if row else None


def page(
    session: Session,
    *,
    category: Category | None,
    town_id: UUID | None,
    after: UUID | None,
    limit: int,
    now: datetime,
) -> list[Card]:
    """Return published sites in the order of their ids.

    Args:
        session: open transaction.
        category: only these, if given.
        town_id: only those of this town, if given.
        after: id of the last site of the page before.
        limit: at most this many.
        now: the present instant, aware.
    """
    facts = {
        "categories": categories(category),
        "town_id": town_id,
        "after": after or _FIRST,
        "limit": limit,
        **known_at(session, now),
    }
    return [_card(row) for row in session.connection().execute(_PAGE, facts).mappings()]


def categories(category: Category | None) -> list[str]:
    """Return the one category, or all: so that one prepared statement serves both."""
    return [category] if category else list(Category)


def _card(row: RowMapping) -> Card:
    facts: dict[str, Any] = dict(row)
    at = Place(facts.pop("lon"), facts.pop("lat"))
    return Card(**facts | {"category": Category(facts["category"])}, at=at)
