"""Cutting text to what a provider takes, without tearing a character apart."""

import re
import unicodedata
from collections.abc import Callable

CUT = "…"
JOINER = "\u200d"
MODIFIERS = range(0x1F3FB, 0x1F400)
FLAGS = range(0x1F1E6, 0x1F200)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""Unicode's category Cc, without the end of a line."""


def units(text: str) -> int:
    """Count as WeChat may: UTF-16 units, of which an emoji has two or more."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """Count bytes of UTF-8."""
    return len(text.encode())


def clean(text: str) -> str:
    """Return the text without lone halves of characters, which no encoding takes, or controls."""
    sound = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return CONTROLS.sub("", sound)


def line(text: str) -> str:
    """Return the text as one clean line."""
    return " ".join(clean(text.replace("\r", "\n").replace("\t", " ")).split())


def fit(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """Return a clean text as it is, or its beginning and `…`, of `most` at the utmost.

    Args:
        text: see `clean`.
        most: >= 0, as `size` counts.
        size: `len`, `units` or `octets`; never less for a longer text.
    """
    if size(text) <= most:
        return text
    room = most - size(CUT)
    if room < 0:
        return ""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if size(text[:middle]) <= room else (low, middle - 1)
    while low and _torn(text, low):
        low -= 1
    return text[:low].rstrip() + CUT


def _torn(text: str, at: int) -> bool:
    """Tell whether a cut there would go through what is shown as one character."""
    after, before = text[at], text[at - 1]
    flags = 0
    while flags < at and ord(text[at - 1 - flags]) in FLAGS:
        flags += 1
    return (
        before == JOINER
        or after == JOINER
        or unicodedata.combining(after) > 0
        or unicodedata.category(after) in {"Mn", "Me", "Mc"}
        or ord(after) in MODIFIERS
        or (ord(after) in FLAGS and flags % 2 == 1)
    )
