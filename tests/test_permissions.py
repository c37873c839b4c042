"""Every operation, by every role, in every scope: what `tests/permissions.py` says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import URL, Engine, text, true
from sqlmodel import Session, select

from app.api import deps
from app.db import create_engine
from app.main import create_app
from app.models import LedgerEntry, Notification, Role, SubsidyRule, Webhook
from app.services import (
    accounts,
    calendar_feeds,
    guides,
    ledger,
    organisations,
    reversals,
    tokens,
    webhooks,
)
from app.services.access import Actor
from app.settings import Env, Settings
from tests.conftest import NOW, database, plain
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    actor,
    make_account,
    make_booking,
    make_claim,
    make_completed,
    make_delivery,
    make_export,
    make_grant,
    make_group,
    make_job_row,
    make_location_report,
    make_photo,
    make_policy,
    make_registration,
    make_session,
    make_world,
    signed_in,
)
from tests.permissions import LETTERS, PUBLIC, ROLE, ROW, RULES, SIGNED_IN, Ground, Rule
from tests.services.grounds import EVENING, close, hours
from tests.services.lines import Party, join

DAY = timedelta(days=1)
PASSWORD = "correct-Horse-7-battery"  # noqa: S105
ANSWERED, FORBIDDEN, ABSENT, UNKNOWN = "answered", "403", "404", "401"
REFUSALS = {401: UNKNOWN, 403: FORBIDDEN, 404: ABSENT}
BROKEN = {405, 412, 413, 415, 422, 429}
"""What a request of the table must not be refused with: then it shows nothing about permission."""


@dataclass(frozen=True)
class District:
    """One district with a row of everything, somebody for every role, and a word of its own."""

    ground: Ground
    people: dict[Role, dict[str, str]]
    """The header of each role's holder."""
    lapsed: dict[Role, dict[str, str]]
    """The header of somebody whose grant has ended."""
    canary: str
    """In every text that is not public."""


def contract() -> dict[str, tuple[str, str]]:
    """Method and path of every operation the application documents."""
    app = create_app(create_engine("postgresql://nowhere/none"), Settings(env=Env.TEST))
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


OPERATIONS = contract()


def settle(session: Session, canary: str) -> District:
    world = make_world(session, groups_limit=9)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    done = make_session(session, world.venue, starts_at=IN_A_WEEK - 6 * HOUR)
    completed = make_completed(session, world, done)
    claim = make_claim(session, world)
    booking = make_booking(session, world, later)
    places = {
        Role.MEMBER: world.branch,
        Role.ORGANISER: world.branch,
        Role.SITE_MANAGER: world.site,
        Role.TOWN_STAFF: world.town,
        Role.SYSTEM_ADMIN: None,
        Role.SECURITY_ADMIN: None,
    }
    people, holders, lapsed = {}, {}, {}
    for role in Role:
        at = places.get(role, world.district)
        holders[role] = make_account(session, role, at=at, name=canary)
        people[role] = signed_in(session, holders[role])
        former = make_account(session)
        make_grant(session, former, role, at=at, ends_at=NOW - DAY)
        lapsed[role] = signed_in(session, former)
    phone = f"136{world.district.id.int % 10**8:08}"
    guest = accounts.create(session, name=canary, phone=phone, password=PASSWORD)
    guest.organisation_id = world.branch.id
    # The work of hashing once, not for everybody.
    passworded = {"word": guest.password_hash}
    session.connection().execute(text("UPDATE account SET password_hash = :word"), passworded)
    membership = make_grant(session, guest, Role.MEMBER, at=world.branch)
    pair = tokens.issue(session, account_id=guest.id, now=NOW)
    told = select(Notification).where(Notification.booking_id == booking.id)
    message = session.exec(told).first()
    assert message
    delivery = make_delivery(session, message, district=world.district)
    full = make_session(session, world.venue, starts_at=IN_A_WEEK + 5 * HOUR, groups_limit=1)
    make_booking(session, world, full)
    entry = join(session, world, Party(world.branch, world.organiser), full, people=9)
    mark(session, world.district.id.hex, canary)
    photo = make_photo(session, world)
    rule = hours(session, world.venue, [1], EVENING)[0]
    shut = close(session, world.site.id)
    make_policy(session, world.district, site=world.site)
    guide = guides.add(session, site_id=world.site.id, name=canary)
    brought = session.exec(
        select(LedgerEntry).where(LedgerEntry.fund_id == world.fund.id, LedgerEntry.number == 1)
    ).one()
    again = ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=1, document=canary, now=NOW
    )
    reversal = reversals.ask(
        session,
        actor=actor(session, world.fund_officer),
        entry_id=again.id,
        reason=canary,
        now=NOW,
    )
    hook = Webhook(
        district_id=world.district.id,
        url=f"https://93.184.215.14/{canary}",
        secret_sealed=b"",
        events=["booking.*"],
        created_by=guest.id,
    )
    session.add(hook)
    session.flush()
    staff = make_account(session, Role.DISTRICT_STAFF, at=world.district)
    ping = webhooks.ping(session, actor=actor(session, staff), webhook_id=hook.id, now=NOW)
    ids = {
        "booking_id": booking.id,
        "claim_id": claim.id,
        "delivery_id": delivery.id,
        "closure_id": shut.id,
        "digest": photo.digest,
        "done_id": completed.id,
        "district_id": world.district.id,
        "entry_id": entry.id,
        "export_id": make_export(session, holders[Role.DISTRICT_STAFF]).id,
        "fund_id": world.fund.id,
        "grant_id": membership.id,
        "group_id": make_group(session, booking).id,
        "guide_id": guide.id,
        "job_row_id": make_job_row(session).id,
        "month": "2026-11",
        "notification_id": message.id,
        "organisation_id": world.branch.id,
        "photo_id": photo.id,
        "programme_id": world.programme.id,
        "registration_id": make_registration(session, world.town, name=canary),
        "report_id": make_location_report(session, world.site, note=canary),
        "reversal_id": reversal.id,
        "rule_id": rule.id,
        "session_id": later.id,
        "site_id": world.site.id,
        "slug": "session-full",
        "subsidy_rule_id": session.exec(
            select(SubsidyRule.id).where(SubsidyRule.organisation_id == world.district.id)
        ).one(),
        "town_id": world.town.id,
        "transaction_id": brought.id,
        "user_id": guest.id,
        "venue_id": world.venue.id,
        "webhook_delivery_id": ping.id,
        "webhook_id": hook.id,
        **dict.fromkeys("xyz", 0),
    }
    # Of somebody without bookings: who has the address sees what its owner does.
    feed = calendar_feeds.renew(session, account_id=make_account(session).id, now=NOW)
    secrets = {
        "token": feed.token,
        "phone": phone,
        "password": PASSWORD,
        "refresh_token": pair.refresh_token,
    }
    named = {name: str(value) for name, value in ids.items()}
    return District(Ground(named | secrets), people, lapsed, canary)


def mark(session: Session, district: str, canary: str) -> None:
    """Write the word into every text of the district that is not for the public."""
    for statement in (
        "UPDATE organisation SET name = :word"
        " WHERE path <@ CAST(:root AS ltree) AND kind = 'branch'",
        "UPDATE booking SET contact_name = :word, note = :word WHERE contact_name = '王组织'",
        "UPDATE waitlist_entry SET contact_name = :word, note = :word"
        " WHERE contact_name = '王组织'",
        "UPDATE fund SET name = :word WHERE name = '专项经费'",
        "UPDATE claim SET returned_reason = :word WHERE returned_reason IS NULL",
        "UPDATE notification SET facts = jsonb_build_object('code', CAST(:word AS text))"
        " WHERE NOT facts::text LIKE '%CANARY%'",
    ):
        session.connection().execute(text(statement), {"word": canary, "root": district})
    session.expire_all()


@pytest.fixture(scope="module")
def engine(server: URL, template: str) -> Iterator[Engine]:
    with database(server, template) as url:
        engine = create_engine(plain(url))
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def districts(engine: Engine) -> tuple[District, District]:
    with Session(engine) as session, session.begin():
        return settle(session, "CANARY-ours"), settle(session, "CANARY-theirs")


@pytest.fixture(scope="module")
def client(engine: Engine) -> TestClient:
    """A client at `NOW` whose every request is undone, so that none depends on another."""
    app: FastAPI = create_app(engine, Settings(env=Env.TEST))

    def undone() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    async def same_now() -> object:
        return NOW

    app.dependency_overrides |= {deps.get_session: undone, deps.get_now: same_now}
    return TestClient(app, raise_server_exceptions=False)


def send(
    client: TestClient, operation: str, ground: Ground, headers: dict[str, str] | None
) -> Response:
    method, template = OPERATIONS[operation]
    rule = RULES[operation]
    more: dict[str, Any] = {}
    if rule.json:
        more["json"] = rule.json(ground)
    if rule.form:
        more["data"] = rule.form(ground)
    if rule.files:
        more["files"] = rule.files(ground)
    return client.request(
        method,
        template.format(**ground.ids),
        params=rule.query,
        headers={**(headers or {}), **rule.headers},
        **more,
    )


def outcome(reply: Response) -> str:
    """Tell what permission said; a rule of the domain may still say no (409).

    A provider to whom nobody holds keys here is asked for nothing, but was to be.
    """
    if reply.status_code == 503 and reply.json()["code"].endswith("-not-set-up"):
        return ANSWERED
    assert reply.status_code < 500, reply.text
    assert reply.status_code not in BROKEN, reply.text
    return REFUSALS.get(reply.status_code, ANSWERED)


def letter(role: Role) -> str:
    return next(letter for letter, known in LETTERS.items() if known == role)


def expected(rule: Rule, role: Role, *, foreign: bool) -> str:
    if rule.reach in {PUBLIC, SIGNED_IN}:
        return ANSWERED
    if rule.reach == ROLE:
        return ANSWERED if letter(role) in rule.may else FORBIDDEN
    if foreign and letter(role) not in rule.everywhere:
        return ABSENT
    if letter(role) in rule.may:
        return ANSWERED
    return FORBIDDEN if letter(role) in rule.sees else ABSENT


def without_scope(rule: Rule) -> str:
    return {ROW: ABSENT, ROLE: FORBIDDEN}.get(rule.reach, ANSWERED)


def test_the_table_has_a_line_for_every_operation() -> None:
    assert set(RULES) == set(OPERATIONS)


def test_the_letters_are_all_roles() -> None:
    assert set(LETTERS.values()) == set(Role)
    for operation, rule in RULES.items():
        assert set(rule.may + rule.sees + rule.everywhere) <= set(LETTERS), operation
        assert not set(rule.may) & set(rule.sees), operation
        assert bool(rule.may) == (rule.reach in {ROLE, ROW}), operation


def faults(
    client: TestClient, districts: tuple[District, District], operation: str
) -> Iterator[str]:
    """Yield what differs from the table, and what was told of another district."""
    ours, theirs = districts
    rule = RULES[operation]
    for role in Role:
        for scope, holder, ground, wanted in (
            ("own", ours.people, ours.ground, expected(rule, role, foreign=False)),
            ("foreign", ours.people, theirs.ground, expected(rule, role, foreign=True)),
            ("none", ours.lapsed, ours.ground, without_scope(rule)),
        ):
            reply = send(client, operation, ground, holder[role])
            if outcome(reply) != wanted:
                yield f"{role} {scope}: {reply.status_code}, not {wanted}: {reply.text[:90]}"
            hidden = "CANARY" if scope == "none" else theirs.canary
            if hidden in reply.text and letter(role) not in rule.everywhere:
                yield f"{role} {scope}: was told {hidden}"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_role_gets_what_the_table_says(
    client: TestClient, districts: tuple[District, District], operation: str
) -> None:
    assert list(faults(client, districts, operation)) == []


@pytest.mark.parametrize("operation", ["getOrganisation", "listOrganisations"])
def test_a_scope_with_a_hole_is_noticed(
    client: TestClient,
    districts: tuple[District, District],
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(organisations, "_in_scope", lambda _: true())
    assert "organiser foreign: was told CANARY-theirs" in faults(client, districts, operation)


def test_a_role_nobody_asks_for_is_noticed(
    client: TestClient, districts: tuple[District, District], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Actor, "require", lambda *_: None)
    found = list(faults(client, districts, "getOverview"))
    assert [fault for fault in found if fault.startswith("member own: 200, not 403")]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_visitor_gets_what_is_public(
    client: TestClient, districts: tuple[District, District], operation: str
) -> None:
    reply = send(client, operation, districts[0].ground, None)
    assert outcome(reply) == (ANSWERED if RULES[operation].reach == PUBLIC else UNKNOWN)
    assert "CANARY" not in reply.text
