"""What may be called, and that nothing else is connected to."""

import socket
from collections.abc import Iterator
from threading import Event, active_count
from typing import Any
from uuid import UUID

import pytest

from app import outward
from app.channels import webhook
from tests.conftest import NOW
from tests.fakes import receiver

CALL_ID = UUID("019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f70")
PRIVATE = [
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "0.0.0.0",  # noqa: S104  # not bound to: refused
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "168.63.129.16",
    "192.0.0.192",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "fe80::1",
    "fe80::1%1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]
LOOPBACKS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "localhost",
    "LOCALHOST",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
]


def aim() -> outward.Target:
    return outward.target("https://receiver.example/hook")


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_ours_is_refused_also_among_public_ones(address: str) -> None:
    with pytest.raises(outward.NotPublic, match="not-public"):
        outward.addresses(aim(), lambda *_: ["93.184.215.14", address])


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111"])
def test_a_public_address_may_be_called(address: str) -> None:
    assert outward.addresses(aim(), lambda *_: [address]) == [address]


@pytest.mark.parametrize("host", LOOPBACKS)
def test_no_spelling_of_this_machine_passes(host: str) -> None:
    with pytest.raises(outward.NotPublic):
        outward.addresses(outward.target(f"https://{host}/hook"))


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver.example/",
        "ftp://receiver.example/",
        "https://name:word@receiver.example/",
        "https://receiver.example:22/",
        "https://receiver.example:99999/",
        "https://receiver.example/#part",
        "https:///path",
        "https://re ceiver.example/",
        "https://receiver.example\\@localhost/",
        "https://１２７.0.0.1/",
        "https://[::1/",
        "//receiver.example",
        "",
    ],
)
def test_an_address_that_is_not_plain_https_is_refused(url: str) -> None:
    with pytest.raises(outward.NotPublic):
        outward.target(url)


def test_a_name_that_turns_private_after_it_was_saved_is_not_called() -> None:
    with receiver.running() as canary:
        answers = iter([["93.184.215.14"], ["127.0.0.1"]])
        url = f"https://rebinding.example:8443/{canary.port}"
        outward.addresses(outward.target(url), lambda *_: next(answers))
        wanted = webhook.Call(CALL_ID, url, b"k", b"{}")
        outcome = webhook.call(wanted, now=NOW, lookup=lambda *_: next(answers))
        assert outcome == webhook.Outcome(None, "not-public")
        assert canary.got == []


def test_the_name_is_looked_up_once_and_the_answer_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiver.running() as canary:
        name = f"rebinding.example:{canary.port}"
        monkeypatch.setattr(outward, "is_public", lambda _: True)
        asked: list[str] = []

        def lookup(host: str, _: int) -> list[str]:
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

        def never(*_: object, **__: object) -> None:
            raise AssertionError("asked again")

        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *a, **k: never() if host == "rebinding.example" else REAL(host, *a, **k),
        )
        wanted = webhook.Call(CALL_ID, f"http://{name}/", b"k", b"{}")
        # The control: with the check gone, the canary on this machine is reached.
        outcome = webhook.call(wanted, now=NOW, allowed=frozenset({name}), lookup=lookup)
        assert outcome.ok
        assert asked == ["rebinding.example"]
        assert canary.got[0].headers["host"] == name


REAL = socket.getaddrinfo


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """A resolver that says nothing until told to, and somebody who does not wait long."""
    answers = Event()

    def hang(host: str, *others: Any, **named: Any) -> Any:
        answers.wait()
        return REAL("127.0.0.1", *others, **named)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(outward, "LOOKUP_SECONDS", 0.05)
    yield answers
    answers.set()


def test_a_name_that_nobody_answers_for_ends(silent: Event) -> None:
    with pytest.raises(outward.NotPublic, match="unknown-host"):
        outward.addresses(outward.target("https://slow.example/"))
    silent.set()
    outward.LOOKUP_SECONDS = 5.0
    assert outward.resolve("slow.example", 443) == ["127.0.0.1"]


def test_lookups_that_hang_are_bounded_and_those_that_end_make_room(silent: Event) -> None:
    before = active_count()
    for _ in range(3 * outward.LOOKUPS_AT_ONCE):
        with pytest.raises(TimeoutError):
            outward.resolve("slow.example", 443)
    assert active_count() - before <= outward.LOOKUPS_AT_ONCE
    silent.set()
    outward.LOOKUP_SECONDS = 5.0
    assert outward.resolve("slow.example", 443) == ["127.0.0.1"]


def test_what_the_resolver_says_is_told_as_it_is() -> None:
    with pytest.raises(socket.gaierror):
        outward.resolve("no-such-name.invalid", 443)
    with pytest.raises(UnicodeError):
        outward.resolve("a" * 64 + ".example", 443)
