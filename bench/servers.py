"""Servers as processes of their own: ours, and those it is compared with."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

import httpx2
import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.machine import last_line, run
from bench.peaks import peak_mb
from setup.bench import PEERS

PATIENCE = 180.0
"""Seconds until a server that does not answer is a failure."""
_PAUSE = 0.01

_PEER_TABLE = """
    CREATE SCHEMA IF NOT EXISTS peer;
    CREATE TABLE IF NOT EXISTS peer.site AS
    SELECT s.id::text, s.name, s.short_name, s.category, array_to_string(s.kinds, ',') AS kinds,
        t.place AS town, s.address, s.summary, c.next_free_at, NULL::float8 AS rating,
        (c.feature::json -> 'properties' ->> 'photo_url') AS photo_url, s.location
    FROM site s JOIN organisation t ON t.id = s.town_id JOIN site_card c ON c.site_id = s.id
    WHERE s.status = 'published' ORDER BY s.id;
    ALTER TABLE peer.site DROP CONSTRAINT IF EXISTS site_pkey;
    ALTER TABLE peer.site ADD PRIMARY KEY (id);
    CREATE INDEX IF NOT EXISTS site_location_idx ON peer.site USING gist (location);
    ANALYZE peer.site;
"""


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        base: its address, without a path.
        pid: its first process; the workers are its children.
        ready_after: seconds from the command to the first answer.
    """

    base: str
    pid: int
    ready_after: float

    def memory_mb(self) -> float:
        """Return the resident memory of the process that answers, or of the largest that does."""
        return max(_resident(pid) for pid in (self.pid, *_children(self.pid))) / 1e6

    def peak_mb(self) -> float:
        """Return the most memory that any of its processes ever had."""
        return max(peak_mb(pid) for pid in (self.pid, *_children(self.pid)))


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def ours(url: str, *, workers: int = 1, photos: Path | None = None) -> Iterator[Server]:
    """Serve a database with the product, as it is served in earnest.

    Args:
        url: the database's.
        workers: processes that answer.
        photos: the folder of files; the checkout's own, if none is named.
    """
    port = _free_port()
    env = {"APP_DATABASE_URL": url, "APP_PORT": str(port), "APP_ENV": "demo"}
    if photos is not None:
        env["APP_PHOTO_FOLDER"] = str(photos)
    env["PYTHONDONTWRITEBYTECODE"] = ""  # in earnest, what Python has compiled is there next time
    command = [sys.executable, "-m", "app", "serve", "--workers", str(workers)]
    with _serving(command, env, port, "/readyz") as server:
        yield server


@contextmanager
def tipg(url: str, folder: Path) -> Iterator[Server]:
    """Serve the same sites with tipg."""
    port = _free_port()
    parts = conninfo_to_dict(url)
    env = {
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASS": "none",
        "POSTGRES_HOST": str(parts["host"]).replace("/", "%2F"),
        "POSTGRES_PORT": "5432",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "TIPG_DB_SCHEMAS": '["peer"]',
    }
    command = _uvicorn("tipg.main:app", port)
    with _serving(command, env, port, "/healthz", cwd=folder) as server:
        yield server


@contextmanager
def pygeoapi(url: str, folder: Path) -> Iterator[Server]:
    """Serve the same sites with pygeoapi.

    Raises:
        RuntimeError: it does not take its configuration.
    """
    port = _free_port()
    parts = conninfo_to_dict(url)
    config, openapi = folder / "pygeoapi.yml", folder / "pygeoapi-openapi.yml"
    template = Template(Path(__file__).with_name("pygeoapi.yml").read_text())
    config.write_text(template.substitute(parts, port=port))
    env = {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(openapi)}
    generate: list[str | Path] = [
        PEERS / "bin/pygeoapi",
        "openapi",
        "generate",
        config,
        "--output-file",
        openapi,
    ]
    done = run(generate, env=env)
    if done.returncode != 0:
        raise RuntimeError(f"pygeoapi said: {last_line(done.stdout)}")
    command = _uvicorn("pygeoapi.starlette_app:APP", port)
    with _serving(command, env, port, "/conformance?f=json", cwd=folder) as server:
        yield server


def give_to_peers(url: str) -> None:
    """Copy the sites, with all that is reckoned of them already done, into a table for the peers.

    So their statement has nothing to do but find and read, which is more than fair to them.
    """
    with psycopg.connect(url) as connection:
        connection.execute(_PEER_TABLE)


def _uvicorn(app: str, port: int) -> list[str | Path]:
    options = ["--port", str(port), "--workers", "2", "--log-level", "warning", "--no-access-log"]
    return [PEERS / "bin/uvicorn", app, *options]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    port: int,
    path: str,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Run a server until the block ends, however that is.

    It has a session of its own, so that Ctrl-C reaches it only from here, with all its workers.
    """
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - as built here
        [str(part) for part in command],
        env={**os.environ, **env},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _await(process, base + path)
        yield Server(base, process.pid, time.monotonic() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    """Return once the address answers.

    Raises:
        RuntimeError: the server ended, or took too long.
    """
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(httpx2.TransportError):
            if httpx2.get(url, timeout=PATIENCE).status_code == httpx2.codes.OK:
                return
        pause.wait(_PAUSE)
    raise RuntimeError(f"{process.args!r} does not answer")
