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
        """Return how many sites have what is asked for, rather too few than too many.

        Grams of one word come together, those of several words need not; the database's planner
        would take all of them for strangers.

        Args:
            choices: for each word the ways in which it may be there.
        """
        found = self.all_sites
        for ways in choices:
            found *= max((self._part(way) for way in ways), default=0.0) ** 2
        return found

    def _part(self, way: words.Way) -> float:
        return min(max(self.parts.get(gram, 0.0) for gram in words.grams_of(term)) for term in way)


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
