"""How orders were answered."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import KeyPublic, PeriodTooLong, TooManyKeys, period
from app.errors import Unauthenticated
from app.services import answers
from app.services.access import OVERSEERS, NotInScope
from app.services.answers import MOST_KEYS, By

router = Router(prefix="/statistics/answers", tags=["statistics"])

EXAMPLE: JsonDict = {
    "bookings": 40,
    "answers": 36,
    "in_time": 34,
    "mean_minutes": 95.5,
    "median_minutes": 41.0,
    "p90_minutes": 260.0,
    "escalated": 3,
    "expired": 1,
    "rejected": 5,
    "no_shows": 1,
    "late_cancels": 2,
}


class AnswersAsked(BaseModel):
    """What to count, and how."""

    from_: DateDep | None = Field(None, alias="from", description="First day; else a year ago")
    to: DateDep | None = Field(None, description="Last day, counted too; else today")
    group_by: list[By] = Field([], description=f"At most {MOST_KEYS}, each once")
    site_id: UUID | None = None
    outside: bool | None = Field(None, description="Only branches of other districts, or none")
    limit: int = Field(1000, ge=1, le=5000)


class AnswerMeasures(BaseModel):
    """Of orders; `answers` are those by a person, `in_time` those before the town was asked.

    Minutes are from the order to the answer, null without one; nine of ten answers took no longer
    than `p90_minutes`.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    bookings: int
    answers: int
    in_time: int
    mean_minutes: float | None
    median_minutes: float | None
    p90_minutes: float | None
    escalated: int
    expired: int
    rejected: int
    no_shows: int
    late_cancels: int


class AnswerCell(BaseModel):
    """One combination of keys, in the order of `group_by`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    keys: list[KeyPublic]
    measures: AnswerMeasures


class ReasonPublic(BaseModel):
    """Why orders were rejected, in the words of who did, and how often."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    reason: str
    count: int


class AnswersPublic(BaseModel):
    """Days `[since, until)`; reasons are the most frequent ones, the rest are `other_reasons`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "since": "2026-01-01",
                "until": "2027-01-01",
                "cells": [{"keys": [{"id": "2026-11", "name": "2026-11"}], "measures": EXAMPLE}],
                "more": False,
                "totals": EXAMPLE,
                "reasons": [{"reason": "讲解员当日无法到岗", "count": 3}],
                "other_reasons": 2,
            }
        }
    )

    since: date
    until: date
    cells: list[AnswerCell]
    more: bool
    totals: AnswerMeasures
    reasons: list[ReasonPublic]
    other_reasons: int


@router.get(
    "",
    operation_id="getAnswers",
    summary="How fast orders were answered, why they were refused, and who did not come",
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong, TooManyKeys),
)
def get_answers(
    actor: ActorDep, session: SessionDep, now: NowDep, asked: Annotated[AnswersAsked, Query()]
) -> AnswersPublic:
    """Count what the reader oversees; staff and auditors only.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
        TooManyKeys: more than two, or one twice.
    """
    actor.require(*OVERSEERS)
    since, until = period(asked.from_, asked.to, now)
    keys = tuple(asked.group_by)
    if len(keys) > MOST_KEYS or len(set(keys)) < len(keys):
        raise TooManyKeys(limit=MOST_KEYS)
    filters = asked.model_dump(include={"site_id", "outside", "limit"})
    about = answers.Asked(since, until, keys, **filters)
    found = answers.answers(session, actor=actor, asked=about)
    return AnswersPublic(
        since=since,
        until=until,
        cells=[AnswerCell.model_validate(cell) for cell in found.cells],
        more=found.more,
        totals=AnswerMeasures.model_validate(found.totals),
        reasons=[ReasonPublic.model_validate(reason) for reason in found.reasons],
        other_reasons=found.other_reasons,
    )
