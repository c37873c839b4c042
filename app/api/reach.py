"""Who has a free place within reach: the 15-minute circle (十五分钟党建圈)."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import PeriodTooLong
from app.errors import Malformed, Unauthenticated
from app.models import MOST_PEOPLE
from app.services import exports, reach, table_notes
from app.services.access import NotInScope
from app.services.calendar import local_date, midnight
from app.services.reach import DETOUR, KM_PER_HOUR, Mode, Reached

router = Router(prefix="/statistics/reach", tags=["statistics"])

A_FORTNIGHT = timedelta(days=14)
MOST_DAYS = 366
MINUTES = 15
MOST_RADIUS_M = 100_000
GEOJSON = "application/geo+json"
TOWN: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
    "name": "太河镇",
    "branches": 62,
    "within": 40,
    "without": 20,
    "at_town": 60,
    "unplaced": 2,
}


class ReachTwice(Malformed):
    """Say either how many metres or how many minutes, not both."""

    zh = "半径与时间只能选一种"


class Circle(BaseModel):
    """What was asked; `radius_m` is the straight line, the way is `detour` times as long."""

    radius_m: int
    minutes: int | None
    mode: Mode | None
    km_per_hour: int | None
    detour: float
    since: date
    until: date
    people: int


class ReachedPublic(BaseModel):
    """Branches of one town, or of none (`id` is null): `within` reach of a free place, `without`.

    `at_town` of them are counted at their town's point for want of their own, `unplaced` nowhere.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": TOWN}
    )

    id: UUID | None
    name: str | None
    branches: int
    within: int
    without: int
    at_town: int
    unplaced: int


class ReachPublic(BaseModel):
    """All branches of the reader's scope, and by town; days `[since, until)`."""

    circle: Circle
    total: ReachedPublic
    towns: list[ReachedPublic]


def get_circle(
    now: NowDep,
    radius_m: Annotated[int | None, Query(ge=1, le=MOST_RADIUS_M)] = None,
    minutes: Annotated[int | None, Query(ge=1, le=240, description="Without metres, 15")] = None,
    mode: Annotated[Mode, Query(description="How one gets there in so many minutes")] = Mode.WALK,
    from_: Annotated[DateDep | None, Query(alias="from", description="First day; or today")] = None,
    to: Annotated[DateDep | None, Query(description="Last day; else a fortnight in all")] = None,
    people: Annotated[int, Query(ge=1, le=MOST_PEOPLE)] = 1,
) -> Circle:
    """Give what is asked.

    Raises:
        ReachTwice: both metres and minutes are given.
        PeriodTooLong: the days are out of order, or more than a year.
    """
    if radius_m is not None and minutes is not None:
        raise ReachTwice
    since = from_ or local_date(now)
    until = to + timedelta(days=1) if to else since + A_FORTNIGHT
    if not 1 <= (until - since).days <= MOST_DAYS:
        raise PeriodTooLong(limit=MOST_DAYS)
    timed = radius_m is None
    lasting = minutes or MINUTES
    return Circle(
        radius_m=radius_m if radius_m is not None else reach.metres(lasting, mode),
        minutes=lasting if timed else None,
        mode=mode if timed else None,
        km_per_hour=KM_PER_HOUR[mode] if timed else None,
        detour=DETOUR,
        since=since,
        until=until,
        people=people,
    )


CircleDep = Annotated[Circle, Depends(get_circle)]
REFUSALS = problems(Unauthenticated, NotInScope, ReachTwice, PeriodTooLong)


def _asked(circle: Circle, now: NowDep) -> reach.Asked:
    # What has begun has no free place any more.
    since = max(midnight(circle.since), now)
    return reach.Asked(circle.radius_m, since, midnight(circle.until), circle.people)


@router.get("", operation_id="getReach", summary="Who is within reach", responses=REFUSALS)
def get_reach(actor: ActorDep, session: SessionDep, now: NowDep, circle: CircleDep) -> ReachPublic:
    """Count the branches of the reader's scope that a free place is within reach of."""
    towns = reach.by_town(session, actor=actor, asked=_asked(circle, now))
    counted = [{k: v for k, v in asdict(t).items() if k not in {"id", "name"}} for t in towns]
    total: dict[str, Any] = {
        name: sum(town[name] for town in counted)
        for name in ("branches", "within", "without", "at_town", "unplaced")
    }
    return ReachPublic(
        circle=circle,
        total=ReachedPublic.model_validate(Reached(None, None, **total)),
        towns=[ReachedPublic.model_validate(town) for town in towns],
    )


@router.get(
    ".geojson",
    operation_id="exportUnreached",
    summary="Who has no free place within reach",
    response_class=Response,
    responses={200: {"content": {GEOJSON: {"schema": {"type": "object"}}}}, **REFUSALS},
)
def export_unreached(
    actor: ActorDep, session: SessionDep, now: NowDep, circle: CircleDep
) -> Response:
    """Answer those branches as GeoJSON; `placed` says whose point it is; an audit event."""
    count, features = reach.without(session, actor=actor, asked=_asked(circle, now))
    exports.note(
        session,
        action="export",
        actor=actor,
        table="reach",
        media="geojson",
        asked=table_notes.Asked(circle.since, circle.until, now),
        rows=count,
    )
    return Response(features, media_type=GEOJSON, headers={"Cache-Control": "private, no-store"})
