"""Single statements, read fast: for answers that the database builds whole.

The ordinary session begins, asks and ends: three journeys to the database and much unpacking, half
the cost of a small answer. What is read by one statement needs none of it.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import tuple_row
from sqlalchemy import Engine, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

Facts = Mapping[str, object]
Row = tuple[Any, ...]
Statement = TextClause | str
_DIALECT = postgresql.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


class Reader:
    """Reads on connections of an engine's pool, each statement a transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def row(self, statement: Statement, facts: Facts) -> Row:
        """Return the one row of a statement that always has one.

        Values come as the driver gives them; `bytea` is the cheapest way to a long text.

        Args:
            statement: one of few, for it stays prepared.
            facts: its parameters.

        Raises:
            DBAPIError: as a session would raise it.
        """
        [found] = self.rows(statement, facts)
        return found

    def rows(self, statement: Statement, facts: Facts, *, prepared: bool = True) -> list[Row]:
        """Return all rows of a statement.

        Args:
            statement: SQL, with its parameters as `:name`.
            facts: its parameters.
            prepared: whether it stays prepared, and is planned for any parameters; else it is
                planned for these, which takes longer and may be worth it.

        Raises:
            failure: the kind of `DBAPIError` that a session would raise.
        """
        pooled = self.engine.raw_connection()
        try:
            connection = pooled.driver_connection
            assert isinstance(connection, psycopg.Connection)  # noqa: S101
            connection.autocommit = True
            cursor = connection.cursor(binary=True, row_factory=tuple_row)
            found = cursor.execute(_driven(statement), facts, prepare=prepared).fetchall()
            connection.autocommit = False
        except psycopg.Error as exc:
            pooled.invalidate(exc)
            failure = DBAPIError.instance(None, None, exc, psycopg.Error)
            raise failure from exc
        finally:
            pooled.close()
        return found


class Within(Reader):
    """Reads in an open transaction, where that has a connection already and should need no other.

    Whoever holds one while waiting for a second may wait for ever.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.engine = session.connection().engine

    def rows(self, statement: Statement, facts: Facts, *, prepared: bool = True) -> list[Row]:  # noqa: ARG002  # as the session does
        """Return all rows of a statement."""
        sent = text(statement) if isinstance(statement, str) else statement
        return [tuple(row) for row in self.session.connection().execute(sent, dict(facts))]


@lru_cache(maxsize=256)
def _driven(statement: Statement) -> bytes:
    """Write a statement as the driver wants it."""
    sent = text(statement) if isinstance(statement, str) else statement
    return str(sent.compile(dialect=_DIALECT)).encode()
