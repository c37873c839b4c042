"""Whose pages may call the API from another host."""

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine

from app.main import create_app
from app.settings import Env, Settings

MOBILE, OTHER = "https://m.example.cn", "https://evil.example"
CONFIG = "/api/v1/config"


@pytest.fixture
def open_to(shared_engine: Engine) -> TestClient:
    origins = f"{MOBILE},http://localhost:5173"
    return TestClient(create_app(shared_engine, Settings(env=Env.TEST, cors_origins=origins)))


def preflight(client: TestClient, origin: str, method: str = "PATCH") -> Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,if-match",
    }
    return client.options("/api/v1/bookings", headers=headers)


def test_a_named_origin_may_call_and_read_what_it_needs(open_to: TestClient) -> None:
    assert preflight(open_to, MOBILE).status_code == 200
    headers = open_to.get(CONFIG, headers={"Origin": MOBILE}).headers
    assert headers["access-control-allow-origin"] == MOBILE
    exposed = headers["access-control-expose-headers"]
    assert exposed == "ETag, X-Request-ID, Idempotency-Replayed, Retry-After"
    assert "access-control-allow-credentials" not in headers


@pytest.mark.parametrize("origin", [OTHER, "null", f"{MOBILE}.evil.example", "http://m.example.cn"])
def test_another_origin_may_not(open_to: TestClient, origin: str) -> None:
    assert preflight(open_to, origin).status_code == 400
    headers = open_to.get(CONFIG, headers={"Origin": origin}).headers
    assert "access-control-allow-origin" not in headers


def test_by_default_there_is_none(client: TestClient) -> None:
    assert preflight(client, MOBILE).status_code == 405
    assert (
        "access-control-allow-origin" not in client.get(CONFIG, headers={"Origin": MOBILE}).headers
    )


def test_a_refusal_can_be_read_there_too(shared_engine: Engine) -> None:
    settings = Settings(env=Env.TEST, cors_origins=MOBILE, rate_per_address="1/minute")
    client = TestClient(create_app(shared_engine, settings))
    for status in (200, 429):
        reply = client.get(CONFIG, headers={"Origin": MOBILE})
        assert reply.status_code == status
        assert reply.headers["access-control-allow-origin"] == MOBILE


def test_asking_for_leave_is_not_counted(shared_engine: Engine) -> None:
    settings = Settings(env=Env.TEST, cors_origins=MOBILE, rate_per_address="1/minute")
    client = TestClient(create_app(shared_engine, settings))
    assert {preflight(client, MOBILE).status_code for _ in range(3)} == {200}


def test_a_cache_keeps_the_answers_to_each_origin_apart(open_to: TestClient) -> None:
    for headers in ({}, {"Origin": MOBILE}, {"Origin": OTHER}):
        assert "origin" in open_to.get(CONFIG, headers=headers).headers["vary"].lower()
