"""The ledger: balanced, gapless, never overdrawn, written once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app.models import (
    ACCOUNTS,
    MIRRORS,
    NOT_OVERDRAWN,
    EntryKind,
    Fund,
    FundAccount,
    LedgerEntry,
)
from app.services import ledger, reconciliation
from app.services.calendar import local_date
from app.services.ledger import FundExhausted, FundNotFound, FundYearTaken, PostingDiffers
from tests.conftest import NOW, as_owner
from tests.makers import make_fund, make_organisation
from tests.races import at_once
from tests.services.books import LOCK, LOOKUP, MEET, unguarded

K = EntryKind
BEFORE: dict[EntryKind, list[EntryKind]] = {
    K.APPROPRIATE: [],
    K.RESERVE: [K.APPROPRIATE],
    K.RELEASE: [K.APPROPRIATE, K.RESERVE],
    K.TOP_UP: [K.APPROPRIATE],
    K.COMMIT: [K.APPROPRIATE, K.RESERVE],
    K.PAY: [K.APPROPRIATE, K.TOP_UP],
    K.LAPSE: [K.APPROPRIATE],
    K.REVERSE_APPROPRIATE: [K.APPROPRIATE],
    K.REVERSE_COMMIT: [K.APPROPRIATE, K.RESERVE, K.COMMIT],
    K.REVERSE_TOP_UP: [K.APPROPRIATE, K.TOP_UP],
    K.REVERSE_PAY: [K.APPROPRIATE, K.TOP_UP, K.PAY],
}
"""What brings money to where each kind takes it from; for a reversal last what it reverses."""
PLAIN = [kind for kind in K if kind not in MIRRORS.values()]


def make_empty_fund(session: Session) -> Fund:
    return make_fund(session, make_organisation(session), available_fen=0)


@pytest.fixture
def fund(session: Session) -> Fund:
    return make_empty_fund(session)


def post(
    session: Session,
    fund_id: UUID,
    kind: EntryKind,
    amount_fen: int,
    step: str | None = None,
    **more: Any,
) -> LedgerEntry:
    return ledger.post(
        session,
        fund_id=fund_id,
        kind=kind,
        amount_fen=amount_fen,
        step=step or str(uuid7()),
        now=NOW,
        **more,
    )


def numbers(session: Session, fund_id: UUID) -> list[int]:
    rows = select(LedgerEntry.number).where(LedgerEntry.fund_id == fund_id)
    return list(session.exec(rows.order_by(col(LedgerEntry.number))).all())


def test_a_new_fund_has_every_account_empty(session: Session, fund: Fund) -> None:
    assert ledger.balances(session, fund_id=fund.id) == dict.fromkeys(FundAccount, 0)


@pytest.mark.parametrize("kind", K)
def test_a_posting_moves_both_balances(session: Session, fund: Fund, kind: EntryKind) -> None:
    earlier = [post(session, fund.id, each, 100) for each in BEFORE[kind]]
    before = ledger.balances(session, fund_id=fund.id)
    reverses = None if kind in PLAIN else earlier[-1].id
    entry = post(session, fund.id, kind, 100, reverses_id=reverses)
    after = ledger.balances(session, fund_id=fund.id)
    moved = {account: after[account] - before[account] for account in FundAccount}
    source, target = ACCOUNTS[kind]
    assert moved == dict.fromkeys(FundAccount, 0) | {source: -100, target: 100}
    assert (entry.from_account, entry.to_account, entry.amount_fen) == (source, target, 100)


def test_a_posting_is_one_journey(session: Session, fund: Fund) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    sent: list[str] = []
    event.listen(
        session.connection(), "before_cursor_execute", lambda *args: sent.append(str(args[2]))
    )
    said = [
        ledger.attempt(
            session, fund_id=fund.id, kind=K.RESERVE, amount_fen=amount, step=f"x{amount}"
        )
        for amount in (60, 40, 1)
    ]
    assert [one.refusal for one in said] == [None, None, "exhausted"]
    assert said[2] == ledger.Posted(None, "exhausted", 0)
    assert len(sent) == 3


def test_a_refused_attempt_spoils_nothing_and_says_what_is_left(
    session: Session, fund: Fund
) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    said = ledger.attempt(session, fund_id=fund.id, kind=K.RESERVE, amount_fen=101, step="x")
    assert (said.entry_id, said.refusal, said.held_fen) == (None, "exhausted", 100)
    done = ledger.attempt(session, fund_id=fund.id, kind=K.RESERVE, amount_fen=100, step="x")
    assert (done.refusal, done.held_fen) == (None, 100)
    assert numbers(session, fund.id) == [1, 2]


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 30, 15, 59, 59, tzinfo=UTC), date(2026, 11, 30)),
        (datetime(2026, 11, 30, 16, 0, tzinfo=UTC), date(2026, 12, 1)),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), date(2027, 1, 1)),
    ],
)
def test_an_entry_is_booked_on_the_districts_day(
    session: Session, fund: Fund, at: datetime, day: date
) -> None:
    entry = ledger.appropriate(session, fund_id=fund.id, amount_fen=1, document="1", now=at)
    assert (entry.booked_on, entry.created_at) == (day, at)
    assert local_date(at) == day


def test_no_entry_is_booked_before_the_one_before_it(session: Session, fund: Fund) -> None:
    days = [
        ledger.appropriate(
            session, fund_id=fund.id, amount_fen=1, document=str(n), now=at
        ).booked_on
        for n, at in enumerate((NOW, NOW - timedelta(days=3), NOW + timedelta(days=1)))
    ]
    assert days == [local_date(NOW), local_date(NOW), local_date(NOW + timedelta(days=1))]


def test_entries_are_numbered_without_a_gap(session: Session, fund: Fund) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    with pytest.raises(FundExhausted), session.begin_nested():
        post(session, fund.id, K.RESERVE, 101)
    post(session, fund.id, K.RESERVE, 100)
    assert numbers(session, fund.id) == [1, 2]


def test_a_step_sent_twice_posts_once(session: Session, fund: Fund) -> None:
    first = post(session, fund.id, K.APPROPRIATE, 100, step="once")
    assert post(session, fund.id, K.APPROPRIATE, 100, step="once") is first
    assert ledger.balances(session, fund_id=fund.id)[FundAccount.AVAILABLE] == 100


def test_a_document_brings_its_money_once(session: Session, fund: Fund) -> None:
    for _ in range(2):
        ledger.appropriate(session, fund_id=fund.id, amount_fen=70, document="示例 2 号")
    ledger.appropriate(session, fund_id=fund.id, amount_fen=5, document="示例 3 号")
    assert ledger.balances(session, fund_id=fund.id)[FundAccount.AVAILABLE] == 75


@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != K.APPROPRIATE])
def test_no_account_but_the_source_is_overdrawn(
    session: Session, fund: Fund, kind: EntryKind
) -> None:
    for earlier in BEFORE[kind]:
        post(session, fund.id, earlier, 100)
    before = ledger.balances(session, fund_id=fund.id)
    with pytest.raises(FundExhausted) as refused:
        post(session, fund.id, kind, 101)
    assert refused.value.facts == {"amount_fen": 101, "available_fen": 100}
    assert ledger.balances(session, fund_id=fund.id) == before


def test_the_table_itself_refuses_what_goes_past_the_service(session: Session, fund: Fund) -> None:
    as_owner(session)
    overdraw = text("UPDATE fund_balance SET balance_fen = -1 WHERE account = :account")
    with pytest.raises(IntegrityError, match=NOT_OVERDRAWN), session.begin_nested():
        session.connection().execute(overdraw, {"account": "available"})
    assert session.connection().execute(overdraw, {"account": "source"}).rowcount == 1


OTHERS: list[dict[str, Any]] = [
    {"amount_fen": 11},
    {"kind": K.TOP_UP},
    {"document": "x"},
    {"fund_id": None},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_the_same_step_for_something_else_is_an_error(
    session: Session, fund: Fund, other: dict[str, Any]
) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    same: dict[str, Any] = {"fund_id": fund.id, "kind": K.RESERVE, "amount_fen": 10, "step": "once"}
    if "fund_id" in other:
        other = {"fund_id": make_fund(session, make_organisation(session)).id}
    first = ledger.post(session, **same)
    with pytest.raises(PostingDiffers):
        ledger.post(session, **(same | other))
    assert ledger.post(session, **same) is first
    assert numbers(session, fund.id) == [1, 2]


def test_a_document_brings_no_other_amount(session: Session, fund: Fund) -> None:
    ledger.appropriate(session, fund_id=fund.id, amount_fen=70, document="示例 2 号")
    with pytest.raises(PostingDiffers):
        ledger.appropriate(session, fund_id=fund.id, amount_fen=71, document="示例 2 号")


def test_a_year_has_one_fund(session: Session, fund: Fund) -> None:
    with pytest.raises(FundYearTaken), session.begin_nested():
        ledger.open_fund(
            session,
            organisation_id=fund.organisation_id,
            fiscal_year=fund.fiscal_year,
            name="又一个",
        )


@pytest.mark.parametrize("spoil", ["amount", "kind", "fund"])
def test_the_function_mirrors_nothing_but_an_entry(
    session: Session, fund: Fund, spoil: str
) -> None:
    brought = post(session, fund.id, K.APPROPRIATE, 100)
    spent = post(session, fund.id, K.TOP_UP, 50)
    other = make_fund(session, make_organisation(session), available_fen=100)
    wrong = {
        "amount": (fund.id, K.REVERSE_APPROPRIATE, 40, brought.id),
        "kind": (fund.id, K.REVERSE_APPROPRIATE, 50, spent.id),
        "fund": (other.id, K.REVERSE_APPROPRIATE, 100, brought.id),
    }
    fund_id, kind, amount, reverses = wrong[spoil]
    with pytest.raises(IntegrityError, match="no mirror image"), session.begin_nested():
        post(session, fund_id, kind, amount, reverses_id=reverses)


@pytest.mark.parametrize(
    ("spoil", "constraint"),
    [
        ({"to_account": "paid"}, "kind_fixes_accounts"),
        ({"amount_fen": 0}, "amount_positive"),
        ({"number": 1}, "number_once"),
        ({"step": "first"}, "step_once"),
        ({"kind": "gift"}, "kind_fixes_accounts"),
        ({"reverses_id": "first"}, "reversal_has_entry"),
        ({}, None),
    ],
)
def test_an_entry_that_is_none_cannot_be_written(
    session: Session, fund: Fund, spoil: dict[str, Any], constraint: str | None
) -> None:
    first = post(session, fund.id, K.APPROPRIATE, 100, step="first")
    if "reverses_id" in spoil:
        spoil = {"reverses_id": first.id}
    sound: dict[str, Any] = {
        "fund_id": fund.id,
        "number": 2,
        "kind": K.RESERVE,
        "from_account": FundAccount.AVAILABLE,
        "to_account": FundAccount.RESERVED,
        "amount_fen": 1,
        "step": "second",
        "booked_on": NOW.date(),
        "hash": b"x",
    }
    as_owner(session)
    session.add(LedgerEntry(**(sound | spoil)))
    if constraint is None:
        session.flush()
    else:
        with pytest.raises(IntegrityError, match=constraint):
            session.flush()


CHANGES = (
    "UPDATE ledger_entry SET amount_fen = amount_fen + 1",
    "UPDATE ledger_entry SET document = NULL WHERE false",
    "DELETE FROM ledger_entry",
    "TRUNCATE ledger_entry CASCADE",
    "DELETE FROM fund_balance",
    "TRUNCATE fund_balance",
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_written_stays(session: Session, fund: Fund, change: str) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.connection().execute(text(change))
    as_owner(session)
    with pytest.raises(IntegrityError, match="is append-only"), session.begin_nested():
        session.connection().execute(text(change))
    for table in ("ledger_entry", "fund_balance", "reversal"):
        session.connection().execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    session.connection().execute(text(change))


FORBIDDEN = (
    "INSERT INTO ledger_entry SELECT * FROM ledger_entry",
    "INSERT INTO fund_balance SELECT * FROM fund_balance",
    "UPDATE fund_balance SET balance_fen = 0",
    "UPDATE fund SET last_number = 0",
    "UPDATE fund SET head = ''",
    "UPDATE fund SET id = id",
    "INSERT INTO fund (id, organisation_id, fiscal_year, name, when_exhausted, last_number)"
    " SELECT uuid7(), organisation_id, 1999, 'x', 'refuse', 5 FROM fund",
    "DELETE FROM fund",
    "TRUNCATE fund CASCADE",
    "ALTER TABLE ledger_entry DISABLE TRIGGER USER",
    "ALTER TABLE fund_balance DISABLE TRIGGER ALL",
    "DROP TRIGGER ledger_entry_append_only ON ledger_entry",
    "CREATE TRIGGER mine BEFORE INSERT ON ledger_entry EXECUTE FUNCTION append_only()",
    "CREATE OR REPLACE FUNCTION ledger_digest(previous bytea, entry ledger_entry) RETURNS bytea"
    " LANGUAGE sql AS 'SELECT previous'",
    "DROP FUNCTION ledger_post",
)


@pytest.mark.parametrize("act", FORBIDDEN)
def test_the_service_may_do_nothing_but_post(session: Session, fund: Fund, act: str) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        session.connection().execute(text(act))


def test_the_service_may_rename_a_fund(session: Session, fund: Fund) -> None:
    fund.name = "新名"
    session.flush()


def test_a_function_of_somebody_else_is_not_called_instead(session: Session, fund: Fund) -> None:
    """Names in a schema of one's own, looked into first, do not reach into the function."""
    session.connection().execute(text("CREATE TEMP TABLE fund_balance (LIKE fund_balance)"))
    session.connection().execute(text("CREATE TEMP TABLE ledger_entry (LIKE ledger_entry)"))
    ledger.attempt(session, fund_id=fund.id, kind=K.APPROPRIATE, amount_fen=100, step="x")
    left = text("SELECT sum(balance_fen) FROM public.fund_balance WHERE account = 'available'")
    assert session.connection().execute(left).scalar_one() == 100


def test_no_posting_without_a_fund(session: Session) -> None:
    with pytest.raises(FundNotFound):
        post(session, uuid7(), K.APPROPRIATE, 1)


def test_a_year_has_its_fund(session: Session) -> None:
    district = make_organisation(session)
    this, last = (make_fund(session, district, fiscal_year=year) for year in (2026, 2025))
    found = [
        ledger.fund_for(session, organisation_id=owner, day=this.created_at.date().replace(year=y))
        for owner, y in ((district.id, 2026), (district.id, 2025), (district.id, 2024))
    ]
    assert found == [this, last, None]
    assert ledger.fund_for(session, organisation_id=uuid7(), day=this.created_at.date()) is None


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.integers(1, 200)), max_size=8))
def test_balances_are_what_plain_arithmetic_says(
    session: Session, postings: list[tuple[EntryKind, int]]
) -> None:
    model = dict.fromkeys(FundAccount, 0)
    written = 0
    savepoint = session.begin_nested()
    fund_id = make_empty_fund(session).id
    for kind, amount in postings:
        source, target = ACCOUNTS[kind]
        if source != FundAccount.SOURCE and model[source] < amount:
            with pytest.raises(FundExhausted), session.begin_nested():
                post(session, fund_id, kind, amount)
            continue
        post(session, fund_id, kind, amount)
        model[source] -= amount
        model[target] += amount
        written += 1
    assert ledger.balances(session, fund_id=fund_id) == model
    assert sum(model.values()) == 0
    assert numbers(session, fund_id) == list(range(1, written + 1))
    savepoint.rollback()


def committed_fund(engine: Engine, available_fen: int) -> UUID:
    with Session(engine) as session, session.begin():
        fund = make_empty_fund(session)
        post(session, fund.id, K.APPROPRIATE, available_fen)
        return fund.id


def test_rivals_for_the_last_fen_share_it_out(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 100)
    amounts = (7, 11, 13, 5, 17, 3, 19, 2)

    def spend(number: int) -> list[int]:
        refused = []
        for _ in range(3):
            try:
                with Session(own_engine) as session, session.begin():
                    post(session, fund_id, K.RESERVE, amounts[number])
            except FundExhausted:
                refused.append(amounts[number])
        return refused

    refused = [amount for each in at_once(8, spend) for amount in each]
    with Session(own_engine) as session:
        left = ledger.balances(session, fund_id=fund_id)[FundAccount.AVAILABLE]
        entries = session.exec(select(LedgerEntry).where(LedgerEntry.kind == K.RESERVE)).all()
        assert numbers(session, fund_id) == list(range(1, len(entries) + 2))
    assert sum(entry.amount_fen for entry in entries) == 100 - left
    assert sum(amounts) * 3 - sum(refused) == 100 - left
    assert 0 <= left < min(refused)


def test_a_step_sent_by_eight_at_once_posts_once(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 100)

    def send(_: int) -> UUID:
        with Session(own_engine) as session, session.begin():
            return post(session, fund_id, K.RESERVE, 10, step="once").id

    assert len(set(at_once(8, send))) == 1
    with Session(own_engine) as session:
        assert ledger.balances(session, fund_id=fund_id)[FundAccount.RESERVED] == 10


def rivals(engine: Engine, fund_id: UUID) -> list[str]:
    """Post one step twice at once; tell the fen reserved after each, or how it was refused."""

    def send(_: int) -> str:
        try:
            with Session(engine) as session, session.begin():
                post(session, fund_id, K.RESERVE, 10, step="once")
        except (PostingDiffers, IntegrityError) as broken:
            return type(broken).__name__
        return "posted"

    told = at_once(2, send)
    with Session(engine) as session:
        reserved = ledger.balances(session, fund_id=fund_id)[FundAccount.RESERVED]
    return [str(reserved) if each == "posted" else each for each in told]


BEHIND = ("ledger_entry_step_once", "ledger_entry_number_once")


def test_two_who_post_one_step_post_once(own_engine: Engine) -> None:
    assert rivals(own_engine, committed_fund(own_engine, 100)) == ["10", "10"]


def test_without_the_lock_only_the_table_stops_the_second_of_them(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 100)
    unguarded(own_engine, LOCK, MEET)
    assert sorted(rivals(own_engine, fund_id)) == ["10", "IntegrityError"]


def test_without_the_lock_and_the_table_both_post(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 100)
    unguarded(own_engine, LOCK, MEET, dropping=BEHIND)
    assert sorted(rivals(own_engine, fund_id)) == ["20", "20"]


def test_without_the_lookup_a_second_call_moves_money_again(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 100)
    unguarded(own_engine, LOOKUP)
    assert "PostingDiffers" in rivals(own_engine, fund_id)
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_step_once"))
    rivals(own_engine, fund_id)
    with Session(own_engine) as session:
        assert ledger.balances(session, fund_id=fund_id)[FundAccount.RESERVED] == 30


def test_a_number_that_was_rolled_back_is_given_again(own_engine: Engine) -> None:
    fund_id = committed_fund(own_engine, 10_000)

    def come_and_go(number: int) -> None:
        for turn in range(6):
            with Session(own_engine) as session:
                post(session, fund_id, K.RESERVE, 1)
                if (number + turn) % 2:
                    session.rollback()
                session.commit()

    at_once(4, come_and_go)
    with Session(own_engine) as session:
        assert numbers(session, fund_id) == list(range(1, 4 * 3 + 2))
        assert list(reconciliation.findings(session, fund_id=fund_id)) == []
