"""A short part of the outage, and guards that are missed when they are gone."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

import outage
from outage.guards import GUARDS
from outage.runs import Plan, play
from tests.conftest import plain

SEED = 11


def test_killed_and_stopped_workers_lose_and_double_nothing(own_engine: Engine) -> None:
    played = play(plain(own_engine.url), Plan(300, kills=2, stops=1, seed=SEED))
    assert played.verdict.faults == []
    assert (played.verdict.delivered, played.verdict.doubled) == (300, 0)


def test_a_provider_without_ids_doubles_no_more_than_the_kills(own_engine: Engine) -> None:
    plan = Plan(300, kills=4, stops=1, seed=SEED, honours=False)
    verdict = play(plain(own_engine.url), plan).verdict
    assert verdict.faults == []
    assert verdict.delivered == 300


def test_with_many_under_way_to_it_the_judge_finds_it(own_engine: Engine) -> None:
    plan = Plan(1_200, kills=12, seed=SEED, honours=False, guard="single")
    (fault,) = play(plain(own_engine.url), plan).verdict.faults
    assert fault.startswith("doubled")


def test_without_the_lock_the_judge_finds_it(own_engine: Engine) -> None:
    plan = Plan(2_000, seed=SEED, honours=False, guard="lock")
    assert any("doubled" in fault for fault in play(plain(own_engine.url), plan).verdict.faults)


def test_after_a_day_what_is_of_use_goes_out_and_the_rest_says_why_not(own_engine: Engine) -> None:
    played = play(plain(own_engine.url), Plan(200, seed=SEED, off=timedelta(days=1)))
    assert played.verdict.faults == []
    assert (played.verdict.delivered, played.verdict.missed) == (100, 100)
    assert played.seconds < 60


def test_every_guard_is_explained() -> None:
    readme = (Path(outage.__file__).parent / "README.md").read_text()
    assert [name for name in GUARDS if f"| {name} |" not in readme] == []
