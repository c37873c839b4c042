from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, LargeBinary, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import Session, SQLModel, col, select

from app.models import DEPLOYMENT, Account, AuditChain, AuditEvent, Organisation, Role
from app.models.audit import AUDITED
from app.services import audit, orders, verify
from app.services.access import NotInScope
from tests.conftest import NOW, as_owner
from tests.makers import (
    World,
    actor,
    age_events,
    make_account,
    make_booking,
    make_organisation,
    make_policy,
    make_world,
    move,
    wanted,
)
from tests.races import at_once

BY = audit.By("req-1", "192.0.2.7")
PERSONAL = {
    "account": {"name", "phone_hash", "phone_sealed", "password_hash"},
    "booking": {"contact_name", "contact_phone_hash", "contact_phone_sealed", "note"},
    "calendar_feed": {"token_hash", "token_sealed"},
    "webhook": {"secret_sealed"},
    "guide": {"name"},
    "identity": {"subject_hash"},
    "location_report": {"note"},
    "one_time_code": {"code_hash"},
    "registration": {"contact_name", "contact_phone_hash", "contact_phone_sealed", "note"},
    "review": {"text"},
    "site": {"contact_name", "contact_phone"},
    "waitlist_entry": {"contact_name", "contact_phone_hash", "contact_phone_sealed", "note"},
}
TECHNICAL = {
    "audit_chain",
    "audit_event",
    "delivery",
    "dropped_photo",
    "export",
    "idempotency_key",
    "job_beat",
    "job_row",
    "job_run",
    "login_throttle",
    "made_ahead",
    "notification",
    "oidc_login",
    "provider_token",
    "public_figure",
    "rate_counter",
    "reconciliation_report",
    "refresh_token",
    "refused_order",
    "site_card",
    "site_card_stale",
    "site_words",
    "unmet_search",
    "usage_cell",
    "usage_days",
    "usage_fact",
    "usage_mark",
    "webhook_attempt",
    "webhook_delivery",
    "wechat_grant",
}
"""Tables whose rows are no deeds of anybody."""
PARTS = {
    "booking_event",
    "booking_programme",
    "booking_session",
    "claim_line",
    "fund_balance",
    "guide_duty",
    "ledger_entry",
    "subsidy",
    "venue_session",
    "waitlist_programme",
}
"""Tables that follow from a booking, a claim or a rule, whose own event tells of them."""


def events(session: Session, noun: str | None = None) -> list[AuditEvent]:
    """What has been written so far, triggers that wait included."""
    session.flush()
    session.connection().execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.connection().execute(text("SET CONSTRAINTS ALL DEFERRED"))
    wanted = select(AuditEvent).order_by(col(AuditEvent.at), col(AuditEvent.number))
    if noun:
        wanted = wanted.where(AuditEvent.noun == noun)
    return list(session.exec(wanted))


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def auditor(session: Session, world: World) -> Account:
    return make_account(session, Role.AUDITOR, at=world.district)


def test_every_table_is_audited_or_named_as_one_that_need_not_be() -> None:
    tables = {table for table in SQLModel.metadata.tables if not table.startswith("spatial")}
    assert tables - set(AUDITED) == TECHNICAL | PARTS


def test_personal_columns_are_masked() -> None:
    for table, columns in PERSONAL.items():
        assert columns <= set(AUDITED[table][0].split(",")), table
    hidden = {table: set(hidden.split(",")) for table, (hidden, _) in AUDITED.items()}
    for audited in SQLModel.metadata.sorted_tables:
        for column in audited.columns:
            if isinstance(column.type, LargeBinary) and audited.name in hidden:
                assert column.name in hidden[audited.name], str(column)


def test_a_change_is_told_with_its_actor_role_request_and_address(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    events(session)
    manager = actor(session, world.manager)
    move(session, world.manager, booking, "approve")
    manager.act_as([Role.SITE_MANAGER])
    audit.sign(session, actor=manager, by=BY)
    told = events(session, "booking")[-1]
    assert told.row_id == str(booking.id)
    assert (told.action, told.actor_id, told.actor_role) == (
        "update",
        world.manager.id,
        "site_manager",
    )
    assert (told.request_id, told.address) == ("req-1", "192.0.2.7")
    assert told.district_id == world.district.id
    assert (told.before["status"], told.after["status"]) == ("pending", "approved")
    assert "people_expected" not in told.before | told.after


def test_each_change_is_one_event_and_no_change_is_none(session: Session, world: World) -> None:
    before = len(events(session, "organisation"))
    world.branch.name = "改名后的党支部"
    world.branch.member_count = 7
    assert len(events(session, "organisation")) == before + 1
    world.branch.name = "改名后的党支部"
    session.add(world.branch)
    session.connection().execute(text("UPDATE organisation SET name = name"))
    assert len(events(session, "organisation")) == before + 1


def test_what_is_deleted_is_told_whole(session: Session, world: World) -> None:
    account = make_account(session, Role.MEMBER, at=world.branch)
    grant = session.connection().execute(
        text("DELETE FROM role_grant WHERE account_id = :id RETURNING id"), {"id": account.id}
    )
    told = events(session, "role_grant")[-1]
    assert (told.action, told.row_id) == ("delete", str(grant.scalar_one()))
    assert told.before["role"] == "member"
    assert told.after == {}


def test_personal_data_is_masked_but_its_change_is_told(session: Session) -> None:
    account = make_account(session, name="钱途")
    account.name = "钱行"
    told = events(session, "account")[-2:]
    assert [(e.before.get("name"), e.after["name"]) for e in told] == [
        (None, "***"),
        ("***", "***"),
    ]
    assert "钱" not in repr([e.model_dump() for e in told])


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE audit_event SET noun = 'site'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "INSERT INTO audit_event SELECT * FROM audit_event LIMIT 1",
        "UPDATE audit_chain SET last_number = 0",
        "SELECT audit_write(uuid7(), 'read', 'site', NULL, '{}', '{}')",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DROP TRIGGER account_audit ON account",
    ],
)
def test_the_service_may_not_touch_the_log(session: Session, world: World, forgery: str) -> None:
    events(session)
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        session.connection().execute(text(forgery))


@pytest.mark.parametrize(
    "forgery",
    ["UPDATE audit_event SET noun = 'site'", "DELETE FROM audit_event", "TRUNCATE audit_event"],
)
def test_not_even_the_owner_changes_what_is_young(
    session: Session, world: World, forgery: str
) -> None:
    as_owner(session)
    with pytest.raises(IntegrityError, match="append-only"):
        session.connection().execute(text(forgery))


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_a_change_cannot_be_made_up(session: Session, world: World, action: str) -> None:
    audit.note(session, action=action, noun="booking")
    with pytest.raises(IntegrityError, match="noted by its trigger"):
        audit.sign(session, actor=None, by=BY)


def test_a_look_is_noted_when_the_transaction_ends(session: Session, world: World) -> None:
    audit.note(session, action="read", noun="booking", row_id=7, district_id=world.district.id)
    assert events(session)[-1].action != "read"
    assert audit.is_owed(session)
    audit.sign(session, actor=actor(session, world.manager), by=BY)
    told = events(session)[-1]
    assert (told.action, told.noun, told.row_id) == ("read", "booking", "7")
    assert told.actor_id == world.manager.id


def test_nothing_is_owed_for_only_reading(session: Session, world: World) -> None:
    with Session(session.connection()) as other:
        other.exec(select(Organisation)).all()
        assert not audit.is_owed(other)


def write(engine: Engine, number: int) -> None:
    with Session(engine) as session, session.begin():
        make_organisation(session, parent=session.exec(select(Organisation)).first())


@pytest.fixture
def planted(own_engine: Engine) -> Engine:
    with Session(own_engine) as session, session.begin():
        make_organisation(session)
    return own_engine


def test_many_at_once_make_one_chain(planted: Engine) -> None:
    at_once(16, lambda number: write(planted, number))
    with Session(planted) as session:
        chain = session.exec(select(AuditChain)).one()
        assert chain.last_number == 17
        assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize(("days", "forgotten"), [(200, 0), (400, 5)])
def test_retention_takes_the_oldest_and_leaves_a_sound_chain(
    planted: Engine, days: int, forgotten: int
) -> None:
    for number in range(9):
        write(planted, number)
    with Session(planted) as session, session.begin():
        age_events(session, 5, timedelta(days=days))
    with Session(planted) as session, session.begin():
        now = session.connection().execute(text("SELECT now()")).scalar_one()
        assert audit.forget_old(session, now) == forgotten
    with Session(planted) as session:
        assert session.exec(select(AuditChain.forgotten)).one() == forgotten
        assert list(verify.violations(session, now=NOW)) == []


def test_the_last_six_months_stay_whatever_is_asked(planted: Engine) -> None:
    with Session(planted) as session, session.begin():
        assert audit.forget_old(session, NOW + timedelta(days=10_000)) == 0


def seen(session: Session, who: Account) -> set[UUID]:
    query = audit.events(actor=actor(session, who), wanted=audit.Wanted(), limit=1000)
    return {row[0].district_id for row in session.exec(query)}


def test_an_auditor_reads_the_log_of_the_district_and_no_other(
    session: Session, world: World, auditor: Account
) -> None:
    other = make_world(session)
    make_account(session, Role.SYSTEM_ADMIN)
    events(session)
    assert seen(session, auditor) == {world.district.id, DEPLOYMENT}
    clerk = make_account(session, Role.AUDITOR, at=other.town)
    assert seen(session, clerk) == set()


@pytest.mark.parametrize("role", [role for role in Role if role != Role.AUDITOR])
def test_nobody_else_reads_it(session: Session, world: World, role: Role) -> None:
    places = {
        Role.SITE_MANAGER: world.site,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    other = make_account(session, role, at=places.get(role, world.district))
    with pytest.raises(NotInScope):
        seen(session, other)


def write_until_they_meet(engine: Engine) -> None:
    for _ in range(20):
        at_once(8, lambda number: write(engine, number))


def test_without_the_lock_the_chain_breaks(planted: Engine) -> None:
    with planted.begin() as connection:
        as_owner(connection)
        source = connection.scalar(text("SELECT pg_get_functiondef('audit_write'::regproc)"))
        connection.exec_driver_sql(source.replace("FOR UPDATE", ""))
    with pytest.raises(IntegrityError, match="audit_event_pkey"):
        write_until_they_meet(planted)


def test_what_a_guest_does_is_told_in_the_district_of_the_site_alone(session: Session) -> None:
    """Two who wrote into both districts, each the other way round, would wait for ever."""
    home, away = make_world(session), make_world(session)
    policy = make_policy(session, away.district, site=away.site)
    policy.strikes_limit = 1
    events(session)
    before = {event.number for event in events(session) if event.district_id == home.district.id}
    guest = replace(away, organiser=home.organiser, branch=home.branch)
    booking = orders.order(
        session, actor=actor(session, guest.organiser), wanted=wanted(guest), now=NOW
    )
    move(session, away.manager, booking, "approve")
    move(session, guest.organiser, booking, "cancel", booking.starts_at - timedelta(hours=1))
    told = events(session)
    assert {"booking", "strike", "suspension"} <= {
        event.noun for event in told if event.district_id == away.district.id
    }
    assert {e.number for e in told if e.district_id == home.district.id} == before
