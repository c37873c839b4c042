"""Orders refused because there was no room."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from app.models.base import MOST_PEOPLE, Row, known


class Shortage(StrEnum):
    """What there was not enough of; the name of the refusal."""

    PLACES = "session-full"
    GUIDES = "guide-not-free"


class RefusedOrder(Row, table=True):
    """That on one day so many orders of the same were refused for want of room.

    Nobody is kept. They were to begin in hour `hour` (0 to 23) of `wanted_on`, and `people` is the
    next step above the size of the group; days and hours are those of Shanghai. Several rows may
    say the same, as many as ever counted at once: what happened is their sum.
    """

    __tablename__ = "refused_order"
    __table_args__: Any = (
        CheckConstraint("hour BETWEEN 0 AND 23", name="hour_of_day"),
        CheckConstraint(f"people BETWEEN 1 AND {MOST_PEOPLE}", name="people"),
        CheckConstraint("times > 0", name="times_positive"),
        known("rule", Shortage),
        Index(
            "refused_order_same_idx",
            *("refused_on", "site_id", "wanted_on", "hour", "people", "rule"),
        ),
    )

    refused_on: date
    site_id: UUID = Field(foreign_key="site.id")
    wanted_on: date
    hour: int
    people: int
    rule: str
    times: int = 1
