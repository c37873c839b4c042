"""Opening hours of a venue, and sessions outside of them."""

from datetime import date, time
from typing import Annotated, Any, ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.config import JsonDict

from app.api.deps import ActorDep, MaybeActorDep, NowDep, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.times import Clock, Day, When
from app.api.venues import REFUSALS, Groups, People
from app.errors import Stale, Unauthenticated
from app.models import OnHoliday
from app.services import extra_sessions, hours, idempotency, sessions, tokens, venues

router = Router(tags=["opening hours"])

RULE: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f42",
    "venue_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f41",
    "weekday": 2,
    "starts": "09:00",
    "ends": "10:30",
    "valid_from": "2026-12-01",
    "valid_to": None,
    "on_holiday": "closed",
    "version": 1,
}
SESSION: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40",
    "venue_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f41",
    "starts_at": "2026-12-05T11:00:00Z",
    "ends_at": "2026-12-05T13:00:00Z",
    "people_limit": 60,
    "groups_limit": 1,
}
Weekday = Annotated[int, Field(strict=True, ge=1, le=7)]
ToTheMinute = Annotated[time, PlainSerializer(lambda wall: wall.strftime("%H:%M"), str)]


class HoursIn(BaseModel):
    """`[starts, ends)` on the wall in the district."""

    starts: Clock
    ends: Clock


class OpeningRulesIn(BaseModel):
    """Weekly sessions: each of `hours` on each of `weekdays` (1 Monday to 7 Sunday).

    They hold on dates `[valid_from, valid_to)`. On a public holiday they are `closed`, `open`, or
    `as_sunday`, when the venue's Sunday hours take their place.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "weekdays": [2, 3, 4],
                "hours": [{"starts": "09:00", "ends": "10:30"}],
                "valid_from": "2026-12-01",
                "valid_to": None,
                "on_holiday": "closed",
            }
        }
    )

    weekdays: set[Weekday] = Field(min_length=1, max_length=7)
    hours: list[HoursIn] = Field(min_length=1, max_length=24)
    valid_from: Day
    valid_to: Day | None = None
    on_holiday: OnHoliday = OnHoliday.CLOSED


class OpeningRuleChange(BaseModel):
    """What becomes different; only `valid_to` can be cleared with null."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"starts": "09:30", "valid_to": "2027-01-01"}}
    )

    weekday: Weekday | None = None
    starts: Clock | None = None
    ends: Clock | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None
    on_holiday: OnHoliday | None = None

    def changes(self) -> hours.Changes:
        """Return what was said; null says nothing of what cannot be empty."""
        said = self.model_dump(exclude_unset=True).items()
        kept = {name: value for name, value in said if value is not None or name == "valid_to"}
        return cast("hours.Changes", kept)


class OpeningRulePublic(BaseModel):
    """A weekly session of a venue."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": RULE}
    )

    id: UUID
    venue_id: UUID
    weekday: int
    starts: ToTheMinute
    ends: ToTheMinute
    valid_from: date
    valid_to: date | None
    on_holiday: OnHoliday
    version: int


class OpeningRules(BaseModel):
    """Weekly sessions, in the order of the week."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [RULE]}}
    )

    items: list[OpeningRulePublic]


class ExtraSessionIn(BaseModel):
    """One session outside the weekly hours; without limits of its own it has the venue's."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"starts_at": "2026-12-05T11:00:00Z", "ends_at": "2026-12-05T13:00:00Z"}
        }
    )

    starts_at: When
    ends_at: When
    people_limit: People | None = None
    groups_limit: Groups | None = None


class ExtraSession(BaseModel):
    """A session as it was made."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": SESSION}
    )

    id: UUID
    venue_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    people_limit: int
    groups_limit: int


def _told(rules: Any) -> OpeningRules:
    return OpeningRules(items=[OpeningRulePublic.model_validate(rule) for rule in rules])


@router.get(
    "/venues/{venue_id:uuid}/opening-rules",
    operation_id="listOpeningRules",
    summary="Weekly hours of a venue",
    responses=problems(Unauthenticated, tokens.InvalidToken, venues.VenueNotFound),
)
def list_opening_rules(venue_id: UUID, actor: MaybeActorDep, session: SessionDep) -> OpeningRules:
    """List them all, those of the past and of the future too."""
    venues.seen(session, actor=actor, venue_id=venue_id)
    return _told(hours.of_venue(session, venue_id=venue_id))


CLASHES = (hours.HoursUnreadable, hours.HoursOverlap)


@router.post(
    "/venues/{venue_id:uuid}/opening-rules",
    status_code=201,
    operation_id="createOpeningRules",
    summary="Add weekly hours",
    response_model=OpeningRules,
    responses=problems(
        *REFUSALS,
        venues.VenueNotFound,
        *CLASHES,
        venues.SiteIsFull,
        idempotency.IdempotencyKeyReused,
    ),
)
def create_opening_rules(
    venue_id: UUID, wanted: OpeningRulesIn, actor: ActorDep, once: OnceDep
) -> Response:
    """Add them, and make their sessions as far ahead as orders are taken."""
    made = hours.create(
        once.session,
        actor=actor,
        venue_id=venue_id,
        weekdays=sorted(wanted.weekdays),
        hours=[(each.starts, each.ends) for each in wanted.hours],
        valid_from=wanted.valid_from,
        valid_to=wanted.valid_to,
        on_holiday=wanted.on_holiday,
        now=once.now,
    )
    return once.answer(201, _told(made))


@router.patch(
    "/opening-rules/{rule_id:uuid}",
    operation_id="changeOpeningRule",
    summary="Change weekly hours",
    responses=problems(*REFUSALS, hours.RuleNotFound, *CLASHES, Stale),
)
def change_opening_rule(
    rule_id: UUID,
    wanted: OpeningRuleChange,
    actor: ActorDep,
    session: SessionDep,
    version: VersionDep,
    now: NowDep,
    response: Response,
) -> OpeningRulePublic:
    """Change what is said. Its sessions to come follow, but for those somebody ever booked."""
    changed = hours.change(
        session,
        actor=actor,
        rule_id=rule_id,
        version=version,
        changes=wanted.changes(),
        now=now,
    )
    response.headers["ETag"] = f'"{changed.version}"'
    return OpeningRulePublic.model_validate(changed)


@router.delete(
    "/opening-rules/{rule_id:uuid}",
    status_code=204,
    operation_id="deleteOpeningRule",
    summary="Take weekly hours away",
    responses=problems(*REFUSALS, hours.RuleNotFound),
)
def delete_opening_rule(
    rule_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep
) -> Response:
    """Take them away; sessions that somebody ever booked stay."""
    hours.remove(session, actor=actor, rule_id=rule_id, now=now)
    return Response(status_code=204)


@router.post(
    "/venues/{venue_id:uuid}/sessions",
    status_code=201,
    operation_id="createSession",
    summary="Make one session outside the weekly hours",
    response_model=ExtraSession,
    responses=problems(
        *REFUSALS,
        venues.VenueNotFound,
        hours.HoursUnreadable,
        extra_sessions.VenueInactive,
        extra_sessions.SessionOver,
        extra_sessions.SessionsOverlap,
        extra_sessions.ShutThen,
        idempotency.IdempotencyKeyReused,
    ),
)
def create_session(
    venue_id: UUID, wanted: ExtraSessionIn, actor: ActorDep, once: OnceDep
) -> Response:
    """Make it; branches may order it like any other."""
    made = extra_sessions.add(
        once.session, actor=actor, venue_id=venue_id, **wanted.model_dump(), now=once.now
    )
    return once.answer(201, ExtraSession.model_validate(made))


@router.delete(
    "/sessions/{session_id:uuid}",
    status_code=204,
    operation_id="deleteSession",
    summary="Take one session away",
    responses=problems(*REFUSALS, sessions.SessionNotFound, extra_sessions.SessionKept),
)
def delete_session(session_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> Response:
    """Take away what was made one by one and nobody ever booked."""
    extra_sessions.remove(session, actor=actor, session_id=session_id, now=now)
    return Response(status_code=204)
