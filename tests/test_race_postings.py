"""A short part of the postings race, and guards that are missed when they are gone."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

import race
from app.models import EntryKind
from app.services import ledger
from race import postings
from race.recount import recount
from tests.conftest import NOW, as_owner, plain
from tests.makers import make_fund, make_organisation

SEED, COUNT, KILLS, CLIENTS = 41, 450, 4, 4


def test_whatever_is_sent_twice_and_killed_is_posted_once(own_engine: Engine) -> None:
    played = postings.play(
        plain(own_engine.url), seed=SEED, count=COUNT, kills=KILLS, clients=CLIENTS
    )
    assert played.faults == []
    assert (played.acknowledged, played.killed) == (2 * COUNT, KILLS)
    assert COUNT / 2 < played.entries < COUNT


@pytest.mark.parametrize("guard", postings.GUARDS)
def test_without_a_guard_the_judge_finds_it(own_engine: Engine, guard: str) -> None:
    postings.without(own_engine, guard)
    # Where two clients meet is chance; on a busy machine a short game may end before they do.
    played = postings.play(
        plain(own_engine.url), seed=SEED, count=600, kills=0, clients=2 * CLIENTS
    )
    assert played.faults


def test_the_recount_finds_what_was_changed(own_engine: Engine) -> None:
    url = plain(own_engine.url)
    postings.play(url, seed=SEED, count=30, kills=0, clients=2)
    assert list(recount(url)) == []
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql("UPDATE ledger_entry SET document = 'x' WHERE number = 2")
    assert any("another hash" in fault for fault in recount(url))


def test_an_account_that_was_emptied_is_no_fault(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        fund = make_fund(session, make_organisation(session), available_fen=500)
        ledger.post(
            session,
            fund_id=fund.id,
            kind=EntryKind.LAPSE,
            amount_fen=500,
            step="all",
            now=NOW,
        )
    assert list(recount(plain(own_engine.url))) == []
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.exec_driver_sql(
            "UPDATE fund_balance SET balance_fen = balance_fen + 1 WHERE account = 'available'"
        )
    assert any("balances" in fault for fault in recount(plain(own_engine.url)))


def test_every_guard_is_explained() -> None:
    readme = (Path(race.__file__).parent / "README.md").read_text()
    assert [name for name in postings.GUARDS if f"| {name} |" not in readme] == []
