"""What everybody may see of a published site at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from app.models import MOST_LEAD_DAYS, Category, Crs
from app.services import calendar, coordinates
from app.services.coordinates import Place

FIRST = UUID(int=0)
"""Before every id."""
PHOTOS = "/api/v1/photos"
"""Where pictures are served, by their digests."""
FEWEST_BRANCHES = 3
"""What rests on fewer branches is not told to the public, who could tell which one it was."""


# When orders open after 0, 1, 2 ... working days, as instants: what `calendar.Calendar.add` counts.
# Asked nowhere but inside a subquery, so it is reckoned once a statement, and only if needed.
OPENS = f"""
    SELECT array_agg(CAST(d.day AS timestamp) AT TIME ZONE '{calendar.ZONE}' ORDER BY d.day)
    FROM (
        SELECT CAST(:now AT TIME ZONE '{calendar.ZONE}' AS date) AS day
        UNION ALL (
            SELECT f.day FROM (
                SELECT CAST(:now AT TIME ZONE '{calendar.ZONE}' AS date) + g AS day
                FROM generate_series(1, 400) g OFFSET 0
            ) f LEFT JOIN holiday h ON h.day = f.day
            WHERE NOT coalesce(h.is_off, (f.day - DATE '2000-01-01') % 7 < 2)
            ORDER BY 1 LIMIT {MOST_LEAD_DAYS}
        )
    ) d
"""  # noqa: S608  # constants; the first of 2000 was a Saturday


def published(where: str) -> str:
    """Return SQL for the cards of published sites as they are at `:now`.

    `lead` is the working days ahead of which the rules in force want an order, or NULL without any.

    Args:
        where: more conditions on `site s`, and whatever may follow a condition.
    """
    # The partial index of free sessions answers next_free_at: its condition, word for word.
    return f"""
        SELECT s.id, s.district_id, s.town_id, s.name, s.short_name, s.category, s.kinds,
            t.place AS town, s.address, s.summary, s.location, rule.lead,
            (
                SELECT v.starts_at FROM venue_session v
                WHERE v.site_id = s.id AND v.starts_at > :now
                    AND v.starts_at >= CASE
                        WHEN rule.lead IS NULL THEN :now ELSE ({OPENS})[rule.lead + 1]
                    END
                    AND v.groups_held < v.groups_limit AND v.people_held < v.people_limit
                    AND v.closed_reason IS NULL
                ORDER BY v.starts_at LIMIT 1
            ) AS next_free_at,
            (
                SELECT round(avg((r.content + r.reception + r.facilities) / 3.0), 1)::float8
                FROM review r JOIN booking b ON b.id = r.booking_id WHERE r.site_id = s.id
                HAVING count(DISTINCT b.organisation_id) >= {FEWEST_BRANCHES}
            ) AS rating,
            (
                SELECT '{PHOTOS}/' || f.digest || '.webp?size=thumb' FROM site_photo f
                WHERE f.site_id = s.id ORDER BY f.position, f.id LIMIT 1
            ) AS photo_url
        FROM site s
        JOIN organisation t ON t.id = s.town_id
        LEFT JOIN LATERAL (
            SELECT p.lead_working_days AS lead FROM policy p
            WHERE p.district_id = s.district_id AND p.effective_at <= :now
                AND (p.ends_at IS NULL OR p.ends_at > :now)
                AND (p.site_id = s.id OR p.site_id IS NULL)
            ORDER BY p.site_id IS NULL, p.version DESC LIMIT 1
        ) rule ON TRUE
        WHERE s.status = 'published' AND {where}
    """  # noqa: S608  # `where` is a constant of the calling module


TOLD = """json_build_object(
    'id', c.id, 'name', c.name, 'short_name', c.short_name, 'category', c.category,
    'kinds', c.kinds, 'town', c.town, 'address', c.address, 'summary', c.summary,
    'next_free_at', to_char(c.next_free_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
    'rating', c.rating, 'photo_url', c.photo_url, 'point', json_build_object(
        'lon', round(CAST(ST_X(c.location) AS numeric), CAST(:digits AS integer)),
        'lat', round(CAST(ST_Y(c.location) AS numeric), CAST(:digits AS integer)), 'crs', 'wgs84'
    )
)"""
"""SQL for what lists say of a card `c` of `published`, in JSON; its point is in WGS-84."""
DIGITS, ALL_DIGITS = 6, 15
"""Of degrees: six are a tenth of a metre; all are for those who reckon with them."""


def _rows(where: str) -> str:
    cards = published(where)
    return (
        "SELECT id, name, short_name, category, kinds, town, address, summary, next_free_at,"  # noqa: S608
        " rating, photo_url, ST_X(location) AS lon, ST_Y(location) AS lat"
        f" FROM ({cards}) c ORDER BY id"
    )


_ONE = text(_rows("s.id = :id"))
_SOME = text(_rows("s.id = ANY(CAST(:ids AS uuid[]))"))


@dataclass(frozen=True)
class Card:
    """A published site at a glance.

    `at` is WGS-84; `next_free_at` the start of the first session a group may order now; `rating`
    the mean of all stars it was given, 1.0 to 5.0, once `FEWEST_BRANCHES` have given some;
    `photo_url` its first picture, small. Each is None where there is none.
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
    photo_url: str | None
    at: Place


def card(session: Session, *, site_id: UUID, now: datetime) -> Card | None:
    """Return the card of one published site, or None where there is no such site."""
    facts = {"id": site_id, "now": now}
    row = session.connection().execute(_ONE, facts).mappings().first()
    return _card(row) if row else None


def of(session: Session, *, ids: Sequence[UUID], now: datetime) -> dict[UUID, Card]:
    """Return the cards of those of these sites that are published, by their ids."""
    rows = session.connection().execute(_SOME, {"ids": list(ids), "now": now}).mappings()
    return {row["id"]: _card(row) for row in rows}


def digits(crs: Crs) -> int:
    """Return how exact the points of `TOLD` have to be, of which those in a CRS are made."""
    return DIGITS if crs is Crs.WGS84 else ALL_DIGITS


def moved(told: dict[str, Any], crs: Crs) -> dict[str, Any]:
    """Return what lists say of a card, with its point in another CRS than WGS-84."""
    lon, lat = coordinates.from_wgs84(told["point"]["lon"], told["point"]["lat"], crs)
    return told | {"point": {"lon": round(lon, DIGITS), "lat": round(lat, DIGITS), "crs": crs}}


def categories(category: Category | None) -> list[str]:
    """Return the one category, or all: so that one prepared statement serves both."""
    return [category] if category else list(Category)


def _card(row: RowMapping) -> Card:
    facts: dict[str, Any] = dict(row)
    at = Place(facts.pop("lon"), facts.pop("lat"))
    return Card(**facts | {"category": Category(facts["category"])}, at=at)
