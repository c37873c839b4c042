"""When a site can be visited."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlmodel import Session

from app.api.deps import DateDep, MaybeActorDep, NowDep, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import MOST_PEOPLE, Organisation, Role, Site
from app.services import (
    alternatives,
    calendar,
    free_sessions,
    policies,
    sessions,
    site_scope,
    sites,
    tokens,
)
from app.services.access import Actor

router = Router(prefix="/sites", tags=["sessions"])

TWO_WEEKS = timedelta(days=13)


class SessionPublic(BaseModel):
    """`[starts_at, ends_at)` of a venue. `reason` says why it cannot be ordered, if it cannot.

    What is free is 0, but to who oversees the site, once it has begun or no other group fits.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(from_attributes=True)

    id: UUID
    venue_id: UUID
    venue_name: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    people_limit: int
    groups_limit: int
    people_free: int
    groups_free: int
    bookable: bool
    reason: free_sessions.Unbookable | None = None


class Sessions(BaseModel):
    """Sessions, first to last. `provisional`: a year's holidays are not out yet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "items": [
                    {
                        "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40",
                        "venue_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f41",
                        "venue_name": "报告厅",
                        "starts_at": "2026-12-01T01:00:00Z",
                        "ends_at": "2026-12-01T03:00:00Z",
                        "people_limit": 60,
                        "groups_limit": 1,
                        "people_free": 60,
                        "groups_free": 1,
                        "bookable": True,
                    }
                ],
                "calendar": "official",
            }
        }
    )

    items: list[SessionPublic]
    calendar: Literal["official", "provisional"]


@router.get(
    "/{site_id}/sessions",
    operation_id="listSessions",
    summary="Sessions of a site, and which can be ordered",
    response_model_exclude_none=True,
    responses=problems(
        Unauthenticated, tokens.InvalidToken, sites.SiteNotFound, free_sessions.PeriodUnreadable
    ),
)
def list_sessions(
    site_id: UUID,
    session: SessionDep,
    actor: MaybeActorDep,
    now: NowDep,
    response: Response,
    since: Annotated[
        DateDep | None, Query(alias="from", description="First day; else today")
    ] = None,
    until: Annotated[
        DateDep | None, Query(alias="to", description="Last day, answered too; else two weeks")
    ] = None,
    people: Annotated[int, Query(ge=1, le=MOST_PEOPLE, description="Size of the group")] = 1,
) -> Sessions:
    """Answer at most 62 days of sessions of a published site, as its rules stand now."""
    site = sites.published(session, site_id=site_id)
    policy = policies.in_force(session, district_id=site.district_id, now=now).of(site_id)
    known = calendar.load(session)
    earliest = policies.earliest_day(
        known, policy, people=people, outside=_is_guest(session, actor, site), now=now
    )
    first = since or calendar.local_date(now)
    last = until or first + TWO_WEEKS
    latest = policies.latest_day(policy, now=now)
    sessions.keep_ahead(session, site_id=site_id, until=latest, now=now)
    found = free_sessions.sessions_of(
        session,
        site_id=site_id,
        since=first,
        until=last,
        people=people,
        earliest=earliest,
        latest=latest,
        now=now,
        keeper=actor is not None and site_scope.oversees(session, actor=actor, site_id=site_id),
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return Sessions(
        items=[SessionPublic.model_validate(slot) for slot in found],
        calendar="provisional"
        if known.provisional(first) or known.provisional(last)
        else "official",
    )


def _is_guest(session: Session, actor: Actor | None, site: Site) -> bool:
    """Tell whether all the branches the actor orders for are from outside the site's district."""
    ordering = actor.organisations(Role.ORGANISER) if actor else []
    branches = [session.get(Organisation, id_) for id_ in ordering]
    outside = [alternatives.is_outside(branch, site) for branch in branches if branch]
    return bool(outside) and all(outside)
