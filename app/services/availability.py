"""Where and when there is room for a group: over all sites at once, on live rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Category, Organisation, ProgrammeKind, Role
from app.services import cards, openings
from app.services.access import Actor
from app.services.calendar import ZONE
from app.services.cards import Card
from app.services.coordinates import Place
from app.services.openings import Asked

MOST_DAYS = 62
MOST_SESSIONS = 24
"""Sessions told of one site, the first ones."""
FURTHER_M = 30_000
"""How much further than asked a near miss may be."""
EARLIER_OR_LATER = timedelta(days=7)
FIRST_ASKED, MOST_ASKED = 60, 2000
"""Sites, nearest first, that are asked for room: at once, and if these have too little."""
LOOKED_AT = 100
"""Sites, nearest first, that near misses of one kind are looked for at."""

Why = Literal["fewer_people", "further", "other_time", "other_programme"]


class TimesUnreadable(Malformed):
    """The times run backwards, or are too far apart."""

    zh = "时间范围无效"
    detail_en = "They end before they start, or cover more than {most_days} days."
    detail_zh = "结束早于开始，或超过 {most_days} 天"


@dataclass(frozen=True)
class Wish:
    """What somebody looks for.

    Attributes:
        near: WGS-84.
        radius_m: metres around it.
        since: the first instant, aware.
        until: the visit is over by then, aware.
        people: the size of the group.
        minutes: how long it should last at least; a run of sessions of one hall may add up to it.
        category: only these sites, if given.
        programme_kind: only sites that offer such a menu item to so many, with a guide if needed.
        homes: None for everybody whose lead time is the ordinary one; for somebody who orders for
            guests alone the districts in which they would be none.
    """

    near: Place
    radius_m: int
    since: datetime
    until: datetime
    people: int
    minutes: int | None = None
    category: Category | None = None
    programme_kind: ProgrammeKind | None = None
    homes: Sequence[UUID] | None = None


@dataclass(frozen=True)
class Offer:
    """A site with room; `sessions` are the API's Sessions with `session_ids`, first to last."""

    site: Card
    distance_m: int
    sessions: list[dict[str, Any]]


@dataclass(frozen=True)
class NearMiss:
    """What would do if something else were wanted; `facts` say what, as far as `why` needs."""

    site: Card
    distance_m: int
    session: dict[str, Any]
    why: Why
    facts: Mapping[str, Any]


# bookable is true of all: nothing else is answered.
_SESSION = """json_build_object(
    'id', f.id, 'venue_id', f.venue_id, 'venue_name', h.name,
    'starts_at', f.starts_at, 'ends_at', f.ends_at,
    'people_limit', f.people_limit, 'groups_limit', f.groups_limit,
    'people_free', f.people_limit - f.people_held, 'groups_free', f.groups_limit - f.groups_held,
    'bookable', TRUE, 'session_ids', f.session_ids, 'until', f.until
)"""
_AMONG = "s.status = 'published' AND s.category = ANY(CAST(:categories AS text[]))"
_WITHIN = f"ST_DWithin(CAST(s.location AS geography), {openings.HERE}, {{radius}}, FALSE)"


@lru_cache(maxsize=4)
def _offers(*, minutes: bool, kind: bool) -> TextClause:
    """Return the statement for what fits.

    The index yields the sites from near to far, each is asked for its sessions, and enough is
    enough: neither all sites nor all sessions are ever looked at. The planner cannot know that most
    sites have room and would rather sort all within the radius; so it is told to take the nearest
    few first, and the others only where these are not enough.
    """
    sites = f"SELECT s.id, s.district_id, {openings.AWAY} AS away FROM site s WHERE {_AMONG}"  # noqa: S608
    # How far the last of the nearest is: sites as far as that stay together, to be sorted by time.
    brink = f"""coalesce((
        SELECT {openings.AWAY} FROM site s WHERE {_AMONG}
        ORDER BY {openings.AWAY} OFFSET {FIRST_ASKED - 1} LIMIT 1
    ), 'Infinity')"""  # noqa: S608  # constants
    nearest = f"{sites} ORDER BY {openings.AWAY} LIMIT {FIRST_ASKED}"
    others = f"""
        {sites} AND {_WITHIN.format(radius=":radius_m")} AND {openings.AWAY} >= {brink}
        ORDER BY {openings.AWAY} LIMIT {MOST_ASKED}
    """
    fitting = openings.sessions(
        Asked(minutes=minutes, kind=kind),
        then=f"ORDER BY v.starts_at, v.id LIMIT {MOST_SESSIONS}",
    )
    with_room = f"""(
        SELECT s.id, s.away, found.sessions
        FROM ({{which}}) s CROSS JOIN LATERAL (
            SELECT json_agg({_SESSION} ORDER BY f.starts_at, f.id) AS sessions,
                min(f.starts_at) AS first
            FROM ({fitting}) f JOIN venue h ON h.id = f.venue_id
            HAVING count(*) > 0
        ) found
        WHERE s.away <= :radius_m {{nearer}}
        ORDER BY s.away, found.first, s.id LIMIT :limit
    )"""  # noqa: S608  # constants
    parts = [
        with_room.format(which=nearest, nearer=f"AND s.away < {brink}"),
        with_room.format(which=others, nearer=""),
    ]
    return text(f"{' UNION ALL '.join(parts)} LIMIT :limit")


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
        SELECT '{why}' AS why, s.id, s.away, f.room, {_SESSION} AS session
        FROM (
            SELECT s.id, s.district_id, {openings.AWAY} AS away FROM site s
            WHERE {_AMONG} AND {reach}
            ORDER BY {openings.AWAY} LIMIT {LOOKED_AT}
        ) s
        CROSS JOIN LATERAL ({one}) f JOIN venue h ON h.id = f.venue_id
        ORDER BY {site}, s.id LIMIT 2
    )"""  # noqa: S608  # constants


@lru_cache(maxsize=4)
def _near_misses(*, minutes: bool, kind: bool) -> TextClause:
    """Return the statement for what would nearly fit."""
    same, inside = Asked(minutes=minutes, kind=kind), _WITHIN.format(radius=":radius_m")
    smaller = Asked(people="1", minutes=minutes, kind=kind)
    anytime = Asked(since=":week_before", until=":week_after", minutes=minutes, kind=kind)
    beyond = f"{_WITHIN.format(radius=':further_m')} AND NOT {inside}"
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


def find(session: Session, *, wish: Wish, limit: int, now: datetime) -> list[Offer]:
    """Return the sites that have room, the nearest first, then the earliest.

    Whatever is offered can be ordered at `now` by a branch like the asker's, as long as nobody else
    does so first.

    Args:
        session: open transaction.
        wish: what is looked for.
        limit: at most so many sites.
        now: the present instant, aware.

    Raises:
        TimesUnreadable: it ends before it starts, or covers more than `MOST_DAYS`.
    """
    if not timedelta(0) < wish.until - wish.since <= timedelta(days=MOST_DAYS):
        raise TimesUnreadable(most_days=MOST_DAYS)
    statement = _offers(minutes=wish.minutes is not None, kind=wish.programme_kind is not None)
    facts = _facts(wish, now) | {"limit": limit}
    rows = session.connection().execute(statement, facts).all()
    sites = cards.of(session, ids=[row.id for row in rows], now=now)
    return [Offer(sites[row.id], round(row.away), row.sessions) for row in rows if row.id in sites]


def homes(session: Session, *, actor: Actor | None) -> list[UUID] | None:
    """Return the `homes` of a wish of somebody who orders for branches; None for all others."""
    ordering = actor.organisations(Role.ORGANISER) if actor else []
    if not ordering:
        return None
    branches = session.exec(
        select(Organisation.district_id, Organisation.outside).where(
            col(Organisation.id).in_(ordering)
        )
    )
    return [district_id for district_id, outside in branches if not outside]


def near_misses(session: Session, *, wish: Wish, now: datetime) -> list[NearMiss]:
    """Return what would do instead of a wish that nothing fits.

    A smaller group, another time, a place further away, or another menu: up to two of each.

    Args:
        session: open transaction.
        wish: what `find` found nothing for.
        now: the present instant, aware.
    """
    statement = _near_misses(minutes=wish.minutes is not None, kind=wish.programme_kind is not None)
    facts = _facts(wish, now) | {
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


def _facts(wish: Wish, now: datetime) -> dict[str, Any]:
    facts = {
        "lon": wish.near.lon,
        "lat": wish.near.lat,
        "radius_m": wish.radius_m,
        "since": wish.since,
        "until": wish.until,
        "people": wish.people,
        "categories": cards.categories(wish.category),
        "guest": wish.homes is not None,
        "homes": list(wish.homes or ()),
        "now": now,
    }
    given = {"minutes": wish.minutes, "kind": wish.programme_kind}
    return facts | {name: value for name, value in given.items() if value is not None}
