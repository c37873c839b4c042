"""What is secret is never written, whatever is done with it and whatever breaks."""

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app import logs
from app.api import deps
from app.db import create_engine
from app.main import create_app
from app.models import Account, Role
from app.services import accounts, one_time_codes
from app.settings import Env, Settings
from tests.api.replies import told
from tests.conftest import NOW, as_owner, plain
from tests.makers import World, make_grant, make_world

PASSWORD, SECOND, THIRD = "Canary-9f3a-Eins", "Canary-9f3a-Zwei", "Canary-9f3a-Drei"
PHONE = "13912345678"
CONTACT = "13987654321"
"""Secrets of the flow; tokens join them as they are given out."""
PRODUCTION: dict[str, Any] = {
    "secret_key": "s" * 40,
    "phone_key": "p" * 40,
    "database_url": "postgresql://x/y",
}


@pytest.fixture
def written() -> Iterator[StringIO]:
    """Everything that any logger writes, however little it matters."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(before)
    structlog.reset_defaults()


def at_debug(settings: Settings, out: StringIO) -> None:
    """Write into `out` what the service would write, and all that it would not bother to."""
    logs.configure(settings)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("debug"),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def found(secrets: list[str], out: StringIO) -> list[str]:
    """The secrets that were written."""
    return [secret for secret in secrets if secret in out.getvalue()]


@pytest.fixture
def world(own_engine: Engine) -> World:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        person = accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)
        make_grant(session, person, Role.ORGANISER, at=world.branch)
    return world


def code_for(engine: Engine) -> str:
    """A one-time code, as staff hand it out."""
    with Session(engine) as session, session.begin():
        person = session.exec(select(Account).where(Account.name == "张三")).one()
        return one_time_codes.issue(session, account_id=person.id, issued_by=None, now=NOW).code


def flow(client: TestClient, world: World, code: str) -> list[str]:
    """Sign in, renew, order, change and reset the password, sign out; return every secret."""
    form = {"username": PHONE, "password": PASSWORD}
    wrong = {"username": PHONE, "password": f"{PASSWORD}-wrong"}
    client.post("/api/v1/auth/token", data=wrong)
    first = told(client.post("/api/v1/auth/token", data=form))
    renewal = {"refresh_token": first["refresh_token"]}
    second = told(client.post("/api/v1/auth/refresh", json=renewal))
    key = str(uuid4())
    who = {"Authorization": f"Bearer {second['access_token']}", "Idempotency-Key": key}
    order = {
        "session_ids": [str(world.slot.id)],
        "programme_ids": [],
        "organisation_id": str(world.branch.id),
        "people_expected": 5,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": CONTACT,
    }
    reply = client.post("/api/v1/bookings", json=order, headers=who)
    assert reply.status_code in (201, 500), reply.text
    client.post("/api/v1/bookings", json=order | {"contact_phone": f"{CONTACT}9"}, headers=who)
    change = {"current_password": PASSWORD, "new_password": SECOND}
    assert client.post("/api/v1/me/password", json=change, headers=who).status_code == 204
    reset = {"phone": PHONE, "new_password": THIRD}
    assert client.post("/api/v1/auth/password", json=reset | {"code": f"{code}X"}).is_error
    reply = client.post("/api/v1/auth/password", json=reset | {"code": code})
    assert reply.status_code == 204, reply.text
    client.post("/api/v1/auth/logout", json={"refresh_token": second["refresh_token"]})
    tokens = [pair[name] for pair in (first, second) for name in ("access_token", "refresh_token")]
    given = [PASSWORD, SECOND, THIRD, PHONE, CONTACT, code, *tokens]
    return [*given, PRODUCTION["secret_key"], PRODUCTION["phone_key"]]


def broken(engine: Engine) -> None:
    """Let the database refuse every order, in its own words, which repeat the row."""
    with engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("ALTER TABLE booking ADD CONSTRAINT planted CHECK (false)"))


@pytest.mark.parametrize("env", [Env.PRODUCTION, Env.DEMO])
@pytest.mark.parametrize("faulty", [False, True])
def test_no_secret_of_a_whole_visit_is_written(
    own_engine: Engine, world: World, written: StringIO, env: Env, faulty: bool
) -> None:
    engine = create_engine(plain(own_engine.url))  # made at debug level, so that it says all
    settings = Settings(env=env, **PRODUCTION)
    app = create_app(engine, settings)
    app.dependency_overrides[deps.get_now] = lambda: NOW
    at_debug(settings, written)
    if faulty:
        broken(own_engine)
    secrets = flow(TestClient(app), world, code_for(own_engine))
    engine.dispose()
    assert found(secrets, written) == []
    assert ("unhandled" in written.getvalue()) == faulty
    assert ("planted" in written.getvalue()) == faulty
    assert "王组织" not in "".join(
        line for line in written.getvalue().splitlines() if "unhandled" in line
    )
    structlog.get_logger().info("careless", said=PASSWORD)
    assert found(secrets, written) == [PASSWORD]


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "refresh_token", "Authorization", "api-key", "one_time_code"],
)
def test_what_is_named_like_a_secret_is_masked(name: str) -> None:
    inside = {"headers": {name: "canary"}, "path": "/x"}
    event = logs.mask(None, "info", {"event": "asked", name: "canary", "request": inside})
    assert "canary" not in str(event)
    assert event["request"]["path"] == "/x"


@pytest.mark.parametrize("name", ["event", "path", "reason", "job", "touched", "keyboard"])
def test_what_is_not_is_written(name: str) -> None:
    assert logs.mask(None, "info", {name: "said"}) == {name: "said"}


def test_a_trace_keeps_what_broke_and_loses_the_row() -> None:
    trace = "IntegrityError: violates check\nDETAIL:  Failing row contains (canary).\nat booking"
    event = logs.mask(None, "error", {"event": "unhandled", "exception": trace})
    assert "canary" not in event["exception"]
    assert "violates check" in event["exception"]
    assert "at booking" in event["exception"]


def test_production_writes_one_line_of_json_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(env=Env.PRODUCTION, **PRODUCTION))
    structlog.get_logger().error("unhandled", token="canary", exc_info=ArithmeticError("broke"))  # noqa: S106
    structlog.reset_defaults()
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"], event["token"]) == ("unhandled", "error", "***")
    assert "broke" in event["exception"]
    assert event["timestamp"].endswith("Z")
