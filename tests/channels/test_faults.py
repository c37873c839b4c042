"""What goes wrong over there is told apart: again later, never, or nobody knows."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.channels import posting
from app.channels.asking import NoAnswer, Passing
from app.channels.sending import Channel, Letter, Refused
from tests.channels.letters import (
    OPENID,
    PHONE,
    Ledger,
    Wire,
    gateway,
    letter,
    program,
    robot,
    sent,
)
from tests.fakes import sms, wechat_messages, wecom
from tests.fakes.faulty import FINE, TAKING, Fault, Service
from tests.live import free_port

UNKNOWN = {
    *(Fault.HANG, Fault.DROP, Fault.TAKE_AND_HANG, Fault.TAKE_AND_DROP),
    *(Fault.JUNK, Fault.A_LIST, Fault.EMPTY, Fault.HUGE, Fault.ENDLESS),
}
LATER = {Fault.SERVER_ERROR, Fault.TOO_MANY}
NEVER = {Fault.NOT_FOUND, Fault.REDIRECT}


@dataclass
class Line:
    """One of our channels, and the server it talks to."""

    server: Service
    channel: Channel
    address: str
    sending: str
    wire: Wire | None = None

    def send(self) -> str | None:
        """Send the usual letter."""
        return (self.wire.send if self.wire else sent)(self.channel, letter(self.address))

    def ports(self) -> set[int]:
        """Return the connections that letters came by."""
        return {seen.port for seen in self.server.seen if seen.path == self.sending}

    def outcome(self) -> type[Exception] | None:
        """Send it, and return the class of what comes of it."""
        try:
            self.send()
        except NoAnswer as exc:
            return type(exc)
        return None


Fake = Callable[[], AbstractContextManager[Any]]
LINES: dict[str, tuple[Fake, Callable[[Any], Channel], str, str]] = {
    "wechat": (wechat_messages.running, program, OPENID, wechat_messages.SEND),
    "sms": (sms.running, gateway, PHONE, "/"),
    "wecom": (wecom.running, robot, wecom.KEY, "/cgi-bin/webhook/send"),
}


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    running, ours, address, path = LINES[request.param]
    with running() as server:
        yield Line(server, ours(server), address, path)


@pytest.fixture
def kept(line: Line) -> Iterator[Line]:
    """A channel whose connections stay open from one letter to the next."""
    with Wire() as line.wire:
        yield line


def test_every_fault_is_judged() -> None:
    assert set(Fault) == UNKNOWN | LATER | NEVER | FINE
    assert TAKING <= UNKNOWN


@pytest.mark.parametrize("fault", sorted(UNKNOWN | LATER | NEVER))
def test_a_fault_is_what_it_is(line: Line, fault: Fault) -> None:
    line.server.faults.append(fault)
    outcome = line.outcome()
    if fault in LATER:
        assert outcome is Passing
    elif fault in NEVER:
        assert outcome is Refused
    else:
        # The gateway takes an id once, so that what is unknown there may be sent again.
        assert outcome is (Passing if isinstance(line.server, sms.Gateway) else NoAnswer)
    assert len(line.server.taken) == (fault in TAKING)
    assert [seen.path for seen in line.server.seen].count(line.sending) == 1
    assert "/elsewhere" not in [seen.path for seen in line.server.seen]
    line.server.released.set()
    assert line.outcome() is None


def test_one_letter_follows_another_by_the_same_connection(kept: Line) -> None:
    for _ in range(3):
        kept.send()
    assert [seen.path for seen in kept.server.seen].count(kept.sending) == 3
    assert len(kept.ports()) == 1


def test_after_a_broken_answer_another_connection_is_taken(kept: Line) -> None:
    kept.send()
    kept.server.faults.append(Fault.TAKE_AND_DROP)
    kept.outcome()
    kept.send()
    assert len(kept.ports()) == 2


def test_a_connection_that_ended_while_it_rested_loses_no_letter(kept: Line) -> None:
    kept.server.faults.append(Fault.FAREWELL)
    kept.send()
    assert kept.wire
    assert kept.wire.rest(kept.server.parted)
    kept.send()
    assert [seen.path for seen in kept.server.seen].count(kept.sending) == 2
    assert len(kept.ports()) == 2


def test_what_a_provider_wants_to_be_told_again_is_forgotten(kept: Line) -> None:
    kept.server.cookie = "who=1; Path=/"
    for _ in range(2):
        kept.send()
    assert len(kept.server.seen) >= 2
    assert {seen.headers.get("cookie") for seen in kept.server.seen} == {None}


def test_nobody_there_is_for_later(line: Line) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    away: dict[type[Service], Channel] = {
        wechat_messages.WechatMessages: program(wechat_messages.WechatMessages(url=url)),
        sms.Gateway: gateway(sms.Gateway(url=url)),
        wecom.Robots: robot(wecom.Robots(url=url)),
    }
    line.channel = away[type(line.server)]
    assert line.outcome() is Passing


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        *((code, Refused) for code in (40003, 40037, 41030, 47003, 43101, 45168, 99999)),
        *((code, Passing) for code in (-1, 43108, 45009, 45011)),
    ],
)
def test_what_wechat_says(code: int, outcome: type[Exception]) -> None:
    with wechat_messages.running() as server:
        line = Line(server, program(server), OPENID, wechat_messages.SEND)
        server.faults.append(code)
        assert line.outcome() is outcome
        assert line.outcome() is (Refused if code == 43101 else None)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(93000, Refused), (40058, Refused), (-1, Passing), (45009, Passing), (45033, Passing)],
)
def test_what_wecom_says(code: int, outcome: type[Exception]) -> None:
    with wecom.running() as server:
        server.faults.append(code)
        assert Line(server, robot(server), wecom.KEY, "").outcome() is outcome


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(400, Refused), (401, Refused), (1, Refused), (429, Passing), (500, Passing), (599, Passing)],
)
def test_what_the_gateway_says(code: int, outcome: type[Exception]) -> None:
    with sms.running() as server:
        server.faults.append(code)
        assert Line(server, gateway(server), PHONE, "/").outcome() is outcome


@pytest.mark.parametrize("fault", [Fault.TAKE_AND_DROP, Fault.TAKE_AND_HANG, Fault.HUGE])
@pytest.mark.parametrize("honours", [True, False])
def test_sent_again_an_sms_arrives_once_where_ids_are_honoured(fault: Fault, honours: bool) -> None:
    with sms.running() as server:
        server.honours = honours
        server.faults.append(fault)
        line = Line(server, gateway(server), PHONE, "/")
        assert line.outcome() is Passing
        assert line.outcome() is None
        assert len(server.taken) == (1 if honours else 2)
        first, second = (seen.json for seen in server.seen)
        assert first["messages"] == second["messages"]
        assert first["nonce"] != second["nonce"]


PHONES = [PHONE, "+8613800005678", "+8613800009012"]


def several() -> list[Letter]:
    """Write to several people."""
    return [replace(letter(phone), id=UUID(int=place)) for place, phone in enumerate(PHONES)]


def test_letters_that_are_ready_together_are_judged_one_by_one() -> None:
    with sms.running() as server, Wire() as wire:
        server.codes[PHONES[1]] = 400
        server.forgets.add(PHONES[2])
        taken, refused, unknown = wire.send_all(gateway(server), several())
    assert taken == "sms-0000"
    assert repr(refused) == "Refused('code 400')"
    assert repr(unknown) == "Passing('no code')"
    assert [one["phone"] for one in server.seen[0].json["messages"]] == PHONES
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [(401, Refused), (429, Passing), *((fault, Passing) for fault in sorted(LATER))],
)
def test_what_becomes_of_a_request_becomes_of_each_letter(
    fault: Fault | int, outcome: type[Exception]
) -> None:
    with sms.running() as server, Wire() as wire:
        server.faults.append(fault)
        told = wire.send_all(gateway(server), several())
    assert [type(one) for one in told] == [outcome] * len(PHONES)
    assert len(server.seen) == 1


def test_nobody_waits_for_ever_who_is_sent_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "written", lambda _: 1 / 0)
    with Wire() as wire:
        told = wire.send_all(gateway(sms.Gateway()), several())
    assert [type(one) for one in told] == [ZeroDivisionError] * len(PHONES)


@pytest.mark.parametrize("place", range(len(PHONES)))
def test_who_is_given_up_takes_no_other_along(place: int) -> None:
    with sms.running() as server, Wire() as wire:
        channel = gateway(server)
        told = wire.send_all(channel, several(), given_up=place)
        assert isinstance(told[place], asyncio.CancelledError)
        assert told[:place] + told[place + 1 :] == [
            f"sms-{other:04}" for other in range(len(PHONES)) if other != place
        ]
        assert wire.send(channel, letter(PHONE)) is not None


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (None, 8),
        (Fault.TAKE_AND_DROP, 8),
        (Fault.JUNK, 8),
        (Fault.SERVER_ERROR, 9),
        (-1, 9),
        (40003, 9),
        (43101, 0),
    ],
)
def test_a_consent_is_gone_with_what_wechat_may_have_taken(
    fault: Fault | int | None, left: int
) -> None:
    with wechat_messages.running() as server:
        if fault is not None:
            server.faults.append(fault)
        ledger = Ledger()
        Line(server, program(server, consents=ledger), OPENID, "").outcome()
        assert ledger.left == left


def test_without_consent_or_template_wechat_is_not_asked() -> None:
    with wechat_messages.running() as server:
        for ours in (program(server, consents=Ledger(0)), program(server, templates={})):
            assert Line(server, ours, OPENID, "").outcome() is Refused
    assert server.seen == []


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        *((fault, Passing) for fault in sorted((UNKNOWN | LATER) - {Fault.HANG})),
        *((code, Passing) for code in (-1, 45009, 45011)),
        *((fault, Refused) for fault in sorted(NEVER)),
        *((code, Refused) for code in (40013, 40125, 40164)),
    ],
)
def test_without_a_token_nothing_was_sent(
    fault: Fault | int, outcome: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.channels.wechat_messages.TOKEN_SECONDS", 0.5)
    with wechat_messages.running() as server:
        server.token_faults = True
        server.faults.append(fault)
        ledger = Ledger()
        line = Line(server, program(server, consents=ledger), OPENID, "")
        assert line.outcome() is outcome
        assert (ledger.left, server.taken) == (9, [])


def test_a_token_that_is_not_believed_is_renewed_once() -> None:
    with wechat_messages.running() as server:
        line = Line(server, program(server), OPENID, "")
        for code in (40001, 40014, 42001):
            server.faults.append(code)
            server.generation += 1
            assert line.outcome() is None
        before = server.lent
        server.faults += [40001, 40001]
        assert line.outcome() is Passing
        assert server.lent == before + 1


@pytest.mark.parametrize(
    "address",
    ["", "x", "../send", f"{wecom.KEY}\n", f"{wecom.KEY}&key=x", "http://127.0.0.1/", "é" * 36],
)
def test_an_address_that_is_none_is_sent_nothing(address: str) -> None:
    with wecom.running() as robots, sms.running() as texts:
        assert Line(robots, robot(robots), address, "").outcome() is Refused
        assert Line(texts, gateway(texts), address, "").outcome() is Refused
    assert (robots.seen, texts.seen) == ([], [])


async def posted(url: str) -> object:
    """Post as if it were a letter."""
    async with posting.client() as over:
        return await posting.post(over, url, b"{}")


def test_no_more_of_an_answer_is_read_than_could_be_one() -> None:
    with wecom.running() as server:
        server.faults.append(Fault.HUGE)
        with pytest.raises(NoAnswer, match="too long"):
            asyncio.run(posted(server.url))


@pytest.mark.parametrize("name", ["sms", "wecom", "wechat_messages", "smtp"])
def test_a_fake_runs_as_a_process(name: str) -> None:
    command = [sys.executable, "-m", f"tests.fakes.{name}"]
    process = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        assert process.stdout
        if name == "smtp":
            assert process.stdout.readline().startswith("smtp://127.0.0.1:")
        url = process.stdout.readline().strip()
        httpx2.put(f"{url}/_faults", content=json.dumps(["drop", 500]))
        httpx2.put(f"{url}/_honours", content="false")
        assert httpx2.get(f"{url}/_taken").json() == []
        with pytest.raises(httpx2.RemoteProtocolError):
            httpx2.post(f"{url}/somewhere", content=b"{}")
    finally:
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout
        process.stdout.close()
