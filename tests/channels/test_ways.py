"""Which ways there are, by the settings; and that no secret of theirs is written anywhere."""

import logging
from collections.abc import Mapping

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from app.channels.asking import NoAnswer
from app.channels.ways import channels_of
from app.settings import Env, Settings
from tests.channels.letters import MAILBOX, OPENID, PHONE, Ledger, Purse, letter, sent
from tests.channels.test_golden import TEMPLATES
from tests.fakes import sms, smtp, wechat_messages, wecom
from tests.fakes.faulty import Fault
from tests.fakes.wechat import APP_ID, SECRET

WECHAT = {
    "wechat_app_id": APP_ID,
    "wechat_app_secret": SECRET,
    "wechat_templates": TEMPLATES,
}
SMS = {
    "sms_url": "https://sms.example.cn/send",
    "sms_key": sms.KEY,
    "sms_secret": sms.SECRET,
    "sms_sign_name": "党建地图",
}
EMAIL = {"smtp_host": "mail.example.cn", "email_from": "map@example.cn"}
LOGIN = {"smtp_user": smtp.USER, "smtp_password": smtp.PASSWORD}
WECOM = {"wecom_url": "https://qyapi.weixin.qq.com"}
ALL = {**WECHAT, **SMS, **EMAIL, **LOGIN, **WECOM}


def settings(knobs: Mapping[str, object], env: Env = Env.TEST) -> Settings:
    return Settings.model_validate({"env": env} | dict(knobs))


@pytest.mark.parametrize(
    ("knobs", "ways"),
    [
        ({}, []),
        ({"wechat_app_id": APP_ID, "wechat_app_secret": SECRET}, []),
        (WECHAT, ["wechat"]),
        (SMS, ["sms"]),
        (EMAIL, ["email"]),
        (EMAIL | LOGIN, ["email"]),
        (WECOM, ["wecom"]),
        (ALL, ["wechat", "sms", "email", "wecom"]),
    ],
)
def test_a_way_is_there_when_it_is_set_up(knobs: dict[str, object], ways: list[str]) -> None:
    found = channels_of(settings(knobs), tokens=Purse(), consents=Ledger())
    assert list(found) == ways
    assert hash(settings(knobs)) == hash(settings(knobs))


HALVES = [
    *((WECHAT, name) for name in ("wechat_app_id", "wechat_app_secret")),
    *((SMS, name) for name in SMS),
    *((EMAIL, name) for name in EMAIL),
    *((EMAIL | LOGIN, name) for name in LOGIN),
    (EMAIL | LOGIN, "smtp_host"),
    (SMS | {"sms_templates": '{"booking-approved": "SMS_1"}'}, "sms_url"),
]


@pytest.mark.parametrize("nothing", [None, ""])
@pytest.mark.parametrize(("knobs", "missing"), HALVES)
def test_half_a_way_is_refused(knobs: dict[str, object], missing: str, nothing: str | None) -> None:
    with pytest.raises(ValidationError) as told:
        settings(knobs | {missing: nothing})
    assert f"APP_{missing.upper()}" in str(told.value) or missing in str(told.value)
    assert "canary" not in str(told.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    "knobs",
    [
        {"wecom_url": "qyapi.weixin.qq.com"},
        {"wecom_url": "https://name:word@qyapi.weixin.qq.com"},
        EMAIL | {"email_from": "map"},
        EMAIL | {"email_from": "map@example.cn\r\nBcc: x@y.cn"},
        SMS | {"sms_key": "党"},
        WECHAT | {"wechat_templates": "{"},
        WECHAT | {"wechat_templates": '{"k": {"template": "t", "fields": {"thing1": "{a.b}"}}}'},
        WECHAT | {"wechat_templates": '{"k": {"template": "t", "fields": {"thing1": "{0}"}}}'},
        WECHAT | {"wechat_templates": '{"k": {"template": "t", "fields": {"poem1": "{a}"}}}'},
        WECHAT | {"wechat_templates": '{"k": {"template": "t", "fields": {}}}'},
        WECHAT | {"wechat_templates": '{"k": {"template": "t&x", "fields": {"thing1": "a"}}}'},
    ],
)
def test_what_makes_no_sense_is_refused(knobs: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(knobs)


FIT = {
    "secret_key": "s" * 40,
    "phone_key": "p" * 40,
    "database_url": "postgresql://map@db.example.cn/map",
    "photo_folder": "/srv/photos",
}


@pytest.mark.parametrize(
    "knobs",
    [
        WECHAT | {"wechat_api_url": "http://api.weixin.qq.com"},
        SMS | {"sms_url": "http://sms.example.cn"},
        {"wecom_url": "http://qyapi.weixin.qq.com"},
        EMAIL | {"smtp_security": "none"},
    ],
)
def test_production_speaks_to_nobody_in_clear(knobs: dict[str, object]) -> None:
    settings(FIT | knobs)
    settings(FIT | ALL, Env.PRODUCTION)
    with pytest.raises(ValidationError, match=r"https://|starttls"):
        settings(FIT | knobs, Env.PRODUCTION)


def test_no_secret_is_written(caplog: pytest.LogCaptureFixture) -> None:
    canaries = [SECRET, sms.SECRET, smtp.PASSWORD, wecom.KEY, wechat_messages.TOKEN]
    canaries += [OPENID, PHONE, MAILBOX]
    said: list[str] = []
    with (
        wechat_messages.running() as weixin,
        sms.running() as texts,
        wecom.running() as robots,
        smtp.running() as mails,
        caplog.at_level(logging.DEBUG),
        capture_logs() as logs,
    ):
        knobs = ALL | {"wechat_api_url": weixin.url, "sms_url": texts.url, "wecom_url": robots.url}
        knobs |= {"smtp_host": mails.host, "smtp_port": str(mails.port), "smtp_security": "none"}
        del knobs["smtp_user"], knobs["smtp_password"]
        ways = channels_of(settings(knobs), tokens=Purse(), consents=Ledger())
        for fault in (None, Fault.DROP, Fault.SERVER_ERROR, Fault.JUNK, Fault.REDIRECT, 40001, 550):
            for server in (weixin, texts, robots, mails):
                server.faults.clear()
                if fault is not None:
                    server.faults.append(fault)
            for name, address in zip(ways, (OPENID, PHONE, MAILBOX, wecom.KEY), strict=True):
                try:
                    sent(ways[name], letter(address))
                except NoAnswer as exc:
                    said.append(f"{exc!r} {exc.__cause__!r}")
        weixin.token_faults = True
        weixin.faults.append(40125)
        strangers = channels_of(settings(knobs), tokens=Purse(), consents=Ledger())
        with pytest.raises(NoAnswer):
            sent(strangers["wechat"], letter(OPENID))
        repeated = f"{ways!r}"
    assert len(said) > 15
    assert {"event": "wechat-refuses-us", "errcode": 40125, "log_level": "error"} in logs
    # The fake mail server says what it hears.
    heard = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
    assert len(caplog.records) > 100
    written = f"{logs}{heard}{said}"
    assert [canary for canary in canaries if canary in written] == []
    assert [canary for canary in canaries if canary in repeated] == []
