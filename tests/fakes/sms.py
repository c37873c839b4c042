"""The SMS gateway of docs/channels.md."""

import hashlib
import hmac
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import faulty
from tests.fakes.faulty import Seen, Service

KEY = "party-map"
SECRET = "canary-secret-of-the-gateway"  # noqa: S105


@dataclass
class Gateway(Service):
    """The server; it checks signatures and nonces, and knows the ids it has taken.

    `codes` are what it says of the messages to phones, `forgets` the phones of which it says
    nothing; neither takes the message.
    """

    nonces: set[str] = field(default_factory=set)
    codes: dict[str, int] = field(default_factory=dict)
    forgets: set[str] = field(default_factory=set)

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Answer as the contract says."""
        stamp, nonce = seen.headers["x-timestamp"], seen.headers["x-nonce"]
        signed = hmac.digest(SECRET.encode(), f"{stamp}{nonce}{seen.body}".encode(), hashlib.sha256)
        told = seen.json
        if seen.headers["x-key"] != KEY or seen.headers["x-signature"] != signed.hex():
            return self.refusal(401)
        if nonce in self.nonces or (stamp, nonce) != (told["timestamp"], told["nonce"]):
            return self.refusal(403)
        self.nonces.add(nonce)
        said = [self._said(one) for one in told["messages"] if one["phone"] not in self.forgets]
        return {"code": 0, "message": "ok", "messages": said}

    def _said(self, message: dict[str, Any]) -> dict[str, Any]:
        id_, code = message["message_id"], self.codes.get(message["phone"], 0)
        if code:
            return {"message_id": id_, "code": code, "id": None}
        if id_ not in [one["message_id"] for one in self.taken] or not self.honours:
            self.taken.append(message)
        return {"message_id": id_, "code": 0, "id": f"sms-{id_[-4:]}"}

    def refusal(self, code: int) -> dict[str, Any]:
        """Say no."""
        return {"code": code, "message": "no"}


def running() -> AbstractContextManager[Gateway]:
    """Run it."""
    return faulty.running(Gateway())


if __name__ == "__main__":
    faulty.serve(Gateway())
