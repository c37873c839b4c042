"""Refusals: each explains itself, in two languages; nothing odd gives a 5xx."""

import base64
import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session

from app.api import deps, problems
from app.errors import DomainError, Unavailable
from app.main import create_app
from app.settings import Env, Settings
from tests.api.replies import NOBODY, pointers, refused
from tests.conftest import NOW
from tests.makers import make_world, signed_in

BOOKINGS = "/api/v1/bookings"
LISTS = (BOOKINGS, "/api/v1/claims", "/api/v1/notifications", "/api/v1/organisations")


def every_error(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for error in root.__subclasses__():
        yield error
        yield from every_error(error)


ERRORS = sorted(set(every_error()), key=lambda error: error.__qualname__)


@pytest.fixture
def anybody(session: Session) -> dict[str, str]:
    return signed_in(session, make_world(session).district_staff)


def test_every_problem_explains_itself(client: TestClient) -> None:
    for error in ERRORS:
        reply = client.get(f"/problems/{error.slug()}")
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "text/markdown; charset=utf-8"
        assert error.title("en") in reply.text
        assert error.zh in reply.text
        assert f"status: {problems.status_of(error)}" in reply.text


@pytest.mark.parametrize("error", ERRORS)
def test_every_problem_has_a_title_in_each_language(error: type[DomainError]) -> None:
    assert error.title("en").isascii()
    assert not error.title("zh").isascii()
    assert bool(error.detail_en) == bool(error.detail_zh)
    if error.__subclasses__() == []:
        assert "zh" in vars(error)


def test_no_two_problems_share_a_name() -> None:
    slugs = [error.slug() for error in ERRORS]
    assert len(set(slugs)) == len(slugs)


@pytest.mark.parametrize("slug", ["domain-error", "no-such-problem", "%00", "王", "a" * 5000])
def test_other_names_are_not_found(client: TestClient, slug: str) -> None:
    refused(client.get(f"/problems/{slug}"), 404, "not-found")


@pytest.mark.parametrize(
    ("accepted", "title"),
    [
        (None, "请先登录"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "请先登录"),
        ("fr", "请先登录"),
        ("en", "Sign in first"),
        ("en-GB,en;q=0.9,zh;q=0.1", "Sign in first"),
        ("de, EN", "Sign in first"),
    ],
)
def test_a_refusal_is_told_in_the_readers_language(
    client: TestClient, accepted: str | None, title: str
) -> None:
    headers = {"Accept-Language": accepted} if accepted else {}
    problem = refused(client.get(BOOKINGS, headers=headers), 401, "unauthenticated")
    assert problem["title"] == title


def test_who_is_not_signed_in_is_told_how(client: TestClient) -> None:
    assert client.get(BOOKINGS).headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["x", "a.b.c", "\x7f", "é" * 9, "9" * 3000])
def test_an_odd_token_is_no_token(client: TestClient, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    refused(client.get(BOOKINGS, headers=headers), 401, "invalid-token")


def cursor(*keys: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


CURSORS = [
    "",
    "x",
    "\x00",
    "王",
    "====",
    "a" * 400,
    "W10",
    cursor(),
    cursor(1, 2),
    cursor(None, None),
    cursor({}, []),
    cursor("2026-01-01", "x"),
    cursor("2026-01-01", 5),
    cursor("2026-01-01", NOBODY, "more"),
    cursor("2026-99-99", NOBODY),
    cursor(10**80, NOBODY),
    base64.urlsafe_b64encode(b"[" * 290).decode(),
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode(b"NaN").decode(),
]


@pytest.mark.parametrize("path", LISTS)
def test_an_unknown_cursor_is_malformed(
    client: TestClient, anybody: dict[str, str], path: str
) -> None:
    for odd in CURSORS:
        reply = client.get(path, params={"cursor": odd}, headers=anybody)
        refused(reply, 422, "cursor-unreadable")


def test_a_cursor_has_an_end(client: TestClient, anybody: dict[str, str]) -> None:
    reply = client.get(BOOKINGS, params={"cursor": "a" * 401}, headers=anybody)
    assert pointers(reply) == {"/query/cursor"}


INSTANTS = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00+23:59:59.999999",
    "2026-01-01",
]


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_of_any_time_is_answered(
    client: TestClient, anybody: dict[str, str], path: str
) -> None:
    for instant in INSTANTS:
        params = {"cursor": cursor(instant, NOBODY)}
        assert client.get(path, params=params, headers=anybody).status_code in (200, 422)


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"1e999",
    b"9" * 5000,
    b"\xff\xfe",
    b"\x00",
    b'{"a": NaN}',
    b"[" * 100_000,
    b'{"session_ids": ' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"\\ud800": 1}',
]


@pytest.mark.parametrize(
    "path",
    [
        BOOKINGS,
        f"{BOOKINGS}/{NOBODY}/reject",
        f"{BOOKINGS}/{NOBODY}/review",
        f"/api/v1/claims/{NOBODY}/pay",
        "/api/v1/notifications/read",
    ],
)
def test_a_body_that_is_none_is_refused(
    client: TestClient, anybody: dict[str, str], path: str
) -> None:
    headers = anybody | {"Content-Type": "application/json"}
    for body in BODIES:
        reply = client.post(path, content=body, headers=headers)
        assert reply.status_code in (400, 422), body[:20]
        assert reply.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code"} <= set(reply.json())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/claims/1",
        "/api/v1/claims/%00",
        f"/api/v1/claims/{'9' * 400}",
        f"{BOOKINGS}/x/events",
        "/api/v1/claims/%E7%8E%8B",
        "/api/v1/funds/0",
    ],
)
def test_an_id_that_is_none_is_malformed(
    client: TestClient, anybody: dict[str, str], path: str
) -> None:
    (pointer,) = pointers(client.get(path, headers=anybody))
    assert pointer.startswith("/path/")


@pytest.mark.parametrize("path", LISTS)
def test_an_odd_limit_is_malformed(client: TestClient, anybody: dict[str, str], path: str) -> None:
    for limit in ("0", "-1", "201", "1.5", "x", "\x00", "9" * 5000, ""):
        reply = client.get(path, params={"limit": limit}, headers=anybody)
        assert pointers(reply) == {"/query/limit"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nowhere", 404), ("DELETE", BOOKINGS, 405), ("POST", "/problems/x", 405)],
)
def test_what_the_framework_refuses_is_a_problem_too(
    client: TestClient, method: str, path: str, status: int
) -> None:
    reply = client.request(method, path)
    assert (reply.status_code, reply.json()["status"]) == (status, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert status != 405 or reply.headers["allow"]


def faulty(engine: Engine, fault: Exception) -> FastAPI:
    """The app with a database that fails."""
    app = create_app(engine, Settings(env=Env.TEST))

    def broken() -> Iterator[Session]:
        raise fault
        yield

    app.dependency_overrides[deps.get_session] = broken
    app.dependency_overrides[deps.get_now] = lambda: NOW
    return app


def test_a_fault_is_told_without_a_word_of_it(shared_engine: Engine) -> None:
    app = faulty(shared_engine, ArithmeticError("secret of the house"))
    with TestClient(app, raise_server_exceptions=False) as client:
        reply = client.get(BOOKINGS)
    assert reply.status_code == 500
    assert reply.json()["code"] == "internal-server-error"
    assert "secret" not in reply.text


def test_a_busy_service_says_when_to_try_again(shared_engine: Engine) -> None:
    with TestClient(faulty(shared_engine, Unavailable())) as client:
        reply = client.get(BOOKINGS)
    refused(reply, 503, "unavailable")
    assert reply.headers["retry-after"] == "1"


def test_a_request_keeps_its_name(client: TestClient) -> None:
    given = client.get(BOOKINGS, headers={"X-Request-ID": "a.b-C_9"})
    assert given.headers["x-request-id"] == "a.b-C_9"
    odd = client.get(BOOKINGS, headers={"X-Request-ID": "a b"})
    assert odd.headers["x-request-id"] not in ("a b", "")
