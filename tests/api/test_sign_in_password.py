"""Throttled, expired and changed passwords over HTTP, with real commits."""

from datetime import timedelta
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session

from app.services import one_time_codes
from tests.api.replies import Body, pointers, refused, told
from tests.api.signing import (
    LOGIN,
    NEW,
    PASSWORD,
    PHONE,
    Clock,
    bearing,
    client_at,
    enrol,
    noted,
)
from tests.conftest import NOW

TOKEN, OWN, PUBLIC = "/api/v1/auth/token", "/api/v1/me/password", "/api/v1/auth/password"
WRONG = LOGIN | {"password": "wrong"}
CHANGE = {"current_password": PASSWORD, "new_password": NEW}
DAYS_90 = timedelta(days=90)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(own_engine: Engine, clock: Clock) -> TestClient:
    return client_at(own_engine, clock)


@pytest.fixture
def account_id(own_engine: Engine) -> UUID:
    return enrol(own_engine)


def code_for(engine: Engine, account_id: UUID) -> str:
    with Session(engine) as session, session.begin():
        return one_time_codes.issue(session, account_id=account_id, issued_by=None, now=NOW).code


def opens(client: TestClient, password: str) -> bool:
    return client.post(TOKEN, data=LOGIN | {"password": password}).status_code == 200


def test_the_sixth_attempt_is_told_how_long_to_wait(
    client: TestClient, clock: Clock, account_id: UUID
) -> None:
    for _ in range(5):
        refused(client.post(TOKEN, data=WRONG), 401, "wrong-credentials")
    reply = client.post(TOKEN, data=LOGIN)
    assert refused(reply, 429, "too-many-attempts")["retry_after_seconds"] == 900
    assert reply.headers["retry-after"] == "900"
    clock.forward(timedelta(minutes=15))
    assert opens(client, PASSWORD)


def test_failures_count_over_every_door(client: TestClient, account_id: UUID) -> None:
    headers = bearing(told(client.post(TOKEN, data=LOGIN)))
    for _ in range(2):
        refused(client.post(TOKEN, data=WRONG), 401, "wrong-credentials")
    own = CHANGE | {"current_password": "wrong"}
    refused(client.post(OWN, json=own, headers=headers), 403, "wrong-password")
    refused(client.post(PUBLIC, json={"phone": PHONE} | own), 401, "wrong-credentials")
    by_code = {"phone": PHONE, "code": "WRONGCODE2", "new_password": NEW}
    refused(client.post(PUBLIC, json=by_code), 401, "wrong-code")
    for reply in (
        client.post(TOKEN, data=LOGIN),
        client.post(OWN, json=CHANGE, headers=headers),
        client.post(PUBLIC, json={"phone": PHONE} | CHANGE),
        client.post(PUBLIC, json=by_code),
    ):
        refused(reply, 429, "too-many-attempts")


def test_signing_in_and_failing_to_is_written_down(
    own_engine: Engine, client: TestClient, account_id: UUID
) -> None:
    told(client.post(TOKEN, data=LOGIN))
    for _ in range(5):
        client.post(TOKEN, data=WRONG)
    assert noted(own_engine, account_id) == ["sign_in"] + ["sign_in_failed"] * 4 + ["lock_out"]


def test_a_password_of_ninety_days_is_to_be_changed(
    own_engine: Engine, client: TestClient, clock: Clock, account_id: UUID
) -> None:
    clock.forward(DAYS_90 - SECOND)
    assert opens(client, PASSWORD)
    clock.forward()
    refused(client.post(TOKEN, data=LOGIN), 401, "password-expired")
    refused(client.post(TOKEN, data=WRONG), 401, "wrong-credentials")
    assert client.post(PUBLIC, json={"phone": PHONE} | CHANGE).status_code == 204
    assert opens(client, NEW)
    assert not opens(client, PASSWORD)
    assert "password_change" in noted(own_engine, account_id)


def test_after_a_change_old_tokens_are_refused_at_once(
    client: TestClient, clock: Clock, account_id: UUID
) -> None:
    logins = [told(client.post(TOKEN, data=LOGIN)) for _ in range(2)]
    clock.forward()
    reply = client.post(OWN, json=CHANGE, headers=bearing(logins[0]))
    assert (reply.status_code, reply.content) == (204, b"")
    for pair in logins:
        refused(client.get("/api/v1/me", headers=bearing(pair)), 401, "unauthenticated")
        kept = {"refresh_token": pair["refresh_token"]}
        refused(client.post("/api/v1/auth/refresh", json=kept), 401, "login-ended")
    pair = told(client.post(TOKEN, data=LOGIN | {"password": NEW}))
    told(client.get("/api/v1/me", headers=bearing(pair)))


def test_without_a_change_they_would_not_be(
    client: TestClient, clock: Clock, account_id: UUID
) -> None:
    pair = told(client.post(TOKEN, data=LOGIN))
    clock.forward()
    told(client.get("/api/v1/me", headers=bearing(pair)))
    told(client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}))


def test_a_weak_password_is_told_what_it_lacks(client: TestClient, account_id: UUID) -> None:
    headers = bearing(told(client.post(TOKEN, data=LOGIN)))
    weak = CHANGE | {"new_password": "abc"}
    problem = refused(client.post(OWN, json=weak, headers=headers), 422, "password-too-weak")
    assert problem["rules"] == [
        {"rule": "too-short", "limit": 8},
        {"rule": "too-few-kinds", "limit": 3},
    ]
    assert "至少 8 个字符" in problem["detail"]
    assert opens(client, PASSWORD)


def test_a_code_from_staff_sets_a_password_once(
    own_engine: Engine, client: TestClient, account_id: UUID
) -> None:
    code = code_for(own_engine, account_id)
    body = {"phone": PHONE, "code": code.lower(), "new_password": NEW}
    weak = body | {"new_password": "abc"}
    refused(client.post(PUBLIC, json=weak), 422, "password-too-weak")
    assert client.post(PUBLIC, json=body).status_code == 204
    assert opens(client, NEW)
    again = body | {"new_password": "Dong-2026-12"}
    refused(client.post(PUBLIC, json=again), 401, "wrong-code")
    assert opens(client, NEW)


def test_wrong_guesses_of_a_code_are_kept_although_refused(
    own_engine: Engine, client: TestClient, clock: Clock, account_id: UUID
) -> None:
    code = code_for(own_engine, account_id)
    for _ in range(5):
        body = {"phone": PHONE, "code": "WRONGCODE2", "new_password": NEW}
        refused(client.post(PUBLIC, json=body), 401, "wrong-code")
    clock.forward(timedelta(minutes=15))
    refused(client.post(PUBLIC, json=body | {"code": code}), 401, "wrong-code")


def test_a_code_opens_no_account_that_is_inactive(own_engine: Engine, client: TestClient) -> None:
    code = code_for(own_engine, enrol(own_engine, active=False))
    body = {"phone": PHONE, "code": code, "new_password": NEW}
    refused(client.post(PUBLIC, json=body), 401, "wrong-code")


def test_a_new_code_unlocks(own_engine: Engine, client: TestClient, account_id: UUID) -> None:
    for _ in range(5):
        client.post(TOKEN, data=WRONG)
    refused(client.post(TOKEN, data=LOGIN), 429, "too-many-attempts")
    body = {"phone": PHONE, "code": code_for(own_engine, account_id), "new_password": NEW}
    assert client.post(PUBLIC, json=body).status_code == 204
    assert opens(client, NEW)


def test_nobody_is_told_whether_a_phone_has_an_account(
    client: TestClient, account_id: UUID
) -> None:
    for proof in ({"current_password": "wrong"}, {"code": "WRONGCODE2"}):
        body = {"new_password": NEW} | proof
        answers = [
            client.post(PUBLIC, json=body | {"phone": phone})
            for phone in (PHONE, "13999999999", "nobody")
        ]
        assert {reply.status_code for reply in answers} == {401}
        assert len({reply.text for reply in answers}) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"phone": PHONE, "new_password": NEW},
        {"phone": PHONE, "new_password": NEW, "code": "A", "current_password": "B"},
        {"phone": PHONE, "new_password": NEW, "code": ""},
        {"phone": PHONE, "new_password": "x" * 129, "code": "A"},
        {"phone": "1" * 41, "new_password": NEW, "code": "A"},
        {"phone": PHONE, "code": "A"},
    ],
)
def test_one_proof_is_wanted(client: TestClient, body: Body) -> None:
    assert pointers(client.post(PUBLIC, json=body))


def test_nobody_changes_my_password(client: TestClient, account_id: UUID) -> None:
    refused(client.post(OWN, json=CHANGE), 401, "unauthenticated")
