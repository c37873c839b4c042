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
    """The server; it checks signatures and nonces, and knows the ids it has taken."""

    nonces: set[str] = field(default_factory=set)

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Answer as the contract says."""
        stamp, nonce = seen.headers["x-timestamp"], seen.headers["x-nonce"]
        signed = hmac.digest(SECRET.encode(), f"{stamp}{nonce}{seen.body}".encode(), hashlib.sha256)
        message = seen.json
        if seen.headers["x-key"] != KEY or seen.headers["x-signature"] != signed.hex():
            return self.refusal(401)
        if nonce in self.nonces or (stamp, nonce) != (message["timestamp"], message["nonce"]):
            return self.refusal(403)
        self.nonces.add(nonce)
        known = [one["message_id"] for one in self.taken]
        if message["message_id"] not in known or not self.honours:
            self.taken.append(message)
        return {"code": 0, "message": "ok", "id": f"sms-{message['message_id'][-4:]}"}

    def refusal(self, code: int) -> dict[str, Any]:
        """Say no."""
        return {"code": code, "message": "no", "id": None}


def running() -> AbstractContextManager[Gateway]:
    """Run it."""
    return faulty.running(Gateway())


if __name__ == "__main__":
    faulty.serve(Gateway())
