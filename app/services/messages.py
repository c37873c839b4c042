"""What notifications say, in Chinese and English; the facts fill the gaps."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from jinja2 import Environment

Kind = Literal[
    "booking-pending",
    "booking-changed",
    "booking-escalated",
    "booking-approved",
    "booking-rejected",
    "booking-expired",
    "booking-cancelled",
    "booking-no-show",
    "booking-completed",
    "branch-suspended",
    "suspension-lifted",
    "site-closed",
    "waitlist-offered",
    "waitlist-expired",
    "waitlist-lapsed",
    "waitlist-closed",
    "location-reported",
    "visit-in-days",
    "visit-tomorrow",
    "visit-soon",
    "visits-today",
    "answer-due",
    "review-due",
    "claims-unsubmitted",
    "claims-unreviewed",
    "suspension-ended",
    "holidays-missing",
    "records-differ",
]


class Message(NamedTuple):
    """A title and a body, ready to be read."""

    title: str
    body: str


GATHERED = "gathered"
"""Stands for the kind of a letter that holds several messages."""
ORDERS = frozenset({"booking-pending", "booking-changed"})
MOST_TOLD = 10
"""Messages told in full in a letter of several."""
FOLDER = Path(__file__).parents[1] / "templates" / "messages"
"""A file for each language and kind: its first line is the title."""


def gathered(kinds: Sequence[str], told: Sequence[Message], language: str) -> Message:
    """Return one message for several, in `zh` or `en`.

    Args:
        kinds: of the messages.
        told: themselves, the oldest first.
        language: of them, and of what is said around them.
    """
    facts = {"told": told, "orders": ORDERS.issuperset(kinds), "most": MOST_TOLD}
    return written(GATHERED, facts, language)


def written(kind: str, facts: Mapping[str, object], language: str) -> Message:
    """Return the message of `kind` in `zh` or `en`.

    Raises:
        UndefinedError: a gap of the template has no fact.
    """
    template = _environment().get_template(f"{language}/{kind}.j2")
    title, _, body = template.render(facts).partition("\n")
    return Message(title, body.rstrip("\n"))


@lru_cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Texts, not HTML: whoever shows one escapes it.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, auto_reload=False
    )
