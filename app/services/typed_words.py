"""What was typed, as conditions on `site_words w`: a tier for each way in which it may be meant."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from app import words

MOST_WORDS = 4
"""Words after them are overlooked."""


class Tier(IntEnum):
    """How sure it is that a site was meant, the surest first."""

    EXACT = 0
    BEGINS = 1
    NAMED = 2
    SOUNDS_FROM_THE_START = 3
    SOUNDS = 4
    OTHERWISE = 5
    GUESSED = 6


SURE = tuple(tier for tier in Tier if tier < Tier.GUESSED)
LEAST_ALIKE = 0.5
"""How much of what was typed has to be in the sound of a name, as pg_trgm counts it."""
_IS_NAMED = "(strpos(w.name, :letters) > 0 OR strpos(w.short_name, :letters) > 0)"


class Typed(NamedTuple):
    """What was typed, plain.

    Attributes:
        letters: all of it.
        facts: parameters of the statements.
        ways: for each tier that asks for grams how it is found; for `OTHERWISE` how each word is.
        alike: how much a name has to sound like what may be misspelt pinyin, 0 to 1; None where
            not all of it is letters.
        has_all: SQL for whether every word is in one of a site's texts, or sounds like its name.
    """

    letters: str
    facts: dict[str, Any]
    ways: dict[Tier, list[list[words.Way]]]
    alike: float | None
    has_all: str


def read(given: str) -> Typed:
    """Return what was typed, cut into words; without letters where there is nothing to look for."""
    parts = [words.plain(part) for part in given.split()]
    parts = [part[: words.MOST_LETTERS] for part in parts if part][:MOST_WORDS]
    letters = "".join(parts)[: words.MOST_LETTERS]
    if not letters:
        return Typed("", {}, {}, None, "")
    heard = [words.sounding(part) if part.isascii() else [] for part in parts]
    ways = {
        Tier.NAMED: [words.spelt(letters)],
        Tier.SOUNDS_FROM_THE_START: [words.sounding(letters, first=True)],
        Tier.SOUNDS: [words.sounding(letters)],
        Tier.OTHERWISE: [
            [*words.spelt(part, "+"), *words.spelt(part), *sounds]
            for part, sounds in zip(parts, heard, strict=True)
        ],
    }
    if len(parts) == 1:
        # By its name a surer tier has found it.
        ways[Tier.OTHERWISE] = [words.spelt(letters, "+")]
    facts: dict[str, Any] = {
        "letters": letters,
        "letters_end": letters + "\U0010ffff",
        **{f"tier_{tier}": words.written(*choices) for tier, choices in ways.items()},
        **{f"word_{n}": part for n, part in enumerate(parts)},
        **{f"heard_{n}": words.written(sounds) for n, sounds in enumerate(heard) if sounds},
    }
    return Typed(letters, facts, ways, _alike(letters), _has_all(heard))


def slips(typed: Typed) -> list[str]:
    """Return expressions over grams for one slip in all letters each, or one word too many."""
    each = typed.ways[Tier.OTHERWISE]
    fewer = [[*each[:n], *each[n + 1 :]] for n in range(len(each))] if len(each) > 1 else []
    found = [words.written([way]) for way in words.nearly(typed.letters)]
    return list(dict.fromkeys(filter(None, [*found, *(words.written(*some) for some in fewer)])))


def _alike(letters: str) -> float | None:
    """Return how much of pinyin with one slip, in the midst of a name, is still there."""
    if not letters.isascii():
        return None
    # Of n letters pg_trgm makes n + 1 triples. Two stand for the beginning of a word, one for its
    # end, which the midst of a name has not; a wrong letter is in three.
    return max(LEAST_ALIKE, (len(letters) - 5) / (len(letters) + 1))


def _has_all(heard: Sequence[Sequence[words.Way]]) -> str:
    each = []
    for n, sounds in enumerate(heard):
        texts = [f"strpos(w.{column}, :word_{n}) > 0" for column in _TEXTS]
        sounding = [f"w.grams @@ CAST(:heard_{n} AS tsquery)"] if sounds else []
        each.append(f"({' OR '.join([*texts, *sounding])})")
    return " AND ".join(each)


_TEXTS = ("name", "short_name", "others")
_BEGINS = """(
    (w.name >= :letters AND w.name < :letters_end)
    OR (w.short_name >= :letters AND w.short_name < :letters_end)
)"""


def found_by(tier: Tier, typed: Typed, *, walked: bool = False) -> str:
    """Return SQL for whether `site_words w` is of a tier or a surer one.

    Args:
        tier: one of `SURE`.
        typed: what was typed.
        walked: whether all sites are looked at in turn, so that no index of grams is to be used.
    """
    if tier == Tier.EXACT:
        return "(w.name = :letters OR w.short_name = :letters)"
    if tier == Tier.BEGINS:
        return _BEGINS
    if tier == Tier.NAMED and walked:
        return _IS_NAMED
    query = f"CAST(:tier_{tier} AS tsquery)"
    by_grams = f"ts_match_vq(w.grams, {query})" if walked else f"w.grams @@ {query}"
    further = {Tier.NAMED: _IS_NAMED, Tier.OTHERWISE: typed.has_all}.get(tier)
    return f"({by_grams} AND {further})" if further else by_grams
