"""A person who is erased is nowhere any more; what their branch did is."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlmodel import Session, SQLModel, col, select

from app.models import (
    Account,
    Booking,
    Grant,
    IdempotencyKey,
    Identity,
    LoginThrottle,
    Notification,
    OneTimeCode,
    RefreshToken,
    Registration,
    Review,
    Role,
)
from app.services import (
    accounts,
    erasure,
    one_time_codes,
    privacy,
    reviews,
    throttles,
    verify,
    wechat_grants,
)
from app.services.access import NotInScope
from app.services.grants import NotForOneself
from app.services.offices import LastOfItsOffice
from app.services.users import UserNotFound
from tests.api.replies import keyed, refused, told
from tests.conftest import NOW, as_owner
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_completed,
    make_session,
    make_world,
    signed_in,
)
from tests.services.people import Cast, make_cast

NAME = "欧阳金丝雀"
PHONE = "13987654321"
SPELLINGS = [PHONE, f"+86 {PHONE}", "139 8765 4321", "139-8765-4321"]
USERS = "/api/v1/users"


@dataclass(frozen=True)
class Planted:
    """A canary in everything: whose, what is kept of it, and the headers of those around it."""

    whom: UUID
    traces: list[str]
    people: dict[str, dict[str, str]]


def registered(world: World) -> dict[str, object]:
    return {
        "organisation_id": world.district.id,
        "name": "外来支部",
        "home": "外区",
        "member_count": 9,
        "contact_name": NAME,
        "contact_phone_hash": privacy.fingerprint(PHONE),
        "contact_phone_sealed": privacy.seal(PHONE),
        "note": f"请联系{NAME}",
    }


def plant(session: Session) -> tuple[World, Account]:
    """Write the canary wherever a person leaves traces of their own."""
    world = make_world(session)
    whom = world.organiser
    whom.name, whom.organisation_id = NAME, world.branch.id
    whom.phone_hash, whom.phone_sealed = privacy.fingerprint(PHONE), privacy.seal(PHONE)
    session.flush()
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + timedelta(hours=3))
    done = make_completed(session, world, later, people=9)
    reviews.write(
        session,
        actor=actor(session, whom),
        booking_id=done.id,
        content=5,
        reception=5,
        facilities=5,
        text="很好",
        now=done.ends_at,
    )
    approved = {"status": "approved", "branch_id": world.branch.id, "decided_at": NOW}
    session.add_all(
        [
            Registration.model_validate(registered(world)),
            Registration.model_validate(registered(world) | approved),
            Identity(account_id=whom.id, provider="wechat", subject_hash=b"wechat"),
            Notification(
                account_id=whom.id,
                kind="booking-approved",
                facts={"site": NAME},
                due_at=NOW,
            ),
        ]
    )
    one_time_codes.issue(session, account_id=whom.id, issued_by=None, now=NOW)
    throttles.begin(session, subject=whom.phone_hash, address=None, now=NOW)
    return world, whom


def ordered(
    client: TestClient, who: dict[str, str], world: World, slot: UUID, contact_name: str
) -> None:
    order = {
        "session_ids": [str(slot)],
        "organisation_id": str(world.branch.id),
        "people_expected": 9,
        "purpose": "visit",
        "contact_name": contact_name,
        "contact_phone": PHONE,
        "note": f"{NAME}带队",
    }
    told(client.post("/api/v1/bookings", json=order, headers=keyed(who)), 201)


def waits(client: TestClient, who: dict[str, str], world: World, slot: UUID) -> None:
    wish = {
        "organisation_id": str(world.branch.id),
        "people_expected": 9,
        "purpose": "visit",
        "contact_name": NAME,
        "contact_phone": PHONE,
        "note": f"{NAME}带队",
    }
    told(client.post(f"/api/v1/sessions/{slot}/waitlist", json=wish, headers=keyed(who)), 201)


@pytest.fixture
def planted(own_engine: Engine, own_client: TestClient) -> Planted:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world, whom = plant(session)
        sealed = whom.phone_sealed or b""
        colleague = make_account(session, Role.ORGANISER, at=world.branch)
        people = {
            "whom": whom,
            "colleague": colleague,
            "manager": world.manager,
            "district_staff": world.district_staff,
            "sysadmin": make_account(session, Role.SYSTEM_ADMIN),
            "auditor": make_account(session, Role.AUDITOR, at=world.district),
        }
        headers = {name: signed_in(session, person) for name, person in people.items()}
        other = make_session(session, world.venue, starts_at=IN_A_WEEK + timedelta(hours=6))
    ordered(own_client, headers["whom"], world, world.slot.id, NAME)
    waits(own_client, headers["whom"], world, world.slot.id)
    ordered(own_client, headers["colleague"], world, other.id, "小欧")
    found = own_client.get(USERS, params={"q": PHONE}, headers=headers["district_staff"])
    assert [item["id"] for item in told(found)["items"]] == [str(whom.id)]
    told(own_client.get("/api/v1/bookings", headers=headers["manager"]))
    code = own_client.post(f"{USERS}/{whom.id}/code", headers=keyed(headers["sysadmin"]))
    told(code, 201)
    form = {"username": PHONE, "password": "wrong"}
    assert own_client.post("/api/v1/auth/token", data=form).status_code == 401
    traces = [NAME, privacy.fingerprint(PHONE).hex(), sealed.hex()]
    return Planted(whom.id, traces, headers)


def dump(engine: Engine) -> str:
    """Everything the database holds, as text."""
    with engine.connect() as connection:
        as_owner(connection)
        known = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid > 16383"
        tables = connection.execute(text(known)).scalars().all()
        assert set(tables) >= set(SQLModel.metadata.tables)
        rows = (
            connection.execute(text(f"SELECT t::text FROM {table} t")).scalars().all()  # noqa: S608
            for table in tables
        )
        return "\n".join(row for table in rows for row in table)


def told_by_the_api(client: TestClient, people: dict[str, dict[str, str]]) -> str:
    """Every list and page that could name a person, as each of those around reads it."""
    paths = [USERS, "/api/v1/bookings", "/api/v1/registrations", "/api/v1/notifications"]
    paths += ["/api/v1/waitlist"]
    paths += ["/api/v1/audit-events", "/api/v1/audit-events.csv", "/api/v1/sites"]
    answers = []
    for name, who in people.items():
        if name == "whom":
            continue
        answers += [client.get(path, headers=who).text for path in paths]
        bookings = client.get("/api/v1/bookings", headers=who).json()["items"]
        for booking in bookings:
            one = f"/api/v1/bookings/{booking['id']}"
            answers += [client.get(path, headers=who).text for path in (one, f"{one}/events")]
    return "\n".join(answers)


def erased(client: TestClient, planted: Planted) -> None:
    path = f"{USERS}/{planted.whom}"
    assert client.delete(path, headers=planted.people["sysadmin"]).status_code == 204


def test_nothing_of_a_person_is_left_anywhere(
    own_engine: Engine,
    own_client: TestClient,
    planted: Planted,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, api_before = dump(own_engine), told_by_the_api(own_client, planted.people)
    assert [trace in before for trace in planted.traces] == [True] * 3
    assert NAME in api_before
    assert f"+86{PHONE}" in api_before
    assert not any(spelling in before for spelling in SPELLINGS)
    erased(own_client, planted)
    after, api_after = dump(own_engine), told_by_the_api(own_client, planted.people)
    for trace in (*planted.traces, *SPELLINGS):
        assert trace not in after
        assert trace not in api_after
    assert erasure.NOBODY in api_after
    assert erasure.NO_CONTACT in api_after
    structlog.get_logger().warning("heard", who="a-canary-of-the-test")
    logged = "".join(capsys.readouterr())
    assert "a-canary-of-the-test" in logged
    assert not any(trace in logged for trace in (*planted.traces, *SPELLINGS))


def test_what_the_branch_did_stays_and_is_sound(
    own_engine: Engine, own_client: TestClient, planted: Planted
) -> None:
    erased(own_client, planted)
    with Session(own_engine) as session:
        assert list(verify.violations(session, now=NOW)) == []
        account = session.get_one(Account, planted.whom)
        assert (account.name, account.active, account.erased_at) == ("已注销用户", False, NOW)
        assert session.exec(select(Review.text, Review.written_by)).all() == [
            ("很好", planted.whom)
        ]
        contacts = session.exec(select(Booking.contact_name).order_by(col(Booking.number))).all()
        assert contacts == ["王组织", "已注销", "已注销"]
        rows = session.exec(select(Registration).order_by(col(Registration.id))).all()
        told_apart = [(row.status, row.reason, row.contact_phone_hash, row.note) for row in rows]
        assert told_apart == [
            ("rejected", erasure.REASON, None, None),
            ("approved", None, None, None),
        ]
        for table in (Grant, Identity, OneTimeCode, RefreshToken, IdempotencyKey, Notification):
            theirs = select(table).where(col(table.account_id) == planted.whom)
            assert session.exec(theirs).all() == []
        assert session.exec(select(LoginThrottle)).all() != []  # the address's, which nobody owns


def test_an_erased_person_is_signed_out_and_not_found(
    own_client: TestClient, planted: Planted
) -> None:
    erased(own_client, planted)
    refused(own_client.get("/api/v1/me", headers=planted.people["whom"]), 401, "unauthenticated")
    path, who = f"{USERS}/{planted.whom}", planted.people["sysadmin"]
    refused(own_client.get(path, headers=who), 404, "user-not-found")
    refused(own_client.delete(path, headers=who), 404, "user-not-found")


@pytest.fixture
def cast(session: Session) -> Cast:
    return make_cast(session)


def erase(session: Session, who: Account, whom: Account) -> None:
    erasure.erase(session, actor=actor(session, who), user_id=whom.id, now=NOW)


@pytest.mark.parametrize(
    ("who", "whom", "refusal"),
    [
        ("district_staff", "member", NotInScope),
        ("security", "member", NotInScope),
        ("town_staff", "stranger", UserNotFound),
        ("sysadmin", "sysadmin", NotForOneself),
        ("sysadmin", "security", LastOfItsOffice),
    ],
)
def test_only_a_system_administrator_erases(
    session: Session, cast: Cast, who: str, whom: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        erase(session, getattr(cast, who), getattr(cast, whom))


def test_what_they_agreed_to_in_wechat_goes(session: Session, cast: Cast) -> None:
    agreed = {"a-template": wechat_grants.Answer.ACCEPT}
    for whom in (cast.member, cast.stranger):
        wechat_grants.record(
            session, account_id=whom.id, answers=agreed, known=frozenset({"a-template"})
        )
    erase(session, cast.sysadmin, cast.member)
    assert wechat_grants.remaining(session, account_id=cast.member.id) == {}
    assert wechat_grants.remaining(session, account_id=cast.stranger.id) == {"a-template": 1}


def test_a_number_can_be_used_anew(session: Session, cast: Cast) -> None:
    whom = accounts.create(session, name=NAME, phone=PHONE, password=None)
    with pytest.raises(accounts.PhoneTaken), session.begin_nested():
        accounts.create(session, name=NAME, phone=PHONE, password=None)
    erase(session, cast.sysadmin, whom)
    accounts.create(session, name=NAME, phone=PHONE, password=None)


def test_the_contact_of_another_stays(session: Session, cast: Cast) -> None:
    world = make_world(session)
    booking = make_booking(session, world)
    erase(session, cast.sysadmin, world.organiser)
    session.refresh(booking)
    assert (booking.contact_name, booking.contact_phone_hash) == (
        "王组织",
        privacy.fingerprint("13800000000"),
    )


@pytest.mark.parametrize("typed", SPELLINGS[:4])
def test_a_number_that_a_site_shows_goes_too(session: Session, cast: Cast, typed: str) -> None:
    whom = accounts.create(session, name=NAME, phone=PHONE, password=None)
    cast.site.contact_name, cast.site.contact_phone = NAME, typed
    session.flush()
    erase(session, cast.sysadmin, whom)
    session.refresh(cast.site)
    assert (cast.site.contact_name, cast.site.contact_phone) == ("已注销", "")


def test_the_number_of_another_stays_with_its_site(session: Session, cast: Cast) -> None:
    erase(session, cast.sysadmin, cast.member)
    session.refresh(cast.site)
    assert cast.site.contact_phone == "0533-0000000"
