"""WeCom's group robots."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.fakes import faulty
from tests.fakes.faulty import Seen, Service

KEY = "693a91f6-7e98-4f9a-8a55-0c1d2e3f4a5b"
MOST = {"markdown": 4096, "text": 2048}


@dataclass
class Robots(Service):
    """The server, with one robot."""

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Answer as the documentation says."""
        said = seen.json
        if (seen.path, seen.query) != ("/cgi-bin/webhook/send", {"key": KEY}):
            return self.refusal(93000)
        kind = said["msgtype"]
        if len(said[kind]["content"].encode()) > MOST[kind]:
            return self.refusal(40058)
        self.taken.append(said)
        return {"errcode": 0, "errmsg": "ok"}

    def refusal(self, code: int) -> dict[str, Any]:
        """Say no."""
        return {"errcode": code, "errmsg": "no, hint: [1234], from ip: 127.0.0.1"}


def running() -> AbstractContextManager[Robots]:
    """Run it."""
    return faulty.running(Robots())


if __name__ == "__main__":
    faulty.serve(Robots())
