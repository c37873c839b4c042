import csv
import io
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.api import audit as audit_api
from app.api import deps
from app.main import create_app
from app.models import Account, AuditEvent, Booking, Role
from app.services import audit as audit_service
from app.settings import Env, Settings
from tests.api.replies import refused, told
from tests.conftest import NOW
from tests.makers import World, make_account, make_booking, make_world, signed_in

PATH = "/api/v1/audit-events"
CSV = f"{PATH}.csv"


def written(session: Session) -> None:
    session.flush()
    session.connection().execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.connection().execute(text("SET CONSTRAINTS ALL DEFERRED"))


@pytest.fixture
def world(session: Session) -> World:
    world = make_world(session)
    written(session)
    return world


@pytest.fixture
def auditor(session: Session, world: World) -> dict[str, str]:
    return signed_in(session, make_account(session, Role.AUDITOR, at=world.district))


def test_the_auditor_pages_through_the_log_the_newest_first(
    client: TestClient, session: Session, world: World, auditor: dict[str, str]
) -> None:
    numbers: list[int] = []
    cursor: str | None = None
    while True:
        params = {"limit": "7"} | ({"cursor": cursor} if cursor else {})
        page = told(client.get(PATH, params=params, headers=auditor))
        numbers += [
            e["number"] for e in page["items"] if e["district_id"] == str(world.district.id)
        ]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    kept = select(AuditEvent.number).where(AuditEvent.district_id == world.district.id)
    assert numbers == sorted(session.exec(kept), reverse=True)
    assert len(numbers) > 7


def test_it_is_filtered(
    client: TestClient, session: Session, world: World, auditor: dict[str, str]
) -> None:
    booking = make_booking(session, world)
    written(session)
    found = told(client.get(PATH, params={"row_id": str(booking.id)}, headers=auditor))["items"]
    assert [(e["noun"], e["action"]) for e in found] == [("booking", "create")]
    assert found[0]["after"]["contact_name"] == "***"
    for params in ({"noun": "site"}, {"action": "create"}):
        items = told(client.get(PATH, params=params, headers=auditor))["items"]
        assert items
        assert all(e[name] == value for e in items for name, value in params.items())
    for params in (
        {"since": "2199-01-01T00:00:00Z"},
        {"until": "2001-01-01T00:00:00Z"},
        {"actor_id": str(uuid4())},
    ):
        assert told(client.get(PATH, params=params, headers=auditor))["items"] == []


@pytest.mark.parametrize("path", [PATH, CSV])
def test_nobody_but_the_auditor(
    client: TestClient, session: Session, world: World, path: str
) -> None:
    refused(client.get(path), 401, "unauthenticated")
    staff = signed_in(session, world.district_staff)
    refused(client.get(path, headers=staff), 403, "not-in-scope")


def test_the_table_is_read_back_and_its_cells_do_no_harm(
    client: TestClient, session: Session, world: World, auditor: dict[str, str]
) -> None:
    audit_service.note(session, action="read", noun="=cmd|' /C calc'!A0", row_id=" ＝1")
    audit_service.sign(session, actor=None, by=audit_service.By("@sum", "-1"))
    reply = client.get(CSV, headers=auditor)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))
    assert list(rows[0]) == list(audit_api.AuditEventPublic.model_fields)
    (harmless,) = [row for row in rows if row["action"] == "read"]
    assert [harmless[name] for name in ("noun", "row_id", "request_id", "address")] == [
        "'=cmd|' /C calc'!A0",
        "' ＝1",
        "'@sum",
        "'-1",
    ]
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_more_than_a_file_takes_is_refused(
    client: TestClient, auditor: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_service, "LONGEST_EXPORT", 3)
    assert refused(client.get(CSV, headers=auditor), 413, "export-too-large")["limit"] == 3


@pytest.fixture
def own(own_engine: Engine) -> tuple[TestClient, World, Account]:
    """A client whose requests are really committed, at `NOW`."""
    app = create_app(own_engine, Settings(env=Env.TEST))
    app.dependency_overrides[deps.get_now] = lambda: NOW
    with Session(own_engine, expire_on_commit=False) as session:
        world = make_world(session)
        auditor = make_account(session, Role.AUDITOR, at=world.district)
        session.commit()
        session.expunge_all()
    return TestClient(app), world, auditor


def test_a_request_leaves_its_event_with_actor_role_request_and_address(
    own: tuple[TestClient, World, Account], own_engine: Engine
) -> None:
    client, world, _ = own
    with Session(own_engine) as session, session.begin():
        booking_id = make_booking(session, world).id
        headers = signed_in(session, world.manager) | {"X-Request-ID": "req-4711"}
    told(client.post(f"/api/v1/bookings/{booking_id}/approve", headers=headers))
    with Session(own_engine) as session:
        assert session.get_one(Booking, booking_id).status == "approved"
        told_of = select(AuditEvent).where(AuditEvent.row_id == str(booking_id))
        *_, event = session.exec(told_of.order_by(col(AuditEvent.number)))
    assert (event.noun, event.action, event.actor_id) == ("booking", "update", world.manager.id)
    assert (event.actor_role, event.request_id) == ("site_manager", "req-4711")
    assert event.address == "testclient"
    assert event.after["status"] == "approved"


def test_a_refused_request_leaves_none(
    own: tuple[TestClient, World, Account], own_engine: Engine
) -> None:
    client, world, _ = own
    with Session(own_engine) as session, session.begin():
        booking_id = make_booking(session, world).id
        headers = signed_in(session, world.manager)
    count = select(AuditEvent).where(AuditEvent.row_id == str(booking_id))
    with Session(own_engine) as session:
        before = len(session.exec(count).all())
    refused(
        client.post(f"/api/v1/bookings/{booking_id}/arrive", headers=headers),
        409,
        "booking-state-conflict",
    )
    with Session(own_engine) as session:
        assert len(session.exec(count).all()) == before


def test_an_export_is_an_event_itself(
    own: tuple[TestClient, World, Account], own_engine: Engine
) -> None:
    client, world, auditor = own
    with Session(own_engine) as session, session.begin():
        headers = signed_in(session, auditor)
    rows = client.get(CSV, headers=headers).text.count("\n") - 1
    with Session(own_engine) as session:
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "export"))
    assert (event.noun, event.actor_id, event.actor_role) == (
        "audit_event",
        auditor.id,
        "auditor",
    )
    assert event.district_id == world.district.id
    assert event.after == {"rows": rows}
    assert told(client.get(PATH, headers=headers))["items"]


def test_only_looking_writes_nothing(
    own: tuple[TestClient, World, Account], own_engine: Engine
) -> None:
    client, _, auditor = own
    with Session(own_engine) as session, session.begin():
        headers = signed_in(session, auditor)
    with Session(own_engine) as session:
        before = session.exec(select(AuditEvent)).all()
    told(client.get(PATH, headers=headers))
    told(client.get("/api/v1/me", headers=headers))
    with Session(own_engine) as session:
        assert len(session.exec(select(AuditEvent)).all()) == len(before)
