"""The database of the settings: the one they name, else the checkout's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from sqlalchemy import Engine

from app import postgres
from app.api.limits import AT_ONCE
from app.db import create_engine
from app.settings import Settings

ROOT = Path(__file__).parent.parent


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """Yield the URL of the database named in the settings, else of the checkout's own server."""
    if settings.database_url:
        yield settings.database_url
        return
    with postgres.running("demo", durable=True) as server:
        url = postgres.createdb(server, "app")
        yield sqlalchemy.make_url(url).set(drivername="postgresql").render_as_string(False)


@contextmanager
def engine_of(settings: Settings) -> Iterator[Engine]:
    """Yield an engine on that database, brought up to the newest migration."""
    from app import jobs

    with database(settings) as url:
        upgrade(url)
        engine = create_engine(url, pool_size=settings.pool_size + AT_ONCE + len(jobs.JOBS))
        try:
            yield engine
        finally:
            engine.dispose()


def upgrade(url: str) -> None:
    """Bring the database up to the newest migration."""
    from alembic import command
    from alembic.config import Config

    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
