"""The databases that are measured: built by the migrations, filled once, kept between runs."""

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from app import demo, postgres
from app.database import upgrade
from app.db import create_engine
from app.machine import CHECKOUT, Refusal, say
from bench import load
from setup.steps import digest

SEED = 370302
_AHEAD = timedelta(days=30)
_BUILDERS = ("bench/*.csv", "bench/country.py", "bench/names.py")
_DEMO = ("app/demo/*.py", "app/data/*")
_DERIVED = (
    "app/words.py",
    "app/models/site_words.py",
    "app/services/site_words.py",
    "app/services/site_cards.py",
    "app/services/cards.py",
    "app/services/sessions.py",
)
"""What makes the tables that the service keeps beside the rows."""


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
    built, fresh = _stamp(url), _Stamp.of(size)
    if not fresh.has_the_rows_of(built) or not _lies_ahead(url, now):
        started = time.monotonic()
        _begin_anew(server, url)
        _fill(url, size, now)
        say(f"the {size.name} took {time.monotonic() - started:.0f} s")
    upgrade(url)
    load.derive(url, anew=built is None or built.derived != fresh.derived, now=now)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        name = sql.Identifier(connection.info.dbname)
        text = sql.Literal(json.dumps(fresh))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, text))
    return url


@contextmanager
def own(server: str, name: str) -> Iterator[str]:
    """Yield the plain URL of an empty database for one line of the table; it is gone afterwards.

    Args:
        server: URL of any database of the server.
        name: begin of the database's.
    """
    name = f"bench_{name}_{secrets.token_hex(4)}"
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            upgrade(url)
            yield url
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


class _Stamp(NamedTuple):
    """What a database was made by, as digests of files.

    Attributes:
        rows: what invents its rows.
        derived: what makes the tables beside them.
        migrations: by name. A new one is run on what is there; one that was changed is not, for it
            was run as it was.
    """

    rows: str
    derived: str
    migrations: dict[str, str]

    @classmethod
    def of(cls, size: Size) -> "_Stamp":
        """Return what a database would be made by now."""
        builders = [*_files(_BUILDERS if size.sites else _DEMO), CHECKOUT / "bench/load.py"]
        return cls(
            digest(builders, str(size)),
            digest(_files(_DERIVED)),
            {path.stem: digest([path]) for path in _files(["migrations/versions/*.py"])},
        )

    def has_the_rows_of(self, built: "_Stamp | None") -> bool:
        """Tell whether what was made so is as if it were made now, but for new migrations."""
        return (
            built is not None
            and built.rows == self.rows
            and built.migrations.items() <= self.migrations.items()
        )


def _files(patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in CHECKOUT.glob(pattern))


def _stamp(url: str) -> _Stamp | None:
    """Return what the database was filled from; None where it never was, or not to the end."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
    try:
        return _Stamp(*json.loads(found[0])) if found and found[0] else None
    except (ValueError, TypeError):  # of another time, when it was written otherwise
        return None


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
