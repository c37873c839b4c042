"""WeChat's `stable_token` and `subscribe.send`, with their ways to fail."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.fakes import faulty
from tests.fakes.faulty import Seen, Service
from tests.fakes.wechat import APP_ID, SECRET

TOKEN = "canary-token-"  # noqa: S105
SEND, STABLE = "/cgi-bin/message/subscribe/send", "/cgi-bin/stable_token"
FIELDS = {
    "thing": r"(?s).{1,20}",
    "phrase": r"[\u3400-\u9fff]{1,5}",
    "character_string": r"[ -~]{1,32}",
    "time": r"(\d{4}年\d{1,2}月\d{1,2}日)?( ?\d{1,2}:\d{2})?(~.+)?",
}


@dataclass
class WechatMessages(Service):
    """The server: which token is good, who has agreed to how much, and what is sent to whom."""

    generation: int = 1
    consents: dict[str, int] = field(default_factory=dict)
    token_faults: bool = False
    ids: Iterator[int] = field(default_factory=lambda: count(3_000_000_001))

    @property
    def lent(self) -> int:
        """How often the token was asked for."""
        return sum(seen.path == STABLE for seen in self.seen)

    def is_faulty(self, seen: Seen) -> bool:
        """Faults meet messages, or what asks for a token."""
        return (seen.path == STABLE) is self.token_faults

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Answer as the documentation says."""
        if seen.path == STABLE:
            return self._token(seen.json)
        if seen.path != SEND:
            return self.refusal(40066)
        if seen.query != {"access_token": f"{TOKEN}{self.generation}"}:
            return self.refusal(40001)
        return self._sent(seen.json)

    def refusal(self, code: int) -> dict[str, Any]:
        """Say no, with one of their `rid`s."""
        return {"errcode": code, "errmsg": "no, rid: 65f0a0a0-1b2c3d4e-5f6a7b8c"}

    def _token(self, said: dict[str, Any]) -> dict[str, Any]:
        wanted = {"grant_type": "client_credential", "appid": APP_ID, "force_refresh": False}
        if said != wanted | {"secret": SECRET}:
            return self.refusal(40125)
        return {"access_token": f"{TOKEN}{self.generation}", "expires_in": 7200}

    def _sent(self, said: dict[str, Any]) -> dict[str, Any]:
        for name, told in said["data"].items():
            shape = FIELDS.get(name.rstrip("0123456789"), r".+")
            if not re.fullmatch(shape, told["value"]):
                return self.refusal(47003)
        if not self.consents.get(said["touser"], 1):
            return self.refusal(43101)
        if said["touser"] in self.consents:
            self.consents[said["touser"]] -= 1
        self.taken.append(said)
        return {"errcode": 0, "errmsg": "ok", "msgid": next(self.ids)}


def running() -> AbstractContextManager[WechatMessages]:
    """Run it."""
    return faulty.running(WechatMessages())


if __name__ == "__main__":
    faulty.serve(WechatMessages())
