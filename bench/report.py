"""What was measured, for people and as JSON."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.runs import Row

RESULTS = Path(__file__).with_name("results.json")
_VERDICTS = {True: "reached", False: "NOT REACHED", None: ""}


def machine(url: str) -> dict[str, str | int]:
    """Return what it was measured on."""
    with psycopg.connect(url) as connection:
        (postgresql,) = connection.execute("SHOW server_version").fetchone() or ("",)
        (postgis,) = connection.execute("SELECT postgis_lib_version()").fetchone() or ("",)
        (sync,) = connection.execute("SHOW fsync").fetchone() or ("",)
        (buffers,) = connection.execute("SHOW shared_buffers").fetchone() or ("",)
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": cpus[0] if cpus else platform.machine(),
        "cores": len(cpus),
        "python": platform.python_version(),
        "postgresql": postgresql,
        "postgis": postgis,
        "fsync": sync,
        "shared_buffers": buffers,
    }


def show(rows: Sequence[Row], on: dict[str, str | int], size: str) -> None:
    """Print the table."""
    table = Table(title=f"size: {size}", title_justify="left")
    for heading in ("", "what", "measured", "target", "", "ours", "compared with"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        sign = "<=" if row.at_most else ">="
        target = "" if row.target is None else f"{sign} {row.target:g} {row.unit}"
        measured = f"{row.value:.2f} {row.unit}"
        table.add_row(
            row.id, row.what, measured, target, _VERDICTS[row.reached], row.ours, row.theirs
        )
    console = Console(width=160)
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in on.items()))


def keep(rows: Sequence[Row], on: dict[str, str | int], size: str, now: datetime) -> None:
    """Write the results of this size into the file, in the place of what it held of these lines."""
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    measured = {row.id for row in rows}
    others = [row for row in held.get(size, {}).get("rows", []) if row["id"] not in measured]
    told = [asdict(row) | {"reached": row.reached, "at": now.isoformat()} for row in rows]
    held[size] = {"machine": on, "rows": others + told}
    RESULTS.write_text(json.dumps(held, ensure_ascii=False, indent=1) + "\n")
