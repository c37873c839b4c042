"""Reconciliation finds whatever was done to a ledger behind the back of its function."""

# ruff: noqa: S608 - names and ids of our own, nothing anybody sent

from collections.abc import Callable, Iterator
from itertools import cycle, islice
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import URL, Engine, text
from sqlmodel import Session, select

from app.db import create_engine
from app.models import Fund, FundAccount, LedgerEntry
from app.services import fund_periods, reconciliation, verify
from tests.conftest import NOW, as_owner, database, plain
from tests.makers import MONTH
from tests.services.books import make_books

SEED, TAMPERINGS = 20261125, 100
Tamper = Callable[[Random, UUID, int], str]


@pytest.fixture(scope="module")
def books(server: URL, template: str) -> Iterator[tuple[Engine, UUID, int]]:
    """Two districts' books; the id of one fund, and how many entries it has."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            make_books(session)
            fund = make_books(session).fund
            session.refresh(fund)
            found = engine, fund.id, fund.last_number
        yield found
        engine.dispose()


COLUMNS = {
    "id": "uuid7()",
    "created_at": "created_at + interval '1 microsecond'",
    "fund_id": "(SELECT id FROM fund WHERE id <> fund_id)",
    "number": "number + 1000",
    "kind": "CASE kind WHEN 'pay' THEN 'commit' ELSE 'pay' END",
    "from_account": "CASE from_account WHEN 'paid' THEN 'source' ELSE 'paid' END",
    "to_account": "CASE to_account WHEN 'paid' THEN 'source' ELSE 'paid' END",
    "amount_fen": "amount_fen + 1",
    "step": "step || '.'",
    "booking_id": "CASE WHEN booking_id IS NULL THEN uuid7() END",
    "claim_id": "CASE WHEN claim_id IS NULL THEN uuid7() END",
    "document": "coalesce(document, '') || 'x'",
    "reverses_id": "CASE WHEN reverses_id IS NULL THEN uuid7() END",
    "booked_on": "booked_on - 1",
    "hash": "sha256(hash)",
}


def edit(column: str) -> Tamper:
    def change(chance: Random, fund: UUID, entries: int) -> str:
        number = chance.randint(1, entries)
        return f"UPDATE ledger_entry SET {column} = {COLUMNS[column]} WHERE {at(fund, number)}"

    return change


def at(fund: UUID, number: int) -> str:
    return f"fund_id = '{fund}' AND number = {number}"


def delete(where: Callable[[Random, int], int]) -> Tamper:
    return lambda chance, fund, entries: (
        f"DELETE FROM ledger_entry WHERE {at(fund, where(chance, entries))}"
    )


def insert(chance: Random, fund: UUID, entries: int) -> str:
    """A copy of some entry, behind the last one, with a hash that looks like one."""
    some = at(fund, chance.randint(1, entries))
    return f"""INSERT INTO ledger_entry SELECT (jsonb_populate_record(l, jsonb_build_object(
        'id', uuid7(), 'number', {entries + 1}, 'step', 'forged', 'reverses_id', NULL,
        'hash', sha256(hash)))).* FROM ledger_entry l WHERE {some}"""


def squeeze_in(chance: Random, fund: UUID, entries: int) -> str:
    """One among the others, which move on; number and balance are told to the fund."""
    number = chance.randint(1, entries)
    return f"""UPDATE ledger_entry SET number = number + 1
        WHERE fund_id = '{fund}' AND number >= {number};
        INSERT INTO ledger_entry (id, fund_id, number, kind, from_account, to_account, amount_fen,
            step, booked_on, hash)
        SELECT uuid7(), '{fund}', {number}, 'lapse', 'available', 'source', 1, 'forged',
            booked_on, sha256(hash) FROM ledger_entry WHERE {at(fund, number + 1)};
        UPDATE fund SET last_number = last_number + 1 WHERE id = '{fund}';
        UPDATE fund_balance SET balance_fen = balance_fen - 1
        WHERE fund_id = '{fund}' AND account = 'available';
        UPDATE fund_balance SET balance_fen = balance_fen + 1
        WHERE fund_id = '{fund}' AND account = 'source'"""


def swap(chance: Random, fund: UUID, entries: int) -> str:
    """Two entries change places."""
    one, other = chance.sample(range(1, entries + 1), 2)
    return f"""UPDATE ledger_entry SET number = {one + other} - number
        WHERE fund_id = '{fund}' AND number IN ({one}, {other})"""


def reorder(chance: Random, fund: UUID, entries: int) -> str:
    """The whole ledger backwards."""
    return f"UPDATE ledger_entry SET number = {entries + 1} - number WHERE fund_id = '{fund}'"


def trade(chance: Random, fund: UUID, entries: int) -> str:
    """A fen goes from one entry to another of the same kind of accounts, or the next best."""
    one, other = chance.sample(range(1, entries + 1), 2)
    return f"""UPDATE ledger_entry SET amount_fen = amount_fen
        + CASE number WHEN {one} THEN 1 ELSE -1 END
        WHERE fund_id = '{fund}' AND number IN ({one}, {other})"""


def cut_off(chance: Random, fund: UUID, entries: int) -> str:
    """The last entry goes, and the fund is told of it; but not its balances and its hash."""
    return f"""DELETE FROM ledger_entry WHERE {at(fund, entries)};
        UPDATE fund SET last_number = {entries - 1} WHERE id = '{fund}'"""


def on_fund(change: str) -> Tamper:
    return lambda _, fund, __: f"UPDATE fund SET {change} WHERE id = '{fund}'"


def on_balance(change: str) -> Tamper:
    def tamper(chance: Random, fund: UUID, _: int) -> str:
        account = chance.choice(list(FundAccount))
        return f"{change} WHERE fund_id = '{fund}' AND account = '{account}'"

    return tamper


TAMPERS: dict[str, Tamper] = {
    **{f"edit {column}": edit(column) for column in COLUMNS},
    "delete the first": delete(lambda *_: 1),
    "delete one": delete(lambda chance, entries: chance.randint(2, entries - 1)),
    "delete the last": delete(lambda _, entries: entries),
    "cut off": cut_off,
    "insert": insert,
    "squeeze in": squeeze_in,
    "swap": swap,
    "reorder": reorder,
    "trade": trade,
    "truncate": lambda *_: "TRUNCATE ledger_entry CASCADE",
    "empty": lambda _, fund, __: f"DELETE FROM ledger_entry WHERE fund_id = '{fund}'",
    "other head": on_fund("head = sha256(head)"),
    "no head": on_fund("head = ''"),
    "other number": on_fund("last_number = last_number + 1"),
    "other balance": on_balance("UPDATE fund_balance SET balance_fen = balance_fen + 1"),
    "no balance": on_balance("DELETE FROM fund_balance"),
}


def powerless(session: Session) -> None:
    """Take every guard away: triggers, keys and checks, as a superuser can."""
    as_owner(session)
    connection = session.connection()
    connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
    guards = (
        "SELECT conrelid::regclass || ' DROP CONSTRAINT ' || conname FROM pg_constraint WHERE"
        " contype IN ('c', 'u') AND conrelid IN ('ledger_entry'::regclass,"
        " 'fund_balance'::regclass)"
    )
    for guard in connection.exec_driver_sql(guards).scalars().all():
        connection.exec_driver_sql(f"ALTER TABLE {guard}")


def tampered(engine: Engine, statements: str, fund: UUID) -> tuple[int, set[str]]:
    """Do it and undo it; tell how many rows it touched, and what was found."""
    with Session(engine) as session:
        powerless(session)
        touched = [session.connection().exec_driver_sql(each) for each in statements.split(";")]
        found = {one.check for one in reconciliation.findings(session, fund_id=fund)}
        session.rollback()
    return touched[0].rowcount, found


def test_untampered_books_yield_nothing(books: tuple[Engine, UUID, int]) -> None:
    engine, fund, entries = books
    with Session(engine) as session:
        assert list(reconciliation.findings(session, fund_id=fund)) == []
        assert list(verify.violations(session, now=NOW)) == []
        powerless(session)
        assert list(reconciliation.findings(session, fund_id=fund)) == []
        kinds = session.exec(select(LedgerEntry.kind).where(LedgerEntry.fund_id == fund)).all()
    assert len(kinds) == entries > 15
    assert len(set(kinds)) == 10


def test_a_hundred_tamperings_are_all_found(books: tuple[Engine, UUID, int]) -> None:
    engine, fund, entries = books
    chance = Random(SEED)
    missed = []
    for name in islice(cycle(TAMPERS), TAMPERINGS):
        statements = TAMPERS[name](chance, fund, entries)
        rows, found = tampered(engine, statements, fund)
        if not found or rows == 0:
            missed.append((name, rows, statements))
    assert missed == []


def test_without_the_chain_some_would_not_be_found(
    books: tuple[Engine, UUID, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, fund, entries = books
    monkeypatch.delitem(reconciliation.CHECKS, "a ledger was changed")
    missed = {
        name
        for name, tamper in TAMPERS.items()
        if not tampered(engine, tamper(Random(SEED), fund, entries), fund)[1]
    }
    assert {"edit document", "edit booked_on", "edit created_at", "edit step"} <= missed


def test_another_funds_faults_are_not_told(books: tuple[Engine, UUID, int]) -> None:
    engine, fund, entries = books
    with Session(engine) as session:
        other = session.exec(select(Fund.id).where(Fund.id != fund)).one()
    for name in ("edit amount_fen", "delete one", "other head", "other balance"):
        statements = TAMPERS[name](Random(SEED), other, entries)
        assert tampered(engine, statements, fund)[1] == set()


def test_a_chain_made_anew_is_told_by_the_head_that_was_kept(
    books: tuple[Engine, UUID, int],
) -> None:
    """Who owns the server may write the whole past again; then only a kept statement tells."""
    engine, fund_id, _ = books
    rewritten = f"""
        UPDATE ledger_entry SET document = 'forged' WHERE {at(fund_id, 1)};
        DO $$
        DECLARE
            previous bytea := '';
            e ledger_entry;
        BEGIN
            FOR e IN SELECT * FROM ledger_entry WHERE fund_id = '{fund_id}' ORDER BY number LOOP
                previous := ledger_digest(previous, e);
                UPDATE ledger_entry SET hash = previous WHERE id = e.id;
            END LOOP;
            UPDATE fund SET head = previous WHERE id = '{fund_id}';
        END
        $$"""
    with Session(engine) as session:
        fund = session.get_one(Fund, fund_id)
        kept = fund_periods.statement(session, fund=fund, month=MONTH)
        powerless(session)
        session.connection().execute(text(rewritten))
        assert list(reconciliation.findings(session, fund_id=fund_id)) == []
        assert fund_periods.statement(session, fund=fund, month=MONTH).head != kept.head
        session.rollback()
