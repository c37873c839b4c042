"""A short part of the race, and guards that are missed when they are gone."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

import race
from app import clock
from race import approvals, histories, storms
from race.__main__ import SERVERS, cli
from race.acts import ACTS
from race.fleet import fleet
from race.ground import Kind
from race.guards import GUARDS, without
from race.runs import Phase, Runner, Score
from race.stories import Fault
from tests.conftest import NOW, plain
from tests.live import serving

SEED = 370302
CALM = (Kind.MANUAL,)


def told(score: Score) -> list[str]:
    return [f"{found.fault}: {found.where}: {found.seen}" for found in score.found]


def test_whatever_is_done_at_once_no_answer_is_one_that_cannot_be(own_engine: Engine) -> None:
    with fleet(plain(own_engine.url), SERVERS) as servers:
        runner = Runner(own_engine, servers.bases, SEED, clock.now)
        for phase in (
            Phase("histories", histories.play, 16),
            Phase("approvals", approvals.play, 4, CALM),
            Phase("storms", storms.play, 4, CALM),
            Phase("killed before", partial(storms.killed_before, servers), 1, CALM),
            Phase("killed after", partial(storms.killed_after, servers), 1, CALM),
        ):
            score = runner.run(phase)
            assert told(score) == []
            assert score.histories == phase.count


MISSED = {
    "room": (Phase("rush", histories.rush, 6, CALM), Fault.OVERBOOKED),
    "lock": (Phase("approvals", approvals.play, 4, CALM), Fault.TWO_WON),
    "key": (Phase("storms", storms.play, 2, CALM), Fault.DIFFERENT),
    "line": (Phase("lines", histories.line, 4, CALM), Fault.NOBODY_WON),
}


@pytest.mark.parametrize("guard", MISSED)
def test_without_a_guard_the_judge_finds_what_it_kept_away(own_engine: Engine, guard: str) -> None:
    phase, fault = MISSED[guard]
    with serving(own_engine, NOW) as url, without(own_engine, guard) as lacking:
        score = Runner(own_engine, [url], SEED, lambda: NOW).run(phase)
    assert score.faults(fault)
    assert set(lacking) == set(GUARDS[guard].words)


def test_every_guard_is_missed_somewhere() -> None:
    assert set(MISSED) == set(GUARDS)
    asked = CliRunner().invoke(cli, ["--without", "nothing"])
    assert asked.exit_code == 2
    assert "room" in asked.output


def test_every_act_and_guard_is_explained() -> None:
    readme = (Path(race.__file__).parent / "README.md").read_text()
    assert [name for name in (*ACTS, *GUARDS) if f"| {name} |" not in readme] == []
