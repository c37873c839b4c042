"""The databases that are measured: built by the migrations, filled once, kept between runs."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from psycopg import sql

from app import demo, postgres
from app.database import upgrade
from app.db import create_engine
from app.machine import CHECKOUT, Refusal, say
from bench import load
from setup.steps import digest

SEED = 370302
_AHEAD = timedelta(days=30)
_BUILDERS = ("migrations/versions/*.py", "bench/*.csv", "bench/country.py", "bench/names.py")
_DEMO = ("migrations/versions/*.py", "app/demo/*.py", "app/data/*")


@dataclass(frozen=True)
class Size:
    """How large a database is.

    Attributes:
        name: part of the database's name.
        sites: published sites; 0 is the demonstration.
        days: days ahead that have sessions.
    """

    name: str
    sites: int
    days: int


DISTRICT = Size("district", 0, 60)
COUNTRY = Size("country", 100_000, 60)
SIZES = {size.name: size for size in (DISTRICT, COUNTRY)}


@contextmanager
def ready(size: Size, *, now: datetime) -> Iterator[str]:
    """Yield the URL of a filled database on a durable server of its own.

    Args:
        size: of the database.
        now: the present instant, aware; sessions are made from it on.

    Raises:
        Refusal: `APP_DATABASE_URL` names another server, which is not to be loaded.
    """
    if os.environ.get("APP_DATABASE_URL"):
        raise Refusal("The bench brings its own database: unset APP_DATABASE_URL, then run again.")
    with postgres.running("bench", durable=True) as server:
        yield filled(server, size, now=now)


def filled(server: str, size: Size, *, now: datetime) -> str:
    """Fill the database of this size, unless it is as it should be; return its plain URL."""
    url = postgres.createdb(server, f"bench_{size.name}").replace("+psycopg", "", 1)
    stamp, rows, derived = (
        _stamp(url),
        _key_of_rows(size),
        digest(CHECKOUT.glob("app/services/*.py")),
    )
    if not stamp.startswith(rows) or not _lies_ahead(url, now):
        started = time.monotonic()
        _begin_anew(server, url)
        _fill(url, size, now)
        say(f"the {size.name} took {time.monotonic() - started:.0f} s")
    load.derive(url, anew=stamp != f"{rows} {derived}", now=now)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        name = sql.Identifier(connection.info.dbname)
        text = sql.Literal(f"{rows} {derived}")
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, text))
    return url


def _key_of_rows(size: Size) -> str:
    patterns = _BUILDERS if size.sites else _DEMO
    files = [path for pattern in patterns for path in CHECKOUT.glob(pattern)]
    return digest([*files, CHECKOUT / "bench/load.py"], str(size))


def _stamp(url: str) -> str:
    """Return what the database was filled from; nothing where it never was, or not to the end."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    return str(found and found[0])


def _lies_ahead(url: str, now: datetime) -> bool:
    """Tell whether its sessions still do."""
    with psycopg.connect(url) as connection:
        last = connection.execute("SELECT max(starts_at) FROM venue_session").fetchone()
    return bool(last and last[0] and last[0] > now + _AHEAD)


def _begin_anew(server: str, url: str) -> None:
    name = sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(url)["dbname"]))
    with psycopg.connect(server.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))


def _fill(url: str, size: Size, now: datetime) -> None:
    upgrade(url)
    if size.sites:
        load.country(url, sites=size.sites, days=size.days, seed=SEED, now=now)
        return
    say("building the demonstration district; this takes about a minute, once")
    engine = create_engine(url)
    demo.build(engine, seed=SEED, now=now, scale=demo.FULL)
    engine.dispose()
