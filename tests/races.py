"""Waiting for a rival, and taking a guard away to see what it was good for."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event
from typing import TypeVar

from sqlalchemy import Connection, Engine, event, text

from tests.conftest import as_owner

T = TypeVar("T")


def at_once(times: int, work: Callable[[int], T]) -> list[T]:
    """Do `work` in so many threads that start together."""
    gate = Barrier(times)

    def begin(number: int) -> T:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(begin, range(times)))


def until_somebody_waits(engine: Engine) -> None:
    """Return when one transaction of this database waits for another.

    Raises:
        AssertionError: none does within five seconds.
    """
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    pause = Event()
    with engine.connect() as connection:
        for _ in range(1000):
            as_owner(connection)  # others do not see what a session does
            if connection.execute(waiting).scalar_one():
                return
            connection.rollback()
            pause.wait(0.005)
    raise AssertionError("nobody waits")


@contextmanager
def replaced_sql(engine: Engine | Connection, words: str, others: str = "") -> Iterator[None]:
    """Put `others` for `words` in every statement.

    Raises:
        AssertionError: no statement has them.
    """
    seen: list[str] = []

    def replace(*args: object) -> tuple[str, object]:
        statement, parameters = str(args[2]), args[3]
        if words in statement:
            seen.append(statement)
        return statement.replace(words, others), parameters

    event.listen(engine, "before_cursor_execute", replace, retval=True)
    try:
        yield
    finally:
        event.remove(engine, "before_cursor_execute", replace)
        assert seen, f"no statement says {words}"
