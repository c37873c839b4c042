"""The embedded database: shared, stopped by its last user, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy

from app import cluster, debian, machine, postgis, postgres
from app.machine import CHECKOUT, Refusal

# A shell that runs the tests in the background makes them, and so this child, deaf to SIGINT.
HOLDER = """
import signal
import sys
from pathlib import Path
from app import postgres
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with postgres.running("own", durable=False, under=Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module", autouse=True)
def no_other_server() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("APP_DATABASE_URL", raising=False)
        yield


@pytest.fixture(scope="module")
def under() -> Iterator[Path]:
    """A folder of clusters that the server's account can reach, as pytest's own is not."""
    folder = CHECKOUT / ".data" / f"test_postgres-{os.getpid()}"
    yield folder
    postgres.discard(folder)


@pytest.fixture
def holder(under: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start another process that uses the cluster until its input ends."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(under)]
        process = subprocess.Popen(  # noqa: S603 - this very Python
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout
        assert process.stdout.readline().startswith("postgresql+psycopg://")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def server(under: Path) -> int | None:
    """The number of the cluster's server, or None when none runs."""
    for found in under.resolve().glob("own/pg/data/postmaster.pid"):
        return int(found.read_text().split()[0])
    return None


def ended(number: int) -> bool:
    """Whether a process has ended, a few seconds granted (a dead child may wait to be reaped)."""
    deadline = time.monotonic() + 10
    stat = Path(f"/proc/{number}/stat")
    while time.monotonic() < deadline:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
    return False


def copied(under: Path, to: Path, *, mode: int) -> Path:
    """Another folder with the same cluster in it, which is quicker than making one."""
    with postgres.running("own", durable=False, under=under):
        pass
    to.mkdir(mode=mode)
    assert machine.run(["cp", "-a", under / "own", to]).returncode == 0
    return to


def answer(url: str, question: str) -> object:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        return connection.scalar(sqlalchemy.text(question))


def test_the_last_user_stops_the_server(under: Path) -> None:
    with postgres.running("own", durable=False, under=under) as url:
        first = server(under)
        with postgres.running("own", durable=False, under=under) as same:
            assert same == url
            assert server(under) == first
        assert answer(url, "SELECT 1") == 1
    assert first is not None
    assert ended(first)
    assert server(under) is None


def test_a_server_is_private_and_knows_chinese(under: Path) -> None:
    with postgres.running("own", durable=False, under=under) as url:
        assert answer(url, "SHOW listen_addresses") == ""
        assert answer(url, "SHOW fsync") == "off"
        assert answer(url, "SHOW server_encoding") == "UTF8"
        own = postgres.createdb(url, "own")
        assert postgres.createdb(url, "own") == own
        assert answer(own, "SELECT current_database()") == "own"
        engine = sqlalchemy.create_engine(own, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE EXTENSION postgis"))
            connection.execute(sqlalchemy.text("CREATE EXTENSION pg_trgm"))
        assert answer(own, "SELECT ST_Distance('POINT(0 0)'::geography, 'POINT(0 0)')") == 0
        similar = answer(own, "SELECT similarity('淄川区党群服务中心', '党群服务中心')")
        assert isinstance(similar, float)
        assert similar > 0.3


def test_a_durable_cluster_syncs(under: Path) -> None:
    with postgres.running("own", durable=True, under=under) as url:
        assert answer(url, "SHOW fsync") == "on"
        assert answer(url, "SHOW synchronous_commit") == "on"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_user_that_is_told_to_end_leaves_no_server(
    under: Path, holder: Callable[[], subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = holder()
    running = server(under)
    assert running is not None
    process.send_signal(number)
    assert process.wait(timeout=30) != 0
    assert ended(running)


def test_a_killed_user_leaves_a_server_that_the_next_one_uses_and_stops(
    under: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    process = holder()
    left = server(under)
    assert left is not None
    process.kill()
    process.wait()
    with postgres.running("own", durable=False, under=under) as url:
        assert server(under) == left
        assert answer(url, "SELECT 1") == 1
    assert ended(left)


def test_a_living_user_keeps_the_server(
    under: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    process = holder()
    with postgres.running("own", durable=False, under=under) as url:
        process.communicate()
        assert answer(url, "SELECT 1") == 1
    assert server(under) is None


def test_a_killed_server_is_recovered(under: Path) -> None:
    with postgres.running("own", durable=False, under=under) as url:
        lost = server(under)
        assert lost is not None
        os.kill(lost, signal.SIGKILL)
        assert ended(lost)
        with postgres.running("own", durable=False, under=under):
            assert server(under) != lost
            assert answer(url, "SELECT 1") == 1


def test_a_number_that_belongs_to_another_process_by_now_is_no_obstacle(under: Path) -> None:
    with postgres.running("own", durable=False, under=under):
        pass
    mark = under / "own" / "pg" / "data" / "postmaster.pid"
    mark.write_text(f"{os.getpid()}\n")
    with postgres.running("own", durable=False, under=under) as url:
        assert answer(url, "SELECT 1") == 1


def test_half_a_cluster_is_made_anew(under: Path) -> None:
    half = under / "half"
    (half / "own" / "pg" / "data.new").mkdir(parents=True)
    with postgres.running("own", durable=False, under=half) as url:
        assert answer(url, "SELECT 1") == 1
    postgres.discard(half)


def test_a_long_path_gets_a_short_socket(under: Path) -> None:
    deep = copied(under, under / ("very-long-name-" * 7), mode=0o755)
    with postgres.running("own", durable=False, under=deep) as url:
        assert answer(url, "SELECT 1") == 1
        sockets = Path(url.partition("host=")[2])
        assert len(str(sockets)) < 80
    assert not sockets.exists()
    postgres.discard(deep)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a home that its server cannot enter")
def test_a_closed_checkout_is_left_while_running_and_returned_to(under: Path) -> None:
    closed = copied(under, under / "closed", mode=0o700)
    before = set(cluster.FAR.glob("party-map-*"))
    for _ in range(2):
        with postgres.running("own", durable=False, under=closed) as url:
            assert answer(url, "SELECT 1") == 1
            (far,) = set(cluster.FAR.glob("party-map-*")) - before
        assert not far.exists()
        assert (closed / "own" / "pg" / "data" / "PG_VERSION").exists()
    postgres.discard(closed)


def test_a_cluster_in_use_is_not_discarded(under: Path) -> None:
    with (
        postgres.running("own", durable=False, under=under),
        pytest.raises(Refusal, match="in use: stop `make run`"),
    ):
        postgres.discard(under)


def test_a_command_is_held_and_its_exit_code_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "postgresql://elsewhere")
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    assert postgres.main(["hold", "test", *command]) == 3


def test_a_named_server_is_used_instead(under: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_DATABASE_URL", "postgresql://elsewhere")
    with postgres.running("elsewhere", durable=True, under=under) as url:
        assert url == "postgresql://elsewhere"
    assert not (under / "elsewhere").exists()


def test_no_postgis_and_no_right_to_install_it_is_one_sentence(
    under: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgis, "FOLDERS", ())
    monkeypatch.setattr(postgis, "UNPACKED", tmp_path / "postgresql")
    monkeypatch.setattr(debian, "rights", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = r"^There is no PostgreSQL with PostGIS: install both [^.]*\.$"
    with pytest.raises(Refusal, match=sentence):
        postgres.running("none", durable=False, under=under).__enter__()


def test_packages_that_cannot_be_had_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho E: Unable to fetch some archives\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setattr(postgis, "FOLDERS", ())
    monkeypatch.setattr(postgis, "UNPACKED", tmp_path / "postgresql")
    monkeypatch.setattr(debian, "rights", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(Refusal, match=r"no right to install one .*Unable to fetch.*ask an admin"):
        postgis.programs()
    monkeypatch.setattr(debian, "rights", lambda: ())
    monkeypatch.setattr(debian, "_no_system_cluster", lambda _prefix: machine.plainly(tmp_path))
    with pytest.raises(Refusal, match=r"apt could not install postgresql-postgis .E: Unable"):
        postgis.programs()


def test_a_database_of_another_release_is_one_sentence() -> None:
    with pytest.raises(Refusal, match="made by PostgreSQL 7, which is gone: install PostgreSQL 7"):
        postgis.programs(7)


def test_a_full_disk_is_one_sentence(under: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match=r"is full .* MB needed.*: free some space"):
        machine.space_needed(CHECKOUT, 10**9)
    with pytest.raises(Refusal, match="is full: free some space"), machine.plainly(under):
        raise OSError(28, machine.DISK_FULL)


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match=f"Port {port} of 127.0.0.1 .*APP_PORT={port + 1}"):
            machine.port_needed("127.0.0.1", port)
    machine.port_needed("127.0.0.1", port)


def test_a_server_that_cannot_start_says_why(under: Path) -> None:
    broken = copied(under, under / "broken", mode=0o755)
    (broken / "own" / "pg" / "data" / "global" / "pg_control").unlink()
    with pytest.raises(Refusal, match=r"did not start .*pg_control.*: mend that"):
        postgres.running("own", durable=False, under=broken).__enter__()
    postgres.discard(broken)
    assert not broken.exists()
