"""Searches for a free place that found none."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from app.models.base import MOST_PEOPLE, Instant, Row


class UnmetSearch(Row, table=True):
    """That on one day so many searches from one place, for the same, found nothing.

    Nobody is kept: the place is the middle of a cell of a hundredth of a degree (WGS-84, about a
    kilometre), and equal searches of a day are counted. They wanted places in
    `[wanted_from, wanted_to)`; an empty `category` or `programme_kind` means any, and 0 `minutes`
    any length.
    """

    __tablename__ = "unmet_search"
    __table_args__: Any = (
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_on_earth"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_on_earth"),
        CheckConstraint("wanted_from < wanted_to", name="times_in_order"),
        CheckConstraint(f"people BETWEEN 1 AND {MOST_PEOPLE}", name="people"),
        CheckConstraint("times > 0", name="times_positive"),
        Index(
            "unmet_search_same_key",
            *("asked_on", "longitude", "latitude", "radius_m", "wanted_from", "wanted_to"),
            *("people", "minutes", "category", "programme_kind"),
            unique=True,
        ),
    )

    asked_on: date
    longitude: float
    latitude: float
    radius_m: int
    wanted_from: datetime = Field(sa_type=Instant)
    wanted_to: datetime = Field(sa_type=Instant)
    people: int
    minutes: int = 0
    category: str = ""
    programme_kind: str = ""
    times: int = 1
