"""What every answer tells browsers and caches."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session

from app.api import deps, pages
from app.api.headers import ALWAYS, NOTHING, policy_of_pages
from app.main import create_app
from app.settings import Env, Settings
from tests.api.replies import NOBODY
from tests.conftest import NOW
from tests.makers import make_booking, make_world, signed_in

SAFE: dict[str, Any] = {
    "secret_key": "s" * 40,
    "phone_key": "p" * 40,
    "database_url": "postgresql://x/y",
}
BOOKINGS = "/api/v1/bookings"
PATHS = [
    "/",
    "/favicon.svg",
    "/docs",
    "/openapi.json",
    "/nowhere",
    "/livez",
    "/problems/session-full",
    "/problems/none",
    "/api/v1/config",
    "/api/v1/nowhere",
    BOOKINGS,
    f"/api/v1/sites/{NOBODY}",
    "/api/v1/sites/odd",
]
PAGES = {"/", "/docs", "/favicon.svg"}


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_every_header(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert set(ALWAYS) - {name for name in ALWAYS if name in headers} == set()
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["content-security-policy"] == NOTHING) == (path not in PAGES)
    assert "strict-transport-security" not in headers
    assert headers["x-request-id"]


def test_refusals_of_every_kind_have_them_too(client: TestClient) -> None:
    for reply in (
        client.delete(BOOKINGS),
        client.post(BOOKINGS, content=b"{"),
        client.post(BOOKINGS, content=b"x" * 300_000),
        client.request("TRACE", "/"),
        client.post("/"),
    ):
        assert reply.status_code >= 400
        assert set(ALWAYS) - {name for name in ALWAYS if name in reply.headers} == set()


def test_a_fault_has_them_too(shared_engine: Engine) -> None:
    app = create_app(shared_engine, Settings(env=Env.TEST, cors_origins="https://m.example.cn"))

    def broken() -> Iterator[Session]:
        raise ArithmeticError
        yield

    app.dependency_overrides |= {deps.get_session: broken, deps.get_now: lambda: NOW}
    reply = TestClient(app).get(BOOKINGS, headers={"Origin": "https://m.example.cn"})
    assert reply.status_code == 500
    assert set(ALWAYS) - {name for name in ALWAYS if name in reply.headers} == set()
    assert reply.headers["x-request-id"]
    assert reply.headers["access-control-allow-origin"] == "https://m.example.cn"


def test_production_insists_on_https(shared_engine: Engine) -> None:
    client = TestClient(create_app(shared_engine, Settings(env=Env.PRODUCTION, **SAFE)))
    for path in PATHS[:3]:
        said = client.get(path).headers["strict-transport-security"]
        assert said == "max-age=31536000; includeSubDomains"


def test_pages_run_files_of_this_server_alone() -> None:
    policy = policy_of_pages(Settings())
    assert "unsafe" not in policy
    assert "http" not in policy
    for wanted in ("default-src 'none'", "script-src 'self'", "object-src 'none'"):
        assert wanted in policy.split("; ")


def test_the_host_of_the_tiles_is_the_only_other() -> None:
    settings = Settings(tile_url="https://t0.tiles.example.cn/{z}/{x}/{y}.png?tk=secret")
    others = [part for part in policy_of_pages(settings).split("; ") if "https:" in part]
    assert others == [
        "img-src 'self' data: blob: https://t0.tiles.example.cn",
        "connect-src 'self' https://t0.tiles.example.cn",
    ]


def test_tiles_of_this_server_need_no_leave() -> None:
    settings = Settings(tile_url="/tiles/{z}/{x}/{y}.png")
    assert policy_of_pages(settings) == policy_of_pages(Settings())


def test_files_are_kept_for_good_and_pages_asked_for_anew(client: TestClient) -> None:
    asset = next((pages.FOLDER / "assets").glob("*.js")).name
    assert "immutable" in client.get(f"/assets/{asset}").headers["cache-control"]
    assert client.get("/").headers["cache-control"] == "no-cache"


def test_no_shared_cache_keeps_what_was_meant_for_one_person(
    client: TestClient, session: Session
) -> None:
    """An answer is private, or the same for everybody, or kept apart by who asks."""
    world = make_world(session)
    ids = {
        "booking_id": make_booking(session, world).id,
        "fund_id": world.fund.id,
        "site_id": world.site.id,
        "organisation_id": world.branch.id,
    }
    who = signed_in(session, world.district_staff)
    shared = []
    for path, methods in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        if "get" not in methods or not path.startswith("/api/"):
            continue
        try:
            filled = path.format(**ids)
        except KeyError:
            continue
        named, stranger = client.get(filled, headers=who), client.get(filled)
        if may_be_shared(named.headers["cache-control"]):
            shared.append(path)
            assert named.content == stranger.content, path
        elif may_be_shared(stranger.headers["cache-control"]):
            assert "authorization" in stranger.headers["vary"].lower(), path
    assert "/api/v1/config" in shared
    assert "/api/v1/bookings" not in shared
    assert "/api/v1/sites/{site_id}" not in shared


def may_be_shared(cache_control: str) -> bool:
    """Tell whether a cache that serves many may keep an answer."""
    return not {"no-store", "private"} & {part.strip() for part in cache_control.split(",")}


@pytest.mark.parametrize(
    ("said", "shared"),
    [("no-store", False), ("private, no-cache", False), ("public, max-age=60", True), ("", True)],
)
def test_what_a_shared_cache_may_keep(said: str, shared: bool) -> None:
    assert may_be_shared(said) == shared


def test_an_answer_to_a_person_is_not_kept_unless_it_says_so(
    client: TestClient, session: Session
) -> None:
    who = signed_in(session, make_world(session).district_staff)
    assert client.get("/api/v1/me", headers=who).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config",
        "/.env",
        "/assets/",
        "/assets",
        "/..%2fsettings.py",
        "/%2e%2e/main.py",
        "/app",
    ],
)
def test_nothing_beside_the_pages_is_served(client: TestClient, path: str) -> None:
    assert client.get(path, follow_redirects=False).status_code == 404
