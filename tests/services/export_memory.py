"""`python -m tests.services.export_memory MEDIA ROWS [gathered]`: print the peak memory in bytes.

A process of its own, for a peak never comes down again.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile

from app.services import exports
from app.services.booking_tables import COLUMNS
from app.services.exports import Media
from app.services.tables import Cell, Kind, Table

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int) -> Iterator[Sequence[Cell]]:
    for n in range(count):
        cells: dict[Kind, Cell] = {
            Kind.TEXT: f"示例第{n}党支部",
            Kind.INSTANT: BEGUN + timedelta(minutes=n),
            Kind.INTEGER: n,
            Kind.FLOAT: n / 7,
            Kind.FEN: n * 100,
        }
        yield [cells[column.kind] for column in COLUMNS]


def peak() -> int:
    """Bytes; not by getrusage, which starts a program at what its parent had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def main(media: str, count: str, *how: str) -> None:
    table = Table("bookings", "明细", COLUMNS, rows(int(count)), int(count), ())
    if how:
        table = replace(table, rows=iter(list(table.rows)))
    with TemporaryFile() as file:
        assert exports.write(table, Media(media), file) == int(count)
    print(peak())  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
