"""Working days of the mainland: weekdays, less public holidays, plus make-up workdays (调休)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, StringConstraints, ValidationError, model_validator
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import Malformed
from app.models import Holiday

ZONE = ZoneInfo("Asia/Shanghai")
DAY = timedelta(days=1)
SATURDAY = 6


class HolidayListUnreadable(Malformed):
    """This is not a complete list of one year's special days."""

    zh = "节假日数据格式有误"
    detail_en = "{reason}"
    detail_zh = "{reason}"


def local_date(instant: datetime) -> date:
    """Return the date on the wall in Shanghai at an aware `instant`."""
    return instant.astimezone(ZONE).date()


def midnight(day: date) -> datetime:
    """Return the instant, in UTC, at which `day` begins in Shanghai."""
    return datetime.combine(day, time(), ZONE).astimezone(UTC)


def spoken(instant: datetime) -> str:
    """Return an instant as people here read it, to the minute."""
    return instant.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True)
class Calendar:
    """What is known of the days.

    Attributes:
        special: Days that are not what their weekday says: True is off (a public holiday, its
            weekends included), False a make-up workday.
        years: Years whose list is imported; in others weekends decide.
        names: What the special days are called, in Chinese.
    """

    special: Mapping[date, bool]
    years: frozenset[int]
    names: Mapping[date, str] = field(default_factory=lambda: MappingProxyType({}))

    def is_working(self, day: date) -> bool:
        """Tell whether offices are open on `day`."""
        off = self.special.get(day)
        return day.isoweekday() < SATURDAY if off is None else not off

    def is_holiday(self, day: date) -> bool:
        """Tell whether `day` is part of a public holiday; a plain weekend is not."""
        return self.special.get(day, False)

    def provisional(self, day: date) -> bool:
        """Tell whether the list of `day`'s year is still missing."""
        return day.year not in self.years

    def add(self, day: date, n: int) -> date:
        """Return the `n`-th working day after `day`; before it if negative, itself if 0."""
        step = DAY if n > 0 else -DAY
        for _ in range(abs(n)):
            day += step
            while not self.is_working(day):
                day += step
        return day

    def later(self, instant: datetime, n: int) -> datetime:
        """Return the same wall-clock time `n` working days on, in UTC.

        Args:
            instant: aware; its Shanghai date is where counting starts.
            n: working days, as in `add`.
        """
        local = instant.astimezone(ZONE)
        moved = datetime.combine(self.add(local.date(), n), local.time(), ZONE)
        return moved.astimezone(UTC)


_DAYS = select(col(Holiday.day), col(Holiday.is_off), col(Holiday.name))


def load(session: Session) -> Calendar:
    """Return all that is imported, in one query."""
    days = session.connection().execute(_DAYS).all()
    # A list reaches into the December before its year, so any other day could be of another list.
    years = frozenset(day.year for day, _, _ in days if (day.month, day.day) == (10, 1))
    return Calendar(
        special={day: is_off for day, is_off, _ in days},
        years=years,
        names={day: name for day, _, name in days},
    )


class _SpecialDay(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]*$")]
    date: date
    is_off: bool = Field(alias="isOffDay")


class _YearList(BaseModel):
    year: int = Field(ge=1950, le=2199)
    days: list[_SpecialDay] = Field(max_length=366)

    @property
    def begins(self) -> date:
        """First day a list can name: New Year may be made up in the December before."""
        return date(self.year - 1, 12, 1)

    @property
    def ends(self) -> date:
        """First day of the next year's list."""
        return date(self.year, 12, 1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        dates = {special.date for special in self.days}
        if len(dates) < len(self.days):
            raise ValueError("a day is listed twice")
        if strays := [day for day in sorted(dates) if not self.begins <= day < self.ends]:
            raise ValueError(f"{strays[0]} is not of the list of {self.year}")
        if not any(s.is_off and (s.date.month, s.date.day) == (10, 1) for s in self.days):
            raise ValueError("National Day is missing")
        return self


def import_year(session: Session, *, document: dict[str, object]) -> int:
    """Replace the list of one year and return how many days it names; the same again is harmless.

    Args:
        session: open transaction.
        document: holiday-cn format, `{"year", "days": [{"name", "date", "isOffDay"}]}`.

    Raises:
        HolidayListUnreadable: a field is missing or of another kind, a day is listed twice or
            belongs to another year's list, or National Day is missing (the list is cut off).
    """
    try:
        listed = _YearList.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise HolidayListUnreadable(reason=reason) from exc
    session.exec(
        delete(Holiday).where(col(Holiday.day) >= listed.begins, col(Holiday.day) < listed.ends)
    )
    rows = [{"day": d.date, "name": d.name, "is_off": d.is_off} for d in listed.days]
    wanted = insert(Holiday).values(rows)
    # Another process may be importing the same list; both mean the same.
    session.exec(
        wanted.on_conflict_do_update(
            index_elements=["day"],
            set_={"name": wanted.excluded.name, "is_off": wanted.excluded.is_off},
        )
    )
    return len(rows)
