"""Calling another program's address: signed, pinned to what was checked, and never for long.

Signed as the Standard Webhooks specification says. Redirects are not followed, and no proxy of the
environment is asked: either would connect somewhere that nobody has checked.
"""

import base64
import hmac
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

from app import outward

if TYPE_CHECKING:
    import httpcore2

SECONDS = 10.0
"""For the whole call, from the first byte sent to the last one read."""
MOST_READ = 64 * 1024
"""Bytes of an answer that are read; nobody needs them, but a polite client takes them."""
PREFIX = "whsec_"


@dataclass(frozen=True)
class Call:
    """What to send where."""

    id: UUID
    url: str
    secret: bytes
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """A status, or why there is none; `ok` where the receiver has taken it."""

    status: int | None
    error: str | None

    @property
    def ok(self) -> bool:
        """Tell whether it was taken."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Tell whether the receiver wants nothing any more."""
        return self.status == 410


def shown(secret: bytes) -> str:
    """Return a secret as receivers are told it."""
    return PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, *, id: str, timestamp: int, body: bytes) -> str:  # noqa: A002
    """Return `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.

    Args:
        secret: the bytes behind `whsec_`, decoded.
        id: the event's.
        timestamp: of the attempt, whole seconds since 1970.
        body: as sent.
    """
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, sha256)).decode()


def call(
    wanted: Call,
    *,
    now: datetime,
    allowed: frozenset[str] = frozenset(),
    lookup: outward.Resolve = outward.resolve,
    trusted: ssl.SSLContext | None = None,
    seconds: float = SECONDS,
) -> Outcome:
    """Send an event once; whatever goes wrong is an outcome.

    Args:
        wanted: what to send where.
        now: the present instant, aware; the timestamp that is signed.
        allowed: as in `outward.target`.
        lookup: the resolver; what it says is what is connected to.
        trusted: whose certificates are believed; without it, those of the machine.
        seconds: for the whole call.
    """
    import httpcore2

    from app.channels import pinned

    try:
        aim = outward.target(wanted.url, allowed=allowed)
        places = outward.addresses(aim, lookup)
        with httpcore2.ConnectionPool(
            ssl_context=trusted or _machines(),
            network_backend=pinned.Backend(places[0], time.monotonic() + seconds),
        ) as pool:
            return Outcome(_post(pool, aim, wanted, now), None)
    except outward.NotPublic as exc:
        return Outcome(None, str(exc))
    except (
        *(httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError),
        *(OSError, ValueError),
    ) as exc:
        return Outcome(None, type(exc).__name__)


@lru_cache(maxsize=1)
def _machines() -> ssl.SSLContext:
    return ssl.create_default_context()


def _post(
    pool: "httpcore2.ConnectionPool", aim: outward.Target, wanted: Call, now: datetime
) -> int:
    import httpcore2

    stamp = int(now.timestamp())
    headers = {
        "Host": _authority(aim),
        "Content-Type": "application/json",
        "User-Agent": "party-building-map",
        "Accept-Encoding": "identity",
        "webhook-id": str(wanted.id),
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(
            wanted.secret, id=str(wanted.id), timestamp=stamp, body=wanted.body
        ),
    }
    url = httpcore2.URL(
        scheme=aim.scheme.encode(),
        host=aim.host.encode(),
        port=aim.port,
        target=aim.path.encode(),
    )
    with pool.stream(
        "POST",
        url,
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
        content=wanted.body,
    ) as reply:
        read = 0
        # The status came first and says all there is to know, however the rest may end.
        with suppress(httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException):
            for part in reply.iter_stream():
                read += len(part)
                if read > MOST_READ:
                    break
        return int(reply.status)


def _authority(aim: outward.Target) -> str:
    host = f"[{aim.host}]" if ":" in aim.host else aim.host
    usual = {"https": 443, "http": 80}[aim.scheme]
    return host if aim.port == usual else f"{host}:{aim.port}"
