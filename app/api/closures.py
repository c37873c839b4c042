"""Shutting a venue or a site for a while."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import ActorDep, LimitDep, Line, MaybeActorDep, NowDep, SessionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.times import When
from app.api.venues import REFUSALS
from app.errors import Unauthenticated
from app.models import BookingStatus
from app.services import closures, free_sessions, hits, idempotency, sites, tokens, venues

router = Router(prefix="/sites", tags=["closures"])

WANTED: JsonDict = {
    "venue_id": None,
    "starts_at": "2026-12-04T16:00:00Z",
    "ends_at": "2026-12-06T16:00:00Z",
    "reason": "展陈更新",
}
EXAMPLE: JsonDict = {"id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f45", **WANTED}
OFFER: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f40",
    "venue_name": "报告厅",
    "site_name": "太河镇红色教育基地（示例）",
    "starts_at": "2026-12-08T01:00:00Z",
    "ends_at": "2026-12-08T03:00:00Z",
}
HIT: JsonDict = {
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "code": "K7M2PQ4X",
    "organisation_name": "示例社区党支部",
    "people_expected": 27,
    "starts_at": "2026-12-05T01:00:00Z",
    "ends_at": "2026-12-05T03:00:00Z",
    "status": "approved",
    "alternatives": [OFFER],
}


class ClosureIn(BaseModel):
    """`[starts_at, ends_at)` in which a venue, or without `venue_id` the whole site, is shut.

    Bookings stay, marked with the reason, unless `cancel` is said, which a manager of the site may.
    `notify` tells the branches that are hit, with what each could have instead.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {**WANTED, "notify": True, "cancel": False}}
    )

    venue_id: UUID | None = None
    starts_at: When
    ends_at: When
    reason: Annotated[Line, Field(max_length=200)]
    notify: StrictBool = False
    cancel: StrictBool = False

    def wanted(self) -> closures.Wanted:
        """Return the closure itself."""
        return closures.Wanted(self.venue_id, self.starts_at, self.ends_at, self.reason)


class ClosurePublic(BaseModel):
    """A closure, and why."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": EXAMPLE}
    )

    id: UUID
    venue_id: UUID | None
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: str


class ClosureList(BaseModel):
    """Closures, soonest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [EXAMPLE]}}
    )

    items: list[ClosurePublic]


class Offer(BaseModel):
    """A session that the branch could order now."""

    id: UUID
    venue_name: str
    site_name: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class HitPublic(BaseModel):
    """A booking that a closure hits, and what its branch could have instead."""

    id: UUID
    code: str
    organisation_name: str
    people_expected: int
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    status: BookingStatus
    alternatives: list[Offer]


class ClosureAnswer(BaseModel):
    """The closure, none with `dry_run`, and the bookings it hits, soonest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"closure": EXAMPLE, "bookings": [HIT]}}
    )

    closure: ClosurePublic | None
    bookings: list[HitPublic]


def _hit(hit: hits.Hit) -> HitPublic:
    booking = hit.booking
    return HitPublic(
        id=booking.id,
        code=hit.code,
        organisation_name=hit.branch.name,
        people_expected=booking.people_expected,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        status=BookingStatus(booking.status),
        alternatives=[
            Offer(
                id=offer.id,
                venue_name=offer.venue_name,
                site_name=offer.site.name,
                starts_at=offer.starts_at,
                ends_at=offer.ends_at,
            )
            for offer in hit.alternatives
        ],
    )


@router.get(
    "/{site_id:uuid}/closures",
    operation_id="listClosures",
    summary="When a site is shut",
    responses=problems(Unauthenticated, tokens.InvalidToken, sites.SiteNotFound),
)
def list_closures(
    site_id: UUID, actor: MaybeActorDep, session: SessionDep, now: NowDep, limit: LimitDep = 200
) -> ClosureList:
    """List the closures that are not over."""
    venues.look(session, actor=actor, site_id=site_id)
    found = closures.to_come(session, site_id=site_id, now=now, limit=limit)
    return ClosureList(items=[ClosurePublic.model_validate(closure) for closure in found])


@router.post(
    "/{site_id:uuid}/closures",
    status_code=201,
    operation_id="createClosure",
    summary="Shut a venue or a site, or see whom that would hit",
    response_model=ClosureAnswer,
    responses=problems(
        *REFUSALS,
        sites.SiteNotFound,
        venues.VenueNotFound,
        free_sessions.PeriodUnreadable,
        closures.ClosureOver,
        closures.ClosuresOverlap,
        idempotency.IdempotencyKeyReused,
    )
    | {200: {"model": ClosureAnswer, "description": "With `dry_run`: nothing was done"}},
)
def create_closure(
    site_id: UUID,
    wanted: ClosureIn,
    actor: ActorDep,
    once: OnceDep,
    dry_run: Annotated[bool, Query(description="Only tell what it would hit")] = False,
) -> Response:
    """Shut it, and tell or cancel if that is wanted; with `dry_run` leave no trace."""
    shut = wanted.wanted()
    if dry_run:
        seen = closures.preview(
            once.session, actor=actor, site_id=site_id, wanted=shut, now=once.now
        )
        answer = ClosureAnswer(closure=None, bookings=[_hit(hit) for hit in seen])
        return once.answer(200, answer)
    done = closures.close(
        once.session,
        actor=actor,
        site_id=site_id,
        wanted=shut,
        notify=wanted.notify,
        cancel=wanted.cancel,
        now=once.now,
    )
    told = [_hit(hit) for hit in done.hits]
    closure = ClosurePublic.model_validate(done.closure)
    return once.answer(201, ClosureAnswer(closure=closure, bookings=told))


@router.delete(
    "/{site_id:uuid}/closures/{closure_id:uuid}",
    status_code=204,
    operation_id="deleteClosure",
    summary="Open again",
    responses=problems(
        *REFUSALS, sites.SiteNotFound, closures.ClosureNotFound, closures.ClosureOver
    ),
)
def delete_closure(
    site_id: UUID, closure_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep
) -> Response:
    """Take a closure back: sessions are made again, and what was booked is open again."""
    closures.reopen(session, actor=actor, site_id=site_id, closure_id=closure_id, now=now)
    return Response(status_code=204)
