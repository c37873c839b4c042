"""Where there is room for a group."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from app.api import geo
from app.api.ahead import SessionsAhead
from app.api.deps import MaybeActorDep, NowDep, ReaderDep, SessionDep
from app.api.problems import language_of, problems
from app.api.router import Router
from app.api.sessions import SessionPublic
from app.api.sites import CARD, POINT, SiteListed, listed
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Category, Crs, ProgrammeKind
from app.reader import Within
from app.services import availability, coordinates, near_misses, tokens, unmet_searches
from app.services.calendar import DAY, midnight
from app.services.near_misses import NearMiss, Why
from app.services.openings import MOST_RADIUS_M

router = Router(tags=["availability"], dependencies=[SessionsAhead])

MOST_SITES = 50
MOST_MINUTES = 720
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)


def _written_as_time(value: object) -> object:
    # A plus sign that was not percent-encoded arrives as a space.
    if not isinstance(value, str) or value[4:5] != "-" or value[7:8] != "-":
        raise ValueError("write a day as YYYY-MM-DD, or an instant with its offset")
    return value.replace(" ", "+")


_InstantOrDay = Annotated[
    Annotated[
        AwareDatetime,
        Field(ge=datetime(1900, 1, 1, tzinfo=UTC), le=datetime(2199, 12, 31, tzinfo=UTC)),
    ]
    | Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)],
    BeforeValidator(_written_as_time),
]


class OfferedSession(SessionPublic):
    """A session to begin with; order `session_ids`, one after another, until `until`."""

    session_ids: list[UUID]
    until: AwareDatetime


class SiteWithRoom(BaseModel):
    """A site, how far it is, and its first sessions that fit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    site: SiteListed
    distance_m: int
    sessions: list[OfferedSession]


class Because(BaseModel):
    """What would have to be different: as a code with its facts, and as a sentence."""

    code: Why
    text: str
    people: int | None
    further_m: int | None
    starts_at: AwareDatetime | None


class NearMissPublic(BaseModel):
    """A session that would do if something else were wanted."""

    site: SiteListed
    distance_m: int
    session: OfferedSession
    because: Because


SESSION: dict[str, Any] = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40",
    "venue_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f41",
    "venue_name": "报告厅",
    "starts_at": "2026-12-04T06:00:00Z",
    "ends_at": "2026-12-04T07:30:00Z",
    "people_limit": 60,
    "groups_limit": 1,
    "people_free": 60,
    "groups_free": 1,
    "bookable": True,
    "reason": None,
    "session_ids": ["019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40"],
    "until": "2026-12-04T07:30:00Z",
}
LISTED = CARD | {"point": POINT}


class Availability(BaseModel):
    """Sites with room, the nearest first; where there are none, what would nearly do."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [{"site": LISTED, "distance_m": 1840, "sessions": [SESSION]}],
                "near_misses": [],
            }
        }
    )

    items: list[SiteWithRoom]
    near_misses: list[NearMissPublic]


@router.get(
    "/availability",
    operation_id="findAvailability",
    summary="Sites with room for a group, near a place and between two times",
    response_model=Availability,
    responses=problems(Unauthenticated, tokens.InvalidToken, availability.TimesUnreadable),
)
def find_availability(
    request: Request,
    reader: ReaderDep,
    session: SessionDep,
    actor: MaybeActorDep,
    now: NowDep,
    near: Annotated[
        str, Query(max_length=geo.MOST_LETTERS, description="lon,lat in degrees, in `crs`")
    ],
    since: Annotated[_InstantOrDay, Query(alias="from", description="First instant, or first day")],
    until: Annotated[
        _InstantOrDay,
        Query(alias="to", description="Instant by which it is over, or last day; within 62 days"),
    ],
    people: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="Size of the group")],
    radius_m: Annotated[int, Query(ge=1, le=MOST_RADIUS_M)] = 15_000,
    minutes: Annotated[
        int | None,
        Query(
            ge=1,
            le=MOST_MINUTES,
            description="It lasts so long at least: one session of a hall, or several on end",
        ),
    ] = None,
    category: Category | None = None,
    programme_kind: Annotated[
        ProgrammeKind | None,
        Query(description="With such a menu item for so many, and a guide if it needs one"),
    ] = None,
    crs: Annotated[Crs, Query(description="CRS of `near` and of the answer")] = Crs.WGS84,
    limit: Annotated[int, Query(ge=1, le=MOST_SITES, description="Most sites")] = 20,
) -> Response:
    """Answer what can be ordered now: all that is offered keeps the rules of its site.

    Raises:
        RequestValidationError: the place is none.
    """
    place = geo.read_place("near", near)
    if place is None:
        raise RequestValidationError([])
    wish = availability.Wish(
        near=coordinates.to_wgs84(*place, crs),
        radius_m=radius_m,
        since=since if isinstance(since, datetime) else midnight(since),
        until=until if isinstance(until, datetime) else midnight(until + DAY),
        people=people,
        minutes=minutes,
        category=category,
        programme_kind=programme_kind,
        homes=availability.homes(session, actor=actor),
    )
    source = Within(session) if actor else reader
    offers = availability.find(source, wish=wish, crs=crs, limit=limit, now=now)
    misses = b"[]"
    if offers == b"[]":
        nearly = near_misses.find(session, wish=wish, now=now)
        language = language_of(request)
        misses = _MISSES.dump_json(
            [NearMissPublic.model_validate(_miss(miss, crs, language)) for miss in nearly]
        )
        unmet_searches.count(session, wish=wish, now=now)
    return Response(
        b'{"items":%s,"near_misses":%s}' % (offers, misses),
        media_type="application/json",
        headers={"Cache-Control": "private, no-store"},
    )


_MISSES = TypeAdapter(list[NearMissPublic])


def _miss(miss: NearMiss, crs: Crs, language: str) -> dict[str, Any]:
    nothing = {"people": None, "further_m": None, "starts_at": None}
    told = {"code": miss.why, "text": near_misses.said(miss, language)}
    return {
        "site": listed(miss.site, crs),
        "distance_m": miss.distance_m,
        "session": miss.session,
        "because": {**nothing, **miss.facts, **told},
    }
