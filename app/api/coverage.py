"""Which branches came, which never did, which have been silent."""

from datetime import date, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    DateDep,
    LimitDep,
    NowDep,
    SessionDep,
    read_cursor,
    write_cursor,
)
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import PeriodTooLong, period
from app.errors import Unauthenticated
from app.services import coverage
from app.services.access import OVERSEERS, NotInScope

router = Router(prefix="/statistics/coverage", tags=["statistics"])

NIL = UUID(int=0)
COUNTED: JsonDict = {"branches": 12, "came": 9, "never": 2, "silent": 1}


class CountsPublic(BaseModel):
    """Branches in all, with a visit in the period, without any, and silent for long."""

    branches: int
    came: int
    never: int
    silent: int


class TownCounts(CountsPublic):
    """The same of a town; null for branches that hang below none."""

    town: str | None


class CoveragePublic(BaseModel):
    """Days `[since, until)`; silent is whose last visit was before `silent_since`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "since": "2026-01-01",
                "until": "2027-01-01",
                "silent_since": "2026-10-03",
                "totals": COUNTED,
                "towns": [{"town": "太河镇", **COUNTED}],
            }
        }
    )

    since: date
    until: date
    silent_since: date
    totals: CountsPublic
    towns: list[TownCounts]


class BranchPublic(BaseModel):
    """A branch, its last visit up to the end of the period, and how many it had in it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f21",
                "name": "太河村党支部",
                "town": "太河镇",
                "last_visit_on": "2026-09-01",
                "visits": 0,
            }
        },
    )

    id: UUID
    name: str
    town: str | None
    last_visit_on: date | None
    visits: int


class BranchPage(BaseModel):
    """A page of branches."""

    items: list[BranchPublic]
    next_cursor: str | None


def get_asked(
    now: NowDep,
    from_: Annotated[
        DateDep | None, Query(alias="from", description="First day; else a year ago")
    ] = None,
    to: Annotated[DateDep | None, Query(description="Last day, counted too; else today")] = None,
    silent_days: Annotated[int, Query(ge=1, le=3650)] = 90,
) -> coverage.Asked:
    """Give the period, and since when a branch without a visit is silent.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    since, until = period(from_, to, now)
    return coverage.Asked(since, until, until - timedelta(days=silent_days))


AskedDep = Annotated[coverage.Asked, Depends(get_asked)]


@router.get(
    "",
    operation_id="getCoverage",
    summary="How many branches came, never came, or have been silent",
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong),
)
def get_coverage(actor: ActorDep, session: SessionDep, asked: AskedDep) -> CoveragePublic:
    """Count the active branches the reader oversees, town by town."""
    actor.require(*OVERSEERS)
    found = coverage.counts(session, actor=actor, asked=asked)
    towns = [TownCounts(**one._asdict()) for one in found]
    names = CountsPublic.model_fields
    totals = {name: sum(getattr(one, name) for one in found) for name in names}
    return CoveragePublic(**vars(asked), totals=CountsPublic(**totals), towns=towns)


@router.get(
    "/branches",
    operation_id="listCoverage",
    summary="The branches that came, never came, or have been silent",
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong, CursorUnreadable),
)
def list_coverage(
    actor: ActorDep,
    session: SessionDep,
    asked: AskedDep,
    state: coverage.State,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> BranchPage:
    """List them, in the order in which they were entered."""
    actor.require(*OVERSEERS)
    after = read_cursor(cursor, UUID)
    found = coverage.page(
        session,
        actor=actor,
        asked=asked,
        state=state,
        after=after[0] if after else NIL,
        limit=limit,
    )
    items = found[:limit]
    return BranchPage(
        items=[BranchPublic.model_validate(one) for one in items],
        next_cursor=write_cursor(items[-1].id) if len(found) > limit else None,
    )
