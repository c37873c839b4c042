"""`python -m outage`: send under kills and stops, and say what came out."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import psycopg
import typer

from app import postgres
from app.database import upgrade
from app.machine import Refusal, say
from outage.guards import GUARDS
from outage.runs import Plan, Played, play

BACK_WITHIN = 60.0
"""Seconds within which what is still of use has gone out after a day without any worker."""
SHOWN = 10
cli = typer.Typer(add_completion=False)


@cli.command()
def outage(
    letters: Annotated[int, typer.Option(min=1)] = 20_000,
    kills: Annotated[int, typer.Option(min=0)] = 100,
    stops: Annotated[int, typer.Option(min=0, help="for longer than a lease lasts")] = 20,
    seed: Annotated[int | None, typer.Option(help="by chance, without")] = None,
    without: Annotated[str, typer.Option(help="a guard: " + ", ".join(GUARDS))] = "",
) -> None:
    """Send letters by workers that are killed and stopped, and judge what came of each.

    Raises:
        BadParameter: there is no such guard.
        Exit: with 1, when something cannot be; without a guard, when nothing was found.
    """
    if without and without not in GUARDS:
        raise typer.BadParameter(f"guards: {', '.join(GUARDS)}")
    seed = secrets.randbelow(10**6) if seed is None else seed
    say(f"seed {seed}")
    chaos = Plan(letters, kills, stops, seed, honours=False, guard=without)
    plans = {"ids ignored": chaos}
    if not without:
        plans |= {
            "calm": Plan(letters),
            "ids honoured": replace(chaos, honours=True),
            "off for a day": Plan(letters, off=timedelta(days=1)),
        }
    found = 0
    for name, plan in plans.items():
        with _database() as url:
            played = play(url, plan)
        found += _show(name, plan, played)
    if bool(found) != bool(without):
        raise typer.Exit(1)


def _show(name: str, plan: Plan, played: Played) -> int:
    verdict = played.verdict
    faults = list(verdict.faults)
    if plan.off and played.seconds > BACK_WITHIN:
        faults.append(f"{played.seconds:.0f} s until all was sent")
    say(
        f"{name}: {plan.letters} letters, {plan.kills} kills and {plan.stops} stops"
        f" ({verdict.between} between acceptance and mark): {verdict.delivered} delivered,"
        f" {verdict.missed} missed, {verdict.doubled} doubled, {len(faults)} faults,"
        f" {played.seconds:.1f} s"
    )
    if verdict.lateness and not plan.off:
        median, late, latest = verdict.lateness
        say(f"  lateness: p50 {median:.1f} s, p99 {late:.1f} s, at most {latest:.1f} s")
    for fault in faults[:SHOWN]:
        say(f"  {fault}")
    return len(faults)


@contextmanager
def _database() -> Iterator[str]:
    """Yield the URL of an empty database, gone afterwards."""
    with postgres.running("outage", durable=False) as server:
        url = postgres.createdb(server, f"outage_{secrets.token_hex(4)}")
        url = url.replace("+psycopg", "", 1)
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
