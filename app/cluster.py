"""One cluster of PostgreSQL: its folders, and how it is made, started, stopped and moved.

Standard library only: `make` runs this before the Python environment exists.
"""

import hashlib
import os
import pwd
import shutil
import sys
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from app import machine
from app.machine import CHECKOUT, Refusal, last_line, run, say
from app.postgis import Programs, programs

FAR = Path("/var/tmp")  # noqa: S108 - folders in it are 0700 and their owner is checked
NEAR = Path("/tmp")  # noqa: S108 - the same; short enough for a socket
SOCKET_PATH_LIMIT = 107  # bytes; the kernel's
SOCKET_NAME = ".s.PGSQL.5432"
SUPERUSER = "postgres"
START_SECONDS = 120

_SETTINGS = """\
# Written anew at every start by app/cluster.py.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
dynamic_shared_memory_type = {sharing}
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
random_page_cost = 1.1
jit = off
timezone = 'UTC'
lc_messages = 'C'
log_timezone = 'UTC'
log_min_duration_statement = 1s
"""
_CARELESS = """\
fsync = off
full_page_writes = off
synchronous_commit = off
"""


@dataclass(frozen=True)
class Cluster:
    """One cluster's folders.

    Attributes:
        found: The programs that made it.
        home: Folder in the checkout; the locks are here.
        place: Where the cluster lies while it runs: in `home`, unless the server's user cannot get
            there (a checkout in root's closed home); it is moved back when it stops.
        durable: Whether a power cut may lose nothing (fsync on).
        user: Account the server runs as; None means the present one.
    """

    found: Programs
    home: Path
    place: Path
    durable: bool
    user: str | None

    @property
    def rest(self) -> Path:
        """Where the cluster lies while it is stopped."""
        return self.home / "pg"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.place / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.place / "log"

    @property
    def sockets(self) -> Path:
        """Folder of the socket: the cluster's own unless its path is too long for the kernel."""
        if len(os.fsencode(self.place / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
            return self.place
        return NEAR / f"party-map-{_digest(self.place)}"

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database that every cluster has."""
        host = urllib.parse.quote(str(self.sockets))
        return f"postgresql+psycopg://{SUPERUSER}@/postgres?host={host}"


def at(home: Path, *, durable: bool) -> Cluster:
    """Find the programs and the folders of the cluster whose home this is.

    Raises:
        Refusal: There are no programs, or no account to run them.
    """
    root = os.geteuid() == 0
    away = FAR / f"party-map-{_digest(home)}"
    versions = [folder / "data" / "PG_VERSION" for folder in (away, home / "pg")]
    made_by = [int(path.read_text()) for path in versions if path.exists()]
    found = programs(made_by[0] if made_by else None)
    if not root:
        return Cluster(found, home, home / "pg", durable, None)
    _account_for_root()
    reachable = run(["test", "-x", home], user=SUPERUSER).returncode == 0
    return Cluster(found, home, home / "pg" if reachable else away, durable, SUPERUSER)


def _account_for_root() -> None:
    try:
        pwd.getpwnam(SUPERUSER)
    except KeyError:
        raise Refusal(
            "PostgreSQL refuses to run as root, and there is no account named postgres: make one "
            "with `useradd --system postgres`, or run this as an ordinary user."
        ) from None


def start(cluster: Cluster) -> None:
    """Bring the cluster up, whatever state it is in."""
    if _answers(cluster):
        return
    _fetch(cluster)
    if not cluster.data.exists():
        _initialise(cluster)
    _forget_the_dead(cluster)
    _own_folder(cluster.sockets, cluster.user)
    (cluster.data / "postgresql.conf").write_text(_settings(cluster))
    arguments = ("-D", cluster.data, "-l", cluster.log, "-w", "-t", str(START_SECONDS))
    cluster.log.unlink(missing_ok=True)
    done = cluster.found.run("pg_ctl", "start", *arguments, user=cluster.user)
    if done.returncode != 0:
        stop(cluster)
        log = cluster.log.read_text(errors="replace") if cluster.log.exists() else ""
        _explain(cluster, log or done.stdout)


def _settings(cluster: Cluster) -> str:
    shared = run(["test", "-w", "/dev/shm"], user=cluster.user).returncode == 0  # noqa: S108
    sharing = "posix" if shared or sys.platform == "darwin" else "mmap"
    settings = _SETTINGS.format(sockets=cluster.sockets, sharing=sharing)
    return settings if cluster.durable else settings + _CARELESS


def _answers(cluster: Cluster) -> bool:
    asked = cluster.found.run(
        "pg_isready", "-q", "-t", "5", "-h", cluster.sockets, user=cluster.user
    )
    return asked.returncode == 0


def _initialise(cluster: Cluster) -> None:
    """Make the data folder beside its place and rename it, so that half a one is never used."""
    say(f"making the database cluster in {cluster.place}")
    machine.space_needed(cluster.place, 300)
    new = cluster.place / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    locale = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"  # C finds no Chinese trigrams
    options = ["--encoding=UTF8", f"--locale={locale}", "--auth=trust", f"--username={SUPERUSER}"]
    if not cluster.durable:
        options.append("--no-sync")
    done = cluster.found.run("initdb", *options, f"--pgdata={new}", user=cluster.user)
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        _explain(cluster, done.stdout)
    new.rename(cluster.data)


def _forget_the_dead(cluster: Cluster) -> None:
    """Stop a server that is neither up nor down, and drop the marks of one that was killed.

    A killed server's number may belong to another process by now, which PostgreSQL would take for
    itself.
    """
    mark = cluster.data / "postmaster.pid"
    if not mark.exists():
        return
    number = mark.read_text().partition("\n")[0]
    if str(cluster.data) in _command_of(number):
        stop(cluster)
    for stale in (mark, cluster.sockets / SOCKET_NAME, cluster.sockets / f"{SOCKET_NAME}.lock"):
        stale.unlink(missing_ok=True)


def _command_of(number: str) -> str:
    """The command line of a process, or nothing when there is no such process."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{number}/cmdline").read_text()
        except OSError:
            return ""
    return run(["ps", "-ww", "-o", "command=", "-p", number]).stdout


def stop(cluster: Cluster) -> None:
    """Stop the server, ending its sessions; nothing happens when it is down."""
    arguments = ("-D", cluster.data, "-m", "fast", "-w", "-t", str(START_SECONDS))
    cluster.found.run("pg_ctl", "stop", *arguments, user=cluster.user)


def _own_folder(folder: Path, user: str | None) -> None:
    """Make a folder that only the server's account opens; /tmp is everybody's, so look first.

    Raises:
        Refusal: Somebody else made it.
    """
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.lstat().st_uid == owner and not folder.is_symlink():
        return
    if os.geteuid() != 0 or not (made or folder.is_relative_to(CHECKOUT)):
        raise Refusal(
            f"{folder} belongs to another account: remove it as that account (`make clean`), "
            "then run this again."
        )
    run(["chown", "-R", f"{owner}", folder])


def _fetch(cluster: Cluster) -> None:
    """Put the cluster where its server can reach it; a copy there is newer than the one here."""
    if cluster.place != cluster.rest and cluster.rest.exists():
        if cluster.place.exists():
            shutil.rmtree(cluster.rest)
        else:
            machine.move(cluster.rest, cluster.place)
    _own_folder(cluster.place, cluster.user)


def put_to_rest(cluster: Cluster) -> None:
    """Leave nothing outside the checkout."""
    if cluster.sockets != cluster.place:
        shutil.rmtree(cluster.sockets, ignore_errors=True)
    if cluster.place != cluster.rest and cluster.place.exists():
        shutil.rmtree(cluster.rest, ignore_errors=True)
        machine.move(cluster.place, cluster.rest)


def _explain(cluster: Cluster, output: str) -> NoReturn:
    """Refuse in a sentence, from what a program of PostgreSQL said.

    Raises:
        Refusal: Always.
    """
    if machine.DISK_FULL in output:
        raise Refusal(
            f"The disk that holds {cluster.place} is full: free some space and run this again."
        )
    wrong = [line for line in output.splitlines() if "FATAL" in line or "error:" in line]
    reason = last_line("\n".join(wrong) or output)
    raise Refusal(
        f"The database in {cluster.place} did not start ({reason}): "
        f"mend that, or begin anew after `make clean`."
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
