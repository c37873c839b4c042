"""Exports while disks are full, stores are away and makers die: nothing half, nothing for ever."""

import gc
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import AuditEvent, Export, JobRow
from app.services import (
    audit,
    booking_tables,
    export_orders,
    export_runs,
    exports,
    job_rows,
    table_sheets,
)
from app.services.access import Actor
from app.services.export_orders import key_of
from app.services.exports import Media
from app.services.table_notes import Asked
from app.services.tables import Cell, Table
from app.storage import Folder, StorageUnavailable
from tests.api.replies import refused
from tests.conftest import NOW
from tests.makers import World, make_completed, make_export, make_world, signed_in

PATH = "/api/v1/exports"
SECOND, WEEK = timedelta(seconds=1), timedelta(days=8)


class Failing(Folder):
    """A folder with room for so many pieces; `away`, it neither gives nor forgets any."""

    room = 10**9
    away = False
    before: frozenset[str] = frozenset()
    """What others had put there."""

    def put(self, key: str, content: bytes) -> None:
        if self.room <= 0:
            raise StorageUnavailable
        self.room -= 1
        super().put(key, content)

    def delete(self, key: str) -> None:
        if self.away:
            raise StorageUnavailable
        super().delete(key)

    def all(self) -> set[str]:
        return {path.name for path in self.root.rglob("*") if path.is_file()}

    def kept(self) -> list[str]:
        return sorted(self.all() - self.before)


@pytest.fixture
def storage(photo_folder: Path) -> Failing:
    storage = Failing(photo_folder)
    storage.before = frozenset(storage.all())
    return storage


@pytest.fixture
def world(own_engine: Engine) -> World:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        make_completed(session, world)
        session.flush()
        session.expunge_all()
    return world


@pytest.fixture
def headers(own_engine: Engine, world: World) -> dict[str, str]:
    with Session(own_engine) as session, session.begin():
        return signed_in(session, world.district_staff)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_runs, "PIECE_BYTES", 100)
    monkeypatch.setattr(export_orders, "PIECE_BYTES", 100)


def asked(engine: Engine, world: World, media: Media = Media.CSV) -> UUID:
    with Session(engine) as session, session.begin():
        return make_export(session, world.district_staff, media=media).id


def make(engine: Engine, storage: Folder, later: timedelta = timedelta(0)) -> int:
    return export_runs.make_due(engine, now=lambda: NOW + later, storage=storage)


def found(engine: Engine, export_id: UUID) -> Export:
    with Session(engine) as session:
        return session.get_one(Export, export_id)


def failure(engine: Engine) -> JobRow:
    with Session(engine) as session:
        return session.exec(select(JobRow).where(JobRow.job == export_runs.JOB)).one()


def test_a_store_without_room_is_told_of_and_tried_again(
    own_engine: Engine,
    own_client: TestClient,
    storage: Failing,
    world: World,
    headers: dict[str, str],
) -> None:
    export_id = asked(own_engine, world)
    storage.room = 3
    assert make(own_engine, storage) == 0
    assert storage.kept() == []  # what was there of it takes no room
    told = own_client.get(f"{PATH}/{export_id}", headers=headers).json()
    assert (told["state"], told["problem"]) == ("waiting", "storage-unavailable")
    not_yet = own_client.get(f"{PATH}/{export_id}/file", headers=headers)
    assert refused(not_yet, 409, "export-not-ready")["problem"] == "storage-unavailable"
    storage.room = 10**9
    assert make(own_engine, storage, SECOND) == 0  # not at once
    assert make(own_engine, storage, job_rows.wait_after(1)) == 1
    told = own_client.get(f"{PATH}/{export_id}", headers=headers).json()
    assert (told["state"], told["problem"]) == ("done", None)
    assert own_client.get(f"{PATH}/{export_id}/file", headers=headers).status_code == 200
    with Session(own_engine) as session:
        assert session.exec(select(JobRow)).all() == []


def test_one_that_fails_stops_no_other_and_is_parked(
    own_engine: Engine, storage: Failing, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsound, sound = asked(own_engine, world, Media.XLSX), asked(own_engine, world)
    write = exports.write

    def full(made: Table, media: Media, file: BinaryIO) -> int:
        if media is Media.XLSX:
            raise StorageUnavailable
        return write(made, media, file)

    monkeypatch.setattr(exports, "write", full)
    assert make(own_engine, storage) == 1
    assert found(own_engine, sound).state == "done"
    later = timedelta(0)
    for n in range(1, job_rows.MOST_ATTEMPTS):
        later += job_rows.wait_after(n)
        make(own_engine, storage, later)
    parked = failure(own_engine)
    assert (parked.row_id, parked.attempts) == (unsound, job_rows.MOST_ATTEMPTS)
    assert parked.parked_at == NOW + later
    make(own_engine, storage, later + timedelta(days=1))
    assert found(own_engine, unsound).attempt == job_rows.MOST_ATTEMPTS
    monkeypatch.setattr(exports, "write", write)
    with Session(own_engine) as session, session.begin():
        job_rows.retry(session, row_id=parked.id)
    assert make(own_engine, storage, later + timedelta(days=1)) == 1
    assert found(own_engine, unsound).state == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a ZipFile's end
@pytest.mark.parametrize("media", Media)
def test_a_full_disk_is_no_fault_of_ours(
    own_engine: Engine,
    own_client: TestClient,
    storage: Failing,
    world: World,
    headers: dict[str, str],
    media: Media,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The kernel's own full disk, under whatever opens a file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(exports, "TemporaryFile", lambda: open("/dev/full", "w+b"))  # noqa: PTH123, SIM115
    reply = own_client.get(f"/api/v1/statistics/bookings.{media}", headers=headers)
    refused(reply, 503, "storage-unavailable")
    export_id = asked(own_engine, world, media)
    assert make(own_engine, storage) == 0
    assert found(own_engine, export_id).problem == "storage-unavailable"
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    with Session(own_engine) as session:
        events = session.exec(select(AuditEvent.action).where(AuditEvent.noun == "export")).all()
        assert set(events) <= {"ask"}


def test_a_sheet_that_is_given_up_leaves_nothing_behind(
    own_engine: Engine,
    storage: Failing,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Whoever is too late stops in the midst of a row."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    export_id = asked(own_engine, world, Media.XLSX)
    made = booking_tables.make

    def late(session: Session, actor: Actor, asked: Asked) -> Table:
        table = made(session, actor, asked)

        def rows() -> Iterator[Sequence[Cell]]:
            yield from table.rows
            assert list(tmp_path.iterdir()) != []
            raise export_runs._Superseded

        return replace(table, rows=rows())

    monkeypatch.setitem(exports.TABLES, "bookings", late)
    assert make(own_engine, storage) == 0
    assert list(tmp_path.iterdir()) == []
    assert storage.kept() == []
    assert found(own_engine, export_id).state == "running"


KILLED = """
import os, signal, sys
from io import BytesIO
from app.services import table_sheets
from app.services.tables import Column, Table

def rows():
    yield ("一",)
    print("begun", flush=True)
    if sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()

table_sheets.write(Table("t", "t", (Column("c", "列", "C"),), rows(), 2, ()), BytesIO())
"""


def test_what_the_killed_left_is_removed_and_what_is_held_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = [sys.executable, "-c", KILLED]
    dead = subprocess.run([*command, "die"], check=False, capture_output=True)  # noqa: S603 - ours
    assert dead.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "wait"], stdin=pipe, stdout=pipe) as alive:  # noqa: S603
        assert alive.stdout is not None
        assert alive.stdout.readline() == b"begun\n"
        (held,) = set(tmp_path.iterdir()) - {left}
        with table_sheets._folder():  # both are too young to tell
            assert {left, held} < set(tmp_path.iterdir())
        monkeypatch.setattr(table_sheets, "_YOUNG_S", -60)
        with table_sheets._folder() as own:
            assert set(tmp_path.iterdir()) == {held, Path(own)}
        alive.communicate(b"")
    assert alive.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_late_one_takes_its_pieces_with_it(
    own_engine: Engine, storage: Failing, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = asked(own_engine, world)
    keep = export_runs._keep

    def slow(*args: object) -> str:
        monkeypatch.setattr(export_runs, "_keep", keep)
        digest = keep(*args)  # type: ignore[arg-type]
        assert make(own_engine, storage, export_runs.LEASE) == 1
        return digest

    monkeypatch.setattr(export_runs, "_keep", slow)
    assert make(own_engine, storage) == 0
    done = found(own_engine, export_id)
    count = -(-(done.size_bytes or 0) // 100)
    assert (done.state, done.attempt) == ("done", 2)
    assert storage.kept() == sorted(key_of(export_id, 2, n) for n in range(count))


def test_whoever_keeps_pieces_holds_on_to_it(
    own_engine: Engine, storage: Failing, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that takes its time is no reason to begin anew."""
    export_id = asked(own_engine, world)
    late = [timedelta(0)]
    put = storage.put

    def slow(key: str, content: bytes) -> None:
        put(key, content)
        late[0] += export_runs.LEASE / 2
        assert export_runs._claim(own_engine, NOW + late[0]) is None

    monkeypatch.setattr(storage, "put", slow)
    assert export_runs.make_due(own_engine, now=lambda: NOW + late[0], storage=storage) == 1
    assert found(own_engine, export_id).attempt == 1
    assert late[0] > 2 * export_runs.LEASE


def test_an_answer_lost_at_the_commit_loses_no_file(
    own_engine: Engine, storage: Failing, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = asked(own_engine, world)
    sign = audit.sign

    def signed(session: Session, **facts: object) -> None:
        sign(session, **facts)  # type: ignore[arg-type]
        transaction = session.get_transaction()
        assert transaction is not None
        finish = transaction.commit

        def committed(*args: object, **how: object) -> None:
            finish(*args, **how)  # type: ignore[arg-type]
            raise ConnectionError

        monkeypatch.setattr(transaction, "commit", committed)

    monkeypatch.setattr(audit, "sign", signed)
    assert make(own_engine, storage) == 0
    done = found(own_engine, export_id)
    assert done.state == "done"
    assert len(b"".join(export_orders.pieces(done, storage))) == done.size_bytes


def test_rows_are_forgotten_with_their_files_and_not_before(
    own_engine: Engine, storage: Failing, world: World
) -> None:
    first, second = asked(own_engine, world), asked(own_engine, world)
    assert make(own_engine, storage) == 2
    storage.away = True
    assert make(own_engine, storage, WEEK) == 0
    assert found(own_engine, first).state == found(own_engine, second).state == "done"
    assert len(storage.kept()) > 6
    storage.away = False
    assert make(own_engine, storage, WEEK + SECOND) == 0
    assert make(own_engine, storage, WEEK + job_rows.wait_after(1)) == 2
    assert storage.kept() == []
    with Session(own_engine) as session:
        assert session.exec(select(Export)).all() == []
        assert session.exec(select(JobRow)).all() == []


def test_what_is_over_makes_room_for_what_waits(
    own_engine: Engine, storage: Failing, world: World
) -> None:
    asked(own_engine, world)
    make(own_engine, storage)
    with Session(own_engine) as session, session.begin():
        export = make_export(session, world.district_staff)
        export.expires_at = NOW + 2 * WEEK
        new = export.id
    delete = storage.delete

    def freed(key: str) -> None:
        delete(key)
        storage.room = 10**9

    storage.room = 0
    storage.delete = freed  # type: ignore[method-assign]
    assert make(own_engine, storage, WEEK) == 2
    assert found(own_engine, new).state == "done"


def test_one_that_is_begun_meanwhile_is_not_forgotten(
    own_engine: Engine, storage: Failing, world: World
) -> None:
    export_id = asked(own_engine, world)
    over = (Export.expires_at <= NOW + WEEK, Export.state != "running")
    assert export_runs._claim(own_engine, NOW + WEEK) is not None
    assert export_runs._forget_one(own_engine, export_id, over, storage) == 0  # type: ignore[arg-type]
    assert found(own_engine, export_id).state == "running"
