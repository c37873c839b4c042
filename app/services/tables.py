"""A table that is taken away, whatever it is written as: its columns, its rows, its notes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from app.errors import TooLarge

AT_A_TIME = 1000
"""Rows in memory, of a table that a cursor of the server reads."""
MOST = 100_000
"""Rows of a table that is counted at once."""
Cell = str | int | float | date | datetime | None


class TableTooLarge(TooLarge):
    """The table has more rows than are counted at once; ask for fewer days."""

    zh = "数据过多，请缩短统计区间"
    detail_en = "At most {limit} rows"
    detail_zh = "最多 {limit} 行"


class Kind(StrEnum):
    """What a column holds; `fen` is shown as yuan, an instant as the wall in Shanghai shows it."""

    TEXT = "text"
    INTEGER = "integer"
    FEN = "fen"
    DATE = "date"
    INSTANT = "instant"
    PERCENT = "percent"
    FLOAT = "float"


@dataclass(frozen=True)
class Column:
    """One column: its key, what it is called, what it holds, its width in letters."""

    key: str
    zh: str
    en: str
    kind: Kind = Kind.TEXT
    width: int = 12

    @property
    def heading(self) -> str:
        """What stands above it, Chinese first."""
        return f"{self.zh} {self.en}"


@dataclass(frozen=True)
class Table:
    """What is exported.

    Attributes:
        name: As in its address.
        title: What stands at its head.
        columns: From the left.
        rows: Each as long as `columns`; read once, while the table is written. A share is a
            fraction of 1, an instant is aware.
        total: How many rows there are.
        notes: What was counted, in which scope and range, when, by whom; pairs of name and text.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Iterator[Sequence[Cell]]
    total: int
    notes: tuple[tuple[str, str], ...]
