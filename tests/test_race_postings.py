"""A short part of the postings race, and guards that are missed when they are gone."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

import race
from race import postings
from race.recount import recount
from tests.conftest import as_owner, plain

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


def test_every_guard_is_explained() -> None:
    readme = (Path(race.__file__).parent / "README.md").read_text()
    assert [name for name in postings.GUARDS if f"| {name} |" not in readme] == []
