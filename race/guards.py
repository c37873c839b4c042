"""The guards, and how to take each away: what the race must notice, or it would prove nothing."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

from sqlalchemy import Engine, event, text

from app.services import idempotency, queues


@dataclass(frozen=True)
class Guard:
    """Something that keeps rivals apart.

    Attributes:
        words: of statements, as patterns, that are left out.
        behind: what drops the constraints that stand behind.
        calls: functions that do nothing, by module and name, and what they then return.
    """

    words: Sequence[str] = ()
    behind: Sequence[str] = ()
    calls: Sequence[tuple[ModuleType, str, object]] = ()


GUARDS: Mapping[str, Guard] = {
    "room": Guard(
        words=(
            r"AND people_held \+ \S+ <= people_limit",
            r"AND groups_held < groups_limit",
        ),
        behind=(
            "ALTER TABLE venue_session DROP CONSTRAINT venue_session_people_fit_check",
            "ALTER TABLE venue_session DROP CONSTRAINT venue_session_groups_fit_check",
        ),
    ),
    "lock": Guard(
        words=(r" FOR NO KEY UPDATE OF booking$", r" AND booking\.version = \S+"),
        behind=("DROP INDEX booking_event_booking_id_version_key",),
    ),
    "key": Guard(calls=((idempotency, "begin", None), (idempotency, "keep", None))),
    "line": Guard(calls=((queues, "tend", 0),)),
}
"""Room in a session; lock and version of a booking that is moved; a key's claim; who is next."""


@contextmanager
def without(engine: Engine, name: str) -> Iterator[Counter[str]]:
    """Take a guard from this process, and what stands behind it from the database for good.

    Yield how often each of its words was left out so far.
    """
    guard, lacking = GUARDS[name], Counter[str]()
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE NONE"))
        for change in guard.behind:
            connection.execute(text(change))

    def cut(*args: Any) -> tuple[str, object]:
        statement = args[2]
        for words in guard.words:
            statement, times = re.subn(words, "", statement)
            lacking.update([words] * times)
        return statement, args[3]

    with ExitStack() as stack:
        for module, call, value in guard.calls:
            stack.enter_context(mock.patch.object(module, call, return_value=value))
        event.listen(engine, "before_cursor_execute", cut, retval=True)
        stack.callback(event.remove, engine, "before_cursor_execute", cut)
        yield lacking
