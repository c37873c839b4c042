"""What is sent is what docs/channels.md says, byte for byte."""

import json
import re
import secrets
from pathlib import Path

import pytest

from app.channels import sms as ours
from app.channels.sending import Refused
from app.ways_settings import WaySettings, WecomKind
from tests.channels.letters import (
    MAILBOX,
    OPENID,
    PHONE,
    TEMPLATE,
    gateway,
    letter,
    mailer,
    program,
    robot,
    sent,
)
from tests.fakes import sms, smtp, wechat_messages, wecom
from tests.fakes.wechat import APP_ID, SECRET

TEXT = (Path(__file__).parents[2] / "docs/channels.md").read_text()
SHOWN = re.findall(r"```(?:json)?\n(.*?)\n```", TEXT, re.DOTALL)
TEMPLATES, WECHAT, SMS, SMS_BY_TEMPLATE, SIGNATURE, MAIL, MARKDOWN, PLAIN = SHOWN
NONCE = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _one_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda size: NONCE if size == 16 else "")


def test_wechat() -> None:
    with wechat_messages.running() as server:
        assert sent(program(server), letter(OPENID)) == "3000000001"
    asked, posted = server.seen
    assert (asked.path, asked.query) == ("/cgi-bin/stable_token", {})
    assert asked.body == (
        f'{{"grant_type":"client_credential","appid":"{APP_ID}","secret":"{SECRET}",'
        '"force_refresh":false}'
    )
    assert posted.path == "/cgi-bin/message/subscribe/send"
    assert posted.query == {"access_token": "canary-token-1"}
    assert posted.body == WECHAT


def test_the_templates_of_the_document_are_those_of_the_golden_request() -> None:
    settings = WaySettings(
        wechat_app_id=APP_ID, wechat_app_secret=SECRET, wechat_templates=TEMPLATES
    )
    assert settings.wechat_templates == {"booking-approved": TEMPLATE}


def test_sms_in_our_words() -> None:
    with sms.running() as server:
        assert sent(gateway(server), letter(PHONE)) == "sms-3f20"
    (seen,) = server.seen
    assert seen.body == SMS
    told = {name: seen.headers[name] for name in seen.headers if name[:2] in {"x-", "co"}}
    assert told == {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(SMS.encode())),
        "x-key": sms.KEY,
        "x-timestamp": "1795568400",
        "x-nonce": NONCE,
        "x-signature": SIGNATURE,
    }
    assert [one["message_id"] for one in server.taken] == [
        json.loads(SMS)["messages"][0]["message_id"]
    ]


def test_sms_by_a_template() -> None:
    with sms.running() as server:
        sent(gateway(server, **{"booking-approved": "SMS_1"}), letter(PHONE))
    assert server.seen[0].body == SMS_BY_TEMPLATE
    assert len(server.taken) == 1


@pytest.mark.parametrize("kind", WecomKind)
def test_wecom(kind: WecomKind) -> None:
    with wecom.running() as server:
        assert sent(robot(server, kind), letter(wecom.KEY)) is None
    (seen,) = server.seen
    assert seen.body == (MARKDOWN if kind is WecomKind.MARKDOWN else PLAIN)
    assert (seen.path, seen.query) == ("/cgi-bin/webhook/send", {"key": wecom.KEY})
    assert len(server.taken) == 1


def test_mail() -> None:
    with smtp.running() as server:
        known = sent(mailer(server.port), letter(MAILBOX))
    assert known == "<019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20@example.cn>"
    ((sender, readers, mail),) = server.mails
    assert (sender, readers) == ("map@example.cn", [MAILBOX])
    assert mail.decode().replace("\r\n", "\n").strip() == MAIL


def test_another_secret_is_another_signature() -> None:
    with sms.running() as server:
        wrong = ours.Sms(server.url, sms.KEY, "another", "党建地图", {})
        with pytest.raises(Refused, match="code 401"):
            sent(wrong, letter(PHONE))
    assert server.seen[0].headers["x-signature"] != SIGNATURE
