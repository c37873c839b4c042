"""`python -m race`: play, judge, and say what came out."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import psycopg
import typer

from app import clock, postgres
from app.database import upgrade
from app.db import create_engine
from app.machine import Refusal, say
from race import approvals, histories, postings, report, storms
from race.fleet import Fleet, fleet, helper
from race.ground import Kind
from race.guards import GUARDS
from race.runs import Phase, Runner, Score

SERVERS = 3
KILLED_POSTERS = 20
KNOWN = (*GUARDS, *postings.GUARDS)
cli = typer.Typer(add_completion=False)


@cli.command()
def race(
    histories_: Annotated[int, typer.Option("--histories", min=0)] = 10_000,
    approvals_: Annotated[int, typer.Option("--approvals", min=0)] = 2_000,
    storms_: Annotated[int, typer.Option("--storms", min=0)] = 2_000,
    kills: Annotated[int, typer.Option(min=0, help="servers killed, in each of two ways")] = 10,
    postings_: Annotated[int, typer.Option("--postings", min=0, help="each sent twice")] = 100_000,
    seed: Annotated[int | None, typer.Option(help="by chance, without")] = None,
    without: Annotated[str, typer.Option(help="a guard: " + ", ".join(KNOWN))] = "",
) -> None:
    """Play histories against three servers of a database made for it, and judge every answer.

    Raises:
        BadParameter: there is no such guard.
        Exit: with 1, when something cannot be; without a guard, when nothing was found.
    """
    if without and without not in KNOWN:
        raise typer.BadParameter(f"guards: {', '.join(KNOWN)}")
    seed = secrets.randbelow(10**6) if seed is None else seed
    say(f"seed {seed}")
    found = 0
    if postings_ and without not in GUARDS:
        with _database() as url:
            found += _post(url, seed, postings_, without)
    if without not in postings.GUARDS:
        found += _race(seed, (histories_, approvals_, storms_, kills), without)
    if bool(found) != bool(without):
        raise typer.Exit(1)


def _post(url: str, seed: int, count: int, guard: str) -> int:
    if guard:
        engine = create_engine(url)
        postings.without(engine, guard)
        engine.dispose()
    say(f"postings: {count} by {postings.CLIENTS} clients, each sent twice")
    played = postings.play(url, seed=seed, count=count, kills=KILLED_POSTERS)
    report.posted(played)
    return len(played.faults)


def _race(seed: int, counts: tuple[int, int, int, int], without: str) -> int:
    if not any(counts):
        return 0
    command = ("race.unguarded", without) if without else ("app", "serve")
    with _database() as url, fleet(url, SERVERS, command=command) as servers, helper(url, "jobs"):
        scores = _play(url, servers, seed, _phases(servers, *counts))
    report.show(scores, seed)
    return sum(score.faults() for score in scores.values())


def _phases(
    servers: Fleet, histories_: int, approvals_: int, storms_: int, kills: int
) -> list[Phase]:
    calm, alone = (Kind.MANUAL,), 1
    return [
        Phase("histories", histories.play, histories_),
        Phase("approvals", approvals.play, approvals_, calm, at_once=3),
        Phase("storms", storms.play, storms_, calm),
        Phase("killed after", partial(storms.killed_after, servers), kills, calm, alone),
        Phase("killed before", partial(storms.killed_before, servers), kills, calm, alone),
    ]


def _play(url: str, servers: Fleet, seed: int, phases: list[Phase]) -> dict[str, Score]:
    engine = create_engine(url)
    runner = Runner(engine, servers.bases, seed, clock.now)
    scores = {}
    for phase in phases:
        if phase.count:
            scores[phase.name] = runner.run(phase, partial(report.progress, phase))
    engine.dispose()
    return scores


@contextmanager
def _database() -> Iterator[str]:
    """Yield the URL of an empty database, gone afterwards."""
    with postgres.running("race", durable=False) as server:
        url = postgres.createdb(server, f"race_{secrets.token_hex(4)}").replace("+psycopg", "", 1)
        try:
            upgrade(url)
            yield url
        finally:
            name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
            with psycopg.connect(server.replace("+psycopg", "", 1), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


if __name__ == "__main__":
    try:
        cli()
    except Refusal as refusal:
        sys.exit(f"  {refusal}")
