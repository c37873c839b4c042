"""What monitors and keepers are told: ready or not, how late, how much, and what is stuck."""

from datetime import timedelta
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import Engine, text
from sqlmodel import Session

from app import clock
from app.db import create_engine
from app.main import create_app
from app.models import JobBeat, JobRow, Notification, Role
from app.services import job_rows
from app.settings import Env, Settings
from tests.conftest import NOW, as_owner
from tests.makers import make_account, make_job_row, make_world, signed_in

MINUTE = timedelta(minutes=1)
HERE = ("127.0.0.1", 50000)


def beat(session: Session, job: str = "forget-keys", *, ago: timedelta = MINUTE) -> JobBeat:
    made = JobBeat(
        job=job,
        seconds=60,
        known_since=NOW - timedelta(days=1),
        last_ok_at=NOW - ago,
        touched=7,
        failed=2,
    )
    session.add(made)
    session.flush()
    return made


def test_ready_when_all_jobs_are_in_time(session: Session, client: TestClient) -> None:
    beat(session)
    assert client.get("/readyz").json() == {
        "status": "ok",
        "database": "ok",
        "jobs": [{"name": "forget-keys", "late_seconds": 0, "ok": True}],
    }


def test_a_late_job_degrades_but_drops_nobody(session: Session, client: TestClient) -> None:
    beat(session, ago=31 * MINUTE)
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["status"]) == (200, "degraded")
    assert reply.json()["jobs"] == [{"name": "forget-keys", "late_seconds": 1800, "ok": False}]


def test_without_any_scheduler_it_is_degraded(client: TestClient) -> None:
    reply = client.get("/readyz")
    assert (reply.status_code, reply.json()["status"]) == (200, "degraded")


@pytest.mark.parametrize(
    ("revision", "status"), [("a7c1e5f9b3d2", 503), (None, 503), ("ffffffffffff", 200)]
)
def test_a_database_behind_is_not_ready_and_one_ahead_is(
    session: Session, client: TestClient, revision: str | None, status: int
) -> None:
    as_owner(session)
    session.connection().execute(
        text("UPDATE alembic_version SET version_num = :new")
        if revision
        else text("DELETE FROM alembic_version"),
        {"new": revision} if revision else {},
    )
    reply = client.get("/readyz")
    assert reply.status_code == status
    if status == 503:
        assert reply.json()["type"] == "/problems/migrations-behind"


def test_without_its_database_it_is_not_ready() -> None:
    lost = create_engine("postgresql://nobody@127.0.0.1:1/none")
    client = TestClient(create_app(lost, Settings(env=Env.TEST)), raise_server_exceptions=False)
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200


@pytest.fixture
def own_client(own_engine: Engine) -> TestClient:
    """Somebody on the same machine as an application of their own."""
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        beat(session, "mark-no-shows", ago=timedelta())
        make_job_row(session)
        session.add(
            Notification(
                account_id=world.organiser.id,
                kind="booking-approved",
                facts={},
                due_at=clock.now() - 5 * MINUTE,
            )
        )
    return TestClient(create_app(own_engine, Settings(env=Env.TEST)), client=HERE)


def figures(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    reply = client.get("/metrics")
    assert reply.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }


def one(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **by: str) -> float:
    return found[name, frozenset(by.items())]


def test_figures_are_read_by_the_parser_of_the_monitor(own_client: TestClient) -> None:
    for _ in range(3):
        assert own_client.get("/livez").status_code == 200
    found = figures(own_client)
    asked = {"method": "GET", "route": "/livez", "status": "200"}
    assert one(found, "app_request_seconds_count", **asked) == 3
    assert one(found, "app_request_seconds_bucket", **asked, le="+Inf") == 3
    assert one(found, "app_job_rows_touched_total", job="mark-no-shows") == 7
    assert one(found, "app_job_failures_total", job="mark-no-shows") == 2
    assert one(found, "app_job_rows_failing", job="mark-no-shows", state="parked") == 1
    assert one(found, "app_job_late_seconds", job="mark-no-shows") >= 0
    assert one(found, "app_messages_undelivered") == 1
    assert one(found, "app_messages_oldest_seconds") >= 300
    assert one(found, "app_database_connections_in_use") == 0
    assert one(found, "app_database_connections_most") == 20


def test_no_label_grows_with_what_is_asked_for(own_client: TestClient) -> None:
    for _ in range(5):
        own_client.get(f"/api/v1/sites/{uuid4()}")
        own_client.get(f"/{uuid4()}")
        own_client.get(f"/problems/{uuid4().hex}")
        own_client.request(uuid4().hex[:8].upper(), "/livez")
    counted = [dict(by) for name, by in figures(own_client) if name == "app_request_seconds_count"]
    assert {by["route"] for by in counted} <= {
        "/api/v1/sites/{site_id:uuid}",
        "/problems/{slug}",
        "/livez",
        "unmatched",
    }
    assert {by["method"] for by in counted} == {"GET", "other"}


def test_figures_are_not_for_everybody(own_engine: Engine) -> None:
    app = create_app(own_engine, Settings(env=Env.TEST))
    assert TestClient(app, client=("192.0.2.7", 1)).get("/metrics").status_code == 404
    assert TestClient(app, client=("::1", 1)).get("/metrics").status_code == 200
    assert TestClient(app).get("/metrics").status_code == 404


def test_with_a_token_they_are_for_who_has_it(own_engine: Engine) -> None:
    settings = Settings(env=Env.TEST, metrics_token=SecretStr("open"))
    app = create_app(own_engine, settings)
    for client in (TestClient(app, client=HERE), TestClient(app, client=("192.0.2.7", 1))):
        assert client.get("/metrics").status_code == 404
        wrong = {"Authorization": "Bearer shut"}
        assert client.get("/metrics", headers=wrong).status_code == 404
        right = {"Authorization": "Bearer open"}
        assert client.get("/metrics", headers=right).status_code == 200


def test_keepers_see_what_is_stuck_and_have_it_tried_again(
    session: Session, client: TestClient
) -> None:
    keeper = signed_in(session, make_account(session, Role.SYSTEM_ADMIN))
    beat(session, "mark-no-shows")
    row = make_job_row(session)
    (job,) = client.get("/api/v1/jobs", headers=keeper).json()["items"]
    assert (job["name"], job["touched"], job["ok"]) == ("mark-no-shows", 7, True)
    assert [shown["id"] for shown in job["rows"]] == [str(row.id)]
    path = f"/api/v1/jobs/parked/{row.id}/retry"
    key = {**keeper, "Idempotency-Key": str(uuid4())}
    assert [client.post(path, headers=key).status_code for _ in range(2)] == [200, 200]
    assert session.get(JobRow, row.id) is None
    gone = client.post(path, headers=keeper)
    assert (gone.status_code, gone.json()["type"]) == (404, "/problems/job-row-not-found")


def test_what_the_database_adds_to_a_failure_is_not_kept() -> None:
    assert job_rows.told(ValueError("no\nDETAIL: 13800000000")) == "ValueError: no"
