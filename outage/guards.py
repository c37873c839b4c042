"""What keeps letters from being lost or doubled, and how to take each of it away."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest import mock

from sqlalchemy import Engine, event

from app.sending import Worker


class Guard(NamedTuple):
    """Words of statements, as patterns, with what stands for them; methods that say yes."""

    words: Sequence[tuple[str, str]]
    calls: Sequence[str] = ()


CLAIM = r"(AND status IN \('waiting', 'leased'\)[^;]*LIMIT \S+) FOR UPDATE SKIP LOCKED"
SINGLE = "single"
GUARDS: Mapping[str, Guard] = {
    "fence": Guard(
        words=(
            (r"AND d\.fence = (said|held)\.fence", ""),
            (r"AND d\.lease_until > \S+", ""),
        ),
        calls=("_holds",),
    ),
    "lease": Guard(words=((r"IN \('waiting', 'leased'\)", "IN ('waiting')"),)),
    "lock": Guard(words=((CLAIM, r"\1"),)),
    SINGLE: Guard(words=()),  # a matter of the pace, see `runs.Plan`
}
"""Only who holds a letter may send and mark it; a lease ends; two workers claim not the same; to
a provider without ids one letter is under way at a time."""


@contextmanager
def without(engine: Engine, name: str) -> Iterator[None]:
    """Take a guard from this process."""
    guard = GUARDS[name]

    def cut(*args: Any) -> tuple[str, object]:
        statement = args[2]
        for words, others in guard.words:
            statement = re.sub(words, others, statement)
        return statement, args[3]

    with ExitStack() as stack:
        for call in guard.calls:
            stack.enter_context(mock.patch.object(Worker, call, return_value=True))
        event.listen(engine, "before_cursor_execute", cut, retval=True)
        stack.callback(event.remove, engine, "before_cursor_execute", cut)
        yield
