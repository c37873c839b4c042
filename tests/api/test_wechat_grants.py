"""Consents over HTTP, and what the front end is told to ask for."""

import json

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.api.replies import Body, done_once, keyed, pointers, refused, told
from tests.api.signing import LOGIN, Clock, bearing, client_at, enrol
from tests.channels.letters import TEMPLATE, TEMPLATE_ID

PATH = "/api/v1/me/wechat-grants"
TEMPLATES = json.dumps(
    {kind: TEMPLATE.model_dump() for kind in ("booking-approved", "booking-rejected")}
)
KNOBS = {"wechat_app_id": "wx1", "wechat_app_secret": "s", "wechat_templates": TEMPLATES}


@pytest.fixture
def client(own_engine: Engine) -> TestClient:
    return client_at(own_engine, Clock(), **KNOBS)


@pytest.fixture
def who(own_engine: Engine, client: TestClient) -> dict[str, str]:
    enrol(own_engine)
    return bearing(told(client.post("/api/v1/auth/token", data=LOGIN)))


def test_reported_shown_and_done_once(client: TestClient, who: dict[str, str]) -> None:
    none = {"items": [{"template_id": TEMPLATE_ID, "left": 0}]}
    assert told(client.get(PATH, headers=who)) == none
    said = {"answers": {TEMPLATE_ID: "accept"}}
    one = {"items": [{"template_id": TEMPLATE_ID, "left": 1}]}
    assert done_once(client, PATH, who, said) == one
    assert told(client.post(PATH, json=said, headers=keyed(who)))["items"][0]["left"] == 2
    assert told(client.get(PATH, headers=who))["items"][0]["left"] == 2


def test_a_template_of_nobody_is_refused(client: TestClient, who: dict[str, str]) -> None:
    said = {"answers": {"another": "accept"}}
    reply = client.post(PATH, json=said, headers=who)
    assert refused(reply, 422, "wechat-template-unknown")["template_id"] == "another"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"answers": {}},
        {"answers": {TEMPLATE_ID: "perhaps"}},
        {"answers": {"a b": "accept"}},
        {"answers": {str(number): "reject" for number in range(6)}},
    ],
)
def test_what_is_no_answer_is_malformed(
    client: TestClient, who: dict[str, str], body: Body
) -> None:
    assert pointers(client.post(PATH, json=body, headers=who))


def test_the_front_end_is_told_what_to_ask_for(own_engine: Engine, client: TestClient) -> None:
    assert told(client.get("/api/v1/config"))["wechat_templates"] == [
        {"id": TEMPLATE_ID, "kinds": ["booking-approved", "booking-rejected"]}
    ]
    plain = client_at(own_engine, Clock())
    assert told(plain.get("/api/v1/config"))["wechat_templates"] is None
