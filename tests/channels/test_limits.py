"""Whatever the text, what is sent is within the provider's limits."""

import email
import email.policy
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import fields, fitting, sms, wecom
from app.channels.email import Email
from app.channels.sending import Letter, Refused
from app.channels.wechat_messages import filled
from app.ways_settings import SmtpSecurity, WecomKind
from tests.channels.letters import ID, MAILBOX, URL, letter
from tests.conftest import NOW

# Lone surrogates, what lies beside them, emoji of several parts, flags, accents, Chinese, marks.
ODD = (
    "\ud800\udbff\udc00\udfff\ud7ff\ue000\uffff👩‍👩‍👧🇨🇳👍🏽e\u0301党建地图\r\n\t\0 <@all>[x](y)*`#…"
)
TEXTS = st.text(st.one_of(st.sampled_from(ODD), st.characters(categories=None)), max_size=80)
LONG = st.builds(lambda text, times: text * times, TEXTS, st.integers(1, 200))
NAMES = ["thing", "phrase", "character_string", "time", "date", "name", "number", "letter"]
SHAPES = {
    "phrase": r"[\u3400-\u4dbf\u4e00-\u9fff]{1,5}",
    "character_string": r"[ -~]{1,32}",
    "number": r"-?[0-9.]{1,32}",
    "letter": r"[A-Za-z]{1,32}",
    "name": r"[A-Za-z .'·-]{1,20}|[\u3400-\u4dbf\u4e00-\u9fffA-Za-z·]{1,10}",
    "time": r"[0-9年月日: ~]+",
    "date": r"[0-9年月日: ~]+",
}


def sound(text: str) -> bool:
    return text.encode().decode() == text


@given(
    text=LONG, most=st.integers(0, 60), size=st.sampled_from([fitting.units, fitting.octets, len])
)
def test_what_is_cut_fits_and_is_a_beginning(text: str, most: int, size: object) -> None:
    assert callable(size)
    clean = fitting.clean(text)
    cut = fitting.fit(clean, most, size)
    assert size(cut) <= most
    assert sound(cut)
    assert cut == clean or cut == "" or (cut[-1] == "…" and clean.startswith(cut[:-1]))
    assert size(clean) > most or cut == clean


@pytest.mark.parametrize(
    ("text", "most", "cut"),
    [
        ("党建地图", 4, "党建地图"),
        ("党建地图测试", 4, "党建地…"),
        ("a👩‍👩‍👧b", 6, "a…"),
        ("🇨🇳🇨🇳🇨🇳", 6, "🇨🇳…"),
        ("👍🏽👍🏽x", 6, "👍🏽…"),
        ("e\u0301e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("ab cd", 4, "ab…"),
        ("abc", 0, ""),
    ],
)
def test_nothing_is_torn_apart(text: str, most: int, cut: str) -> None:
    assert fitting.fit(text, most, fitting.units) == cut


def test_without_the_care_it_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_torn", lambda text, at: False)
    assert fitting.fit("🇨🇳🇨🇳🇨🇳", 8, fitting.units) == "🇨🇳🇨…"


@given(text=LONG, name=st.sampled_from(NAMES))
def test_a_field_of_wechat_is_what_it_takes_or_refused(text: str, name: str) -> None:
    try:
        value = fields.value_of(f"{name}1", text)
    except Refused:
        assert name != "thing"
        return
    assert sound(value)
    assert "\n" not in value
    assert value
    if name == "thing":
        assert len(value) <= fitting.units(value) <= 20
    else:
        assert re.fullmatch(SHAPES[name], value)


@given(at=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001
def test_a_time_of_ours_is_written_as_wechat_wants_it(at: datetime) -> None:
    value = fields.value_of("time1", at.strftime("%Y-%m-%d %H:%M"))
    assert datetime.strptime(value, "%Y年%m月%d日 %H:%M") == at.replace(  # noqa: DTZ007
        second=0, microsecond=0
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("time1", "2026-12-01", "2026年12月1日"),
        ("time1", "09:30", "09:30"),
        ("time1", "2026-12-01 09:00–2026-12-01 10:30", "2026年12月1日 09:00~2026年12月1日 10:30"),
        ("date1", "2026/12/1", "2026年12月1日"),
        ("number1", "12.5", "12.5"),
        ("phrase1", "已接单（AB）", "已接单"),
        ("character_string1", "编号AB3K9", "AB3K9"),
        ("character_string1", "x" * 40, f"{'x' * 29}..."),
        ("name1", "张三 Jr.", "张三Jr"),
        ("name1", "Zhang San", "Zhang San"),
        ("thing1", "", "-"),
        ("thing1", "一\n二", "一 二"),
    ],
)
def test_fields(name: str, text: str, value: str) -> None:
    assert fields.value_of(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("time1", text) for text in ("soon", "2026-13-01", "2026-12-01 25:00", "1:00~2:00~3:00")),
        *(("date1", "09:30"), ("number1", "3 人"), ("number1", "٣"), ("letter1", "党")),
        *(("phrase1", "ok"), ("name1", "12"), ("character_string1", "党建")),
    ],
)
def test_what_cannot_be_told_there_is_refused(name: str, text: str) -> None:
    with pytest.raises(Refused):
        fields.value_of(name, text)


@given(title=LONG, body=LONG, kind=st.sampled_from(WecomKind))
def test_wecom_gets_no_more_bytes_than_it_takes(title: str, body: str, kind: WecomKind) -> None:
    said = wecom.Wecom("", kind).said(letter("", title=title, body=body))
    assert len(said.encode()) <= wecom.MOST[kind]
    assert URL in said
    assert "<" not in said
    if kind is WecomKind.MARKDOWN:
        assert (said.count("["), said.count("*"), said.count("`")) == (1, 4, 0)


def test_a_page_that_is_too_far_away_is_refused() -> None:
    far = Letter(ID, "", "k", "题", "文", {}, "zh", f"https://map.example.cn/{'x' * 4096}")
    with pytest.raises(Refused):
        wecom.Wecom("", WecomKind.MARKDOWN).said(far)


@given(body=LONG)
def test_an_sms_is_no_longer_than_carriers_take(body: str) -> None:
    text = sms.Sms("", "", "", "党建地图", {})._message(letter("", body=body))["text"]
    assert isinstance(text, str)
    assert fitting.units(f"【党建地图】{text}") <= 500
    assert text.endswith(URL)
    assert "\n" not in text


@given(title=LONG, body=LONG)
def test_no_text_begins_a_header_of_a_mail(title: str, body: str) -> None:
    ours = Email("", 25, SmtpSecurity.NONE, None, "map@example.cn")
    raw = ours.written(letter(MAILBOX, title=title, body=body), NOW).as_bytes()
    read = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert read.keys() == [
        *("Message-ID", "Date", "From", "To", "Subject", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version", "Content-Language"),
    ]
    assert (read["To"], read["From"]) == (MAILBOX, "map@example.cn")
    assert len(read["Subject"]) <= 120
    assert read["Date"].datetime == NOW.astimezone(UTC)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    raw.decode("ascii")


def test_what_is_in_a_mail_is_read_back() -> None:
    ours = Email("", 25, SmtpSecurity.NONE, None, "map@example.cn")
    title = "预约已接单：" + "很长的名字" * 15
    raw = ours.written(letter(MAILBOX, title=title, body="一\n二 👍🏽"), NOW).as_bytes()
    read = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(read, email.message.EmailMessage)
    assert read["Subject"] == title
    assert read.get_content().replace("\r\n", "\n") == f"一\n二 👍🏽\n\n{URL}\n"


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "a@", "@a.cn", "a@b@c", "a b@c.cn", "a@c.cn\r\nBcc: x@y.cn", "a@c.cn\n"),
        *("a,b@c.cn", "<a@c.cn>", "a..b@c.cn", "张@c.cn", "a@c..cn", f"{'a' * 250}@c.cn"),
    ],
)
def test_what_is_no_mailbox_is_refused(address: str) -> None:
    with pytest.raises(Refused):
        Email("", 25, SmtpSecurity.NONE, None, "map@example.cn").written(letter(address), NOW)


def test_a_gap_without_a_fact_is_refused() -> None:
    with pytest.raises(Refused):
        filled("{reason}", {"site": "x"})
    assert filled("{site}", {"site": "{reason}"}) == "{reason}"
