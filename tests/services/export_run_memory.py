"""`python -m tests.services.export_run_memory URL FOLDER NOW [gathered]`: make what waits.

Prints the peak memory of doing so, in bytes.
"""

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from app.db import create_engine
from app.services import export_runs, exports
from app.services.exports import Media
from app.services.tables import Table
from app.storage import Folder
from tests.services.export_memory import peak

_write = exports.write


def gathered(made: Table, media: Media, file: BinaryIO) -> int:
    """A writer that has all rows before it writes the first."""
    return _write(replace(made, rows=iter(list(made.rows))), media, file)


def main(url: str, folder: str, now: str, *how: str) -> None:
    if how:
        exports.write = gathered
    at = datetime.fromisoformat(now)
    engine = create_engine(url, pool_size=4)
    assert export_runs.make_due(engine, now=lambda: at, storage=Folder(Path(folder))) == 1
    print(peak())  # noqa: T201 - its answer


if __name__ == "__main__":
    main(*sys.argv[1:])
