"""A connection to one address, whatever name it goes by, with one end for all its waits.

A module of its own, imported when something is called, for what it builds upon takes long to load.
"""

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2


def _left(until: float) -> float:
    rest = until - time.monotonic()
    if rest <= 0:
        raise httpcore2.ReadTimeout("the whole call took too long")
    return rest


class Timed(httpcore2.NetworkStream):
    """A stream whose every wait ends with the call: a drip of bytes does not prolong it."""

    def __init__(self, inner: httpcore2.NetworkStream, until: float) -> None:
        self.inner, self.until = inner, until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read what there is."""
        return self.inner.read(max_bytes, _left(self.until))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Write all of it."""
        self.inner.write(buffer, _left(self.until))

    def close(self) -> None:
        """Hang up."""
        self.inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Encrypt it; the certificate is asked for the name."""
        inner = self.inner.start_tls(ssl_context, server_hostname, _left(self.until))
        return Timed(inner, self.until)

    def get_extra_info(self, info: str) -> Any:
        """Tell what the stream below knows."""
        return self.inner.get_extra_info(info)


class Backend(httpcore2.NetworkBackend):
    """Connects to what was checked; the name is for the certificate alone."""

    def __init__(self, address: str, until: float) -> None:
        self.address, self.until = address, until

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        """Connect to the address."""
        inner = httpcore2.SyncBackend().connect_tcp(self.address, port, _left(self.until))
        return Timed(inner, self.until)
