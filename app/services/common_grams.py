"""Which grams many sites have: what the database's own statistics say, kept in mind for a while."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, text

from app import words
from app.reader import Reader

KEPT = timedelta(minutes=10)


class CommonGrams(NamedTuple):
    """What part of all sites has each of the commonest grams; it only decides how to look.

    Attributes:
        read_at: when that was so.
        all_sites: how many sites there are.
        parts: by gram; one that is not there is rare.
    """

    read_at: datetime
    all_sites: float
    parts: Mapping[str, float]

    def sites(self, choices: Sequence[Sequence[words.Way]]) -> float:
        """Return how many sites are likely to have what is asked for.

        Neighbours go together: of the sites with `红色` those that have `色教` too are as many as
        among all with `色`. The database's planner would take all grams for strangers.

        Args:
            choices: for each word the ways in which it may be there.
        """
        found = self.all_sites
        for ways in choices:
            found *= max((self._part(way) for way in ways), default=0.0)
        return found

    def _part(self, way: words.Way) -> float:
        """Return what part of all sites has a word in one of its ways; 0 if a gram is rare."""
        found = 1.0
        for n, term in enumerate(way):
            grams = words.grams_of(term)
            part = min(sum(self.parts.get(gram, 0.0) for gram in grams), 1.0)
            link = self.parts.get(words.link(grams[0]), 1.0) if n else 1.0
            found *= part / max(part, link) if part else 0.0
        return found


_kept: WeakKeyDictionary[Engine, CommonGrams] = WeakKeyDictionary()

# Without statistics yet, nothing is common.
_COMMON = text("""
    SELECT c.reltuples, (
        SELECT json_object_agg(m.gram, m.part)
        FROM pg_stats p CROSS JOIN unnest(
            CAST(CAST(p.most_common_elems AS text) AS text[]), p.most_common_elem_freqs
        ) AS m (gram, part)
        WHERE p.schemaname = 'public' AND p.tablename = 'site_words' AND p.attname = 'grams'
            AND m.gram IS NOT NULL
    ) FROM pg_class c WHERE c.oid = CAST('public.site_words' AS regclass)
""")


def of(reader: Reader, *, now: datetime) -> CommonGrams:
    """Return the common grams of a database, as they were `KEPT` ago or later.

    Args:
        reader: reads one statement.
        now: the present instant, aware.
    """
    known = _kept.get(reader.engine)
    if known is None or abs(now - known.read_at) > KEPT:
        all_sites, parts = reader.row(_COMMON, {})
        _kept[reader.engine] = known = CommonGrams(now, max(all_sites, 0.0), parts or {})
    return known
