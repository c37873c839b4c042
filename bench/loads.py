"""Load: requests by wrk, statements by pgbench; and what each of them measured."""

import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from app.machine import run
from app.postgis import programs
from bench.statements import Script

OPTIONS = "-c timezone=UTC -c role=party_map_service"
_LUA = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True)
class Measured:
    """What one leg of a run measured: a rate, and times in milliseconds."""

    per_second: float
    p50_ms: float
    p95_ms: float
    requests: int


@dataclass(frozen=True)
class Http:
    """Requests at random from a list, of so many connections.

    Attributes:
        base: of the server, without a path.
        paths: to ask for.
        connections: at once.
        etags: what the client has of each path already; an answer is 304 then.
        token: of who asks; empty for the public.
    """

    base: str
    paths: Sequence[str]
    connections: int
    etags: Sequence[str] = ()
    token: str = ""

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        """Send requests for so long.

        Raises:
            RuntimeError: one was answered by anything but success, or none was answered.
        """
        tags = self.etags or [""] * len(self.paths)
        who = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        lines = [
            _line("GET", path, who | ({"If-None-Match": tag} if tag else {}))
            for path, tag in zip(self.paths, tags, strict=True)
        ]
        threads = min(2, self.connections)
        command = [f"-t{threads}", f"-c{self.connections}", f"-d{seconds}s"]
        return _wrk(command, self.base, lines, folder, str(seed))[0]


@dataclass
class HttpOnce:
    """Requests that can be made once, each in its turn, of so many connections.

    Attributes:
        base: of the server, without a path.
        lines: of `post_line`.
        connections: at once.
    """

    base: str
    lines: Iterator[str]
    connections: int
    _left: list[str] = field(default_factory=list)

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        """Send requests for so long.

        Raises:
            RuntimeError: one was answered by anything but success, none was answered, or there
                were too few of them.
        """
        most = seconds * _MOST_PER_SECOND
        self._left += islice(self.lines, most - len(self._left))
        command = ["-t1", f"-c{self.connections}", f"-d{seconds}s"]
        measured, sent = _wrk(command, self.base, self._left, folder, str(seed), "in-turn")
        if sent >= len(self._left):
            raise RuntimeError(f"{len(self._left)} requests are too few for {seconds} s")
        self._left = self._left[sent:]
        return measured


_MOST_PER_SECOND = 1500


def post_line(path: str, headers: Mapping[str, str], body: object) -> str:
    """Return a line that posts JSON."""
    told = {"Content-Type": "application/json", **headers}
    return _line("POST", path, told, json.dumps(body, ensure_ascii=False))


def _line(method: str, path: str, headers: Mapping[str, str], body: str = "") -> str:
    return "\t".join([method, path, *(f"{name}: {told}" for name, told in headers.items()), body])


def _wrk(
    command: Sequence[str], base: str, lines: Sequence[str], folder: Path, *arguments: str
) -> tuple[Measured, int]:
    """Return what wrk measured, and how many requests it sent.

    Raises:
        RuntimeError: one was answered by anything but success, or none was answered.
    """
    listed = folder / "requests.txt"
    listed.write_text("".join(f"{line}\n" for line in lines))
    done = run(["wrk", *command, "-s", _LUA, base, "--", listed, *arguments])
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk said: {done.stdout}")
    told = json.loads(found[1])
    if told.pop("failed") or not told["requests"]:
        raise RuntimeError(f"requests failed: {done.stdout}")
    sent = told.pop("sent")
    return Measured(**told), sent


@dataclass(frozen=True)
class Sql:
    """One statement with parameters at random, prepared, of so many clients."""

    url: str
    script: Script
    clients: int

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        """Send statements for so long.

        Raises:
            RuntimeError: one failed.
        """
        for old in folder.glob("times.*"):
            old.unlink()
        written = folder / "statement.sql"
        written.write_text(self.script.text)
        defined = [f"-D{name}={value}" for name, value in self.script.defined.items()]
        threads = min(2, self.clients)
        command = ["-n", "-Mprepared", f"-c{self.clients}", f"-j{threads}", f"-T{seconds}"]
        log = ["-l", f"--log-prefix={folder / 'times'}", f"--random-seed={seed}"]
        found = programs()
        env = {**os.environ, **found.env, "PGOPTIONS": OPTIONS}
        done = subprocess.run(  # noqa: S603 - as built here
            [found.bin / "pgbench", *command, *log, *defined, "-f", written, self.url],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        if done.returncode != 0 or not rate:
            raise RuntimeError(f"pgbench said: {done.stdout}{done.stderr}")
        times = _times(folder)
        return Measured(float(rate[1]), statistics.median(times), _p95(times), len(times))


def _times(folder: Path) -> list[float]:
    """Return how long each transaction took, from pgbench's log, milliseconds."""
    lines = [line for path in folder.glob("times.*") for line in path.read_text().splitlines()]
    return [int(line.split()[2]) / 1000 for line in lines]


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
