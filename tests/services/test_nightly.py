"""The nightly reconciliation keeps what it found, and tells who has to know."""

from datetime import date

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from app.jobs import JOBS
from app.models import Notification
from app.services import nightly
from tests.conftest import NOW, as_owner
from tests.makers import make_claim, make_completed, make_world, signed_in


def messages(session: Session) -> list[Notification]:
    wanted = select(Notification).where(Notification.kind == "records-differ")
    return list(session.exec(wanted).all())


def test_a_night_on_which_all_is_right_is_kept_too(session: Session) -> None:
    nightly.reconcile(session, NOW)
    (report,) = nightly.reports(session)
    assert (report.day, report.found, report.findings) == (date(2026, 11, 25), 0, [])
    assert messages(session) == []


def test_what_differs_is_reported_and_staff_are_told(session: Session, client: TestClient) -> None:
    world = make_world(session)
    make_completed(session, world)
    claim = make_claim(session, world)
    as_owner(session)
    session.connection().execute(text("UPDATE claim SET amount_fen = amount_fen + 1"))
    session.connection().execute(text("SET LOCAL ROLE party_map_service"))
    nightly.reconcile(session, NOW)
    (report,) = nightly.reports(session)
    assert report.found >= 1
    assert f"a claim is not the sum of its lines: {claim.id}" in report.findings
    assert {told.account_id for told in messages(session)} == {world.district_staff.id}
    reader = signed_in(session, world.district_staff)
    (shown,) = client.get("/api/v1/reconciliation-reports", headers=reader).json()["items"]
    assert (shown["day"], shown["found"]) == ("2026-11-25", report.found)


def test_it_runs_once_a_night(own_engine: Engine) -> None:
    (job,) = [job for job in JOBS if job.name == "reconcile"]
    assert [job.run(job, own_engine, lambda: NOW) for _ in range(2)] == [1, 0]
