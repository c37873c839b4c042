"""WeChat's `jscode2session`, with its ways to fail."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Event
from urllib.parse import parse_qs, urlsplit

from tests.fakes.serving import Answer, served

APP_ID = "wx0123456789abcdef"
SECRET = "canary-secret-of-the-mini-program"  # noqa: S105
SESSION_KEY = "canary-session-key=="


class Fault(StrEnum):
    """What happens to the next request instead of its answer."""

    HANG = "hang"
    DROP = "drop"
    SERVER_ERROR = "server-error"
    JUNK = "junk"
    A_LIST = "a-list"
    NO_OPENID = "no-openid"
    EMPTY_OPENID = "empty-openid"


@dataclass
class Wechat:
    """The server: who gets which code, and what goes wrong next (a fault, or an errcode)."""

    url: str = ""
    codes: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    faults: deque[Fault | int] = field(default_factory=deque)
    asked: list[dict[str, str]] = field(default_factory=list)
    hanging: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)

    def session_of(self, query: dict[str, str]) -> dict[str, object]:
        """Answer as the documentation says; a code works once."""
        if query.get("appid") != APP_ID:
            return _refusal(40013, "invalid appid")
        if query.get("secret") != SECRET:
            return _refusal(40125, "invalid appsecret")
        if query.get("grant_type") != "authorization_code":
            return _refusal(40002, "invalid grant_type")
        code = query.get("js_code", "")
        if code not in self.codes:
            return _refusal(40029, "invalid code")
        if code in self.used:
            return _refusal(40163, "code been used")
        self.used.add(code)
        return {"session_key": SESSION_KEY, "openid": self.codes[code]}


def _refusal(errcode: int, errmsg: str) -> dict[str, object]:
    return {"errcode": errcode, "errmsg": f"{errmsg}, rid: 65f0a0a0-1b2c3d4e-5f6a7b8c"}


_BODIES: dict[Fault, Answer] = {
    Fault.SERVER_ERROR: Answer(b"oops", 502),
    Fault.JUNK: Answer(b"<html>"),
    Fault.A_LIST: Answer(b"[1]"),
    Fault.NO_OPENID: Answer(b"{}"),
    Fault.EMPTY_OPENID: Answer(b'{"openid": ""}'),
}


def _told(body: object) -> Answer:
    return Answer(json.dumps(body).encode(), kind="text/plain")


@contextmanager
def running() -> Iterator[Wechat]:
    """Run it."""
    wechat = Wechat()

    def respond(path: str) -> Answer | None:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        wechat.asked.append(query)
        if url.path != "/sns/jscode2session":
            return Answer(b"", 404)
        fault = wechat.faults.popleft() if wechat.faults else None
        if fault == Fault.HANG:
            wechat.hanging.set()
            wechat.released.wait(20)
        if fault is None:
            return _told(wechat.session_of(query))
        if isinstance(fault, Fault):
            return _BODIES.get(fault)
        return _told(_refusal(fault, "system error"))

    with served(respond) as wechat.url:
        try:
            yield wechat
        finally:
            wechat.released.set()
