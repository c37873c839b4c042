"""The embedded database: a real PostgreSQL with PostGIS, private to this checkout.

`running` finds the programs (or has them installed), makes the cluster once, starts it for the
first user, and stops it after the last. Standard library only: `make` runs this before the
Python environment exists.

Every user of a cluster holds a shared lock for as long as it lives, so the kernel counts them, even
those that were killed. Whoever leaves and can take the lock alone was the last, and stops it.
"""

import fcntl
import os
import shutil
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app import machine
from app.cluster import SUPERUSER, Cluster, at, put_to_rest, start, stop
from app.machine import CHECKOUT, Refusal, last_line
from app.postgis import programs

DATA = CHECKOUT / ".data"


@contextmanager
def running(name: str, *, durable: bool, under: Path = DATA, patience: float = 0) -> Iterator[str]:
    """Yield the URL of a running server, shared with whoever else uses it.

    `APP_DATABASE_URL` wins over everything. Otherwise the cluster of this name is made when it is
    missing, recovered when it crashed, started when it is down, and stopped by its last user, also
    on Ctrl-C, SIGTERM and SIGHUP.

    Args:
        name: The cluster, "demo" or "test".
        durable: False switches off fsync and its kin; for tests only.
        under: Folder that holds the clusters.
        patience: Seconds to wait, when leaving, for users that are ending too.

    Raises:
        Refusal: There is no PostGIS and no way to get it, the disk is full, or it cannot start.
    """
    if url := os.environ.get("APP_DATABASE_URL"):
        yield url
        return
    home = under.resolve() / name
    with machine.plainly(home):
        home.mkdir(parents=True, exist_ok=True)
        users = (home / "users.lock").open("a")
    with machine.signals_exit(), users:
        cluster = None
        try:
            with (
                machine.plainly(home),
                machine.signals_wait(),
                machine.locked(home / "start.lock"),
            ):
                cluster = at(home, durable=durable)
                fcntl.flock(users, fcntl.LOCK_SH)
                start(cluster)
            yield cluster.url
        finally:
            if cluster:
                with machine.signals_wait():
                    _leave(cluster, users.fileno(), time.monotonic() + patience)


def createdb(url: str, name: str) -> str:
    """Make a database, unless it exists, in an embedded server; return its URL.

    Raises:
        Refusal: The server would not.
    """
    host = urllib.parse.unquote(url.partition("host=")[2])
    done = programs().run("createdb", "-h", host, "-U", SUPERUSER, name)
    if done.returncode != 0 and "already exists" not in done.stdout:
        raise Refusal(f"The database {name} could not be made: {last_line(done.stdout)}.")
    return url.replace("/postgres?", f"/{name}?")


def discard(under: Path = DATA) -> None:
    """Stop every cluster and remove it, with all that it put outside the checkout.

    Raises:
        Refusal: One of them is in use.
    """
    for lock in under.resolve().glob("*/users.lock"):
        home = lock.parent
        with lock.open("a") as users, machine.locked(home / "start.lock"):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refusal(
                    f"The database {home.name} is in use: stop `make run` and `make test` first."
                ) from None
            with suppress(Refusal):
                cluster = at(home, durable=True)
                stop(cluster)
                put_to_rest(cluster)
    shutil.rmtree(under, ignore_errors=True)


def _leave(cluster: Cluster, users: int, deadline: float) -> None:
    """Give up this user's lock; the last user stops the server and puts the cluster to rest."""
    fcntl.flock(users, fcntl.LOCK_UN)
    while True:
        with machine.locked(cluster.home / "start.lock"), suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stop(cluster)
            put_to_rest(cluster)
            fcntl.flock(users, fcntl.LOCK_UN)
            return
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)  # noqa: TID251 - the kernel's locks have no deadline


def main(arguments: list[str]) -> int:
    """`hold NAME COMMAND...`: run a command while the cluster is up; stop it whatever happens.

    Raises:
        SystemExit: The arguments are not those.
    """
    match arguments:
        case ["hold", name, *command] if command:
            pass
        case _:
            raise SystemExit("usage: python -m app.postgres hold NAME COMMAND...")
    try:
        with running(name, durable=name != "test", patience=5):
            return machine.attended(command)
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
