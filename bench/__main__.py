"""`python -m bench`: measure what is asked for, print it and keep it."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from app import clock
from app.machine import Refusal, say
from bench import report, scratch
from bench.lines import LINES
from bench.runs import Row, Setting

cli = typer.Typer(add_completion=False)


@cli.command()
def measure(
    size: Annotated[str, typer.Option(help=", ".join(scratch.SIZES))] = scratch.DISTRICT.name,
    only: Annotated[str, typer.Option(help="lines, by commas: " + ", ".join(LINES))] = "",
) -> None:
    """Measure the lines and say which targets were reached.

    Raises:
        BadParameter: there is no such size or line.
        Exit: with 1, when a line could not be measured; a target that was missed is no failure.
    """
    wanted = only.split(",") if only else list(LINES)
    if size not in scratch.SIZES or not set(wanted) <= set(LINES):
        raise typer.BadParameter(f"sizes: {', '.join(scratch.SIZES)}; lines: {', '.join(LINES)}")
    now = clock.now()
    rows: list[Row] = []
    failed: list[str] = []
    with (
        scratch.ready(scratch.SIZES[size], now=now) as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        setting = Setting(url, now, Path(folder), scratch.SEED)
        for name in wanted:
            say(f"measuring {name}")
            try:
                rows += LINES[name](setting)
            except RuntimeError as error:
                failed.append(f"{name} could not be measured: {error}")
        on = report.machine(url)
    report.show(rows, on, size)
    report.keep(rows, on, size, now)
    for line in failed:
        say(line)
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    try:
        cli()
    except Refusal as refusal:
        sys.exit(f"  {refusal}")
