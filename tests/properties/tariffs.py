"""A tariff and its fund as a plain model, and how to draw one."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from app.models import Category, ProgrammeKind, Sector, SubsidyStatus

S = SubsidyStatus
BOOKINGS = 5
DAYS = (date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 31))
CATEGORIES = (Category.RURAL, Category.URBAN)
SECTORS = (None, Sector.RURAL)
KINDS = (ProgrammeKind.VISIT, ProgrammeKind.OATH)


@dataclass(frozen=True)
class Line:
    """A version as it is drawn."""

    code: str
    version: int
    first: date
    days: int | None
    category: Category | None
    programme_kind: ProgrammeKind | None
    sector: Sector | None
    base: int
    head: int
    heads: int
    visit_cap: int
    month_cap: int | None
    year_cap: int | None

    @property
    def conditions(self) -> list[object]:
        return [self.programme_kind, self.sector, self.category]


@dataclass(frozen=True)
class Visit:
    """A visit as it is drawn: which of two sites, which of two branches."""

    day: date
    site: int
    branch: int
    kinds: tuple[ProgrammeKind, ...]
    outside: bool


@dataclass
class Kept:
    """What the model remembers of a subsidy."""

    status: S
    visit: Visit
    line: Line | None
    fen: int


@dataclass
class Plain:
    """A fund and its tariff, as anybody would do it with pencil and paper."""

    lines: list[Line]
    available: int
    refuses: bool
    kept: dict[int, Kept] = field(default_factory=dict)

    def line_for(self, visit: Visit) -> Line | None:
        holding = []
        for code in sorted({line.code for line in self.lines}):
            begun = [x for x in self.lines if x.code == code and x.first <= visit.day]
            if not begun:
                continue
            line = max(begun, key=lambda x: x.version)
            over = line.days is not None and visit.day >= line.first + timedelta(line.days)
            if not over and self.fits(line, visit):
                holding.append(line)
        best: Line | None = None
        for line in holding:
            if best is None or self.beats(line, best):
                best = line
        return best

    @staticmethod
    def fits(line: Line, visit: Visit) -> bool:
        return (
            line.category in {None, CATEGORIES[visit.site]}
            and line.sector in {None, SECTORS[visit.branch]}
            and (line.programme_kind is None or line.programme_kind in visit.kinds)
        )

    @staticmethod
    def beats(line: Line, best: Line) -> bool:
        """Tell whether a line goes before one whose code comes sooner."""
        mine = [x is not None for x in line.conditions]
        others = [x is not None for x in best.conditions]
        if sum(mine) != sum(others):
            return sum(mine) > sum(others)
        for one, other in zip(mine, others, strict=True):
            if one != other:
                return one
        return line.first > best.first

    def had(self, n: int, same: Any) -> int:
        return sum(
            one.fen
            for other, one in self.kept.items()
            if other != n and one.status in {S.RESERVED, S.COMMITTED} and same(one.visit)
        )

    def worth(self, n: int, line: Line, visit: Visit, people: int, promised: int) -> int:
        if people == 0:
            return 0
        fen = min(line.base + line.head * min(people, line.heads), line.visit_cap)
        month, year = visit.day.month, visit.day.year
        if line.month_cap is not None:
            had = self.had(n, lambda v: v.site == visit.site and v.day.month == month)
            fen = min(fen, max(line.month_cap - had, promised))
        if line.year_cap is not None:
            had = self.had(n, lambda v: v.branch == visit.branch and v.day.year == year)
            fen = min(fen, max(line.year_cap - had, promised))
        return max(fen, 0)

    def reserve(self, n: int, visit: Visit, people: int) -> str:
        line = None if visit.outside else self.line_for(visit)
        if line is None:
            self.kept[n] = Kept(S.UNFUNDED, visit, None, 0)
            return S.UNFUNDED
        fen = self.worth(n, line, visit, people, 0)
        if fen > self.available:
            if self.refuses:
                return "refused"
            self.kept[n] = Kept(S.UNFUNDED, visit, None, 0)
            return S.UNFUNDED
        self.available -= fen
        self.kept[n] = Kept(S.RESERVED, visit, line, fen)
        return S.RESERVED

    def commit(self, n: int, people: int) -> None:
        one = self.kept.get(n)
        if one is None or one.status != S.RESERVED:
            return
        assert one.line
        due = self.worth(n, one.line, one.visit, people, one.fen)
        due = min(due, one.fen + self.available)
        self.available += one.fen - due
        one.status, one.fen = S.COMMITTED, due

    def release(self, n: int) -> None:
        one = self.kept.get(n)
        if one and one.status == S.RESERVED:
            self.available += one.fen
            one.status = S.RELEASED


small = st.integers(0, 40)
some = st.none() | st.integers(0, 90)
days = st.sampled_from(DAYS)
lines = st.builds(
    Line,
    code=st.sampled_from("ABC"),
    version=st.integers(1, 3),
    first=days,
    days=st.none() | st.sampled_from([0, 1, 30]),
    category=st.none() | st.sampled_from(CATEGORIES),
    programme_kind=st.none() | st.sampled_from(KINDS),
    sector=st.none() | st.just(Sector.RURAL),
    base=small,
    head=st.integers(0, 5),
    heads=st.integers(0, 9),
    visit_cap=st.integers(0, 60),
    month_cap=some,
    year_cap=some,
)
tariffs = st.lists(lines, min_size=1, max_size=6, unique_by=lambda line: (line.code, line.version))
visits = st.builds(
    Visit,
    day=days,
    site=st.sampled_from([0, 1]),
    branch=st.sampled_from([0, 1]),
    kinds=st.sets(st.sampled_from(KINDS), min_size=1).map(lambda kinds: tuple(sorted(kinds))),
    outside=st.sampled_from([False, False, False, True]),
)
numbers, people = st.integers(0, BOOKINGS - 1), st.integers(0, 14)
deeds = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), numbers, visits, people),
        st.tuples(st.just("commit"), numbers, people),
        st.tuples(st.just("release"), numbers),
    ),
    max_size=14,
)
