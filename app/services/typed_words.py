"""What was typed, as conditions on `site_words w`: a tier for each way in which it may be meant."""

from collections.abc import Sequence, Set
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


_IS_NAMED = "(strpos(w.name, :letters) > 0 OR strpos(w.short_name, :letters) > 0)"


class Typed(NamedTuple):
    """What was typed, plain.

    Attributes:
        letters: all of it.
        facts: parameters of the statements.
        ways: for each tier how it is found; for `OTHERWISE` how each word is.
        tier: SQL for the tier of `site_words w`.
    """

    letters: str
    facts: dict[str, Any]
    ways: dict[Tier, list[list[words.Way]]]
    tier: str

    @property
    def grams(self) -> set[str]:
        """Everything that is asked for."""
        return words.grams_of(*(ways for choices in self.ways.values() for ways in choices))

    def is_common(self, tier: Tier, common: Set[str]) -> bool:
        """Tell whether a tier asks for nothing but common grams."""
        return all(words.is_common(ways, common) for ways in self.ways[tier])


def read(given: str) -> Typed:
    """Return what was typed, cut into words; without letters where there is nothing to look for."""
    parts = [words.plain(part) for part in given.split()]
    parts = [part[: words.MOST_LETTERS] for part in parts if part][:MOST_WORDS]
    letters = "".join(parts)[: words.MOST_LETTERS]
    if not letters:
        return Typed("", {}, {}, "")
    heard = [words.sounding(part) if part.isascii() else [] for part in parts]
    ways = {
        Tier.NAMED: [words.spelt(letters)],
        Tier.SOUNDS_FROM_THE_START: [words.sounding(letters, first=True)],
        Tier.SOUNDS: [words.sounding(letters)],
        Tier.OTHERWISE: [
            [*words.spelt(part, "+"), *words.spelt(part), *sounds]
            for part, sounds in zip(parts, heard, strict=True)
        ],
        Tier.GUESSED: [words.nearly(letters)],
    }
    facts: dict[str, Any] = {
        "letters": letters,
        "letters_end": letters + "\U0010ffff",
        "heard": words.sound(letters),
        **{f"tier_{tier}": words.written(*choices) for tier, choices in ways.items()},
        **{f"word_{n}": part for n, part in enumerate(parts)},
        **{f"heard_{n}": words.written(sounds) for n, sounds in enumerate(heard) if sounds},
    }
    return Typed(letters, facts, ways, _tier_of(heard))


def _tier_of(heard: Sequence[Sequence[words.Way]]) -> str:
    return f"""CASE
        WHEN w.name = :letters OR w.short_name = :letters THEN {Tier.EXACT}
        WHEN starts_with(w.name, :letters) OR starts_with(w.short_name, :letters)
            THEN {Tier.BEGINS}
        WHEN {_IS_NAMED} THEN {Tier.NAMED}
        WHEN {has_grams(Tier.SOUNDS_FROM_THE_START)} THEN {Tier.SOUNDS_FROM_THE_START}
        WHEN {has_grams(Tier.SOUNDS)} THEN {Tier.SOUNDS}
        WHEN {_has_all(heard)} THEN {Tier.OTHERWISE}
        ELSE {Tier.GUESSED}
    END"""


def has_grams(tier: Tier, *, indexed: bool = True) -> str:
    """Return SQL for whether the grams are as a tier wants them; a function is not indexed."""
    query = f"CAST(:tier_{tier} AS tsquery)"
    return f"w.grams @@ {query}" if indexed else f"ts_match_vq(w.grams, {query})"


def _has_all(heard: Sequence[Sequence[words.Way]]) -> str:
    """Return SQL for whether every word is in one of a site's texts, or sounds like its name."""
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


def way_to(tier: Tier, *, walked: bool) -> str:
    """Return SQL for how a tier finds its sites."""
    if tier == Tier.EXACT:
        return "(w.name = :letters OR w.short_name = :letters)"
    if tier == Tier.BEGINS:
        return _BEGINS
    by_grams = [] if walked and tier == Tier.NAMED else [has_grams(tier, indexed=not walked)]
    return " AND ".join([*by_grams, *([_IS_NAMED] if tier == Tier.NAMED else [])])
