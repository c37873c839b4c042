"""A country written into a migrated database as fast as PostgreSQL takes it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import Connection, sql
from sqlalchemy import Engine
from sqlalchemy.sql.schema import ScalarElementColumnDefault
from sqlmodel import Session, SQLModel

from app.db import create_engine
from app.demo import sheets
from app.machine import say
from app.services import calendar, sessions, site_cards, site_words
from app.services.calendar import DAY, ZONE, local_date
from bench.country import MODELS, Country, Row

_OPEN_SINCE = timedelta(days=90)

# Of ten sessions three are full and, where two groups may share a hall, three have one; a few are
# shut. One statement a day, so that rows lie by day, as they do where days are made one by one.
_SESSIONS = """
    INSERT INTO venue_session (id, site_id, venue_id, starts_at, ends_at, people_limit,
        groups_limit, people_held, groups_held, closed_reason)
    SELECT uuid7(), site_id, id, (%(day)s + starts) AT TIME ZONE %(zone)s,
        (%(day)s + starts + interval '90 minutes') AT TIME ZONE %(zone)s,
        people_limit, groups_limit, least(held * 20, people_limit), held,
        CASE WHEN luck > 0.98 THEN '设备检修' END
    FROM (
        SELECT *, CASE
            WHEN luck < 0.3 THEN groups_limit WHEN luck < 0.6 THEN groups_limit - 1 ELSE 0
        END AS held
        FROM (
            SELECT v.id, v.site_id, v.people_limit, v.groups_limit, starts, random() AS luck
            FROM venue v CROSS JOIN (VALUES (time '09:00'), (time '14:00')) t (starts)
        ) v
    ) s
"""

_NOTE_ALL = "INSERT INTO site_card_stale (site_id, location) SELECT id, location FROM site"


def country(url: str, *, sites: int, days: int, seed: int, now: datetime) -> None:
    """Fill an empty database: rows by COPY, sessions by INSERT, dear indexes last.

    Triggers and foreign keys rest meanwhile; checks do not.

    Args:
        url: the database's, as libpq reads it.
        sites: published sites.
        days: days ahead, from today on, of which the working days get two sessions a hall.
        seed: where chance comes from.
        now: the present instant, aware.
    """
    working = list(_calendar(url, local_date(now), days))
    made = Country(sites=sites, seed=seed, since=now - _OPEN_SINCE)
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET maintenance_work_mem = '1GB'")
        for model in MODELS:
            with _timed(f"{len(made.rows[model])} rows of {model.__tablename__}"):
                _copy(connection, model, made.rows[model])
        with _timed(f"{len(working)} days of sessions"), _indexes_later(connection):
            connection.execute("SELECT setseed(0.5)")
            for day in working:
                connection.execute(_SESSIONS, {"day": day, "zone": ZONE.key})


def _calendar(url: str, today: date, days: int) -> Iterator[date]:
    """Import the holidays, and yield the working days ahead."""
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        for document in sheets.holidays():
            calendar.import_year(session, document=document)
        known = calendar.load(session)
    engine.dispose()
    yield from filter(known.is_working, (today + n * DAY for n in range(days)))


def _copy(connection: Connection, model: type[SQLModel], rows: list[Row]) -> None:
    """Copy rows; what they leave out gets the model's default, or else the database's."""
    defaults = _defaults(model)
    names = list(dict.fromkeys([*(key for row in rows[:1000] for key in row), *defaults]))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(str(model.__tablename__)), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row.get(name, defaults.get(name)) for name in names])


def _defaults(model: type[SQLModel]) -> dict[str, Any]:
    """Return the defaults that only the model knows."""
    columns = SQLModel.metadata.tables[str(model.__tablename__)].columns
    return {
        column.key: column.default.arg
        for column in columns
        if isinstance(column.default, ScalarElementColumnDefault) and not column.server_default
    }


@contextmanager
def _indexes_later(connection: Connection) -> Iterator[None]:
    """Drop what would be kept in step row by row, and make it anew, word for word, afterwards."""
    dropped = connection.execute(
        "SELECT conname, 'ALTER TABLE venue_session ADD CONSTRAINT ' || quote_ident(conname) || ' '"
        " || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'venue_session'::regclass AND contype = 'x'"
    ).fetchall()
    for name, _ in dropped:
        drop = sql.SQL("ALTER TABLE venue_session DROP CONSTRAINT {}")
        connection.execute(drop.format(sql.Identifier(name)))
    plain = connection.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " WHERE indrelid = 'venue_session'::regclass AND NOT indisunique"
    ).fetchall()
    for name, _ in plain:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    for name, definition in (*plain, *dropped):
        with _timed(name):
            connection.execute(definition)


def derive(url: str, *, anew: bool, now: datetime) -> None:
    """Have the service make what it keeps beside the rows, as its jobs do.

    Args:
        url: the database's.
        anew: all of it, not only what is missing or has grown old.
        now: the present instant, aware.
    """
    engine = create_engine(url)
    if anew:
        with psycopg.connect(url) as owner:
            owner.execute("TRUNCATE site_words")
            owner.execute(_NOTE_ALL)
    with _unindexed(url, "site_words") if anew else nullcontext():
        _drain(engine, "sites' words", site_words.catch_up, now)
    _drain(engine, "sites' sessions", _reach, now)
    _drain(engine, "sites' cards", site_cards.refresh, now)
    engine.dispose()


def _drain(engine: Engine, what: str, keep: Callable[..., int], now: datetime) -> None:
    with _timed(what):
        touched = 1
        while touched:
            with Session(engine) as session, session.begin():
                touched = keep(session, now=now)


@contextmanager
def _unindexed(url: str, table: str) -> Iterator[None]:
    """Have a table filled without its dear indexes, which are built in seconds afterwards."""
    with psycopg.connect(url) as owner:
        found = owner.execute(_INDEXES, [table]).fetchall()
        for name, _ in found:
            owner.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    try:
        yield
    finally:
        with psycopg.connect(url) as owner:
            for _, definition in found:
                owner.execute(definition.encode())


def _reach(session: Session, *, now: datetime) -> int:
    return sessions.catch_up(session, now=now)


_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = %s AND indexdef NOT LIKE 'CREATE UNIQUE%%'
"""


@contextmanager
def _timed(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:7.1f} s  {what}")
