"""What the bench needs besides: a load generator, and the servers it compares with."""

import shutil
from pathlib import Path

from app import debian
from app.machine import Refusal, run, say
from setup import environment
from setup.steps import DATA, digest, once

PEERS = DATA / "peers"
"""Their environment: they want other packages than the product does."""


def get() -> None:
    """See to it that there is wrk, and the environment of the other servers."""
    get_load()
    lock = environment.LOCKS / "bench.txt"
    once(PEERS / "made", digest([lock, environment.LOCKS / "build.txt"]), lambda: _fill(lock))


def get_load() -> None:
    """See to it that there is a load generator.

    Raises:
        Refusal: wrk is not there and cannot be installed.
    """
    if not shutil.which("wrk") and debian.may_install():
        debian.install("wrk")
    if not shutil.which("wrk"):
        raise Refusal("The bench needs wrk: install it (`apt-get install wrk`) and run this again.")


def _fill(lock: Path) -> None:
    say("installing the servers to compare with")
    python = PEERS / "bin" / "python"
    shutil.rmtree(PEERS, ignore_errors=True)
    done = run([environment.UV, "venv", "-q", "--python", environment.PYTHON, PEERS])
    if done.returncode != 0:
        raise Refusal(f"uv could not make {PEERS}: {done.stdout.strip()}")
    build = ("--build-constraints", environment.LOCKS / "build.txt")
    environment.uv("sync", "--compile-bytecode", "--require-hashes", *build, lock, python=python)
