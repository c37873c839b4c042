"""Sites by what people type, and by what else they want of them.

What is typed is looked for in several ways, the surest first: each is a tier, and what is found in
one is not found again in a later one. Rare words have few sites: all are looked up and put in
order. Of words that many sites have a tier is read in the order of the sites' lots, no further than
the page needs; where that is much further than expected, they are looked up after all. Only where
nothing is found it is guessed what may have been meant.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple
from uuid import UUID

from app.models import Category, SiteKind
from app.models.site_words import lot
from app.reader import Reader
from app.services import common_grams, openings
from app.services.calendar import midnight
from app.services.common_grams import CommonGrams
from app.services.coordinates import Place
from app.services.openings import Asked
from app.services.site_map import Box
from app.services.typed_words import SURE, Tier, Typed, found_by, read, slips

GUESSES, GUESSES_A_SLIP = 120, 40
"""Sites that may have been meant, of which the likeliest are shown."""


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
    reader: Reader, *, wish: Wish, sort: SiteSort, after: Found | None, limit: int, now: datetime
) -> list[Found]:
    """Return published sites.

    Args:
        reader: reads statements.
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
        return _sorted(reader, query, typed, sort)
    if after is None or after.tier < Tier.GUESSED:
        found = _surely(reader, query, typed, now)
        if found or after:
            return found
    return _guesses(reader, query, typed)


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


def _sorted(reader: Reader, query: _Query, typed: Typed | None, sort: SiteSort) -> list[Found]:
    """List in an order that does not ask how well the words fit."""
    facts = query.facts | {"limit": query.limit}
    where = query.where
    if typed is not None:
        facts |= typed.facts
        where += f" AND ({' OR '.join(found_by(tier, typed) for tier in SURE)})"
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
    # Planned for any words, a statement would be right for none: who would walk, and who look up?
    return _rows(reader, statement, facts, prepared=typed is None)


def _surely(reader: Reader, query: _Query, typed: Typed, now: datetime) -> list[Found]:
    """Return what was surely meant, tier after tier."""
    known = common_grams.of(reader, now=now)
    walks = {tier: _walk(known, tier, typed, query.limit) for tier in typed.ways}
    common = {tier: far for tier, far in walks.items() if far}
    facts = typed.facts | query.facts | {"limit": query.limit}
    if query.after:
        facts |= {"after": query.after.id, "lot": lot(query.after.id), "tier": query.after.tier}
    if not common:
        return _rows(reader, _looked_up(query, typed), facts)
    facts |= {f"far_{tier}": far for tier, far in common.items()}
    walked = set() if query.local else set(common)

    def found_in(tiers: Sequence[Tier], room: int) -> list[Found]:
        parts = " UNION ALL ".join(_part(query, typed, tier, walked) for tier in tiers)
        statement = f"SELECT * FROM ({parts}) f LIMIT :limit"  # noqa: S608
        return _rows(reader, statement, facts | {"limit": room}, prepared=False)

    found: list[Found] = []
    for tiers in _runs(common, query.after):
        room = query.limit - len(found)
        rows = found_in(tiers, room) if room else []
        if len(rows) < room and tiers[-1] in walked and common[tiers[-1]] < _TO_THE_END:
            walked.remove(tiers[-1])
            rows = [row for row in rows if row.tier < tiers[-1]]
            rows += found_in(tiers[-1:], room - len(rows))
        found += rows
    return found


# To pass by a site takes so much less than to look one up: a name is short, its grams are many.
_NAMES_A_HIT, _GRAMS_A_HIT = 10, 2
_TO_THE_END = 2**62
_FURTHER = 2
"""How much further than expected is walked at least, before all that fit are looked up instead."""


def _walk(known: CommonGrams, tier: Tier, typed: Typed, limit: int) -> int:
    """Return how many sites to pass by at most for a page; 0 where all that fit are looked up."""
    sites = known.sites(typed.ways[tier])
    a_hit = _NAMES_A_HIT if tier == Tier.NAMED else _GRAMS_A_HIT
    if sites <= limit or sites * sites * a_hit <= limit * known.all_sites:
        return 0
    # What else is wanted makes it longer: it goes on until to look up would have been no dearer.
    far = ceil(max(_FURTHER * limit * known.all_sites / sites, sites * a_hit))
    return far if far < known.all_sites else _TO_THE_END


def _runs(common: Container[Tier], after: Found | None) -> Iterator[Sequence[Tier]]:
    """Yield the tiers that are asked for together: what is common fills most pages alone."""
    begin = after.tier if after else 0
    ends = [tier + 1 for tier in SURE[begin:] if tier in common]
    for start, end in pairwise([begin, *ends, len(SURE)]):
        if start < end:
            yield SURE[start:end]


def _rows(
    reader: Reader, statement: str, facts: dict[str, Any], *, prepared: bool = True
) -> list[Found]:
    return [Found(*row) for row in reader.rows(statement, facts, prepared=prepared)]


def _looked_up(query: _Query, typed: Typed) -> str:
    """Return SQL for the sites of rare words: all the indexes know, each in its surest tier."""
    hits = [
        f"SELECT {tier} AS tier, w.lot, w.site_id FROM site_words w WHERE {found_by(tier, typed)}"  # noqa: S608
        for tier in SURE
    ]
    beyond = "HAVING (min(tier), lot, site_id) > (:tier, :lot, :after)" if query.after else ""
    # Put in order before it is asked which are wanted, for a page needs few.
    return f"""
        SELECT f.tier, 0, f.site_id FROM (
            SELECT min(tier) AS tier, lot, site_id FROM ({" UNION ALL ".join(hits)}) h
            GROUP BY site_id, lot {beyond}
            ORDER BY 1, 2, 3 OFFSET 0
        ) f JOIN site s ON s.id = f.site_id
        WHERE {query.where} ORDER BY f.tier, f.lot, f.site_id LIMIT :limit
    """  # noqa: S608  # constants


def _part(query: _Query, typed: Typed, tier: Tier, walked: Container[Tier]) -> str:
    """Return SQL for the sites of a tier, no more than a page needs."""
    begun = query.after and tier == query.after.tier
    beyond = "(w.lot, w.site_id) > (:lot, :after)" if begun else "TRUE"
    source = "site_words w"
    if tier in walked:
        source = f"""(
            SELECT * FROM site_words w WHERE {beyond} ORDER BY w.lot, w.site_id LIMIT :far_{tier}
        ) w"""  # noqa: S608  # constants
    way = found_by(tier, typed, walked=tier in walked)
    surer = " OR ".join(found_by(one, typed, walked=True) for one in SURE[:tier])
    return f"""(
        SELECT {tier}, 0, w.site_id FROM {source} JOIN site s ON s.id = w.site_id
        WHERE {way} AND NOT ({surer or "FALSE"}) AND {query.where} AND {beyond}
        ORDER BY w.lot, w.site_id LIMIT :limit
    )"""  # noqa: S608  # constants


def _guesses(reader: Reader, query: _Query, typed: Typed) -> list[Found]:
    """Return what may have been meant where nothing was surely, the likeliest first."""
    facts = typed.facts | query.facts | {"limit": query.limit, "slips": slips(typed)}
    beyond = ""
    if query.after:
        facts |= {"after": query.after.id, "closeness": query.after.closeness}
        beyond = "WHERE closeness < :closeness OR (closeness = :closeness AND site_id > :after)"
    if typed.alike:
        facts["alike"] = str(typed.alike)
    return _rows(reader, _guessed(query, typed, beyond), facts)


# It has to be set before the index is asked: so that is asked for the row that this returns.
_SETTING = """
    (SELECT set_config('pg_trgm.word_similarity_threshold', :alike, TRUE) AS alike OFFSET 0) t
"""


def _guessed(query: _Query, typed: Typed, beyond: str) -> str:
    some = f"SELECT w.site_id FROM site_words w JOIN site s ON s.id = w.site_id WHERE {query.where}"  # noqa: S608
    # Each slip by itself: the index quickly finds what has all of some grams, but for any of many
    # such sets it would read every site that has one of the grams.
    likely = f"""
        SELECT h.site_id FROM unnest(CAST(:slips AS tsquery[])) q (slip) CROSS JOIN LATERAL (
            {some} AND w.grams @@ q.slip LIMIT {GUESSES_A_SLIP}
        ) h LIMIT {GUESSES}
    """  # noqa: S608  # constants
    column = "name"
    if typed.alike:
        column = "sound"
        sounding = f"{some} AND t.alike IS NOT NULL AND :letters <% w.sound LIMIT {GUESSES}"
        likely = f"""
            ({likely}) UNION ALL
            (SELECT h.site_id FROM {_SETTING} CROSS JOIN LATERAL ({sounding}) h)
        """  # noqa: S608  # constants
    return f"""
        SELECT {Tier.GUESSED}, closeness, site_id FROM (
            SELECT w.site_id,
                CAST(1000 * word_similarity(:letters, w.{column}) AS integer) AS closeness
            FROM site_words w WHERE w.site_id IN ({likely})
        ) c
        {beyond} ORDER BY closeness DESC, site_id LIMIT :limit
    """  # noqa: S608  # constants
