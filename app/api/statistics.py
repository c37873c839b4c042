"""The dashboard."""

from datetime import date, datetime, timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Malformed, Unauthenticated
from app.models import Category
from app.services import statistics, usage
from app.services.access import OVERSEERS, NotInScope
from app.services.calendar import local_date

router = Router(prefix="/statistics", tags=["statistics"])

A_YEAR = timedelta(days=365)
MOST_DAYS = 1100


class PeriodTooLong(Malformed):
    """The period is empty or too long."""

    zh = "统计区间有误"
    detail_en = "1 to {limit} days"
    detail_zh = "区间须为 1 至 {limit} 天"


class UsePublic(BaseModel):
    """Orders, visits that took place, and people who came."""

    id: UUID | None
    name: str
    bookings: int
    visits: int
    people: int


class OverviewPublic(BaseModel):
    """Days `[since, until)`; `rating` 1 to 5; `answer_minutes` is the mean wait for an answer."""

    since: date
    until: date
    sites: int
    branches: int
    branches_came: int
    waiting: int
    statuses: dict[str, int]
    visits: int
    people: int
    late_cancels: int
    rating: float | None
    answer_minutes: float | None
    by_month: list[UsePublic]
    by_category: list[UsePublic]
    by_town: list[UsePublic]
    top_sites: list[UsePublic]
    balances_fen: dict[str, int]


class TooManyKeys(Malformed):
    """Usage is told apart by three different things at most."""

    zh = "分组条件有误"
    detail_en = "at most {limit}, each once"
    detail_zh = "最多 {limit} 项，且不得重复"


class NotComparable(Malformed):
    """Cells of a time have no period before of their own; compare without a time in `group_by`."""

    zh = "按时间分组时不能环比"


class KeyPublic(BaseModel):
    """What a cell is of: an id or a code, and the name to show; both null where there is none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: str | None
    name: str | None


class MeasuresPublic(BaseModel):
    """`occupancy` is people per place, `rating` 1 to 5, `answer_minutes` a mean."""

    bookings: int
    rejected: int
    visits: int
    people: int
    occupancy: float | None
    no_shows: int
    late_cancels: int
    rating: float | None
    answer_minutes: float | None
    subsidy_fen: int


class CellPublic(BaseModel):
    """One combination of keys, in the order of `group_by`; `before` only if compared."""

    keys: list[KeyPublic]
    measures: MeasuresPublic
    before: MeasuresPublic | None


class UsagePublic(BaseModel):
    """Cells, whether there are `more`, and the totals of all, listed or not."""

    cells: list[CellPublic]
    more: bool
    totals: MeasuresPublic
    totals_before: MeasuresPublic | None


Measure = Literal[
    "bookings",
    "rejected",
    "visits",
    "people",
    "occupancy",
    "no_shows",
    "late_cancels",
    "rating",
    "answer_minutes",
    "subsidy_fen",
]


class UsageAsked(BaseModel):
    """What usage is asked for."""

    from_: DateDep | None = Field(None, alias="from", description="First day; else a year ago")
    to: DateDep | None = Field(None, description="Last day, counted too; else today")
    group_by: list[usage.By] = Field([], description="At most three, each once")
    site_id: UUID | None = None
    town_id: UUID | None = None
    category: Category | None = None
    outside: bool | None = Field(None, description="Only branches of other districts, or none")
    sort: Measure | None = Field(None, description="The largest first; else in order of the keys")
    limit: int = Field(1000, ge=1, le=5000)
    compare: Literal["previous"] | None = Field(None, description="With as many days before")


@router.get(
    "/usage",
    operation_id="getUsage",
    summary="How much sites were used, told apart by up to three things",
    response_model=UsagePublic,
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong, TooManyKeys, NotComparable),
)
def get_usage(
    actor: ActorDep, session: SessionDep, now: NowDep, asked: Annotated[UsageAsked, Query()]
) -> Response:
    """Count what the reader oversees; staff and auditors only.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
        TooManyKeys: more than three, or one twice.
        NotComparable: compared by a time.
    """
    actor.require(*OVERSEERS)
    since, until = period(asked.from_, asked.to, now)
    keys = tuple(asked.group_by)
    if len(keys) > usage.MOST_KEYS or len(set(keys)) < len(keys):
        raise TooManyKeys(limit=usage.MOST_KEYS)
    if asked.compare and usage.TIMES & set(keys):
        raise NotComparable
    query = usage.Query(
        since=since,
        until=until,
        group_by=keys,
        compare=asked.compare is not None,
        **asked.model_dump(exclude={"from_", "to", "group_by", "compare"}),
    )
    found = usage.usage(session, actor=actor, query=query)
    # Written as it was found: to make the same of hundreds of cells first takes as long again.
    return Response(_USAGE.dump_json(found), media_type="application/json")


_USAGE, _OVERVIEW = TypeAdapter(usage.Usage), TypeAdapter(statistics.Overview)


def period(from_: date | None, to: date | None, now: datetime) -> tuple[date, date]:
    """Return the days `[since, until)` that are asked for: without any, the last year.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    until = (to or local_date(now)) + timedelta(days=1)
    since = from_ or until - A_YEAR
    if not 1 <= (until - since).days <= MOST_DAYS:
        raise PeriodTooLong(limit=MOST_DAYS)
    return since, until


@router.get(
    "/overview",
    operation_id="getOverview",
    summary="The district, or my part of it, in numbers",
    response_model=OverviewPublic,
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong),
)
def get_overview(
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    from_: Annotated[
        DateDep | None, Query(alias="from", description="First day; else a year ago")
    ] = None,
    to: Annotated[DateDep | None, Query(description="Last day, counted too; else today")] = None,
) -> Response:
    """Count what the reader oversees; staff and auditors only.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    actor.require(*OVERSEERS)
    since, until = period(from_, to, now)
    found = statistics.overview(session, actor=actor, since=since, until=until)
    return Response(_OVERVIEW.dump_json(found), media_type="application/json")
