"""Load: requests by wrk, statements by pgbench; and what each of them measured."""

import json
import os
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
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
    """

    base: str
    paths: Sequence[str]
    connections: int
    etags: Sequence[str] = ()

    def measure(self, seconds: int, folder: Path, seed: int) -> Measured:
        """Send requests for so long.

        Raises:
            RuntimeError: one was answered by anything but success, or none was answered.
        """
        listed = folder / "requests.txt"
        tags = self.etags or [""] * len(self.paths)
        pairs = zip(self.paths, tags, strict=True)
        listed.write_text("".join(f"{path}\t{tag}\n" for path, tag in pairs))
        command: list[str | Path] = [
            "wrk",
            f"-t{min(2, self.connections)}",
            f"-c{self.connections}",
            f"-d{seconds}s",
            "-s",
            _LUA,
        ]
        done = run([*command, self.base, "--", listed, str(seed)])
        found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
        if not found:
            raise RuntimeError(f"wrk said: {done.stdout}")
        told = json.loads(found[1])
        if told.pop("failed") or not told["requests"]:
            raise RuntimeError(f"requests failed: {done.stdout}")
        return Measured(**told)


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
