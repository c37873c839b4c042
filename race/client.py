"""Requests to several servers, one after another, and when each was sent and answered."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import httpx2

API = "/api/v1"
PATIENCE = 60.0
"""Seconds until an answer that does not come is a fault."""
_KEPT_SECONDS = 2.0


@dataclass(frozen=True)
class Request:
    """What somebody asks for.

    Attributes:
        method: of HTTP.
        path: below the API's.
        token: of who asks.
        body: sent as JSON.
        key: makes it safe to send twice.
        version: of the row that the asker has seen.
    """

    method: str
    path: str
    token: str
    body: Mapping[str, Any] = field(default_factory=dict)
    key: UUID | None = None
    version: int | None = None

    def headers(self) -> dict[str, str]:
        """Return what is sent beside the body."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if self.key is not None:
            headers["Idempotency-Key"] = str(self.key)
        if self.version is not None:
            headers["If-Match"] = f'"{self.version}"'
        return headers


@dataclass(frozen=True)
class Reply:
    """What was answered; status 0 where nothing was. Instants are seconds of one steady clock."""

    status: int
    body: Mapping[str, Any]
    sent: float
    answered: float
    replayed: bool = False

    @property
    def done(self) -> bool:
        """Whether what was asked for was done."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The name of the refusal; empty where there is none."""
        return "" if self.done else str(self.body.get("code", ""))


class Client:
    """Asks several servers in turn, over connections that are kept."""

    def __init__(self, servers: Sequence[httpx2.AsyncClient]) -> None:
        self._servers = servers
        self._turns = count()
        self.sent = 0

    async def send(self, request: Request, server: int | None = None) -> Reply:
        """Ask the next server, or the one that is named by its number."""
        asked = self._servers[(next(self._turns) if server is None else server) % len(self)]
        self.sent += 1
        sent = time.monotonic()
        try:
            response = await asked.request(
                request.method,
                API + request.path,
                json=request.body if request.method != "DELETE" else None,
                headers=request.headers(),
            )
        except httpx2.TransportError as error:
            return Reply(0, {"code": type(error).__name__}, sent, time.monotonic())
        return Reply(
            response.status_code,
            _read(response),
            sent,
            time.monotonic(),
            "idempotency-replayed" in response.headers,
        )

    @asynccontextmanager
    async def lost(self, request: Request, server: int) -> AsyncIterator[None]:
        """Ask a server, and lose its answer: the block is run when it has begun to answer.

        By then the server has committed.
        """
        self.sent += 1
        asked = self._servers[server].stream(
            request.method, API + request.path, json=request.body, headers=request.headers()
        )
        with suppress(httpx2.TransportError):
            async with asked:
                yield

    def __len__(self) -> int:
        return len(self._servers)


def _read(response: httpx2.Response) -> Mapping[str, Any]:
    if not response.content:
        return {}
    body: Mapping[str, Any] = response.json()
    return body


@asynccontextmanager
async def connected(bases: Sequence[str]) -> AsyncIterator[Client]:
    """Yield a client of servers at these addresses."""
    # A connection is dropped before the server, which waits five seconds, drops it under a request.
    limits = httpx2.Limits(
        max_connections=None, max_keepalive_connections=64, keepalive_expiry=_KEPT_SECONDS
    )
    servers = [httpx2.AsyncClient(base_url=base, limits=limits, timeout=PATIENCE) for base in bases]
    try:
        yield Client(servers)
    finally:
        for server in servers:
            await server.aclose()
