"""How often one may ask: counted by account, else by address; shared, where the database counts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from limits.storage import memory
from sqlalchemy import Engine, text
from sqlmodel import Session, select
from starlette.requests import Request
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app import clock
from app.__main__ import listening
from app.api.limits import PRODUCTION_RATES, RateLimit, address_of, is_guessable
from app.db import create_engine
from app.main import create_app
from app.models import RateCounter
from app.services import rates, tokens
from app.settings import Counting, Env, Settings
from tests.api.replies import NOBODY, refused
from tests.conftest import NOW, plain
from tests.live import free_port, wait_until
from tests.races import at_once

CONFIG = "/api/v1/config"
SIGN_IN = "/api/v1/auth/token"


def limited(engine: Engine, store: Counting = Counting.MEMORY, **more: str) -> FastAPI:
    """The app with small limits."""
    chosen: dict[str, Any] = {"rate_per_address": "3/minute", "rate_per_account": "2/minute"} | more
    return create_app(engine, Settings(env=Env.TEST, rate_store=store, **chosen))


def asked(client: TestClient, times: int, **headers: str) -> list[int]:
    return [client.get(CONFIG, headers=headers).status_code for _ in range(times)]


def bearer(account_id: UUID) -> str:
    """An access token of the present, for the limits read the clock themselves."""
    now = clock.now()
    return f"Bearer {tokens._signed(account_id, now, now + timedelta(minutes=5))}"


def test_who_asks_too_often_is_told_when_to_go_on(shared_engine: Engine) -> None:
    client = TestClient(limited(shared_engine))
    assert asked(client, 3) == [200] * 3
    reply = client.get(CONFIG, headers={"X-Request-ID": "mine"})
    problem = refused(reply, 429, "too-many-requests")
    assert 1 <= problem["retry_after_seconds"] <= 60
    assert reply.headers["retry-after"] == str(problem["retry_after_seconds"])
    assert reply.headers["x-request-id"] == "mine"


def test_without_a_limit_nobody_is_refused(shared_engine: Engine) -> None:
    client = TestClient(create_app(shared_engine, Settings(env=Env.TEST)))
    assert asked(client, 20) == [200] * 20


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/docs", "/problems/session-full"])
def test_only_the_api_is_limited(shared_engine: Engine, path: str) -> None:
    client = TestClient(limited(shared_engine, rate_per_address="1/minute"))
    assert asked(client, 2) == [200, 429]
    assert {client.get(path).status_code for _ in range(3)} != {429}


def test_an_account_is_counted_wherever_it_is_and_an_office_is_not_one_person(
    shared_engine: Engine,
) -> None:
    app = limited(shared_engine)
    one, other = bearer(uuid7()), bearer(uuid7())
    here = TestClient(app, client=("192.0.2.1", 5))
    elsewhere = TestClient(app, client=("192.0.2.2", 5))
    assert asked(here, 2, Authorization=one) == [200] * 2
    assert asked(elsewhere, 1, Authorization=one) == [429]
    assert asked(here, 2, Authorization=other) == [200] * 2
    assert asked(here, 3) == [200] * 3


def test_a_token_that_is_not_ours_is_counted_by_address(shared_engine: Engine) -> None:
    client = TestClient(limited(shared_engine))
    forged = bearer(uuid7())[:-3] + "abc"
    assert asked(client, 4, Authorization=forged) == [200, 200, 200, 429]


def test_sign_in_has_a_limit_of_its_own_and_renewing_has_not(shared_engine: Engine) -> None:
    client = TestClient(
        limited(shared_engine, rate_sign_in="2/minute", rate_per_address=""),
        client=("192.0.2.1", 5),
    )
    tried = [client.post(SIGN_IN, content=b"").status_code for _ in range(3)]
    assert tried == [422, 422, 429]
    assert client.post("/api/v1/auth/refresh", content=b"").status_code == 422
    assert asked(client, 5) == [200] * 5


@pytest.mark.parametrize(
    ("method", "path", "guessable"),
    [
        ("POST", "/api/v1/auth/token", True),
        ("POST", "/api/v1/auth/wechat", True),
        ("POST", "/api/v1/registrations", True),
        ("GET", "/api/v1/registrations", False),
        ("POST", f"/api/v1/sites/{NOBODY}/location/reports", True),
        ("POST", f"/api/v1/sites/{NOBODY}/location/reports/", False),
        ("GET", f"/api/v1/sites/{NOBODY}/location/reports", False),
        ("POST", f"/api/v1/registrations/{NOBODY}/approve", False),
        ("POST", "/api/v1/auth/refresh", False),
        ("POST", "/api/v1/bookings", False),
    ],
)
def test_what_can_be_guessed_or_flooded(method: str, path: str, guessable: bool) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    assert is_guessable(Request(scope)) == guessable


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_of_ipv6_is_its_whole_network(host: str, counted: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1), "headers": []})) == counted


def test_production_has_limits_unless_told_otherwise(shared_engine: Engine) -> None:
    safe: dict[str, Any] = {
        "secret_key": "s" * 40,
        "phone_key": "p" * 40,
        "database_url": "postgresql://x/y",
    }
    storage = memory.MemoryStorage()
    production = Settings(env=Env.PRODUCTION, **safe)
    guard = RateLimit(create_app(shared_engine, production), settings=production, storage=storage)
    found = (guard.per_address, guard.per_account, guard.sign_in)
    assert [str(rate.windows[0]) for rate in found] == [
        f"{chosen.split('/')[0]} per 1 minute" for chosen in PRODUCTION_RATES.values()
    ]
    freed = Settings(env=Env.PRODUCTION, rate_per_account="", **safe)
    assert RateLimit(guard.app, settings=freed, storage=storage).per_account.windows == []


def test_two_processes_with_the_database_count_together(own_engine: Engine) -> None:
    one, other = (TestClient(limited(own_engine, Counting.DATABASE)) for _ in range(2))
    assert asked(one, 2) + asked(other, 1) == [200] * 3
    assert asked(one, 1) + asked(other, 1) == [429] * 2


def test_two_processes_with_memories_do_not(own_engine: Engine) -> None:
    one, other = (TestClient(limited(own_engine)) for _ in range(2))
    assert asked(one, 4) == [200, 200, 200, 429]
    assert asked(other, 4) == [200, 200, 200, 429]


def standing(instants: list[datetime]) -> rates.Now:
    """A clock that stands at the last of these."""
    return lambda: instants[-1]


@pytest.mark.parametrize("times", ["2/minute", "1/second;2/minute"])
def test_a_window_that_has_passed_counts_anew(own_engine: Engine, times: str) -> None:
    instants = [NOW]
    now = standing(instants)
    rate = rates.Rate(times, rates.TableStorage(own_engine, now), now)
    for seconds in (0, 2):
        instants.append(NOW + timedelta(seconds=seconds))
        rate.count("address", "192.0.2.1")
    instants.append(NOW + timedelta(seconds=59))
    with pytest.raises(rates.TooManyRequests) as refusal:
        rate.count("address", "192.0.2.1")
    assert refusal.value.facts == {"retry_after_seconds": 1}
    rate.count("address", "192.0.2.2")
    instants.append(NOW + timedelta(seconds=60))
    rate.count("address", "192.0.2.1")


def test_a_window_in_memory_passes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    instants = [NOW]
    now = standing(instants)

    class Clock:
        time = staticmethod(lambda: now().timestamp())

    monkeypatch.setattr(memory, "time", Clock)
    rate = rates.Rate("1/minute", memory.MemoryStorage(), now)
    rate.count("address", "192.0.2.1")
    with pytest.raises(rates.TooManyRequests):
        rate.count("address", "192.0.2.1")
    instants.append(NOW + timedelta(seconds=61))
    rate.count("address", "192.0.2.1")


def counted(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.exec(select(RateCounter.hits)).all())


class Careless(rates.TableStorage):
    """Reads and counts in two statements, between which others read too."""

    gate = Barrier(4)

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        seen = self.get(key)
        self.gate.wait()
        super().incr(key, expiry, amount)
        return seen + amount


@pytest.mark.parametrize(("storage", "exact"), [(rates.TableStorage, True), (Careless, False)])
def test_each_request_of_a_race_has_a_number_of_its_own(
    own_engine: Engine, storage: type[rates.TableStorage], exact: bool
) -> None:
    table = storage(own_engine)
    found = at_once(4, lambda _: table.incr("key", 60))
    assert (sorted(found) == [1, 2, 3, 4]) == exact


def test_a_count_outlives_what_becomes_of_the_request(own_engine: Engine) -> None:
    client = TestClient(limited(own_engine, Counting.DATABASE))
    assert client.get("/api/v1/bookings").status_code == 401
    assert counted(own_engine) == [1]


def test_while_the_counters_are_gone_requests_are_let_through(own_engine: Engine) -> None:
    client = TestClient(limited(own_engine, Counting.DATABASE))
    assert asked(client, 4)[-1] == 429
    with own_engine.begin() as connection:
        connection.execute(text("SET LOCAL ROLE NONE"))
        connection.execute(text("DROP TABLE rate_counter"))
    with capture_logs() as entries:
        assert asked(client, 4) == [200] * 4
    assert {entry["event"] for entry in entries} == {"requests-not-counted"}


def test_the_storage_forgets_when_told(own_engine: Engine) -> None:
    storage = rates.TableStorage(own_engine)
    for key in ("one", "other"):
        storage.incr(key, 60)
    storage.clear("one")
    assert (storage.get("one"), storage.get("other"), storage.check()) == (0, 1, True)
    assert storage.get_expiry("one") == pytest.approx(clock.now().timestamp(), abs=30)
    assert storage.reset() == 1


def test_old_counts_are_forgotten_and_others_kept(own_engine: Engine) -> None:
    storage = rates.TableStorage(own_engine, lambda: NOW)
    storage.incr("old", 60)
    storage.incr("young", 61)
    with Session(own_engine) as session, session.begin():
        assert rates.forget_old(session, NOW + timedelta(seconds=60)) == 1
    assert counted(own_engine) == [1]


@contextmanager
def listened(app: FastAPI, settings: Settings) -> Iterator[str]:
    """A real server that believes whom the settings name."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, **(listening(settings) | {"port": port})))
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(
    ("trusted", "statuses"),
    [("127.0.0.1", [200, 200, 429]), ("192.0.2.9", [200, 429, 429]), ("", [200, 429, 429])],
)
def test_a_forwarded_address_is_believed_of_named_proxies_only(
    shared_engine: Engine, trusted: str, statuses: list[int]
) -> None:
    settings = Settings(env=Env.TEST, rate_per_address="1/minute", trusted_proxies=trusted)
    with listened(create_app(shared_engine, settings), settings) as url:
        found = [
            httpx2.get(f"{url}{CONFIG}", headers={"X-Forwarded-For": sender}).status_code
            for sender in ("192.0.2.1", "192.0.2.2", "192.0.2.2")
        ]
    assert found == statuses


def test_counting_takes_no_connection_that_a_request_waits_for(own_engine: Engine) -> None:
    """More requests at once than turns, each with its count, on the connections of a process."""
    settings = Settings(
        env=Env.TEST, rate_per_address="1000/minute", rate_store=Counting.DATABASE, pool_size=2
    )
    engine = create_engine(plain(own_engine.url), pool_size=2 + 4)
    app = create_app(engine, settings)
    try:
        with TestClient(app) as client:
            assert set(at_once(8, lambda _: client.get(CONFIG).status_code)) == {200}
        assert sum(counted(own_engine)) == 8
    finally:
        engine.dispose()
