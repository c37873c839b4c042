"""Single statements, read fast: for answers that the database builds whole.

The ordinary session begins, asks and ends: three journeys to the database and much unpacking, half
the cost of a small answer. What is read by one statement needs none of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import Engine, TextClause
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

Facts = Mapping[str, object]
_DIALECT = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


class Reader:
    """Reads on connections of an engine's pool, each statement a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def row(self, statement: TextClause, facts: Facts) -> tuple[Any, ...]:
        """Return the one row of a statement that always has one.

        Values come as the driver gives them; `bytea` is the cheapest way to a long text.

        Args:
            statement: a constant of its module, for it stays prepared.
            facts: its parameters.

        Raises:
            failure: the kind of `DBAPIError` that a session would raise.
        """
        pooled = self.engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert isinstance(connection, psycopg.Connection)  # noqa: S101
            connection.autocommit = True
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            found = cursor.execute(_driven(statement), facts, prepare=True).fetchone()
            connection.autocommit = False
        except psycopg.Error as exc:
            pooled.invalidate(exc)
            failure = DBAPIError.instance(None, None, exc, psycopg.Error)
            raise failure from exc
        finally:
            pooled.close()
        assert found is not None  # noqa: S101
        return found


class Within(Reader):
    """Reads in an open transaction, where that has a connection already and should need no other.

    Whoever holds one while waiting for a second may wait for ever.
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def row(self, statement: TextClause, facts: Facts) -> tuple[Any, ...]:
        """Return the one row of a statement that always has one."""
        return tuple(self.session.connection().execute(statement, dict(facts)).one())


@lru_cache(maxsize=256)
def _driven(statement: TextClause) -> bytes:
    """Write a statement as the driver wants it."""
    return str(statement.compile(dialect=_DIALECT)).encode()
