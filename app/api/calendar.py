"""Which days are working days."""

from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict

from app.api.deps import DateDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Malformed
from app.services import calendar

router = Router(tags=["calendar"])

MOST_DAYS = 400
CACHE_SECONDS = 300


class PeriodUnfit(Malformed):
    """The dates are in the wrong order or too far apart."""

    zh = "日期范围有误"
    detail_en = "`from` must not be after `to`, and at most {limit} days are answered at once."
    detail_zh = "开始日期不得晚于结束日期，且一次最多查询 {limit} 天"


class Day(BaseModel):
    """One day; `name` is that of its holiday, for make-up workdays too."""

    day: date
    working: bool
    name: str | None


class Days(BaseModel):
    """A run of days. `provisional`: the list of a year is not out yet, so its weekends decide."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {"day": "2026-10-09", "working": True, "name": None},
                    {"day": "2026-10-10", "working": True, "name": "国庆节"},
                ],
                "calendar": "official",
            }
        }
    )

    items: list[Day]
    calendar: Literal["official", "provisional"]


@router.get(
    "/calendar",
    operation_id="listDays",
    summary="Working days, holidays and make-up workdays",
    responses=problems(PeriodUnfit),
)
def list_days(
    session: SessionDep,
    response: Response,
    first: Annotated[DateDep, Query(alias="from", description="First day")],
    last: Annotated[DateDep, Query(alias="to", description="Last day, answered too")],
) -> Days:
    """Answer every day from the first to the last, 400 at most.

    Raises:
        PeriodUnfit: the last is before the first, or there are more than 400.
    """
    length = (last - first).days + 1
    if not 1 <= length <= MOST_DAYS:
        raise PeriodUnfit(limit=MOST_DAYS)
    known = calendar.load(session)
    days = [first + timedelta(days=n) for n in range(length)]
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return Days(
        items=[
            Day(day=day, working=known.is_working(day), name=known.names.get(day)) for day in days
        ],
        calendar="provisional" if any(map(known.provisional, days)) else "official",
    )
