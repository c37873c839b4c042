"""Servers that tests talk to over real HTTP."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import httpx2
import uvicorn
from sqlalchemy import URL, Engine

from app.api import deps
from app.demo import DemoAccount
from app.main import create_app
from app.settings import Env, Settings

PATIENCE = 60.0
"""Seconds until a condition that does not come true is a failure."""


@dataclass(frozen=True)
class Live:
    """A running server with the small demonstration district."""

    url: str
    accounts: list[DemoAccount]
    engine: Engine


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool]) -> None:
    """Return once `true()` is.

    Raises:
        TimeoutError: it does not become so.
    """
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        pause.wait(0.05)


def answers(url: str) -> bool:
    """Tell whether a server and its database answer."""
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def serving(engine: Engine, now: datetime) -> Iterator[str]:
    """A server in this process, whose clock stands at `now`; its URL."""
    app = create_app(engine, Settings(env=Env.TEST))

    async def stopped_clock() -> datetime:
        return now

    app.dependency_overrides[deps.get_now] = stopped_clock
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served(database: URL) -> Iterator[str]:
    """A server as a process of its own, on the wall clock; its URL."""
    port = free_port()
    url = database.set(drivername="postgresql").render_as_string(hide_password=False)
    env = os.environ | {"APP_DATABASE_URL": url, "APP_PORT": str(port), "APP_ENV": "demo"}
    process = subprocess.Popen([sys.executable, "-m", "app", "serve"], env=env)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(address) or process.poll() is not None)
        assert process.poll() is None, "the server ended at once"
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
