"""Where and when there is room for a group: over all sites at once, on live rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Category, Crs, Organisation, ProgrammeKind, Role
from app.reader import Reader
from app.services import cards, openings, site_cards
from app.services.access import Actor
from app.services.coordinates import Place
from app.services.openings import Asked

MOST_DAYS = 62
MOST_SESSIONS = 24
"""Sessions told of one site, the first ones."""
FIRST_ASKED, MOST_ASKED = 40, 2000
"""Sites, nearest first, that are asked for room: at once, and if these have too little."""


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


# bookable is true of all: nothing else is answered.
SESSION = """json_build_object(
    'id', f.id, 'venue_id', f.venue_id, 'venue_name', h.name,
    'starts_at', f.starts_at, 'ends_at', f.ends_at,
    'people_limit', f.people_limit, 'groups_limit', f.groups_limit,
    'people_free', f.people_limit - f.people_held, 'groups_free', f.groups_limit - f.groups_held,
    'bookable', TRUE, 'reason', NULL, 'session_ids', f.session_ids, 'until', f.until
)"""
AMONG = "s.status = 'published' AND s.category = ANY(CAST(:categories AS text[]))"
WITHIN = f"ST_DWithin(CAST(s.location AS geography), {openings.HERE}, {{radius}}, FALSE)"


@lru_cache(maxsize=4)
def _offers(*, minutes: bool, kind: bool) -> TextClause:
    """Return the statement for what fits, and for its cards.

    The index yields the sites from near to far, each is asked for its sessions, and enough is
    enough: neither all sites nor all sessions are ever looked at. The planner cannot know that most
    sites have room and would rather sort all within the radius; so it is told to take the nearest
    few first, and the others only where these are not enough.
    """
    sites = f"SELECT s.id, s.district_id, {openings.AWAY} AS away FROM site s WHERE {AMONG}"  # noqa: S608
    # How far the last of the nearest is: sites as far as that stay together, to be sorted by time.
    brink = f"""(
        SELECT CASE WHEN count(*) < {FIRST_ASKED} THEN 'Infinity' ELSE max(away) END FROM nearest
    )"""  # noqa: S608  # constants
    others = f"""
        {sites} AND {WITHIN.format(radius=":radius_m")} AND {openings.AWAY} >= {brink}
        ORDER BY {openings.AWAY} LIMIT {MOST_ASKED}
    """
    fitting = openings.sessions(
        Asked(minutes=minutes, kind=kind),
        then=f"ORDER BY v.starts_at, v.id LIMIT {MOST_SESSIONS}",
    )
    with_room = f"""(
        SELECT s.id, s.away, found.first, found.sessions
        FROM ({{which}}) s CROSS JOIN LATERAL (
            SELECT json_agg({SESSION} ORDER BY f.starts_at, f.id) AS sessions,
                min(f.starts_at) AS first
            FROM ({fitting}) f JOIN venue h ON h.id = f.venue_id
            HAVING count(*) > 0
        ) found
        WHERE s.away <= :radius_m {{nearer}}
        ORDER BY s.away, found.first, s.id LIMIT :limit
    )"""  # noqa: S608  # constants
    parts = [
        with_room.format(
            which="SELECT * FROM nearest ORDER BY away OFFSET 0", nearer=f"AND s.away < {brink}"
        ),
        with_room.format(which=others, nearer=""),
    ]
    return text(f"""
        WITH nearest AS MATERIALIZED ({sites} ORDER BY {openings.AWAY} LIMIT {FIRST_ASKED})
        SELECT convert_to(coalesce(json_agg(json_build_object(
            'site', CAST(told.site AS json), 'distance_m', CAST(round(o.away) AS integer),
            'sessions', o.sessions
        ) ORDER BY o.away, o.first, o.id), '[]')::text, 'UTF8')
        FROM ({" UNION ALL ".join(parts)} LIMIT :limit) o
        {site_cards.told("o.id")}
    """)  # noqa: S608  # constants


def find(reader: Reader, *, wish: Wish, crs: Crs, limit: int, now: datetime) -> bytes:
    """Return the sites that have room, the nearest first, then the earliest, as a JSON array.

    Whatever is offered can be ordered at `now` by a branch like the asker's, as long as nobody else
    does so first.

    Args:
        reader: reads one statement.
        wish: what is looked for.
        crs: of the sites' points in the answer.
        limit: at most so many sites.
        now: the present instant, aware.

    Raises:
        TimesUnreadable: it ends before it starts, or covers more than `MOST_DAYS`.
    """
    if not timedelta(0) < wish.until - wish.since <= timedelta(days=MOST_DAYS):
        raise TimesUnreadable(most_days=MOST_DAYS)
    statement = _offers(minutes=wish.minutes is not None, kind=wish.programme_kind is not None)
    facts = facts_of(wish, now) | {"limit": limit, "digits": cards.digits(crs)}
    [found] = reader.row(statement, facts)
    if crs is Crs.WGS84:
        return bytes(found)
    offers = [one | {"site": cards.moved(one["site"], crs)} for one in json.loads(found)]
    return json.dumps(offers, ensure_ascii=False).encode()


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


def facts_of(wish: Wish, now: datetime) -> dict[str, Any]:
    """Return the parameters of a statement about a wish."""
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
