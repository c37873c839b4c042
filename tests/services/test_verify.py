"""`app verify`: silent about a sound world, and every check finds the fault it is there for."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import URL, Engine, func
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.db import create_engine
from app.models import (
    Account,
    ApprovalMode,
    Booking,
    BookingStatus,
    Claim,
    EntryKind,
    Fund,
    LedgerEntry,
    Notification,
    VenueSession,
    Way,
)
from app.services import (
    claim_drafts,
    claim_moves,
    facts,
    idempotency,
    notifications,
    reversals,
    reviews,
    site_cards,
    verify,
)
from app.services.idempotency import Answer
from tests.conftest import NOW, as_owner, database, plain
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_booking,
    make_claim,
    make_completed,
    make_group,
    make_policy,
    make_session,
    make_venue,
    make_world,
    move,
)
from tests.services.letters import choose
from tests.services.lines import confirm, join, make_parties, order

DAY = timedelta(days=1)
LATER = NOW + 30 * DAY

FAULTS: dict[str, list[str]] = {
    "a route or series has no booking, or one of another branch": [
        "UPDATE booking SET group_id = NULL WHERE group_id IS NOT NULL",
        """UPDATE booking SET organisation_id = parent_id FROM organisation o
        WHERE o.id = organisation_id AND group_id IS NOT NULL""",
    ],
    "a site is found by words that are not its own": [
        "UPDATE site SET short_name = 'x'",
        "UPDATE programme SET active = FALSE",
        "UPDATE organisation SET place = 'x' WHERE kind = 'town'",
        "DELETE FROM site_words",
    ],
    "an organisation does not hang where its parent is": [
        "UPDATE organisation SET path = subpath(path, 1) WHERE kind = 'branch'",
    ],
    "a guided booking has no guide for its time, or another has one": [
        "UPDATE programme SET needs_guide = TRUE",
        """INSERT INTO guide (id, site_id, name, active, version)
        SELECT uuid7(), id, 'x', TRUE, 1 FROM site;
        INSERT INTO guide_duty SELECT b.id, g.id, b.starts_at, b.ends_at
        FROM booking b JOIN guide g ON g.site_id = b.site_id LIMIT 1""",
    ],
    "the audit log was changed": [
        "UPDATE audit_event SET actor_role = 'auditor' WHERE number = 7",
        "UPDATE audit_event SET at = at + interval '1 us' WHERE number = 7",
        "UPDATE audit_event SET after = after || '{\"x\": 1}' WHERE number = 1",
        "UPDATE audit_event SET hash = sha256(hash) WHERE number = 7",
        "DELETE FROM audit_event WHERE number = 7",
        "DELETE FROM audit_event WHERE number = 1",
        """ALTER TABLE audit_event DROP CONSTRAINT audit_event_pkey;
        UPDATE audit_event SET number = 5 - number WHERE number IN (2, 3)""",
        """INSERT INTO audit_event
        SELECT district_id, number + 1, at, actor_id, actor_role, request_id, address,
            login, action, noun, row_id, before, after, hash
        FROM audit_event ORDER BY number DESC LIMIT 1""",
        "UPDATE audit_chain SET forgotten_hash = 'x'",
    ],
    "the audit log has a gap": [
        "DELETE FROM audit_event WHERE number = 7",
        "DELETE FROM audit_event WHERE number = (SELECT max(number) FROM audit_event)",
        "DELETE FROM audit_event",
        "UPDATE audit_chain SET last_number = last_number + 1",
        "UPDATE audit_chain SET last_hash = 'x'",
        "UPDATE audit_chain SET forgotten = 1",
    ],
    "two sessions of a venue overlap": [
        """ALTER TABLE venue_session DROP CONSTRAINT venue_session_no_overlap;
        INSERT INTO venue_session
            (id, site_id, venue_id, starts_at, ends_at, people_limit, groups_limit)
        SELECT uuid7(), site_id, venue_id, starts_at + interval '1 hour', ends_at, 1, 1
        FROM venue_session LIMIT 1"""
    ],
    "a session holds more than it has": [
        """ALTER TABLE venue_session DROP CONSTRAINT venue_session_people_fit_check;
        UPDATE venue_session SET people_held = people_limit + 1""",
        """ALTER TABLE venue_session DROP CONSTRAINT venue_session_groups_fit_check;
        UPDATE venue_session SET groups_held = groups_limit + 1""",
        """ALTER TABLE venue_session DROP CONSTRAINT venue_session_people_fit_check;
        UPDATE venue_session SET people_held = -1 WHERE people_held = 0""",
    ],
    "a session does not hold what its bookings and offers say": [
        "UPDATE venue_session SET people_held = people_held - 1 WHERE people_held > 0",
        "UPDATE venue_session SET groups_held = 0 WHERE groups_held = 1",
        "UPDATE venue_session SET groups_held = 1 WHERE groups_held = 0",
        "UPDATE booking SET people_expected = people_expected + 1",
        "UPDATE waitlist_entry SET people_expected = people_expected + 1 WHERE status = 'offered'",
    ],
    "an offer outlasted its time, or lasts into its session": [
        "UPDATE waitlist_entry SET confirm_by = confirm_by - interval '2 days'"
        " WHERE status = 'offered'",
        "UPDATE waitlist_entry SET confirm_by = confirm_by + interval '100 days'"
        " WHERE status = 'offered'",
    ],
    "somebody waits for a session that began long ago": [
        """UPDATE venue_session
        SET starts_at = starts_at - interval '999 days', ends_at = ends_at - interval '999 days'
        WHERE id IN (SELECT session_id FROM waitlist_entry WHERE status = 'waiting')""",
    ],
    "somebody waits though there is room": [
        """UPDATE venue_session SET groups_limit = 9, people_limit = 999
        WHERE id IN (SELECT session_id FROM waitlist_entry WHERE status = 'waiting')""",
        """UPDATE venue_session SET groups_held = 0, people_held = 0
        WHERE id IN (SELECT session_id FROM waitlist_entry WHERE status = 'waiting')""",
    ],
    "a confirmed offer is not the booking it became": [
        """UPDATE waitlist_entry e SET booking_id = (
            SELECT id FROM booking WHERE organisation_id <> e.organisation_id LIMIT 1)
        WHERE status = 'confirmed'""",
        "UPDATE waitlist_entry SET created_at = created_at + interval '1 day'"
        " WHERE status = 'confirmed'",
    ],
    "a booking's sessions are not its time": [
        "UPDATE booking SET ends_at = ends_at + interval '1 minute'",
        "UPDATE booking SET starts_at = starts_at - interval '1 minute'",
        "DELETE FROM booking_session",
        """INSERT INTO booking_session SELECT b.id, s.id FROM booking b, venue_session s
        WHERE (b.id, s.id) NOT IN (SELECT booking_id, session_id FROM booking_session)
        AND s.groups_held = 0 LIMIT 1""",
    ],
    "a booking's events are not a path to its status": [
        "UPDATE booking SET status = 'no_show' WHERE status = 'approved'",
        "UPDATE booking SET version = version + 1",
        """ALTER TABLE booking_event DISABLE TRIGGER USER;
        DELETE FROM booking_event WHERE version = 2""",
        """ALTER TABLE booking_event DISABLE TRIGGER USER; DELETE FROM booking_event""",
        """ALTER TABLE booking_event DISABLE TRIGGER USER;
        ALTER TABLE booking_event DROP CONSTRAINT booking_event_path_known_check;
        UPDATE booking_event SET from_status = 'rejected' WHERE to_status = 'completed'""",
    ],
    "an arrived or completed booking has no visit, or another has one": [
        "DELETE FROM visit WHERE completed_at IS NULL",
        "DELETE FROM visit WHERE completed_at IS NOT NULL",
        "UPDATE visit SET completed_at = NULL",
        "UPDATE visit SET completed_at = arrived_at",
        """INSERT INTO visit (booking_id, arrived_at, people_attended, means, confirmed_by)
        SELECT id, starts_at, 1, 'manager', made_by FROM booking WHERE status = 'pending'""",
    ],
    "a subsidy does not fit its booking's status": [
        "UPDATE subsidy SET status = 'released' WHERE status = 'reserved'",
        "UPDATE subsidy SET status = 'reserved' WHERE status = 'released'",
        "UPDATE subsidy SET status = 'reserved', committed_fen = NULL WHERE status = 'committed'",
        "UPDATE subsidy SET status = 'committed', committed_fen = 1 WHERE status = 'reserved'",
    ],
    "an answered booking has no subsidy row": [
        "DELETE FROM subsidy WHERE status = 'reserved'",
        "DELETE FROM subsidy WHERE status = 'committed'",
    ],
    "a subsidy is not what the ledger says": [
        "UPDATE subsidy SET reserved_fen = reserved_fen + 1 WHERE status = 'reserved'",
        "UPDATE subsidy SET committed_fen = committed_fen - 1 WHERE status = 'committed'",
        "UPDATE subsidy SET status = 'unfunded' WHERE status = 'reserved'",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET amount_fen = amount_fen + 1 WHERE kind = 'commit'""",
    ],
    "a site had more of a month than any rule of its visits gives": [
        """ALTER TABLE subsidy_rule DISABLE TRIGGER USER;
        UPDATE subsidy_rule SET site_month_cap_fen = 20000"""
    ],
    "a branch had more of a year than any rule of its visits gives": [
        """ALTER TABLE subsidy_rule DISABLE TRIGGER USER;
        UPDATE subsidy_rule SET branch_year_cap_fen = 20000"""
    ],
    "a ledger entry is for a booking without a subsidy": [
        "DELETE FROM subsidy WHERE status = 'released'"
    ],
    "a balance is not the sum of its entries": [
        "UPDATE fund_balance SET balance_fen = balance_fen + 1 WHERE account = 'available'",
        "UPDATE fund_balance SET balance_fen = 0",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET amount_fen = amount_fen + 1 WHERE kind = 'pay'""",
        """ALTER TABLE fund_balance DROP CONSTRAINT fund_balance_not_overdrawn_check;
        UPDATE fund_balance SET balance_fen = balance_fen + 1000000000 WHERE account = 'paid';
        UPDATE fund_balance SET balance_fen = balance_fen - 1000000000 WHERE account = 'payable';
        UPDATE fund SET last_number = last_number + 1;
        INSERT INTO ledger_entry (id, fund_id, number, kind, from_account, to_account, amount_fen,
            step, booked_on, hash)
        SELECT uuid7(), id, last_number, 'pay', 'payable', 'paid', 1000000000, 'x', now(), 'x'
        FROM fund""",
        """ALTER TABLE fund_balance DISABLE TRIGGER USER;
        DELETE FROM fund_balance WHERE account = 'available'""",
    ],
    "a ledger has a gap": [
        "UPDATE fund SET last_number = last_number + 1",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET number = 0 WHERE number = 1""",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        DELETE FROM ledger_entry WHERE number = 2""",
    ],
    "a ledger was changed": [
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET document = 'x' WHERE kind = 'pay'""",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        DELETE FROM ledger_entry WHERE number = 1""",
    ],
    "a ledger does not end where its fund says": [
        "UPDATE fund SET head = sha256(head)",
        "UPDATE fund SET last_number = last_number - 1",
    ],
    "an entry is not of its kind": [
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_kind_fixes_accounts_check;
        UPDATE ledger_entry SET to_account = 'paid' WHERE kind = 'commit'""",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_amount_positive_check;
        UPDATE ledger_entry SET amount_fen = 0 WHERE kind = 'commit'""",
    ],
    "a reversal is not the mirror image of its entry": [
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET amount_fen = amount_fen - 1 WHERE kind = 'reverse_pay'""",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry m SET reverses_id = o.id FROM ledger_entry o
        WHERE o.kind = 'reserve' AND o.number = 2 AND m.kind = 'reverse_pay'""",
    ],
    "a reversal was not confirmed, or a confirmed one not made": [
        "UPDATE reversal SET status = 'refused'",
        "DELETE FROM reversal",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        DELETE FROM ledger_entry WHERE kind = 'reverse_pay'""",
    ],
    "a claim line is not its visit's subsidy": [
        "UPDATE claim_line SET amount_fen = amount_fen + 1",
        "UPDATE booking SET status = 'arrived' WHERE id IN (SELECT booking_id FROM claim_line)",
        "DELETE FROM subsidy WHERE status = 'committed'",
    ],
    "a claim is not the sum of its lines": [
        "UPDATE claim SET amount_fen = amount_fen + 1 WHERE status = 'draft'",
        "DELETE FROM claim_line",
    ],
    "a claim and its payment differ": [
        "UPDATE claim SET status = 'approved', voucher_number = NULL WHERE status = 'paid'",
        """ALTER TABLE claim DROP CONSTRAINT claim_approved_after_review_check;
        ALTER TABLE claim DROP CONSTRAINT claim_reviewed_by_somebody_check;
        UPDATE claim SET status = 'paid', voucher_number = '1' WHERE status = 'draft'""",
        """ALTER TABLE ledger_entry DISABLE TRIGGER USER;
        UPDATE ledger_entry SET amount_fen = amount_fen - 1 WHERE kind = 'pay'""",
    ],
    "a visit of long ago is in no claim": [
        """UPDATE booking SET starts_at = starts_at - interval '100 days'
        WHERE status = 'completed'; DELETE FROM claim_line""",
        """WITH taken AS (DELETE FROM claim_line RETURNING *)
        INSERT INTO returned_line SELECT claim_id, booking_id, people_attended, amount_fen, '',
            (SELECT min(id::text)::uuid FROM account), now() - interval '100 days' FROM taken;
        UPDATE booking SET starts_at = starts_at - interval '100 days'
        WHERE status = 'completed'""",
    ],
    "a visit is in a claim that it was taken out of": [
        """INSERT INTO returned_line SELECT claim_id, booking_id, people_attended, amount_fen, '',
            (SELECT min(id::text)::uuid FROM account), now() FROM claim_line""",
    ],
    "a site's card is believed and wrong": [
        "UPDATE site_card SET digest = digest + 1",
        "UPDATE site_card SET next_free_at = next_free_at + interval '1 hour'",
        "UPDATE site_card SET category = 'two_new'",
        "UPDATE site_card SET location = ST_SetSRID(ST_MakePoint(0, 0), 4326)",
        "DELETE FROM site_card",
        "ALTER TABLE site DISABLE TRIGGER site_card_note; UPDATE site SET name = 'x'",
        """ALTER TABLE site DISABLE TRIGGER site_card_note;
        UPDATE site SET status = 'suspended'""",
    ],
    "a booking counts for something else than its rows say": [
        "UPDATE usage_fact SET people = people + 1",
        "DELETE FROM usage_fact",
    ],
    "a sum of the statistics is not that of its facts": [
        "UPDATE usage_cell SET visits = visits + 1",
        "DELETE FROM usage_cell WHERE grain = 'month'",
    ],
    "the days of the statistics are not those of their facts": ["DELETE FROM usage_days"],
    "a message that is due was neither delivered nor missed": [
        "UPDATE notification SET delivered_at = NULL"
    ],
    "a missed message does not say why": [
        "UPDATE notification SET missed_at = delivered_at, delivered_at = NULL"
    ],
    "a letter is owed and nobody sends it": [
        "UPDATE delivery SET next_attempt_at = due_at",
        """UPDATE delivery d SET status = 'missed', reason = 'moved', settled_at = due_at
        WHERE letter_id = id AND EXISTS (
            SELECT FROM delivery o WHERE o.letter_id = d.id AND o.id <> d.id)""",
    ],
    "a message was written twice for one way": [
        """DROP INDEX delivery_once; INSERT INTO delivery
        SELECT (jsonb_populate_record(d, jsonb_build_object('id', uuid7()))).* FROM delivery d"""
    ],
    "a letter was passed on to no other way": [
        "UPDATE delivery SET status = 'passed_on', reason = 'refused', settled_at = due_at"
    ],
}


def make_all_kinds(session: Session) -> None:
    """A district with bookings in every state, claims, answers and messages."""
    world = make_world(session)
    hall = make_venue(session, world.site)
    slots = iter([make_session(session, hall, starts_at=IN_A_WEEK + n * DAY) for n in range(12)])
    november = make_session(session, hall, starts_at=NOW + 5 * DAY)
    paid = make_completed(session, world, november, attended=18)
    pay_for_november(session, world)
    pay_again(session, world)
    make_completed(session, world, next(slots))
    make_claim(session, world)
    reviews.write(
        session,
        actor=actor(session, world.organiser),
        booking_id=paid.id,
        content=5,
        reception=5,
        facilities=5,
        text="",
        now=NOW,
    )
    make_moved(session, world, next(slots), "reject")
    make_moved(session, world, next(slots), "cancel", by="organiser")
    make_moved(session, world, next(slots), "approve")
    make_moved(session, world, next(slots), "approve", "no-show")
    make_moved(session, world, next(slots), "approve", "cancel")
    make_moved(session, world, next(slots), "approve", "arrive")
    pending = make_booking(session, world, next(slots))
    make_policy(session, world.district, site=world.site, approval_mode=ApprovalMode.AUTO)
    make_group(session, pending, make_booking(session, world, next(slots)))
    answer = Answer(201, f'{{"id": "{pending.id}", "session_ids": []}}'.encode())
    for key, kept in ((uuid7(), answer), (uuid7(), Answer(201, b'{"id": "no booking"}'))):
        idempotency.begin(
            session, account_id=world.organiser.id, key=key, request_hash=b"", now=NOW
        )
        idempotency.keep(session, account_id=world.organiser.id, key=key, answer=kept)
    make_lines(session, world, make_session(session, hall, starts_at=LATER + 10 * DAY))
    choose(session, world.manager, Way.SMS)
    notifications.deliver_due(session, LATER + 30 * DAY, ways=[Way.SMS])
    make_session(session, hall, starts_at=LATER + 20 * DAY)
    site_cards.refresh(session, LATER)
    facts.fold(session, LATER)


def make_lines(session: Session, world: World, slot: VenueSession) -> None:
    """Who confirmed, who was offered places, and who still waits."""
    parties = make_parties(session, world, 4)
    slot.groups_limit = 2
    session.flush()
    bookings = [order(session, world, party, slot, now=LATER) for party in parties[:2]]
    first, *_ = [
        join(session, world, party, slot, now=LATER) for party in (*parties[2:], parties[0])
    ]
    for booking in bookings:
        move(session, world.manager, booking, "cancel", LATER)
    confirm(session, parties[2], first, LATER)


def pay_for_november(session: Session, world: World) -> None:
    claim_drafts.draft_month(session, fund_id=world.fund.id, month=date(2026, 11, 1))
    claim = session.exec(select(Claim)).one()
    steps = {
        "submit": world.manager,
        "review": world.fund_officer,
        "approve": world.fund_approver,
        "pay": world.fund_approver,
    }
    for name, who in steps.items():
        move_claim(session, who, claim, name)


def move_claim(session: Session, who: Account, claim: Claim, name: str) -> None:
    claim_moves.move(
        session,
        actor=actor(session, who),
        claim_id=claim.id,
        name=name,
        now=NOW,
        voucher_number="2026-记-0117" if name == "pay" else None,
    )


def pay_again(session: Session, world: World) -> None:
    """Reverse the payment, which was a slip, and pay again."""
    paid = session.exec(select(LedgerEntry).where(LedgerEntry.kind == EntryKind.PAY)).one()
    reverse(session, world, paid)
    move_claim(session, world.fund_approver, session.exec(select(Claim)).one(), "pay")


def reverse(session: Session, world: World, entry: LedgerEntry) -> None:
    asked = reversals.ask(
        session,
        actor=actor(session, world.fund_officer),
        entry_id=entry.id,
        reason="记错",
        now=NOW,
    )
    reversals.confirm(
        session, actor=actor(session, world.fund_approver), reversal_id=asked.id, now=NOW
    )


def make_moved(
    session: Session, world: World, slot: VenueSession, *names: str, by: str = "manager"
) -> None:
    booking = make_booking(session, world, slot)
    when = {"arrive": booking.starts_at, "no-show": booking.ends_at}
    for name in names:
        move(session, getattr(world, by), booking, name, when.get(name, NOW))


@pytest.fixture(scope="module")
def sound_engine(server: URL, template: str) -> Iterator[Engine]:
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            make_all_kinds(session)
        yield engine
        engine.dispose()


@pytest.fixture
def session(sound_engine: Engine) -> Iterator[Session]:
    """A session in the sound world; what it does is undone."""
    with Session(sound_engine) as session:
        yield session
        session.rollback()


def found(session: Session, now: datetime = LATER) -> set[str]:
    return {line.split(": ")[0] for line in verify.violations(session, now=now)}


def run(session: Session, statements: str) -> int:
    """Run them one by one as the owner; return how many rows the last one touched."""
    as_owner(session)
    session.connection().exec_driver_sql("ALTER TABLE audit_event DISABLE TRIGGER USER")
    results = [session.connection().exec_driver_sql(each) for each in statements.split(";")]
    return results[-1].rowcount


def test_a_sound_world_yields_nothing(session: Session) -> None:
    assert list(verify.violations(session, now=LATER)) == []


def test_the_sound_world_has_something_for_every_check(session: Session) -> None:
    statuses = session.exec(select(Booking.status).distinct()).all()
    assert set(statuses) == set(BookingStatus) - {BookingStatus.EXPIRED}
    claimed = session.exec(select(Claim.status)).all()
    assert set(claimed) == {"draft", "paid"}


def test_every_check_has_a_fault_to_find() -> None:
    assert set(FAULTS) == set(verify.CHECKS)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        pytest.param(name, fault, id=f"{name} {number}")
        for name, faults in FAULTS.items()
        for number, fault in enumerate(faults, 1)
    ],
)
def test_every_fault_is_found_under_its_name(session: Session, name: str, fault: str) -> None:
    assert run(session, fault) > 0
    assert name in found(session)


def test_a_violation_names_the_row(session: Session) -> None:
    run(session, "UPDATE fund SET head = sha256(head)")
    fund = session.exec(select(Fund)).one()
    line = f"a ledger does not end where its fund says: {fund.id}"
    assert list(verify.violations(session, now=LATER)) == [line]


@pytest.mark.parametrize(
    ("waited", "late"),
    [(verify.PATIENCE, False), (verify.PATIENCE + timedelta(microseconds=1), True)],
)
def test_a_message_may_wait_a_little(session: Session, waited: timedelta, late: bool) -> None:
    run(session, "UPDATE notification SET delivered_at = NULL")
    last = session.exec(select(func.min(Notification.due_at))).one()
    name = "a message that is due was neither delivered nor missed"
    assert (name in found(session, last + waited)) is late


def test_looking_changes_nothing(session: Session) -> None:
    run(session, "SET TRANSACTION READ ONLY")
    assert found(session) == set()
