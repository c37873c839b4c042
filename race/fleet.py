"""Servers as processes of their own, on one database, that can be killed and started again."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from uuid import UUID

import httpx2
import psycopg

PATIENCE = 120.0
"""Seconds until a server that does not answer is a failure."""
_PAUSE = 0.02
_POOL = 12
_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Fleet:
    """So many servers of one database, each on a port of its own."""

    def __init__(self, url: str, command: Sequence[str], size: int) -> None:
        """Name them; nothing is started yet.

        Args:
            url: the database's, as libpq reads it.
            command: what serves it, at the port in the environment.
            size: servers.
        """
        self._url, self._command = url, list(command)
        self._ports = [_free_port() for _ in range(size)]
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bases(self) -> list[str]:
        """Their addresses."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    def start(self, number: int) -> None:
        """Start one."""
        env = {
            "APP_DATABASE_URL": self._url,
            "APP_PORT": str(self._ports[number]),
            "APP_ENV": "test",
            "APP_POOL_SIZE": str(_POOL),
        }
        self._running[number] = subprocess.Popen(  # noqa: S603 - as named by its maker
            self._command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, number: int) -> None:
        """End one as a power cut would."""
        process = self._running.pop(number)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    async def revive(self) -> None:
        """Start all that do not run, and return once they answer."""
        for number in {*range(len(self._ports))} - {*self._running}:
            self.start(number)
            await self.ready(number)

    async def ready(self, number: int) -> None:
        """Return once one answers.

        Raises:
            RuntimeError: it ended, or took too long.
        """
        deadline = time.monotonic() + PATIENCE
        async with httpx2.AsyncClient(base_url=self.bases[number], timeout=PATIENCE) as client:
            while time.monotonic() < deadline and self._running[number].poll() is None:
                with suppress(httpx2.TransportError):
                    if (await client.get("/readyz")).status_code == httpx2.codes.OK:
                        return
                await asyncio.sleep(_PAUSE)
        raise RuntimeError(f"{self._command} does not answer")

    def stop(self) -> None:
        """End all."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @asynccontextmanager
    async def jammed(self, session_id: UUID) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Keep everybody from taking places; yield what returns once somebody waits for them."""
        connect = psycopg.AsyncConnection.connect
        async with await connect(self._url) as jam, await connect(self._url) as watch:
            await watch.set_autocommit(True)
            await jam.execute("SELECT FROM venue_session WHERE id = %s FOR UPDATE", [session_id])

            async def somebody_waits() -> None:
                deadline = time.monotonic() + PATIENCE
                while time.monotonic() < deadline:
                    found = await (await watch.execute(_WAITING)).fetchone()
                    if found and found[0]:
                        return
                    await asyncio.sleep(_PAUSE)
                raise RuntimeError("nobody waits")

            yield somebody_waits
            await jam.rollback()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def fleet(url: str, size: int, *, command: Sequence[str] = ("app", "serve")) -> Iterator[Fleet]:
    """Yield so many servers that answer; stop them afterwards, however that is."""
    servers = Fleet(url, [sys.executable, "-m", *command], size)
    try:
        for number in range(size):
            servers.start(number)
        for number in range(size):
            asyncio.run(servers.ready(number))
        yield servers
    finally:
        servers.stop()


@contextmanager
def helper(url: str, name: str) -> Iterator[None]:
    """Run a command of the product that answers nobody, beside the servers."""
    env = {**os.environ, "APP_DATABASE_URL": url, "APP_ENV": "test"}
    command = [sys.executable, "-m", "app", name]
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
