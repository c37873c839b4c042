"""The dashboard."""

from datetime import date, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.errors import Malformed, Unauthenticated
from app.services import statistics
from app.services.access import OVERSEERS, NotInScope
from app.services.calendar import local_date

router = APIRouter(prefix="/statistics", tags=["statistics"])

A_YEAR = timedelta(days=365)
MOST_DAYS = 1100


class PeriodTooLong(Malformed):
    """The period is empty or too long."""

    zh = "统计区间有误"
    detail_en = "1 to {limit} days"
    detail_zh = "区间须为 1 至 {limit} 天"


class UsePublic(BaseModel):
    """Orders, visits that took place, and people who came."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID | None
    name: str
    bookings: int
    visits: int
    people: int


class OverviewPublic(BaseModel):
    """Days `[since, until)`; `rating` 1 to 5; `answer_minutes` is the mean wait for an answer."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

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


@router.get(
    "/overview",
    operation_id="getOverview",
    summary="The district, or my part of it, in numbers",
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
) -> OverviewPublic:
    """Count what the reader oversees; staff and auditors only.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    actor.require(*OVERSEERS)
    until = (to or local_date(now)) + timedelta(days=1)
    since = from_ or until - A_YEAR
    if not 1 <= (until - since).days <= MOST_DAYS:
        raise PeriodTooLong(limit=MOST_DAYS)
    found = statistics.overview(session, actor=actor, since=since, until=until)
    return OverviewPublic.model_validate(found)
