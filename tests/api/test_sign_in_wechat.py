"""Signing in from the mini-program; WeChat is a real server of ours."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import stamina
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, text
from structlog.testing import capture_logs

from app.channels import asking
from tests.api.replies import Body, pointers, refused, told
from tests.api.signing import PASSWORD, PHONE, Clock, bearing, client_at, enrol, noted
from tests.fakes import wechat
from tests.fakes.wechat import Fault, Wechat
from tests.live import free_port

PATH = "/api/v1/auth/wechat"
LINK = {"phone": PHONE, "password": PASSWORD}
OPENID = "oABCD-0123456789"


@pytest.fixture(scope="module", autouse=True)
def _soon() -> Iterator[None]:
    """Try as often as the product does, without the pauses."""
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def weixin() -> Iterator[Wechat]:
    with wechat.running() as server:
        server.codes |= {f"code-{number}": OPENID for number in range(9)}
        yield server


def app_of(engine: Engine, weixin: Wechat, **knobs: object) -> TestClient:
    usual = {
        "wechat_app_id": wechat.APP_ID,
        "wechat_app_secret": wechat.SECRET,
        "wechat_api_url": weixin.url,
    }
    return client_at(engine, Clock(), **(usual | knobs))


@pytest.fixture
def client(own_engine: Engine, weixin: Wechat) -> TestClient:
    return app_of(own_engine, weixin)


@pytest.fixture
def account_id(own_engine: Engine) -> UUID:
    return enrol(own_engine)


def send(client: TestClient, code: str, **more: str) -> Response:
    return client.post(PATH, json={"code": code} | more)


def me(client: TestClient, reply: Response) -> str:
    assert reply.headers["cache-control"] == "no-store"
    return str(told(client.get("/api/v1/me", headers=bearing(told(reply))))["id"])


def test_linked_once_with_phone_and_password_a_code_is_enough(
    own_engine: Engine, client: TestClient, weixin: Wechat, account_id: UUID
) -> None:
    refused(send(client, "code-0"), 401, "wechat-unlinked")
    assert me(client, send(client, "code-1", **LINK)) == str(account_id)
    assert me(client, send(client, "code-2")) == str(account_id)
    assert me(client, send(client, "code-3", **LINK)) == str(account_id)
    assert noted(own_engine, account_id) == ["sign_in"] * 3
    assert weixin.asked[0] == {
        "appid": wechat.APP_ID,
        "secret": wechat.SECRET,
        "js_code": "code-0",
        "grant_type": "authorization_code",
    }


def test_linking_is_throttled_as_any_sign_in(client: TestClient, account_id: UUID) -> None:
    for number in range(5):
        reply = send(client, f"code-{number}", **(LINK | {"password": "wrong"}))
        refused(reply, 401, "wrong-credentials")
    refused(send(client, "code-5", **LINK), 429, "too-many-attempts")
    refused(send(client, "code-6"), 401, "wechat-unlinked")


def test_a_second_wechat_user_is_not_linked_with_the_same_account(
    client: TestClient, weixin: Wechat, account_id: UUID
) -> None:
    told(send(client, "code-0", **LINK))
    weixin.codes["other"] = "oOther"
    refused(send(client, "other", **LINK), 409, "already-linked")


def test_a_code_works_once(client: TestClient, account_id: UUID) -> None:
    told(send(client, "code-0", **LINK))
    refused(send(client, "code-0"), 401, "wechat-code-invalid")


def test_an_unknown_code_is_refused(client: TestClient, weixin: Wechat) -> None:
    refused(send(client, "nobody's"), 401, "wechat-code-invalid")
    assert len(weixin.asked) == 1


@pytest.mark.parametrize("fault", [-1, Fault.SERVER_ERROR, Fault.DROP])
def test_what_passes_is_asked_again(
    client: TestClient, weixin: Wechat, account_id: UUID, fault: Fault | int
) -> None:
    weixin.faults += [fault] * (asking.TRIES - 1)
    told(send(client, "code-0", **LINK))
    assert len(weixin.asked) == asking.TRIES
    weixin.faults += [fault] * asking.TRIES
    reply = send(client, "code-1")
    refused(reply, 503, "wechat-unavailable")
    assert reply.headers["retry-after"]
    assert len(weixin.asked) == 2 * asking.TRIES


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (40029, 401, "wechat-code-invalid"),
        (40163, 401, "wechat-code-invalid"),
        (40226, 403, "wechat-user-blocked"),
        (45011, 429, "wechat-too-many"),
        (40013, 503, "wechat-unavailable"),
        (41002, 503, "wechat-unavailable"),
        (40125, 503, "wechat-unavailable"),
        (99999, 503, "wechat-unavailable"),
        (Fault.JUNK, 503, "wechat-unavailable"),
        (Fault.A_LIST, 503, "wechat-unavailable"),
        (Fault.NO_OPENID, 503, "wechat-unavailable"),
        (Fault.EMPTY_OPENID, 503, "wechat-unavailable"),
    ],
)
def test_other_failures_are_told_at_once(
    client: TestClient, weixin: Wechat, fault: Fault | int, status: int, code: str
) -> None:
    weixin.faults.append(fault)
    problem = refused(send(client, "code-0"), status, code)
    assert len(weixin.asked) == 1
    if status == 429:
        assert problem["retry_after_seconds"] == 60


def test_wechat_is_not_waited_for_long_nor_with_a_connection(
    own_engine: Engine, client: TestClient, weixin: Wechat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.5)
    weixin.faults.append(Fault.HANG)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(send, client, "code-0")
        assert weixin.hanging.wait(10)
        assert own_engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        refused(pending.result(timeout=10), 503, "wechat-unavailable")
    assert len(weixin.asked) == 1


def test_with_one_it_would_show(own_engine: Engine) -> None:
    with own_engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert own_engine.pool.checkedout() == 1  # type: ignore[attr-defined]


def test_a_wechat_that_is_away_is_unavailable(own_engine: Engine, weixin: Wechat) -> None:
    away = app_of(own_engine, weixin, wechat_api_url=f"http://127.0.0.1:{free_port()}")
    refused(send(away, "code-0"), 503, "wechat-unavailable")


@pytest.mark.parametrize("knob", ["wechat_app_id", "wechat_app_secret"])
def test_without_keys_it_is_not_set_up(own_engine: Engine, weixin: Wechat, knob: str) -> None:
    for nothing in (None, ""):
        client = app_of(own_engine, weixin, **{knob: nothing})
        refused(send(client, "code-0"), 503, "wechat-not-set-up")
    assert weixin.asked == []


def test_wrong_keys_are_logged_without_the_secret(
    own_engine: Engine, weixin: Wechat, caplog: pytest.LogCaptureFixture
) -> None:
    client = app_of(own_engine, weixin, wechat_app_id="wxOther")
    with caplog.at_level("DEBUG"), capture_logs() as logs:
        refused(send(client, "code-0"), 503, "wechat-unavailable")
    assert {"event": "wechat-refuses-us", "errcode": 40013, "log_level": "error"} in logs
    assert wechat.SECRET not in f"{logs}{caplog.text}"


def test_neither_secret_nor_session_key_is_logged_or_kept(
    own_engine: Engine,
    client: TestClient,
    weixin: Wechat,
    account_id: UUID,
    caplog: pytest.LogCaptureFixture,
) -> None:
    weixin.faults += [-1, Fault.DROP]
    with caplog.at_level("DEBUG"), capture_logs() as logs:
        told(send(client, "code-0", **LINK))
        weixin.faults += [Fault.DROP] * asking.TRIES
        refused(send(client, "code-1"), 503, "wechat-unavailable")
    written = f"{logs}{caplog.text}{everything(own_engine)}"
    assert "wechat-unavailable" in written
    assert PHONE not in written
    for secret in (wechat.SECRET, wechat.SESSION_KEY, OPENID):
        assert secret not in written


def everything(engine: Engine) -> str:
    """Every table as text that a sign-in may have written to."""
    with engine.connect() as connection:
        return "".join(
            str(connection.execute(text(f"SELECT string_agg(t::text, ' ') FROM {name} t")).scalar())  # noqa: S608
            for name in ("account", "identity", "audit_event", "refresh_token", "login_throttle")
        )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": ""},
        {"code": "x" * 201},
        {"code": "a", "phone": PHONE},
        {"code": "a", "password": PASSWORD},
    ],
)
def test_what_is_no_sign_in_is_malformed(client: TestClient, weixin: Wechat, body: Body) -> None:
    assert pointers(client.post(PATH, json=body))
    assert weixin.asked == []
