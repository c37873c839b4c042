"""From the move of a booking to the sockets of the providers that the settings name."""

import json
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app import jobs
from app.models import Provider, Way
from app.services import identities, privacy, wechat_grants
from app.settings import load
from tests.channels.letters import OPENID, TEMPLATE, TEMPLATE_ID
from tests.conftest import NOW
from tests.fakes import sms, wechat_messages
from tests.fakes.sms import Gateway
from tests.fakes.wechat import APP_ID, SECRET
from tests.fakes.wechat_messages import WechatMessages
from tests.makers import make_booking, make_world, move
from tests.services.letters import choose, rows

Set = Callable[..., None]


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    """Sets what the environment decides."""

    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"APP_{name.upper()}", value)
        load.cache_clear()

    yield put
    monkeypatch.undo()
    load.cache_clear()


@pytest.fixture
def gateway(setting: Set) -> Iterator[Gateway]:
    with sms.running() as server:
        setting(
            sms_url=server.url, sms_key=sms.KEY, sms_secret=sms.SECRET, sms_sign_name="党建地图"
        )
        yield server


@pytest.fixture
def wechat(setting: Set) -> Iterator[WechatMessages]:
    with wechat_messages.running() as server:
        setting(
            wechat_api_url=server.url,
            wechat_app_id=APP_ID,
            wechat_app_secret=SECRET,
            wechat_templates=json.dumps({"booking-approved": TEMPLATE.model_dump()}),
        )
        yield server


def approved(engine: Engine, *, consents: int = 0, ways: tuple[Way, ...] = (Way.SMS,)) -> str:
    """A branch's order is approved, and its organiser chose ways; return their phone."""
    with Session(engine) as session, session.begin():
        world = make_world(session)
        choose(session, world.organiser, *ways)
        if Way.WECHAT in ways:
            identities.link(
                session, account=world.organiser, provider=Provider.WECHAT, subject=OPENID
            )
        for _ in range(consents):
            answers = {TEMPLATE_ID: wechat_grants.Answer.ACCEPT}
            wechat_grants.record(
                session,
                account_id=world.organiser.id,
                answers=answers,
                known=frozenset(answers),
            )
        move(session, world.manager, make_booking(session, world), "approve")
        return privacy.unseal(world.organiser.phone_sealed or b"")


def run(engine: Engine, *names: str) -> None:
    """Do some jobs, twice: the second time nothing is left to do."""
    for name in names * 2:
        (job,) = (job for job in jobs.JOBS if job.name == name)
        job.run(job, engine, lambda: NOW)


def outcome(engine: Engine) -> list[tuple[str, str, str | None]]:
    with Session(engine) as session:
        return [(row.channel, row.status, row.reason) for row in rows(session)]


def test_an_approval_arrives_by_sms_once(own_engine: Engine, gateway: Gateway) -> None:
    phone = approved(own_engine)
    run(own_engine, "deliver-messages", "send-by-sms")
    (message,) = gateway.taken
    assert message["phone"] == phone
    assert "已接受" in json.dumps(message, ensure_ascii=False)
    assert outcome(own_engine) == [("sms", "delivered", None)]
    with Session(own_engine) as session:
        (letter,) = rows(session)
        assert message["message_id"] == str(letter.id)
        assert letter.provider_id == f"sms-{message['message_id'][-4:]}"


@pytest.mark.usefixtures("gateway")
def test_a_consent_is_one_message_by_wechat(own_engine: Engine, wechat: WechatMessages) -> None:
    approved(own_engine, consents=1, ways=(Way.WECHAT, Way.SMS))
    run(own_engine, "deliver-messages", "send-by-wechat", "send-by-sms")
    (message,) = wechat.taken
    assert (message["touser"], message["template_id"]) == (OPENID, TEMPLATE_ID)
    assert outcome(own_engine) == [("wechat", "delivered", None)]


def test_without_consent_the_next_way_serves(
    own_engine: Engine, wechat: WechatMessages, gateway: Gateway
) -> None:
    phone = approved(own_engine, ways=(Way.WECHAT, Way.SMS))
    run(own_engine, "deliver-messages", "send-by-wechat", "send-by-sms")
    assert wechat.taken == []
    assert [message["phone"] for message in gateway.taken] == [phone]
    assert outcome(own_engine) == [
        ("wechat", "passed_on", "refused"),
        ("sms", "delivered", None),
    ]


def test_a_way_that_is_not_set_up_is_absent(own_engine: Engine) -> None:
    approved(own_engine, ways=(Way.SMS,))
    run(own_engine, "deliver-messages", "send-by-sms")
    assert outcome(own_engine) == []


def test_what_a_provider_cannot_take_now_waits(own_engine: Engine, gateway: Gateway) -> None:
    gateway.faults.extend([500, 500])
    approved(own_engine)
    run(own_engine, "deliver-messages", "send-by-sms")
    assert outcome(own_engine) == [("sms", "waiting", None)]
