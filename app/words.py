"""Words as people type them into a search box: characters, pinyin, initials, or a mixture.

Everything is cut into short pieces, the grams. A text has all of its own, and all readings of every
character are among them; what is typed becomes an expression over grams, so that an index on sets
answers it. Of two neighbours `太河` the grams are `太河`, `tai he`, `-th`, and with the third one
`太_镇`, `-t_z`, `-thz`; a lone syllable is `.tai`, and `^tai` where a text begins.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from heapq import nsmallest
from itertools import islice, pairwise, product
from typing import NamedTuple

MOST_LETTERS = 64
"""What is typed beyond them is overlooked; the longest name has 120, but nobody types that."""
MOST_READINGS = 4
MOST_SPLITS = 4
"""Ways to cut letters into syllables that are tried, the likeliest first."""
SURELY_SYLLABLES = 3
"""Letters that can be cut into so many whole syllables are no mixture with initials."""
VOWELS = frozenset("aeiouv")
SHORTEST_GUESS = 3
"""Two characters, one of them wrong, could mean anything; so could three initials."""
MOST_INITIALS = 10
"""More letters than these are no initials."""
MOST_GUESSED = 20
"""What is mistyped is looked for by so much of it."""
LONG = 7
"""Of so many characters, enough are left to look for when three at a time are left out."""


Way = Sequence[str]
"""Terms of an expression that all have to be there; of several ways one has to.

A term is a gram, or several of which one has to be there.
"""


class Syllable(NamedTuple):
    """A syllable, or the beginning of one, as `h` and `zh` are; a character's is never cut off."""

    letters: str
    whole: bool
    character: bool = False


@cache
def _readings() -> dict[int, str]:
    # Not its phrases: they take 45 MB, and all readings of a character are kept anyhow.
    os.environ["PYPINYIN_NO_PHRASES"] = "true"
    from pypinyin.pinyin_dict import pinyin_dict as found  # the setting has to come first

    return found


@cache
def readings(character: str) -> tuple[str, ...]:
    """Return how a character is read, without tones, the commonest first; a letter is itself."""
    toned = _readings().get(ord(character))
    if toned is None:
        return (character,)
    plain = (_toneless(reading) for reading in toned.split(","))
    return tuple(dict.fromkeys(reading for reading in plain if reading))[:MOST_READINGS]


def _toneless(reading: str) -> str:
    parts = unicodedata.normalize("NFD", reading.replace("ü", "v"))
    umlaut = parts.replace("u\N{COMBINING DIAERESIS}", "v")
    return "".join(letter for letter in umlaut if letter.isascii() and letter.isalpha())


@cache
def _syllables() -> frozenset[str]:
    common = (chr(code) for code in range(0x4E00, 0x9FA6))
    sounds = {sound for character in common for sound in readings(character)}
    return frozenset(s for s in sounds if s.isascii() and not VOWELS.isdisjoint(s))


@cache
def _beginnings() -> frozenset[str]:
    return frozenset(
        s[:n] for s in _syllables() for n in (1, 2) if s[:n] in {s[0], "zh", "ch", "sh"}
    )


@cache
def _longer() -> dict[str, list[str]]:
    # By what it begins with, cut off somewhere.
    found: dict[str, list[str]] = {}
    for syllable in sorted(_syllables()):
        for n in range(1, len(syllable)):
            found.setdefault(syllable[:n], []).append(syllable)
    return found


def plain(text: str) -> str:
    """Return the letters, digits and characters of a text, in one width and in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ü", "v")
    return "".join(letter for letter in folded if letter.isalnum() and letter.isprintable())


def sound(text: str) -> str:
    """Return a plain text in pinyin, each character in its commonest reading."""
    return "".join(readings(letter)[0] for letter in text)


def grams(name: str) -> set[str]:
    """Return the grams of a plain name: its characters', its syllables' and its initials'."""
    read = [readings(letter) for letter in name]
    firsts = [tuple(dict.fromkeys(sound[0] for sound in sounds)) for sounds in read]
    found = {*name, *_pairs(name), *(f"{a}_{b}" for a, b in zip(name, name[2:], strict=False))}
    found |= {f".{sound}" for sounds in read for sound in sounds}
    found |= {f"^{sound}" for sounds in read[:1] for sound in sounds}
    for left, right in pairwise(read):
        found |= {f"{a} {b}" for a, b in product(left, right)}
    for a, b in pairwise(firsts):
        found |= {f"-{x}{y}" for x, y in product(a, b)}
    for a, b, c in zip(firsts, firsts[1:], firsts[2:], strict=False):
        found |= {f"-{x}{y}{z}" for x, y, z in product(a, b, c)}
        found |= {f"-{x}_{z}" for x, z in product(a, c)}
    return found


def further(texts: Iterable[str]) -> set[str]:
    """Return the grams of plain texts that are looked for by their characters alone."""
    return {f"+{gram}" for text in texts for gram in (*text, *_pairs(text))}


def _pairs(text: Sequence[str]) -> list[str]:
    return [f"{a}{b}" for a, b in pairwise(text)]


def spelt(typed: str, mark: str = "") -> list[Way]:
    """Return the way to find texts with these characters.

    Args:
        typed: plain, not empty.
        mark: `+` for the grams of `further`.
    """
    return [_terms(f"{mark}{gram}" for gram in _pairs(typed) or typed)]


def sounding(typed: str, *, first: bool = False) -> list[Way]:
    """Return ways to find names that sound like what was typed.

    Args:
        typed: plain; characters, syllables, the beginnings of syllables, or a mixture.
        first: only names that begin so, as far as it begins with a whole syllable.
    """
    ways = _readings_of(typed)
    return [_sounds(way, first=first) for way in ways if way[0].whole or not first]


def nearly(typed: str) -> list[Way]:
    """Return ways to find names that differ from what was typed by one slip.

    A slip is a wrong, missing or needless character, or two that changed places; the same of
    initials.
    """
    if len(typed) < SHORTEST_GUESS:
        return []
    mark = "" if any(map(_is_read, typed)) else "-"
    if mark and not SHORTEST_GUESS < len(typed) <= MOST_INITIALS:
        return []
    typed = typed[:MOST_GUESSED]
    left = _gaps(typed) if len(typed) >= LONG and not mark else _slips(typed)
    return [way for slip in left if (way := _terms(_rest(slip, mark)))]


def written(*choices: Sequence[Way]) -> str:
    """Return the expression, a `tsquery`, for texts that one way of each choice finds."""
    each = [" | ".join(f"({' & '.join(way)})" for way in ways) for ways in choices]
    return " & ".join(f"({one})" for one in each) if all(each) else ""


def grams_of(term: str) -> list[str]:
    """Return the grams of which a term asks for one."""
    return term.split("'")[1::2]


def link(gram: str) -> str:
    """Return the gram of what a gram has in common with the one before it in a way."""
    if " " in gram:
        return "." + gram.partition(" ")[0]
    return gram[:-1]


def _is_read(letter: str) -> bool:
    return ord(letter) in _readings()


def _rest(way: str, mark: str) -> Iterator[str]:
    """Yield the grams of a text in which `_` is any one character; of initials, the longest."""
    for run in way.split("_"):
        length = min(len(run), 3) if mark else 2
        yield from (
            f"{mark}{run[n : n + length]}" for n in range(len(run) - length + 1) if length > 1
        )
    for a, b, c in zip(way, way[1:], way[2:], strict=False):
        if b == "_" and "_" not in (a, c):
            yield f"{mark}{a}_{c}"


def _slips(typed: str) -> Iterator[str]:
    for n in range(len(typed)):
        before, here, after = typed[:n], typed[n], typed[n + 1 :]
        yield before + after
        if before and after:
            yield f"{before}_{after}"
        if before:
            yield f"{before}_{here}{after}"
        if after:
            yield before + after[0] + here + after[1:]


def _gaps(typed: str) -> Iterator[str]:
    """Yield what is left of a text without three neighbours; any slip is among some of them."""
    for n in range(0, len(typed) - 1, 2):
        yield f"{typed[:n]}___{typed[n + 3 :]}"


def _readings_of(typed: str) -> Iterator[list[Syllable]]:
    """Yield likely ways to read what was typed."""
    parts: list[list[list[Syllable]]] = []
    for run in _runs(typed):
        if len(run) == 1 and not (run.isascii() and run.isalpha()):
            parts.append([[Syllable(readings(run)[0], whole=True, character=True)]])
        else:
            parts.append(_splits(run))
    for way in islice(product(*parts), MOST_SPLITS):
        yield [syllable for part in way for syllable in part]


def _runs(typed: str) -> list[str]:
    """Cut where letters end: each run is ASCII letters, or one other character."""
    runs: list[str] = []
    for letter in typed:
        latin = letter.isascii() and letter.isalpha()
        if runs and latin and runs[-1].isascii() and runs[-1].isalpha():
            runs[-1] += letter
        else:
            runs.append(letter)
    return runs


def _splits(letters: str) -> list[list[Syllable]]:
    """Return ways to cut letters into syllables: fewest pieces first, whole ones before others."""
    best: list[list[tuple[int, list[Syllable]]]] = [[(0, [])]]
    for end in range(1, len(letters) + 1):
        options = [
            (cost + price, [*way, syllable])
            for start in range(max(0, end - 6), end)
            for price, syllable in _piece(letters[start:end], last=end == len(letters))
            for cost, way in best[start]
        ]
        best.append(nsmallest(MOST_SPLITS, options, key=lambda option: option[0]))
    ways = [way for _, way in best[-1]]
    # Each beginning of a syllable stands for dozens, which cost more than all the rest to look up.
    if len(ways[0]) >= SURELY_SYLLABLES and _is_read_through(ways[0]):
        return [way for way in ways if _is_read_through(way)]
    return ways


def _is_read_through(way: Sequence[Syllable]) -> bool:
    return all(syllable.whole for syllable in way[:-1])


def _piece(letters: str, *, last: bool) -> Iterator[tuple[int, Syllable]]:
    if letters in _syllables():
        yield 2, Syllable(letters, whole=True)
    elif letters in _beginnings() or (last and letters in _longer()):
        yield 3, Syllable(letters, whole=False)
    elif len(letters) == 1:
        yield 5, Syllable(letters, whole=False)


def _sounds(way: Sequence[Syllable], *, first: bool) -> Way:
    """Return the terms for one reading of what was typed."""
    head = [_term("^", way[0], cut=len(way) == 1)] if first else []
    if len(way) == 1:
        return head or [_term(".", way[0], cut=True)]
    last = len(way) - 2
    pairs = [
        _term(f"{a.letters} ", b, cut=n == last)
        for n, (a, b) in enumerate(pairwise(way))
        if a.whole
    ]
    if len(pairs) == len(way) - 1:
        return [*head, *pairs]
    firsts = "".join(syllable.letters[0] for syllable in way)
    threes = [f"'-{firsts[n : n + 3]}'" for n in range(len(firsts) - 2)]
    return [*head, *pairs, *(threes or [f"'-{firsts}'"])]


def _terms(found: Iterable[str]) -> Way:
    return list(dict.fromkeys(f"'{gram}'" for gram in found))


def _term(before: str, syllable: Syllable, *, cut: bool) -> str:
    """Return the term for a syllable, or for any that begins so.

    An index finds some grams sooner than all with a beginning, of which it first makes a list.

    Args:
        before: what stands before it in the gram.
        syllable: what was typed.
        cut: whether it may be cut off, being the last one.
    """
    letters = [syllable.letters]
    if not syllable.whole or (cut and not syllable.character):
        letters += _longer().get(syllable.letters, ())
    # Grams are letters, digits and the marks above: nothing in them ends the quotation.
    each = " | ".join(f"'{before}{one}'" for one in letters)
    return f"({each})" if len(letters) > 1 else each
