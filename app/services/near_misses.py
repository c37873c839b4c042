"""What would nearly do where there is no room: fewer people, other times, further, another menu."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import TextClause, text
from sqlmodel import Session

from app.services import cards, openings
from app.services.availability import AMONG, SESSION, WITHIN, Wish, facts_of
from app.services.calendar import ZONE
from app.services.cards import Card
from app.services.openings import Asked

FURTHER_M = 30_000
"""How much further than asked a near miss may be."""
EARLIER_OR_LATER = timedelta(days=7)
LOOKED_AT = 100
"""Sites, nearest first, that near misses of one kind are looked for at."""

Why = Literal["fewer_people", "further", "other_time", "other_programme"]


@dataclass(frozen=True)
class NearMiss:
    """What would do if something else were wanted; `facts` say what, as far as `why` needs."""

    site: Card
    distance_m: int
    session: dict[str, Any]
    why: Why
    facts: Mapping[str, Any]


def _misses(why: Why, asked: Asked, *, reach: str, session: str, site: str) -> str:
    """Return SQL for the two best near misses of one kind.

    Args:
        why: of which kind.
        asked: what is wanted of their sessions.
        reach: where.
        session: what a site's best session is best by, of `venue_session v`.
        site: what the best sites are best by, of that session `f`.
    """
    one = openings.sessions(asked, then=f"ORDER BY {session}, v.id LIMIT 1")
    return f"""(
        SELECT '{why}' AS why, s.id, s.away, f.room, {SESSION} AS session
        FROM (
            SELECT s.id, s.district_id, {openings.AWAY} AS away FROM site s
            WHERE {AMONG} AND {reach}
            ORDER BY {openings.AWAY} LIMIT {LOOKED_AT}
        ) s
        CROSS JOIN LATERAL ({one}) f JOIN venue h ON h.id = f.venue_id
        ORDER BY {site}, s.id LIMIT 2
    )"""  # noqa: S608  # constants


@lru_cache(maxsize=4)
def _near_misses(*, minutes: bool, kind: bool) -> TextClause:
    """Return the statement for what would nearly fit."""
    same, inside = Asked(minutes=minutes, kind=kind), WITHIN.format(radius=":radius_m")
    smaller = Asked(people="1", minutes=minutes, kind=kind)
    anytime = Asked(since=":week_before", until=":week_after", minutes=minutes, kind=kind)
    beyond = f"{WITHIN.format(radius=':further_m')} AND NOT {inside}"
    apart = "abs(extract(epoch FROM {}.starts_at - :since))"
    parts = [
        _misses(
            "fewer_people",
            smaller,
            reach=inside,
            session="room DESC, v.starts_at",
            site="f.room DESC, f.starts_at, s.away",
        ),
        _misses(
            "other_time",
            anytime,
            reach=inside,
            session=apart.format("v"),
            site=f"{apart.format('f')}, s.away",
        ),
        _misses("further", same, reach=beyond, session="v.starts_at", site="s.away, f.starts_at"),
    ]
    if kind:
        parts.append(
            _misses(
                "other_programme",
                Asked(minutes=minutes),
                reach=inside,
                session="v.starts_at",
                site="s.away, f.starts_at",
            )
        )
    return text(" UNION ALL ".join(parts))


def find(session: Session, *, wish: Wish, now: datetime) -> list[NearMiss]:
    """Return what would do instead of a wish that nothing fits.

    A smaller group, another time, a place further away, or another menu: up to two of each.

    Args:
        session: open transaction.
        wish: what `availability.find` found nothing for.
        now: the present instant, aware.
    """
    statement = _near_misses(minutes=wish.minutes is not None, kind=wish.programme_kind is not None)
    facts = facts_of(wish, now) | {
        "further_m": wish.radius_m + FURTHER_M,
        "week_before": wish.since - EARLIER_OR_LATER,
        "week_after": wish.until + EARLIER_OR_LATER,
    }
    rows = session.connection().execute(statement, facts).all()
    sites = cards.of(session, ids=[row.id for row in rows], now=now)
    return [
        NearMiss(sites[row.id], round(row.away), row.session, row.why, _because(row, wish))
        for row in rows
        if row.id in sites
    ]


def _because(row: Any, wish: Wish) -> dict[str, Any]:
    starts_at = datetime.fromisoformat(row.session["starts_at"])
    match row.why:
        case "fewer_people":
            return {"starts_at": starts_at, "people": row.room}
        case "further":
            return {"further_m": max(1, round(row.away - wish.radius_m))}
        case _:
            return {"starts_at": starts_at}


def said(miss: NearMiss, language: str) -> str:
    """Say why something is only nearly what was wanted, in `zh` or `en`."""
    facts = dict(miss.facts)
    if at := facts.get("starts_at"):
        facts["when"] = f"{at.astimezone(ZONE):%Y-%m-%d %H:%M}"
    if metres := facts.get("further_m"):
        facts["km"] = f"{metres / 1000:.1f}"
    return _SENTENCES[miss.why][language].format(**facts)


_SENTENCES: dict[Why, dict[str, str]] = {
    "fewer_people": {
        "zh": "{when} 可容纳 {people} 人",
        "en": "{people} people fit at {when}",
    },
    "further": {"zh": "再远 {km} 公里", "en": "{km} km further"},
    "other_time": {"zh": "{when} 有空场", "en": "Free at {when}"},
    "other_programme": {
        "zh": "{when} 有空场，但无此类菜单",
        "en": "Free at {when}, with another menu",
    },
}
