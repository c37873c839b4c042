"""Databases and clients.

One template database per run is built by the real migrations. Most tests share one clone and undo
their work by rolling back; tests that need several transactions get a clone of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import URL, Connection, Engine, text
from sqlmodel import Session

from app import clock, demo, postgres
from app.api import deps
from app.db import create_engine
from app.main import create_app
from app.reader import Facts, Reader, Row, Statement, Within
from app.settings import Env, Settings
from tests.live import Live, served

NOW = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)  # Wednesday, 09:00 in Shanghai

# The same examples every time, so that a change is judged by what it changes; others are tried by
# `make test ARGS=--hypothesis-profile=default`.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Keep the tests of the live server in one worker, and begin with them: they take longest.

    The fuzzer comes last of them, for it resets and erases whomever it finds.
    """
    items.sort(key=lambda item: ("live" not in item.fixturenames, "test_contract" in item.nodeid))
    for item in items:
        if "live" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("live"))


@pytest.fixture(scope="session", autouse=True)
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where every application of the run keeps its photos, unless it is told another place."""
    folder = tmp_path_factory.mktemp("photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APP_PHOTO_FOLDER", str(folder))
        yield folder


@pytest.fixture(scope="session")
def server() -> Iterator[URL]:
    """A real PostgreSQL with PostGIS, shared with whatever other test process runs."""
    with postgres.running("test", durable=False) as url:
        yield sqlalchemy.make_url(url)


def plain(url: URL) -> str:
    """`url` as libpq reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def database(server: URL, template: str = "template1") -> Iterator[URL]:
    """A database of its own, gone afterwards."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    try:
        yield server.set(database=name)
    finally:
        with psycopg.connect(plain(server), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def as_owner(within: Session | Connection) -> None:
    """Take the rights of who owns the tables, until the transaction ends.

    What is owed at its end is done first: a table that waits for a trigger cannot be altered.
    """
    connection = within.connection() if isinstance(within, Session) else within
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    connection.execute(text("SET LOCAL ROLE NONE"))


@pytest.fixture(scope="session")
def template(server: URL) -> Iterator[str]:
    """Name of an empty, fully migrated database."""
    with database(server) as url:
        config = Config("alembic.ini")
        config.attributes["url"] = plain(url)
        command.upgrade(config, "head")
        assert url.database
        yield url.database


@pytest.fixture(scope="session")
def shared_engine(server: URL, template: str) -> Iterator[Engine]:
    with database(server, template) as url:
        engine = create_engine(plain(url))
        yield engine
        engine.dispose()


@pytest.fixture
def own_engine(server: URL, template: str) -> Iterator[Engine]:
    """Engine on a database of the test's own, where commits are real."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        yield engine
        engine.dispose()


@pytest.fixture
def session(shared_engine: Engine) -> Iterator[Session]:
    """Session whose every change, committed or not, is undone after the test."""
    with shared_engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        transaction.rollback()


@pytest.fixture(scope="session")
def app(shared_engine: Engine) -> FastAPI:
    """The whole app, made once; making it takes longer than most tests."""
    return create_app(shared_engine, Settings(env=Env.TEST))


class InSession(Within):
    """Reads what the test has written and not committed."""

    def rows(self, statement: Statement, facts: Facts, *, prepared: bool = True) -> list[Row]:
        self.session.flush()
        return super().rows(statement, facts, prepared=prepared)


@pytest.fixture
def client(session: Session, app: FastAPI) -> Iterator[TestClient]:
    """Client of the whole app, working inside `session` at the instant `NOW`."""

    def same_session() -> Iterator[Session]:
        session.flush()
        session.expire_all()
        with session.begin_nested():
            yield session

    async def same_now() -> datetime:
        return NOW

    async def same_reader() -> Reader:
        return InSession(session)

    app.dependency_overrides |= {
        deps.get_session: same_session,
        deps.get_now: same_now,
        deps.get_reader: same_reader,
    }
    yield TestClient(app)
    app.dependency_overrides.clear()


@pytest.fixture
def own_client(own_engine: Engine) -> TestClient:
    """Client of the whole app on a database of the test's own: every request commits, at `NOW`."""
    app = create_app(own_engine, Settings(env=Env.TEST))

    async def same_now() -> datetime:
        return NOW

    app.dependency_overrides[deps.get_now] = same_now
    return TestClient(app)


@pytest.fixture(scope="session")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server process with the small demonstration district, shared by the tests of a worker."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        accounts = demo.build(engine, seed=1, now=clock.now(), scale=demo.SMALL)
        with served(url) as address:
            yield Live(address, accounts, engine)
        engine.dispose()
