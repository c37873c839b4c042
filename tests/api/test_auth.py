"""Signing in and out over HTTP."""

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session

from app.api import deps
from app.main import create_app
from app.models import Account, OrganisationKind, Role
from app.services import accounts, grants, organisations
from app.settings import Env, Settings
from tests.conftest import NOW

PHONE = "13800001234"
PASSWORD = "一个-long-passphrase"  # noqa: S105
LOGIN = {"username": PHONE, "password": PASSWORD}


def make_account(session: Session) -> Account:
    account = accounts.create(session, name="张三", phone=PHONE, password=PASSWORD)
    district = organisations.create(
        session, name="示例区委", code="D1", kind=OrganisationKind.DISTRICT, parent=None
    )
    grants.grant(session, account_id=account.id, role=Role.AUDITOR, organisation_id=district.id)
    return account


@pytest.fixture
def account(session: Session) -> Account:
    return make_account(session)


def sign_in(client: TestClient) -> dict[str, str]:
    reply = client.post("/api/v1/auth/token", data=LOGIN)
    assert reply.status_code == 200
    pair: dict[str, str] = reply.json()
    return pair


def refresh(client: TestClient, token: str) -> tuple[int, dict[str, str]]:
    reply = client.post("/api/v1/auth/refresh", json={"refresh_token": token})
    return reply.status_code, reply.json()


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_signing_in_gives_tokens_that_nobody_keeps(client: TestClient, account: Account) -> None:
    reply = client.post("/api/v1/auth/token", data=LOGIN)
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    assert set(reply.json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (reply.json()["token_type"], reply.json()["expires_in"]) == ("bearer", 900)


@pytest.mark.parametrize(
    "form", [LOGIN | {"password": "wrong"}, LOGIN | {"username": "13999999999"}]
)
def test_a_wrong_phone_and_a_wrong_password_are_told_alike(
    client: TestClient, account: Account, form: dict[str, str]
) -> None:
    reply = client.post("/api/v1/auth/token", data=form)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "type": "/problems/wrong-credentials",
        "title": "手机号或密码有误",
        "detail": "手机号或密码有误",
        "status": 401,
        "code": "wrong-credentials",
    }


@pytest.mark.parametrize("form", [{}, {"username": PHONE}, {"username": PHONE, "password": ""}])
def test_half_a_form_is_not_a_sign_in(
    client: TestClient, account: Account, form: dict[str, str]
) -> None:
    assert client.post("/api/v1/auth/token", data=form).status_code == 422


def test_me(client: TestClient, account: Account) -> None:
    reply = client.get("/api/v1/me", headers=bearing(sign_in(client)["access_token"]))
    assert reply.status_code == 200
    me = reply.json()
    (grant,) = me.pop("grants")
    assert me == {
        "id": str(account.id),
        "name": "张三",
        "phone_masked": "138****1234",
        "version": 1,
    }
    assert (grant["role"], grant["organisation"]["name"], grant["site"]) == (
        "auditor",
        "示例区委",
        None,
    )


def test_my_grants_are_those_of_me(client: TestClient, account: Account) -> None:
    headers = bearing(sign_in(client)["access_token"])
    grants = client.get("/api/v1/me", headers=headers).json()["grants"]
    assert client.get("/api/v1/me/grants", headers=headers).json() == {"items": grants}


def test_a_name_is_changed_unless_somebody_was_faster(client: TestClient, account: Account) -> None:
    headers = bearing(sign_in(client)["access_token"])
    me = client.get("/api/v1/me", headers=headers).json()
    seen = headers | {"If-Match": f'"{me["version"]}"'}
    done = client.patch("/api/v1/me", json={"name": "新名"}, headers=seen)
    assert done.json()["name"] == "新名"
    late = client.patch("/api/v1/me", json={"name": "旧名"}, headers=seen)
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert client.get("/api/v1/me", headers=headers).json()["name"] == "新名"


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/me/grants"])
def test_nobody_is_not_told_who_they_are(client: TestClient, account: Account, path: str) -> None:
    assert client.get(path).json()["code"] == "unauthenticated"
    reply = client.get(path, headers=bearing(sign_in(client)["refresh_token"]))
    assert (reply.status_code, reply.json()["code"]) == (401, "invalid-token")
    assert reply.headers["www-authenticate"] == "Bearer"


def test_a_person_who_left_is_nobody(
    client: TestClient, session: Session, account: Account
) -> None:
    headers = bearing(sign_in(client)["access_token"])
    account.active = False
    session.flush()
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_refresh_gives_a_new_pair(client: TestClient, account: Account) -> None:
    status, pair = refresh(client, sign_in(client)["refresh_token"])
    assert status == 200
    assert client.get("/api/v1/me", headers=bearing(pair["access_token"])).status_code == 200


def test_signing_out_ends_the_login(client: TestClient, account: Account) -> None:
    token = sign_in(client)["refresh_token"]
    for _ in range(2):
        reply = client.post("/api/v1/auth/logout", json={"refresh_token": token})
        assert (reply.status_code, reply.content) == (204, b"")
    status, problem = refresh(client, token)
    assert (status, problem["code"]) == (401, "login-ended")


@pytest.mark.parametrize("operation", ["refresh", "logout"])
@pytest.mark.parametrize(
    "body", [{}, {"refresh_token": None}, {"refresh_token": ""}, {"refresh_token": "x" * 201}, []]
)
def test_what_is_no_token_is_malformed(client: TestClient, operation: str, body: object) -> None:
    reply = client.post(f"/api/v1/auth/{operation}", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "malformed-request")


@pytest.mark.parametrize("body", [rb'{"refresh_token": "\ud800"}', b"\xff", b"{"])
def test_unreadable_bodies_are_malformed(client: TestClient, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    reply = client.post("/api/v1/auth/refresh", content=body, headers=headers)
    assert reply.status_code in {400, 422}


@pytest.mark.parametrize("token", ["a.b.c", "%00", "e30.e30.e30", "x" * 5000])
def test_odd_tokens_are_nobody(client: TestClient, token: str) -> None:
    reply = client.get("/api/v1/me", headers=bearing(token))
    assert (reply.status_code, reply.json()["code"]) == (401, "invalid-token")


def test_an_access_token_ends_with_its_time(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        make_account(session)
    app, now = create_app(own_engine, Settings(env=Env.TEST)), NOW
    app.dependency_overrides[deps.get_now] = lambda: now
    with TestClient(app) as client:
        headers = bearing(sign_in(client)["access_token"])
        assert client.get("/api/v1/me", headers=headers).status_code == 200
        now = NOW + timedelta(minutes=15)
        assert client.get("/api/v1/me", headers=headers).json()["code"] == "invalid-token"


def test_the_end_of_a_betrayed_login_is_committed_with_its_401(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        make_account(session)
    app = create_app(own_engine, Settings(env=Env.TEST))
    app.dependency_overrides[deps.get_now] = lambda: NOW
    with TestClient(app) as client:
        stolen = sign_in(client)["refresh_token"]
        _, pair = refresh(client, stolen)
        status, problem = refresh(client, stolen)
        assert (status, problem["code"]) == (401, "login-ended")
        status, _ = refresh(client, pair["refresh_token"])
        assert status == 401
