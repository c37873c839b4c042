"""What came out, for people."""

from collections.abc import Mapping
from itertools import islice

from rich.console import Console
from rich.table import Table

from app.machine import say
from race.postings import Played
from race.runs import Phase, Score
from race.stories import Fault

_SHOWN = 20
"""Faults that are told in full."""


def progress(phase: Phase, score: Score) -> None:
    """Say how far a phase has come."""
    say(
        f"{phase.name}: {score.histories} of {phase.count},"
        f" {score.requests} requests, {score.faults()} faults"
    )


def show(scores: Mapping[str, Score], seed: int) -> None:
    """Print the tables, and the first faults."""
    console = Console(width=140)
    console.print(_totals(scores, seed))
    console.print(_answers(scores))
    faults = (found for score in scores.values() for found in score.found)
    for found in islice(faults, _SHOWN):
        console.print(f"{found.fault}: {found.where}: {found.seen}", markup=False)


def posted(played: Played) -> None:
    """Print what came out of the postings, and the first faults."""
    console = Console(width=140)
    console.print(
        f"{played.acknowledged:,} calls acknowledged, {played.entries:,} entries,"
        f" {played.killed} clients killed, {len(played.faults)} faults"
    )
    for fault in played.faults[:_SHOWN]:
        console.print(fault, markup=False)


def _totals(scores: Mapping[str, Score], seed: int) -> Table:
    table = Table(title=f"seed {seed}", title_justify="left")
    for heading in ("", "histories", "requests", "overbooked", "nobody won", "5xx", "other faults"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, score in scores.items():
        known = [score.faults(kind) for kind in (Fault.OVERBOOKED, Fault.NOBODY_WON, Fault.SERVER)]
        rest = score.faults() - sum(known)
        counts = (score.histories, score.requests, *known, rest)
        table.add_row(name, *(f"{count:,}" for count in counts))
    return table


def _answers(scores: Mapping[str, Score]) -> Table:
    table = Table(title="answers", title_justify="left")
    for heading in ("", "what was asked", "answered"):
        table.add_column(heading, overflow="fold")
    for name, score in scores.items():
        for act in sorted({act for act, _ in score.answers}):
            told = [(n, code) for (asked, code), n in score.answers.items() if asked == act]
            text = ", ".join(f"{code} {n:,}" for n, code in sorted(told, reverse=True))
            table.add_row(name, act, text)
    return table
