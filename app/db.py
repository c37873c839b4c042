"""The engine, and the translation of constraint violations."""

import select
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError, IntegrityError

from app.errors import DomainError

SERVICE = "party_map_service"
"""The database role the service works in: it owns nothing and may read and write what it needs."""


def create_engine(url: str, *, pool_size: int = 20) -> Engine:
    """Return a pooled engine whose sessions speak UTC, never wait for ever and own nothing.

    Args:
        url: `postgresql://...`, any driver; psycopg 3 is used. Its account owns the tables or is
            a member of the service's role; either way the sessions have that role's rights alone.
        pool_size: connections kept, and the most ever opened.
    """
    options = "-c timezone=UTC -c lock_timeout=10s -c statement_timeout=20s"
    options += f" -c role={SERVICE}"
    engine = sqlalchemy.create_engine(
        sqlalchemy.make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_use_lifo=True,  # the one used last knows the statements, and has them in its caches
        hide_parameters=True,  # or a fault would be logged with what people entered
        connect_args={"options": options},
    )
    event.listen(engine, "checkout", _refuse_the_lost)
    return engine


def _refuse_the_lost(connection: psycopg.Connection, *_: object) -> None:
    """Have the pool replace a connection that ended while it rested, before anybody gets it.

    To one that rests the server has nothing to say but farewell; so whether there is something to
    read tells as much as a question, which would be one more journey for every request.

    Raises:
        DisconnectionError: it has ended; the pool opens another one.
    """
    said = select.poll()
    if not connection.closed:
        said.register(connection, select.POLLIN)
    if connection.closed or said.poll(0):
        raise DisconnectionError


@contextmanager
def violating(constraint: str, error: DomainError) -> Iterator[None]:
    """Turn one broken constraint into one domain error.

    Args:
        constraint: its name in the database.
        error: what to raise instead.

    Raises:
        DomainError: `error`, when the block breaks `constraint`.
        IntegrityError: when it breaks another one.
    """
    try:
        yield
    except IntegrityError as exc:
        if isinstance(exc.orig, psycopg.Error) and exc.orig.diag.constraint_name == constraint:
            raise error from exc
        raise
