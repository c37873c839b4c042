"""Single statements, read fast."""

from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DataError, OperationalError, ProgrammingError
from sqlmodel import Session

from app.db import SERVICE, create_engine
from app.reader import Reader
from tests.conftest import database, plain

ECHO = text("SELECT CAST(:number AS integer) + 1, CAST(:key AS uuid), convert_to(:words, 'UTF8')")
KEY = UUID(int=7)


@pytest.fixture
def engine(server: URL, template: str) -> Iterator[Engine]:
    with database(server, template) as url:
        engine = create_engine(plain(url), pool_size=1)
        yield engine
        engine.dispose()


def test_values_go_in_and_out(engine: Engine) -> None:
    facts = {"number": 1, "key": KEY, "words": "100% 党建"}
    assert Reader(engine).row(ECHO, facts) == (2, KEY, "100% 党建".encode())


def test_a_statement_may_be_planned_for_its_parameters_alone(engine: Engine) -> None:
    asked = "SELECT n FROM generate_series(1, :last) n"
    kept = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT n%'")
    for prepared in (False, True):
        assert Reader(engine).rows(asked, {"last": 2}, prepared=prepared) == [(1,), (2,)]
        assert Reader(engine).row(kept, {}) == (int(prepared),)


def test_it_works_in_the_role_that_owns_nothing(engine: Engine) -> None:
    assert Reader(engine).row(text("SELECT current_user::text"), {}) == (SERVICE,)
    with pytest.raises(ProgrammingError, match="permission denied"):
        Reader(engine).row(text("DELETE FROM audit_event RETURNING 1"), {})


def test_the_connection_serves_sessions_again(engine: Engine) -> None:
    Reader(engine).row(text("SELECT 1"), {})
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("CREATE TEMPORARY TABLE fleeting (x integer)"))
        transaction.rollback()
    gone = text("SELECT to_regclass('fleeting')::text")
    assert Reader(engine).row(gone, {}) == (None,)


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        pytest.param({"number": 1, "key": KEY, "words": "\0"}, DataError, id="no such letter"),
        pytest.param({"number": 1, "key": "x", "words": ""}, DataError, id="no such key"),
    ],
)
def test_faults_are_told_as_a_session_tells_them(
    engine: Engine, facts: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Reader(engine).row(ECHO, facts)
    assert Reader(engine).row(text("SELECT 1"), {}) == (1,)


def test_a_statement_that_takes_too_long_ends_and_its_connection_is_replaced(
    engine: Engine,
) -> None:
    reader, who = Reader(engine), text("SELECT pg_backend_pid()")
    pid = reader.row(who, {})[0]
    reader.row(text("SELECT set_config('statement_timeout', '1ms', FALSE)"), {})
    with pytest.raises(OperationalError):
        reader.row(text("SELECT pg_sleep(10)::text"), {})
    assert reader.row(who, {})[0] != pid


def test_a_connection_lost_meanwhile_is_not_noticed(engine: Engine, server: URL) -> None:
    pid = Reader(engine).row(text("SELECT pg_backend_pid()"), {})[0]
    with psycopg.connect(plain(server)) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert Reader(engine).row(text("SELECT pg_backend_pid()"), {})[0] != pid


def test_nor_is_one_of_a_session(engine: Engine, server: URL) -> None:
    with Session(engine) as session:
        pid = session.connection().scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(plain(server)) as owner:
        owner.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with Session(engine) as session:
        assert session.connection().scalar(text("SELECT pg_backend_pid()")) != pid


def test_one_that_rests_is_kept(engine: Engine) -> None:
    who = text("SELECT pg_backend_pid()")
    assert len({Reader(engine).row(who, {})[0] for _ in range(5)}) == 1
