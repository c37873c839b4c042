"""Signing in at a government identity provider: an honest one, and one that lies."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2
import pytest
import stamina
from fastapi.testclient import TestClient
from httpx2 import Response
from joserfc.jwk import OctKey
from sqlalchemy import Engine
from sqlmodel import Session, select
from structlog.testing import capture_logs

from app import clock
from app.models import Identity
from tests.api.replies import Body, pointers, refused, told
from tests.api.signing import PHONE, Clock, bearing, client_at, enrol, noted
from tests.conftest import NOW
from tests.fakes import provider
from tests.fakes.provider import OTHER_KEY, Provider
from tests.fakes.serving import Answer
from tests.live import free_port, wait_until
from tests.races import at_once

START, PATH = "/api/v1/auth/oidc/start", "/api/v1/auth/oidc"
CLIENT_ID, SECRET = "party-map", "canary-secret-of-oidc"
BACK = "https://map.example.gov.cn/login/oidc"
VERIFIED: Body = {"phone_number": f"+86{PHONE}", "phone_number_verified": True}


@pytest.fixture(scope="module", autouse=True)
def _soon() -> Iterator[None]:
    """Try as often as the product does, without the pauses."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


def app_of(engine: Engine, issuer: str, clock: Clock | None = None, **knobs: object) -> TestClient:
    usual = {
        "oidc_issuer": issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SECRET,
        "oidc_redirect_url": BACK,
    }
    return client_at(engine, clock, **(usual | knobs))


def listens(url: str) -> bool:
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def honest(*users: Body) -> Iterator[str]:
    """`oidc_provider_mock` as a process of its own, which knows these people; its URL."""
    port = free_port()
    claims = [part for user in users for part in ("--user-claims", json.dumps(user))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "-n", "true"]
    quiet = subprocess.DEVNULL
    env = os.environ | {"PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen([*command, *claims], stdout=quiet, stderr=quiet, env=env)  # noqa: S603
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: listens(f"{url}/.well-known/openid-configuration"))
        yield url
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def mock() -> Iterator[str]:
    users: list[Body] = [
        {"sub": "zhang"} | VERIFIED,
        {"sub": "li"} | VERIFIED | {"phone_number_verified": False},
        {"sub": "wang"} | VERIFIED | {"phone_number": "+8613911112222"},
        {"sub": "zhao", "phone_number_verified": True, "phone_number": "nobody"},
        {"sub": "qian"} | VERIFIED | {"phone_number_verified": "true"},
        {"sub": "sun"} | VERIFIED,
    ]
    with honest(*users) as url:
        yield url


def came_back(client: TestClient, subject: str) -> dict[str, str]:
    """What a person who signed in there comes back with."""
    begun = told(client.post(START))
    form = {"sub": subject}
    there = httpx2.post(begun["authorization_url"], data=form, follow_redirects=False)
    assert there.status_code == 302
    assert there.headers["location"].startswith(BACK)
    query = parse_qs(urlsplit(there.headers["location"]).query)
    assert query["state"] == [begun["state"]]
    return {"code": query["code"][0], "state": begun["state"]}


def sign_in(client: TestClient, subject: str) -> Response:
    return client.post(PATH, json=came_back(client, subject))


def test_the_first_time_the_verified_phone_names_the_account_then_the_subject(
    own_engine: Engine, mock: str
) -> None:
    account_id = enrol(own_engine)
    client = app_of(own_engine, mock)
    for _ in range(2):
        reply = sign_in(client, "zhang")
        assert reply.headers["cache-control"] == "no-store"
        me = told(client.get("/api/v1/me", headers=bearing(told(reply))))
        assert me["id"] == str(account_id)
    assert noted(own_engine, account_id) == ["sign_in"] * 2
    refused(sign_in(client, "sun"), 409, "already-linked")


@pytest.mark.parametrize("subject", ["li", "wang", "zhao", "qian", "nobody-knows-me"])
def test_without_a_verified_phone_of_ours_nobody_is_linked(
    own_engine: Engine, mock: str, subject: str
) -> None:
    enrol(own_engine)
    refused(sign_in(app_of(own_engine, mock), subject), 401, "oidc-unlinked")
    with Session(own_engine) as session:
        assert session.exec(select(Identity)).all() == []


def test_an_inactive_account_is_not_linked(own_engine: Engine, mock: str) -> None:
    enrol(own_engine, active=False)
    refused(sign_in(app_of(own_engine, mock), "zhang"), 401, "oidc-unlinked")


def test_a_code_the_provider_does_not_know_is_refused(own_engine: Engine, mock: str) -> None:
    client = app_of(own_engine, mock)
    body = came_back(client, "zhang") | {"code": "made-up"}
    refused(client.post(PATH, json=body), 401, "oidc-refused")


def test_a_state_is_used_up_whatever_comes_of_it(own_engine: Engine, mock: str) -> None:
    enrol(own_engine)
    client = app_of(own_engine, mock)
    body = came_back(client, "zhang")
    refused(client.post(PATH, json=body | {"code": "made-up"}), 401, "oidc-refused")
    refused(client.post(PATH, json=body), 401, "oidc-refused")


def test_an_answer_sent_twice_at_once_signs_in_once(own_engine: Engine, mock: str) -> None:
    enrol(own_engine)
    client = app_of(own_engine, mock)
    body = came_back(client, "zhang")
    replies = at_once(4, lambda _: client.post(PATH, json=body))
    assert sorted(reply.status_code for reply in replies) == [200, 401, 401, 401]


def test_the_answer_to_another_sign_in_does_not_fit(own_engine: Engine, mock: str) -> None:
    enrol(own_engine)
    client = app_of(own_engine, mock)
    theirs, mine = came_back(client, "zhang"), came_back(client, "zhang")
    mixed = {"code": theirs["code"], "state": mine["state"]}
    refused(client.post(PATH, json=mixed), 401, "oidc-refused")


def test_an_answer_an_hour_late_is_refused(own_engine: Engine, mock: str) -> None:
    hands = Clock(clock.now())
    client = app_of(own_engine, mock, hands)
    body = came_back(client, "zhang")
    hands.forward(timedelta(minutes=10))
    refused(client.post(PATH, json=body), 401, "oidc-refused")


@pytest.fixture
def liar() -> Iterator[Provider]:
    with provider.running() as server:
        yield server


@pytest.fixture
def client(own_engine: Engine, liar: Provider) -> TestClient:
    return app_of(own_engine, liar.url, Clock())


@pytest.fixture
def account_id(own_engine: Engine) -> UUID:
    return enrol(own_engine)


def begin(client: TestClient) -> dict[str, str]:
    """What is sent to the provider, by name."""
    url = urlsplit(told(client.post(START))["authorization_url"])
    return {name: values[0] for name, values in parse_qs(url.query).items()}


def good(liar: Provider, nonce: str, now: datetime = NOW) -> Body:
    expires = int((now + timedelta(minutes=5)).timestamp())
    named = {"iss": liar.url, "aud": CLIENT_ID, "sub": "zhang", "nonce": nonce, "exp": expires}
    return named | VERIFIED


def finish(client: TestClient, sent: dict[str, str]) -> Response:
    return client.post(PATH, json={"code": "any", "state": sent["state"]})


def test_what_is_sent_there(client: TestClient) -> None:
    sent = begin(client)
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["code_challenge"]) == 43
    assert len(sent["nonce"]) >= 43
    assert len(sent["state"]) >= 43
    known = {name: sent[name] for name in ("response_type", "client_id", "redirect_uri", "scope")}
    assert known == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "openid phone",
    }
    again = begin(client)
    assert not {again[name] for name in ("state", "nonce", "code_challenge")} & set(sent.values())


def test_a_good_token_is_taken(client: TestClient, liar: Provider, account_id: UUID) -> None:
    sent = begin(client)
    liar.sign(**good(liar, sent["nonce"]))
    told(finish(client, sent))


SOON, LONG_AGO = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param({"nonce": "another"}, id="nonce"),
        pytest.param({"nonce": None}, id="no-nonce"),
        pytest.param({"aud": "another"}, id="audience"),
        pytest.param({"aud": None}, id="no-audience"),
        pytest.param({"iss": "https://other.example"}, id="issuer"),
        pytest.param({"exp": int(LONG_AGO.timestamp())}, id="expired"),
        pytest.param({"exp": None}, id="for-ever"),
        pytest.param({"exp": "soon"}, id="no-time"),
        pytest.param({"sub": None}, id="nobody"),
        pytest.param({"sub": ""}, id="empty"),
        pytest.param({"sub": 7}, id="a-number"),
        pytest.param({"azp": "another"}, id="for-another-party"),
        pytest.param({"iat": int(SOON.timestamp())}, id="of-tomorrow"),
    ],
)
def test_a_lie_is_refused(client: TestClient, liar: Provider, account_id: UUID, lie: Body) -> None:
    sent = begin(client)
    claims = good(liar, sent["nonce"]) | lie
    liar.sign(**{name: value for name, value in claims.items() if value is not None})
    refused(finish(client, sent), 401, "oidc-refused")


def test_another_key_is_refused(client: TestClient, liar: Provider, account_id: UUID) -> None:
    sent = begin(client)
    liar.sign(OTHER_KEY, **good(liar, sent["nonce"]))
    refused(finish(client, sent), 401, "oidc-refused")


@pytest.mark.parametrize("alg", ["RS512", "HS256"])
def test_another_algorithm_is_refused(
    client: TestClient, liar: Provider, account_id: UUID, alg: str
) -> None:
    sent = begin(client)
    key = OctKey.import_key(SECRET * 2) if alg == "HS256" else provider.KEY
    liar.sign(key, alg, **good(liar, sent["nonce"]))
    refused(finish(client, sent), 401, "oidc-refused")


@pytest.mark.parametrize("token", ["", "a.b.c", "e30.e30.", "eyJhbGciOiJub25lIn0.e30."])
def test_noise_is_refused(client: TestClient, liar: Provider, token: str) -> None:
    sent = begin(client)
    liar.id_token = token
    refused(finish(client, sent), 401, "oidc-refused")


AT = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (AT, Answer(b"oops", 500)),
        (AT, Answer(b"<html>")),
        (AT, Answer(b"[]")),
        (AT, Answer(b"{}")),
        (AT, Answer(b'{"issuer": "https://other.example"}')),
        ("/token", Answer(b"oops", 502)),
        ("/token", Answer(b"<html>")),
        ("/token", Answer(b"[]")),
        ("/token", Answer(b'{"access_token": "a", "token_type": "Bearer"}')),
        ("/token", Answer(b'{"error": "invalid_client"}', 401)),
        ("/jwks", Answer(b"oops", 500)),
        ("/jwks", Answer(b"{}")),
        ("/jwks", Answer(b'{"keys": [{"kty": "moon"}]}')),
    ],
)
def test_a_provider_out_of_order_is_unavailable(
    client: TestClient, liar: Provider, account_id: UUID, path: str, answer: Answer
) -> None:
    sent = begin(client)
    liar.sign(**good(liar, sent["nonce"]))
    liar.paths[path] = answer
    refused(finish(client, sent), 503, "oidc-unavailable")
    if path == AT:
        refused(client.post(START), 503, "oidc-unavailable")


def test_a_provider_that_is_away_is_unavailable(own_engine: Engine) -> None:
    client = app_of(own_engine, f"http://127.0.0.1:{free_port()}", Clock())
    with capture_logs() as logs:
        refused(client.post(START), 503, "oidc-unavailable")
    assert SECRET not in str(logs)


def test_a_state_nobody_awaits_is_refused_without_asking(own_engine: Engine) -> None:
    client = app_of(own_engine, f"http://127.0.0.1:{free_port()}", Clock())
    refused(client.post(PATH, json={"code": "a", "state": "b"}), 401, "oidc-refused")


@pytest.mark.parametrize(
    "knob", ["oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_redirect_url"]
)
def test_without_one_setting_it_is_not_set_up(
    own_engine: Engine, liar: Provider, knob: str
) -> None:
    client = app_of(own_engine, liar.url, Clock(), **{knob: None})
    refused(client.post(START), 503, "oidc-not-set-up")
    refused(client.post(PATH, json={"code": "a", "state": "b"}), 503, "oidc-not-set-up")


@pytest.mark.parametrize("body", [{}, {"code": "a"}, {"code": "", "state": "b"}])
def test_half_an_answer_is_malformed(client: TestClient, body: Body) -> None:
    assert pointers(client.post(PATH, json=body))
