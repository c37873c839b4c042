"""Days, times and instants in bodies: written as text, within bounds."""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"\d{2}:\d{2}(:00)?")
_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)


def _as_day(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise ValueError("write it as YYYY-MM-DD")


def _as_clock(value: object) -> object:
    if isinstance(value, time) or (isinstance(value, str) and _CLOCK.fullmatch(value)):
        return value
    raise ValueError("write it as HH:MM")


def _as_instant(value: object) -> object:
    if isinstance(value, (datetime, str)):
        return value
    raise ValueError("write it as ISO 8601 with an offset")


def _in_bounds(value: datetime) -> datetime:
    if not _FIRST <= value <= _LAST:
        raise ValueError("it lies too far away")
    return value


# A number would be read as seconds since 1970.
Day = Annotated[date, BeforeValidator(_as_day), Field(ge=_FIRST.date(), le=_LAST.date())]
"""A date."""
Clock = Annotated[time, BeforeValidator(_as_clock)]
"""A time on the wall of the district, to the minute."""
When = Annotated[AwareDatetime, BeforeValidator(_as_instant), AfterValidator(_in_bounds)]
"""An instant."""
