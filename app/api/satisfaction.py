"""What branches thought of their visits."""

from datetime import date
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import ActorDep, DateDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.api.statistics import PeriodTooLong, period
from app.errors import Unauthenticated
from app.services import satisfaction
from app.services.access import OVERSEERS, NotInScope

router = Router(prefix="/statistics/satisfaction", tags=["statistics"])


class SatisfactionAsked(BaseModel):
    """What to count, and how."""

    from_: DateDep | None = Field(None, alias="from", description="First day; else a year ago")
    to: DateDep | None = Field(None, description="Last day, counted too; else today")
    by_month: bool = Field(False, description="Tell months apart")
    site_id: UUID | None = None
    outside: bool | None = Field(None, description="Only branches of other districts, or none")
    limit: int = Field(1000, ge=1, le=5000)


class ThoughtPublic(BaseModel):
    """A menu item and the means of the stars it was given, 1 to 5; `rating` is that of all three.

    Both programme fields are null for visits without a menu item, `month` unless it was asked for.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    site_id: UUID
    site: str
    programme_id: UUID | None
    programme: str | None
    month: str | None
    reviews: int
    content: float
    reception: float
    facilities: float
    rating: float


class SatisfactionPublic(BaseModel):
    """Days `[since, until)`, menu items site by site, and whether there are more."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "since": "2026-01-01",
                "until": "2027-01-01",
                "items": [
                    {
                        "site_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f21",
                        "site": "太河惨案纪念馆",
                        "programme_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f22",
                        "programme": "重温入党誓词",
                        "month": None,
                        "reviews": 8,
                        "content": 4.75,
                        "reception": 4.5,
                        "facilities": 4.13,
                        "rating": 4.46,
                    }
                ],
                "more": False,
            }
        }
    )

    since: date
    until: date
    items: list[ThoughtPublic]
    more: bool


@router.get(
    "",
    operation_id="getSatisfaction",
    summary="What was thought of each menu item",
    responses=problems(Unauthenticated, NotInScope, PeriodTooLong),
)
def get_satisfaction(
    actor: ActorDep, session: SessionDep, now: NowDep, asked: Annotated[SatisfactionAsked, Query()]
) -> SatisfactionPublic:
    """Count what the reader oversees; staff and auditors only.

    Raises:
        PeriodTooLong: the days are out of order, or more than three years.
    """
    actor.require(*OVERSEERS)
    since, until = period(asked.from_, asked.to, now)
    about = satisfaction.Asked(since, until, **asked.model_dump(exclude={"from_", "to"}))
    found = satisfaction.satisfaction(session, actor=actor, asked=about)
    items = [ThoughtPublic.model_validate(one) for one in found[: asked.limit]]
    return SatisfactionPublic(since=since, until=until, items=items, more=len(found) > asked.limit)
