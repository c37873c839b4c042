"""What a site offers: halls, menu, hours."""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, func, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlmodel import Field

from app.models.base import Instant, Row, known


class Venue(Row, table=True):
    """A bookable hall or room: seats for `people_limit`, and `groups_limit` groups at once.

    One that is not active any more gets no new sessions.
    """

    __tablename__ = "venue"
    __table_args__: Any = (
        CheckConstraint("people_limit > 0", name="people_limit_positive"),
        CheckConstraint("groups_limit > 0", name="groups_limit_positive"),
        Index("venue_site_id_idx", "site_id"),
    )

    site_id: UUID = Field(foreign_key="site.id")
    name: str = Field(max_length=80)
    people_limit: int
    groups_limit: int = 1
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class ProgrammeKind(StrEnum):
    """参观、讲解、重温誓词、党课、实训案例、会议、志愿服务."""

    VISIT = "visit"
    GUIDED_TOUR = "guided_tour"
    OATH = "oath"
    LECTURE = "lecture"
    TRAINING_CASE = "training_case"
    MEETING = "meeting"
    VOLUNTEERING = "volunteering"


def _items() -> Column[list[dict[str, str]]]:
    return Column(JSONB, nullable=False, server_default=text("'[]'"))


class Programme(Row, table=True):
    """A menu item of a site: what a branch may order with a session, while it is active.

    A training case (实训案例) is played: its `roles` are `{"name", "colour"}` (`#rrggbb`), its
    `steps` `{"title", "detail"}`, in their order. Other kinds have neither.
    """

    __tablename__ = "programme"
    __table_args__: Any = (
        known("kind", ProgrammeKind),
        CheckConstraint("minutes BETWEEN 5 AND 480", name="minutes_in_a_day"),
        CheckConstraint("people_limit > 0", name="people_limit_positive"),
        CheckConstraint(
            "jsonb_typeof(roles) = 'array' AND jsonb_typeof(steps) = 'array'", name="case_lists"
        ),
        CheckConstraint(
            "kind = 'training_case' OR (roles = '[]' AND steps = '[]')", name="case_is_training"
        ),
        Index("programme_site_id_idx", "site_id"),
    )

    site_id: UUID = Field(foreign_key="site.id")
    kind: str
    name: str = Field(max_length=80)
    description: str = Field(default="", max_length=500)
    minutes: int
    people_limit: int
    needs_guide: bool = False
    roles: list[dict[str, str]] = Field(default_factory=list, sa_column=_items())
    steps: list[dict[str, str]] = Field(default_factory=list, sa_column=_items())
    active: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class OnHoliday(StrEnum):
    """What a weekly rule does on a public holiday."""

    CLOSED = "closed"
    OPEN = "open"
    AS_SUNDAY = "as_sunday"


class OpeningRule(Row, table=True):
    """A weekly session of a venue: `[starts, ends)` wall-clock time on one weekday.

    `weekday` is ISO: 1 Monday to 7 Sunday. It holds for dates `[valid_from, valid_to)`; an absent
    `valid_to` is open.
    """

    __tablename__ = "opening_rule"
    __table_args__: Any = (
        known("on_holiday", OnHoliday),
        CheckConstraint("weekday BETWEEN 1 AND 7", name="weekday_known"),
        CheckConstraint("starts < ends", name="times_in_order"),
        CheckConstraint("valid_from < valid_to", name="dates_in_order"),
        ExcludeConstraint(
            (literal_column("venue_id"), "="),
            (literal_column("weekday"), "="),
            (func.daterange(literal_column("valid_from"), literal_column("valid_to")), "&&"),
            (
                func.numrange(
                    literal_column("EXTRACT(epoch FROM starts)"),
                    literal_column("EXTRACT(epoch FROM ends)"),
                ),
                "&&",
            ),
            name="opening_rule_no_overlap",
            using="gist",
        ),
    )

    venue_id: UUID = Field(foreign_key="venue.id")
    weekday: int
    starts: time
    ends: time
    valid_from: date
    valid_to: date | None = None
    on_holiday: str = OnHoliday.CLOSED
    version: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class Closure(Row, table=True):
    """`[starts_at, ends_at)` in which a venue, or the whole site, is shut; users see the reason."""

    __tablename__ = "closure"
    __table_args__: Any = (
        CheckConstraint("starts_at < ends_at", name="times_in_order"),
        Index("closure_site_id_ends_at_idx", "site_id", "ends_at"),
    )

    site_id: UUID = Field(foreign_key="site.id")
    venue_id: UUID | None = Field(default=None, foreign_key="venue.id")
    starts_at: datetime = Field(sa_type=Instant)
    ends_at: datetime = Field(sa_type=Instant)
    reason: str = Field(max_length=200)
