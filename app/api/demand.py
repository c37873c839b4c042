"""What was wanted and could not be had."""

from datetime import date
from typing import Annotated, ClassVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import PeriodTooLong, TooManyKeys, period
from app.errors import Unauthenticated
from app.services import demand
from app.services.access import OVERSEERS, NotInScope

router = Router(prefix="/statistics/demand", tags=["statistics"])


class DemandAsked(BaseModel):
    """What demand is asked for."""

    from_: DateDep | None = Field(None, alias="from", description="First day; else a year ago")
    to: DateDep | None = Field(None, description="Last day, counted too; else today")
    group_by: list[demand.By] = Field([demand.By.TOWN], description="At most three, each once")
    limit: int = Field(1000, ge=1, le=5000)


class DemandCell(BaseModel):
    """Searches that found nothing, and refused orders, each with their people added up.

    A key is null where nobody said: searches have no site, hour or rule, orders no kind of menu
    item.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    keys: list[str | None]
    searches: int
    people: int
    refusals: int
    refused_people: int


class DemandPublic(BaseModel):
    """Days `[since, until)`, those cells first that have most, and whether there are more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "since": "2026-01-01",
                "until": "2027-01-01",
                "cells": [
                    {
                        "keys": ["太河镇"],
                        "searches": 12,
                        "people": 480,
                        "refusals": 3,
                        "refused_people": 90,
                    }
                ],
                "more": False,
            }
        }
    )

    since: date
    until: date
    cells: list[DemandCell]
    more: bool


@router.get(
    "",
    operation_id="getDemand",
    summary="Searches that found nothing, and orders refused for want of room",
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong, TooManyKeys),
)
def get_demand(
    actor: ActorDep, session: SessionDep, now: NowDep, asked: Annotated[DemandAsked, Query()]
) -> DemandPublic:
    """Count them by the nearest town, or the town of the site, of those the reader oversees.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
        TooManyKeys: more than three, or one twice.
    """
    actor.require(*OVERSEERS)
    since, until = period(asked.from_, asked.to, now)
    keys = tuple(asked.group_by)
    if len(keys) > demand.MOST_KEYS or len(set(keys)) < len(keys):
        raise TooManyKeys(limit=demand.MOST_KEYS)
    query = demand.Query(since, until, keys, asked.limit)
    found = demand.demand(session, actor=actor, query=query)
    cells = [DemandCell.model_validate(cell) for cell in found[: asked.limit]]
    return DemandPublic(since=since, until=until, cells=cells, more=len(found) > asked.limit)
