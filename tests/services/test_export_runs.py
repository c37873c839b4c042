"""Exports made by the clock: whole, by one, anew after a death, and for who may have them still."""

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.models import Account, AuditEvent, Export, ExportState, Grant, OrganisationKind, Role
from app.services import booking_tables, demand_tables, export_orders, export_runs, exports, verify
from app.services.access import Actor
from app.services.exports import Media
from app.services.table_notes import Asked
from app.services.tables import Cell, Table
from app.storage import Folder
from tests.api.replies import refused
from tests.conftest import NOW, plain
from tests.makers import (
    World,
    make_account,
    make_completed,
    make_export,
    make_grant,
    make_organisation,
    make_world,
    signed_in,
)
from tests.races import at_once

PATH = "/api/v1/exports"


@dataclass(frozen=True)
class Ground:
    """A committed district with one visit, and the store that the application reads."""

    engine: Engine
    world: World
    storage: Folder
    headers: dict[str, str]

    def make(self, later: timedelta = timedelta(0)) -> int:
        return export_runs.make_due(self.engine, now=lambda: NOW + later, storage=self.storage)

    def asked(self, who: Account | None = None, media: Media = Media.CSV) -> UUID:
        with Session(self.engine) as session, session.begin():
            return make_export(session, who or self.world.district_staff, media=media).id

    def found(self, export_id: UUID) -> Export:
        with Session(self.engine) as session:
            return session.get_one(Export, export_id)


@pytest.fixture
def ground(own_engine: Engine, photo_folder: Path) -> Ground:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        make_completed(session, world)
        headers = signed_in(session, world.district_staff)
        session.flush()
        session.expunge_all()
    return Ground(own_engine, world, Folder(photo_folder), headers)


@pytest.mark.parametrize("media", Media)
def test_what_is_asked_for_can_be_fetched(
    ground: Ground, own_client: TestClient, media: Media
) -> None:
    said = {"table": "bookings", "media": media, "from": "2026-01-01", "to": "2027-06-30"}
    key = {"Idempotency-Key": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f71"}
    first, again = (
        own_client.post(PATH, json=said, headers=ground.headers | key) for _ in range(2)
    )
    assert first.status_code == 202, first.text
    assert again.json() == first.json()
    own = f"{PATH}/{first.json()['id']}"
    assert first.json()["state"] == "waiting"
    waits = own_client.get(f"{own}/file", headers=ground.headers)
    assert refused(waits, 409, "export-not-ready")["state"] == "waiting"
    assert ground.make() == 1
    assert ground.make() == 0
    told = own_client.get(own, headers=ground.headers).json()
    assert (told["state"], told["rows_total"], told["rows_done"]) == ("done", 1, 1)
    assert (told["from"], told["to"]) == ("2026-01-01", "2027-06-30")
    reply = own_client.get(f"{own}/file", headers=ground.headers)
    assert reply.status_code == 200
    assert hashlib.sha256(reply.content).hexdigest() == told["sha256"]
    assert len(reply.content) == told["size_bytes"] == int(reply.headers["content-length"])
    params = {"from": "2026-01-01", "to": "2027-06-30"}
    direct = own_client.get(
        f"/api/v1/statistics/bookings.{media}", headers=ground.headers, params=params
    )
    if media is Media.CSV:
        assert direct.content == reply.content
    assert direct.headers["content-type"] == reply.headers["content-type"]
    listed = own_client.get(PATH, headers=ground.headers).json()
    assert [item["id"] for item in listed["items"]] == [told["id"]]
    with Session(ground.engine) as session:
        events = session.exec(
            select(AuditEvent).where(AuditEvent.noun == "export").order_by(AuditEvent.number)  # type: ignore[arg-type]
        ).all()
        actions = [event.action for event in events]
        assert actions == ["ask", "export", "download", "export"]
        assert [event.after["rows"] for event in events] == [None, 1, 1, 1]
        assert {event.actor_id for event in events} == {ground.world.district_staff.id}
        assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("name", exports.TABLES)
def test_every_table_can_be_asked_for(ground: Ground, own_client: TestClient, name: str) -> None:
    """What it is asked for beside its days is not forgotten till it is made."""
    period = {"from": "2026-11-25", "to": "2027-06-30"}
    options = {"silent_days": 7, "radius_m": 50_000, "people": 61}
    said = {"table": name, "media": "csv", **period, **options}
    asked = own_client.post(PATH, json=said, headers=ground.headers)
    assert asked.status_code == 202, asked.text
    assert ground.make() == 1
    made = own_client.get(f"{PATH}/{asked.json()['id']}/file", headers=ground.headers)
    direct: dict[str, dict[str, int]] = {
        "coverage": {"silent_days": 7},
        "reach": {"radius_m": 50_000, "people": 61},
    }
    params: dict[str, str | int] = {**period, **direct.get(name, {})}
    path = f"/api/v1/statistics/{name}.csv"
    assert made.content == own_client.get(path, headers=ground.headers, params=params).content


def test_one_too_large_to_count_is_not_tried_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand_tables, "MOST", -1)
    with Session(ground.engine) as session, session.begin():
        export_id = make_export(session, ground.world.district_staff, name="demand").id
    assert ground.make() == 1
    found = ground.found(export_id)
    assert (found.state, found.problem) == (ExportState.FAILED, "table-too-large")


def test_a_file_of_many_pieces_is_one(
    ground: Ground, own_client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_runs, "PIECE_BYTES", 100)
    monkeypatch.setattr(export_orders, "PIECE_BYTES", 100)
    export_id = ground.asked()
    ground.make()
    made = ground.found(export_id)
    assert (made.size_bytes or 0) > 300
    content = own_client.get(f"{PATH}/{export_id}/file", headers=ground.headers).content
    assert hashlib.sha256(content).hexdigest() == made.sha256
    week = timedelta(days=8)
    assert ground.make(week) == 1
    assert ground.storage.get(export_orders.key_of(export_id, 1, 0)) is None
    assert ground.storage.get(export_orders.key_of(export_id, 1, 3)) is None
    refused(own_client.get(f"{PATH}/{export_id}", headers=ground.headers), 404, "export-not-found")


def test_what_cannot_be_had_is_not_begun(ground: Ground, own_client: TestClient) -> None:
    export_id = ground.asked()
    ground.make()
    ground.storage.delete(export_orders.key_of(export_id, 1, 0))
    reply = own_client.get(f"{PATH}/{export_id}/file", headers=ground.headers)
    refused(reply, 503, "storage-unavailable")
    with Session(ground.engine) as session:
        events = session.exec(select(AuditEvent.action).where(AuditEvent.noun == "export")).all()
        assert "download" not in events


def test_only_its_owner_has_it(ground: Ground, own_client: TestClient) -> None:
    export_id = ground.asked()
    ground.make()
    with Session(ground.engine) as session, session.begin():
        other = make_account(session, Role.DISTRICT_STAFF, at=ground.world.district)
        headers = signed_in(session, other)
    for path in (f"{PATH}/{export_id}", f"{PATH}/{export_id}/file"):
        refused(own_client.get(path, headers=headers), 404, "export-not-found")
    assert own_client.get(PATH, headers=headers).json()["items"] == []


def end_grants(ground: Ground, who: Account) -> None:
    with Session(ground.engine) as session, session.begin():
        for grant in session.exec(select(Grant).where(Grant.account_id == who.id)):
            grant.ends_at = NOW - timedelta(hours=1)


def test_who_lost_the_role_cannot_fetch(ground: Ground, own_client: TestClient) -> None:
    export_id = ground.asked()
    ground.make()
    path = f"{PATH}/{export_id}/file"
    assert own_client.get(path, headers=ground.headers).status_code == 200
    end_grants(ground, ground.world.district_staff)
    refused(own_client.get(path, headers=ground.headers), 403, "not-in-scope")
    with Session(ground.engine) as session, session.begin():  # a smaller one is not enough
        make_grant(session, ground.world.district_staff, Role.TOWN_STAFF, at=ground.world.town)
    refused(own_client.get(path, headers=ground.headers), 403, "not-in-scope")
    with Session(ground.engine) as session, session.begin():
        make_grant(session, ground.world.district_staff, Role.AUDITOR, at=ground.world.district)
    assert own_client.get(path, headers=ground.headers).status_code == 200


def test_who_lost_the_role_before_gets_none(ground: Ground) -> None:
    export_id = ground.asked()
    end_grants(ground, ground.world.district_staff)
    assert ground.make() == 1
    found = ground.found(export_id)
    assert (found.state, found.problem) == (ExportState.FAILED, "not-in-scope")


def test_it_holds_what_its_owner_oversees(ground: Ground, own_client: TestClient) -> None:
    with Session(ground.engine) as session, session.begin():
        other = make_organisation(session, parent=ground.world.district, kind=OrganisationKind.TOWN)
        stranger = make_account(session, Role.TOWN_STAFF, at=other)
        theirs, headers = make_export(session, stranger).id, signed_in(session, stranger)
    ground.make()
    assert ground.found(theirs).rows_total == 0
    text_ = own_client.get(f"{PATH}/{theirs}/file", headers=headers).text
    assert ground.world.branch.name not in text_


def test_two_processes_make_each_once(ground: Ground) -> None:
    ids = [ground.asked() for _ in range(4)]
    made = at_once(2, lambda _: ground.make())
    assert sum(made) == 4
    assert {(ground.found(i).state, ground.found(i).attempt) for i in ids} == {("done", 1)}


def test_one_that_was_left_is_begun_anew_and_the_late_one_changes_nothing(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = ground.asked()
    made = booking_tables.make

    def slow(session: Session, actor: Actor, asked: Asked) -> Table:
        """The other one passes while this one writes."""
        table = made(session, actor, asked)

        def rows() -> Iterator[Sequence[Cell]]:
            exports.TABLES["bookings"] = made
            assert ground.make(export_runs.LEASE) == 1
            yield from table.rows

        return replace(table, rows=rows())

    monkeypatch.setitem(exports.TABLES, "bookings", slow)
    assert ground.make() == 0
    found = ground.found(export_id)
    assert (found.state, found.attempt) == ("done", 2)
    content = b"".join(export_orders.pieces(found, ground.storage))
    assert hashlib.sha256(content).hexdigest() == found.sha256


def test_a_leased_one_is_nobody_elses(ground: Ground) -> None:
    ground.asked()
    assert export_runs._claim(ground.engine, NOW) is not None
    assert export_runs._claim(ground.engine, NOW) is None
    assert export_runs._claim(ground.engine, NOW + export_runs.LEASE) is not None
    assert export_runs._claim(ground.engine, NOW + 2 * export_runs.LEASE) is not None
    assert export_runs._claim(ground.engine, NOW + 3 * export_runs.LEASE) is None
    with Session(ground.engine) as session:
        left = session.exec(select(Export.state, Export.problem)).all()
        assert left == [("failed", export_runs.LEFT)]


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from app.db import create_engine
from app.services import export_runs
from app.storage import Folder

put = Folder.put
def last(self, key, content):
    put(self, key, content)
    os.kill(os.getpid(), signal.SIGKILL)
Folder.put = last
export_runs.PIECE_BYTES = 100
now = datetime.fromisoformat(sys.argv[3])
export_runs.make_due(create_engine(sys.argv[1]), now=lambda: now, storage=Folder(Path(sys.argv[2])))
"""


def test_a_killed_process_leaves_it_to_the_next(ground: Ground, own_client: TestClient) -> None:
    export_id = ground.asked()
    url = plain(ground.engine.url)
    told = [url, str(ground.storage.root), NOW.isoformat()]
    done = subprocess.run([sys.executable, "-c", KILLED, *told], check=False)  # noqa: S603 - ours
    assert done.returncode == -signal.SIGKILL
    assert ground.storage.get(export_orders.key_of(export_id, 1, 0)) is not None
    left = ground.found(export_id)
    assert (left.state, left.rows_total) == ("running", 1)
    assert ground.make() == 0
    assert ground.make(export_runs.LEASE) == 1
    reply = own_client.get(f"{PATH}/{export_id}/file", headers=ground.headers)
    assert hashlib.sha256(reply.content).hexdigest() == ground.found(export_id).sha256
    with Session(ground.engine) as session:
        events = session.exec(select(AuditEvent.action).where(AuditEvent.noun == "export")).all()
        assert sorted(events) == ["download", "export"]
    assert ground.make(timedelta(days=9)) == 1
    assert ground.storage.get(export_orders.key_of(export_id, 1, 0)) is None


def test_how_far_it_is_can_be_seen(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_runs, "STEP", 10)
    export_id = ground.asked()
    seen = []
    made = booking_tables.make

    def long(session: Session, actor: Actor, asked: Asked) -> Table:
        table = made(session, actor, asked)
        row = next(iter(table.rows))

        def rows() -> Iterator[Sequence[Cell]]:
            for _ in range(35):
                seen.append(ground.found(export_id).rows_done)
                yield row

        return replace(table, rows=rows(), total=35)

    monkeypatch.setitem(exports.TABLES, "bookings", long)
    ground.make()
    assert sorted(set(seen)) == [0, 10, 20, 30]
    assert ground.found(export_id).rows_done == 35


def test_the_database_knows_what_done_means(ground: Ground) -> None:
    export_id = ground.asked()
    for change in (
        "state = 'done'",
        "state = 'running'",
        "rows_done = -1",
        "until = since",
        "state = 'failed'",
    ):
        with (
            pytest.raises(Exception, match="export_"),
            Session(ground.engine) as session,
            session.begin(),
        ):
            session.connection().execute(
                text(f"UPDATE export SET {change} WHERE id = :id"),  # noqa: S608 - ours
                {"id": export_id},
            )
