"""Sites by what people type, and by what else they want of them.

What is typed is looked for in several ways, the surest first: each is a tier, and what is found in
one is not found again in a later one. A tier is read in the order of the sites' lots and no further
than the page needs, so that words which half of all sites have cost no more than rare ones.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import Category, SiteKind
from app.models.site_words import lot
from app.services import openings
from app.services.calendar import midnight
from app.services.coordinates import Place
from app.services.openings import Asked
from app.services.site_map import Box
from app.services.typed_words import Tier, Typed, has_grams, read, way_to

GUESSES = 300
"""Sites that may have been meant, of which the likeliest are shown."""
ALIKE = 0.5
"""How much of what was typed has to be in the sound of a name, as pg_trgm counts it."""


class SiteSort(StrEnum):
    """In which order sites are listed."""

    DEFAULT = "default"
    RELEVANCE = "relevance"
    DISTANCE = "distance"
    NAME = "name"


@dataclass(frozen=True)
class Wish:
    """What sites are looked for; what is None does not matter.

    Attributes:
        typed: words, pinyin or initials.
        category: of one category.
        kind: of one kind.
        town_id: of one town.
        near: WGS-84; with `radius_m` only those within so many metres.
        radius_m: see `near`.
        box: inside this rectangle, WGS-84.
        open_on: with a session on this day that a group of `people` could order.
        people: see `open_on`.
    """

    typed: str | None = None
    category: Category | None = None
    kind: SiteKind | None = None
    town_id: UUID | None = None
    near: Place | None = None
    radius_m: int | None = None
    box: Box | None = None
    open_on: date | None = None
    people: int = 1


class Found(NamedTuple):
    """A site and where it stands among those found, for the page after it."""

    tier: int
    closeness: int
    id: UUID


def find(
    session: Session, *, wish: Wish, sort: SiteSort, after: Found | None, limit: int, now: datetime
) -> list[Found]:
    """Return published sites.

    Args:
        session: open transaction.
        wish: which.
        sort: in which order. By default what was typed decides, or else the time at which sites
            were entered; by distance needs `near`; by name is by its pinyin.
        after: the last one of the page before.
        limit: at most so many.
        now: the present instant, aware.
    """
    typed = read(wish.typed) if wish.typed is not None else None
    if typed is not None and not typed.letters:
        return []
    query = _Query(
        *_filters(wish, now), after, limit, local=bool(wish.radius_m or wish.box or wish.town_id)
    )
    if typed is None or sort in {SiteSort.DISTANCE, SiteSort.NAME}:
        return _sorted(session, query, typed, sort)
    common = _plan_for_the_words(session, typed, limit)
    found = _tiers(session, query, typed, common)
    if len(found) < limit:
        found += _guesses(session, query, typed, limit - len(found))
    return found


class _Query(NamedTuple):
    """Conditions on `site s`, their values, and the page; `local` ones leave few sites."""

    where: str
    facts: dict[str, Any]
    after: Found | None
    limit: int
    local: bool


def _filters(wish: Wish, now: datetime) -> tuple[str, dict[str, Any]]:
    facts: dict[str, Any] = {"category": wish.category, "kind": wish.kind, "town_id": wish.town_id}
    conditions = {
        "category": "s.category = :category",
        "kind": "s.kinds @> ARRAY[CAST(:kind AS text)]",
        "town_id": "s.town_id = :town_id",
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    where = ["s.status = 'published'", *(conditions[name] for name in facts)]
    if wish.near:
        facts |= {"lon": wish.near.lon, "lat": wish.near.lat}
    if wish.near and wish.radius_m is not None:
        facts["radius_m"] = wish.radius_m
        where.append(
            f"ST_DWithin(CAST(s.location AS geography), {openings.HERE}, :radius_m, FALSE)"
        )
    if wish.box:
        facts |= wish.box._asdict()
        where.append("s.location && ST_MakeEnvelope(:west, :south, :east, :north, 4326)")
    if wish.open_on:
        day, next_day = midnight(wish.open_on), midnight(wish.open_on + timedelta(days=1))
        facts |= {"since": day, "until": next_day, "people": wish.people, "now": now}
        facts |= {"guest": False, "homes": []}
        where.append(f"EXISTS ({openings.sessions(Asked(), then='LIMIT 1')})")
    return " AND ".join(where), facts


def _sorted(session: Session, query: _Query, typed: Typed | None, sort: SiteSort) -> list[Found]:
    """List in an order that does not ask how well the words fit."""
    facts = query.facts | {"limit": query.limit}
    where = query.where
    if typed is not None:
        _plan_for_the_words(session, typed, query.limit)
        ways = [way_to(tier, walked=False) for tier in Tier if tier < Tier.GUESSED]
        facts |= typed.facts
        where += f" AND ({' OR '.join(ways)}) AND ({typed.tier}) < {Tier.GUESSED}"
    key = {SiteSort.NAME: "w.sound, s.id", SiteSort.DISTANCE: f"{openings.AWAY}, s.id"}.get(
        sort, "s.id"
    )
    source = "site s"
    if typed is not None or sort == SiteSort.NAME:
        source += " JOIN site_words w ON w.site_id = s.id"
    if query.after:
        facts["after"] = query.after.id
        where += f" AND ({key}) > (SELECT {key} FROM {source} WHERE s.id = :after)"  # noqa: S608
    statement = f"SELECT 0, 0, s.id FROM {source} WHERE {where} ORDER BY {key} LIMIT :limit"  # noqa: S608  # constants
    if sort == SiteSort.DISTANCE:
        # By distance alone, or the index of places could not yield them in this order; whoever is
        # as far as the last one comes along, to be put in the order of ids.
        statement = f"""
            SELECT 0, 0, n.id FROM (
                SELECT s.id, {openings.AWAY} AS away FROM {source} WHERE {where}
                ORDER BY {openings.AWAY} FETCH FIRST (:limit) ROWS WITH TIES
            ) n ORDER BY n.away, n.id LIMIT :limit
        """  # noqa: S608  # constants
    return [Found(*row) for row in session.connection().execute(text(statement), facts)]


def _plan_for_the_words(session: Session, typed: Typed, limit: int) -> Set[str]:
    """Have statements planned for the words at hand, and return those grams that are common.

    Rare ones want the index. Of common ones so many sites have all that it is quicker to walk along
    the lots until the page is full; the planner would take them for rare, as it does not know that
    grams come together. Which is quicker where is decided by how many rows either would touch.
    """
    facts = {"alike": str(ALIKE), "grams": list(typed.grams), "limit": limit}
    return set(session.connection().execute(_PLANNING, facts).one().common)


_PLANNING = text("""
    SELECT set_config('plan_cache_mode', 'force_custom_plan', TRUE),
        set_config('pg_trgm.word_similarity_threshold', :alike, TRUE),
        ARRAY(
            SELECT m.gram FROM pg_stats p, pg_class c, unnest(
                CAST(CAST(p.most_common_elems AS text) AS text[]), p.most_common_elem_freqs
            ) AS m (gram, part)
            WHERE p.schemaname = 'public' AND p.tablename = 'site_words' AND p.attname = 'grams'
                AND c.oid = CAST('public.site_words' AS regclass)
                AND m.part * m.part * c.reltuples > :limit
                AND m.gram = ANY(CAST(:grams AS text[]))
        ) AS common
""")

_CLOSENESS = """CAST(1000 * greatest(
    word_similarity(:letters, w.name), word_similarity(:heard, w.sound)
) AS integer)"""


def _tiers(session: Session, query: _Query, typed: Typed, common: Set[str]) -> list[Found]:
    """Return what was surely meant, tier after tier."""
    first = query.after.tier if query.after else Tier.EXACT
    parts = []
    for tier in Tier:
        if tier < first or tier == Tier.GUESSED:
            continue
        walked = not query.local and tier in typed.ways and typed.is_common(tier, common)
        beyond = "AND (w.lot, w.site_id) > (:lot, :after)" if query.after and tier == first else ""
        # What a way finds is of its tier or a surer one, so `>=` is `=`, and easier to estimate.
        parts.append(f"""(
            SELECT {tier}, 0, w.site_id FROM site_words w JOIN site s ON s.id = w.site_id
            WHERE {way_to(tier, walked=walked)} AND ({typed.tier}) = {tier}
                AND {query.where} {beyond}
            ORDER BY w.lot, w.site_id LIMIT :limit
        )""")  # noqa: S608  # constants
    if not parts:
        return []
    facts = typed.facts | query.facts | {"limit": query.limit}
    if query.after:
        facts |= {"after": query.after.id, "lot": lot(query.after.id)}
    statement = text(f"{' UNION ALL '.join(parts)} LIMIT :limit")
    return [Found(*row) for row in session.connection().execute(statement, facts)]


def _guesses(session: Session, query: _Query, typed: Typed, limit: int) -> list[Found]:
    """Return what may have been meant, the likeliest first."""
    after = query.after if query.after and query.after.tier == Tier.GUESSED else None
    beyond = "(closeness < :closeness OR (closeness = :closeness AND site_id > :after))"
    facts = typed.facts | query.facts | {"limit": limit}
    if after:
        facts |= {"after": after.id, "closeness": after.closeness}
    statement = text(f"""
        SELECT {Tier.GUESSED}, closeness, site_id FROM (
            SELECT w.site_id, {_CLOSENESS} AS closeness
            FROM site_words w JOIN site s ON s.id = w.site_id
            WHERE ({has_grams(Tier.GUESSED)} OR :heard <% w.sound)
                AND ({typed.tier}) = {Tier.GUESSED} AND {query.where}
            LIMIT {GUESSES}
        ) w
        WHERE {beyond if after else "TRUE"}
        ORDER BY closeness DESC, site_id LIMIT :limit
    """)  # noqa: S608  # constants
    return [Found(*row) for row in session.connection().execute(statement, facts)]
