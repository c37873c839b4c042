"""The ledger: balanced, gapless, never overdrawn, written once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app.models import ACCOUNTS, NOT_OVERDRAWN, EntryKind, Fund, FundAccount, LedgerEntry
from app.services import ledger
from app.services.ledger import FundExhausted, FundNotFound
from tests.conftest import as_owner
from tests.makers import make_fund, make_organisation
from tests.races import at_once

K = EntryKind
BEFORE: dict[EntryKind, list[EntryKind]] = {
    K.APPROPRIATE: [],
    K.RESERVE: [K.APPROPRIATE],
    K.RELEASE: [K.APPROPRIATE, K.RESERVE],
    K.TOP_UP: [K.APPROPRIATE],
    K.COMMIT: [K.APPROPRIATE, K.RESERVE],
    K.PAY: [K.APPROPRIATE, K.TOP_UP],
}
"""What brings money to where each kind takes it from."""


def make_empty_fund(session: Session) -> Fund:
    return make_fund(session, make_organisation(session), available_fen=0)


@pytest.fixture
def fund(session: Session) -> Fund:
    return make_empty_fund(session)


def post(
    session: Session, fund_id: UUID, kind: EntryKind, amount_fen: int, step: str | None = None
) -> LedgerEntry:
    return ledger.post(
        session, fund_id=fund_id, kind=kind, amount_fen=amount_fen, step=step or str(uuid7())
    )


def numbers(session: Session, fund_id: UUID) -> list[int]:
    rows = select(LedgerEntry.number).where(LedgerEntry.fund_id == fund_id)
    return list(session.exec(rows.order_by(col(LedgerEntry.number))).all())


def test_a_new_fund_has_every_account_empty(session: Session, fund: Fund) -> None:
    assert ledger.balances(session, fund_id=fund.id) == dict.fromkeys(FundAccount, 0)


@pytest.mark.parametrize("kind", K)
def test_a_posting_moves_both_balances(session: Session, fund: Fund, kind: EntryKind) -> None:
    for earlier in BEFORE[kind]:
        post(session, fund.id, earlier, 100)
    before = ledger.balances(session, fund_id=fund.id)
    entry = post(session, fund.id, kind, 30)
    after = ledger.balances(session, fund_id=fund.id)
    moved = {account: after[account] - before[account] for account in FundAccount}
    source, target = ACCOUNTS[kind]
    assert moved == dict.fromkeys(FundAccount, 0) | {source: -30, target: 30}
    assert (entry.from_account, entry.to_account, entry.amount_fen) == (source, target, 30)


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


@pytest.mark.parametrize("kind", [kind for kind in K if kind != K.APPROPRIATE])
def test_no_account_but_the_source_is_overdrawn(
    session: Session, fund: Fund, kind: EntryKind
) -> None:
    for earlier in BEFORE[kind]:
        post(session, fund.id, earlier, 100)
    before = ledger.balances(session, fund_id=fund.id)
    with pytest.raises(FundExhausted) as refused, session.begin_nested():
        post(session, fund.id, kind, 101)
    assert refused.value.facts == {"amount_fen": 101, "available_fen": 100}
    assert ledger.balances(session, fund_id=fund.id) == before


def test_the_table_itself_refuses_what_goes_past_the_service(session: Session, fund: Fund) -> None:
    overdraw = text("UPDATE fund_balance SET balance_fen = -1 WHERE account = :account")
    with pytest.raises(IntegrityError, match=NOT_OVERDRAWN), session.begin_nested():
        session.connection().execute(overdraw, {"account": "available"})
    assert session.connection().execute(overdraw, {"account": "source"}).rowcount == 1


@pytest.mark.parametrize(
    ("spoil", "constraint"),
    [
        ({"to_account": "paid"}, "kind_fixes_accounts"),
        ({"amount_fen": 0}, "amount_positive"),
        ({"number": 1}, "number_once"),
        ({"step": "first"}, "step_once"),
        ({}, None),
    ],
)
def test_an_entry_that_is_none_cannot_be_written(
    session: Session, fund: Fund, spoil: dict[str, Any], constraint: str | None
) -> None:
    post(session, fund.id, K.APPROPRIATE, 100, step="first")
    sound: dict[str, Any] = {
        "fund_id": fund.id,
        "number": 2,
        "kind": K.RESERVE,
        "from_account": FundAccount.AVAILABLE,
        "to_account": FundAccount.RESERVED,
        "amount_fen": 1,
        "step": "second",
    }
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
    "TRUNCATE ledger_entry",
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_written_stays(session: Session, fund: Fund, change: str) -> None:
    post(session, fund.id, K.APPROPRIATE, 100)
    with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
        session.connection().execute(text(change))
    as_owner(session)
    with pytest.raises(IntegrityError, match="ledger_entry is append-only"), session.begin_nested():
        session.connection().execute(text(change))
    session.connection().execute(text("ALTER TABLE ledger_entry DISABLE TRIGGER USER"))
    session.connection().execute(text(change))


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
@given(st.lists(st.tuples(st.sampled_from(K), st.integers(1, 200)), max_size=8))
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


def test_without_the_lock_only_the_table_stops_the_second_of_them(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fund_id = committed_fund(own_engine, 100)
    looked = Barrier(2)
    really_move = ledger._move

    def move_when_both_have_looked(
        session: Session, fund_id: UUID, source: FundAccount, target: FundAccount, amount_fen: int
    ) -> None:
        looked.wait(timeout=10)
        really_move(session, fund_id, source, target, amount_fen)

    monkeypatch.setattr(ledger, "lock", ledger.balances)
    monkeypatch.setattr(ledger, "_move", move_when_both_have_looked)

    def send(_: int) -> str | None:
        try:
            with Session(own_engine) as session, session.begin():
                post(session, fund_id, K.RESERVE, 10, step="once")
        except IntegrityError as broken:
            return str(broken.orig)
        return None

    with ThreadPoolExecutor(2) as pool:
        broken = [text for text in pool.map(send, range(2)) if text]
    assert len(broken) == 1
    assert "ledger_entry_step_once" in broken[0]
