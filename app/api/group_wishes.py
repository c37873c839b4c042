"""What a route or a series is asked for with."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.bookings import ID
from app.api.deps import Line, Prose
from app.models import MOST_PEOPLE, Purpose
from app.services import routes, series
from app.services.booking_groups import Plan
from app.services.order_rules import Wanted
from app.services.series import Repeat

SAID: dict[str, Any] = {
    "organisation_id": ID,
    "people_expected": 27,
    "purpose": "theme_party_day",
    "contact_name": "王组织",
    "contact_phone": "13800000000",
    "on_conflict": "fail",
}


class OnConflict(StrEnum):
    """Refuse the whole, or leave out what cannot be had."""

    FAIL = "fail"
    SKIP = "skip"


class Terms(BaseModel):
    """What all bookings of a route or series have in common."""

    organisation_id: UUID
    people_expected: int = Field(ge=1, le=MOST_PEOPLE, strict=True)
    purpose: Purpose
    contact_name: Line = Field(max_length=40)
    contact_phone: Line = Field(max_length=20)
    note: Prose | None = Field(default=None, max_length=500)
    on_conflict: OnConflict = OnConflict.FAIL


class Stop(BaseModel):
    """Sessions at one site of a route; `people_expected` only where others come along."""

    session_ids: list[UUID] = Field(min_length=1, max_length=8)
    programme_ids: list[UUID] = Field(default=[], max_length=20)
    people_expected: int | None = Field(default=None, ge=1, le=MOST_PEOPLE, strict=True)


class RouteIn(Terms):
    """Several sites in one day, in the order in which they are visited."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "route",
                **SAID,
                "stops": [
                    {"session_ids": [ID], "programme_ids": [ID]},
                    {"session_ids": [ID], "programme_ids": []},
                ],
            }
        }
    )

    kind: Literal["route"]
    stops: list[Stop] = Field(min_length=2, max_length=6)


class SeriesIn(Terms):
    """The sessions of a first day, and the same ones in the months after it."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "series",
                **SAID,
                "session_ids": [ID],
                "programme_ids": [ID],
                "repeat": "weekday",
                "months": 3,
            }
        }
    )

    kind: Literal["series"]
    session_ids: list[UUID] = Field(min_length=1, max_length=8)
    programme_ids: list[UUID] = Field(default=[], max_length=20)
    repeat: Repeat
    months: int = Field(ge=2, le=12, strict=True, description="How many, the first among them")


GroupIn = Annotated[RouteIn | SeriesIn, Field(discriminator="kind")]


def planned(session: Session, wanted: RouteIn | SeriesIn, now: datetime) -> Plan:
    """Return the plan of what is asked for.

    Raises:
        SessionNotFound: a session of a series' first day does not exist, or is not public.
    """
    terms = wanted.model_dump(include={"organisation_id", "purpose", "note"}) | {
        "contact_name": wanted.contact_name,
        "contact_phone": wanted.contact_phone,
    }
    if isinstance(wanted, RouteIn):
        stops = [
            Wanted(
                session_ids=stop.session_ids,
                programme_ids=stop.programme_ids,
                people_expected=stop.people_expected or wanted.people_expected,
                **terms,
            )
            for stop in wanted.stops
        ]
        return routes.plan(session, stops=stops, now=now)
    first = Wanted(
        session_ids=wanted.session_ids,
        programme_ids=wanted.programme_ids,
        people_expected=wanted.people_expected,
        **terms,
    )
    return series.plan(session, first=first, repeat=wanted.repeat, months=wanted.months, now=now)
