"""How a fund burns down, as it is shown."""

from datetime import date
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from app.models import Category
from app.services.fund_outlook import Outlook

_SPENT: JsonDict = {"due_fen": 19000, "reserved_fen": 0, "forecast_fen": 231000}
EXAMPLE: JsonDict = {
    "months": [
        {
            "month": "2026-01-01",
            "appropriated_fen": 45000000,
            "due_fen": 19000,
            "available_fen": 44981000,
        }
    ],
    "total": _SPENT,
    "by_category": [{"category": "rural", **_SPENT}],
    "by_town": [{"town_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f21", "town": "太河镇", **_SPENT}],
    "runs_out_on": None,
}


class MonthSpent(BaseModel):
    """A month in which something was booked, by its first day; fen.

    `appropriated_fen` is less what lapsed or was reversed, `due_fen` what was confirmed for visits,
    `available_fen` what was left at its end.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    month: date
    appropriated_fen: int
    due_fen: int
    available_fen: int


class Spent(BaseModel):
    """What visits have cost, and what is set aside for those to come; fen.

    `forecast_fen` is `due_fen` at the end of the fund's year, if visits go on costing what they
    cost a day in the last 90 days.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    due_fen: int
    reserved_fen: int
    forecast_fen: int


class CategorySpent(Spent):
    """Of the sites of one category."""

    category: Category


class TownSpent(Spent):
    """Of the sites of one town."""

    town_id: UUID
    town: str


class BurnDown(BaseModel):
    """A fund so far and to the end of its year.

    `runs_out_on` is the first day for which nothing will be left, or null if it reaches the end.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    months: list[MonthSpent]
    total: Spent
    by_category: list[CategorySpent]
    by_town: list[TownSpent]
    runs_out_on: date | None


def shown(outlook: Outlook) -> BurnDown:
    """Return an outlook as it is shown."""
    return BurnDown(
        months=[MonthSpent.model_validate(month) for month in outlook.months],
        total=Spent.model_validate(outlook.total),
        by_category=[
            CategorySpent(category=Category(name), **vars(part))
            for name, part in outlook.by_category.items()
        ],
        by_town=[
            TownSpent(town_id=town_id, town=town, **vars(part))
            for (town_id, town), part in outlook.by_town.items()
        ],
        runs_out_on=outlook.runs_out_on,
    )
