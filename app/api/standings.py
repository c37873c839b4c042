"""How a branch stands: its strikes, and lifting what they led to."""

from typing import ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, NowDep, SessionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import StrikeKind
from app.services import idempotency, organisations, suspensions, tokens
from app.services.access import NotInScope
from app.services.suspensions import Record

router = Router(prefix="/organisations", tags=["standings"])

STRIKE: JsonDict = {
    "booking_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20",
    "code": "K7M2PQ4XTW",
    "kind": "no_show",
    "points": 2,
    "at": "2026-11-20T05:00:00Z",
    "counts_until": "2027-11-20T05:00:00Z",
}


class StrikePublic(BaseModel):
    """A strike; `counts_until` is null where it led to the suspension, and counts for no other."""

    booking_id: UUID
    code: str
    kind: StrikeKind
    points: int
    at: AwareDatetime
    counts_until: AwareDatetime | None


class StandingPublic(BaseModel):
    """How a branch stands.

    `points` are those of the strikes that count; `limit` of them within `strike_months` stop new
    bookings for `suspension_days`, by the rules of its district. `suspended_until` is null where it
    may order. The strikes are those that count or led to the suspension, the latest first.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "organisation_id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f10",
                "suspended_since": None,
                "suspended_until": None,
                "may_lift": False,
                "strikes": [STRIKE],
                "points": 2,
                "limit": 3,
                "strike_months": 12,
                "suspension_days": 90,
            }
        }
    )

    organisation_id: UUID
    suspended_since: AwareDatetime | None
    suspended_until: AwareDatetime | None
    may_lift: bool
    strikes: list[StrikePublic]
    points: int
    limit: int
    strike_months: int
    suspension_days: int


class LiftReason(BaseModel):
    """Why a suspension is lifted; the branch is told."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"reason": "因暴雨未能到场，情况属实"}}
    )

    reason: Line = Field(max_length=200)


def _shown(record: Record) -> StandingPublic:
    suspension, policy = record.suspension, record.policy
    return StandingPublic(
        organisation_id=record.branch.id,
        suspended_since=suspension.starts_at if suspension else None,
        suspended_until=suspension.ends_at if suspension else None,
        may_lift=record.may_lift,
        strikes=[
            StrikePublic(
                booking_id=counted.strike.booking_id,
                code=counted.code,
                kind=StrikeKind(counted.strike.kind),
                points=counted.strike.points,
                at=counted.strike.at,
                counts_until=counted.counts_until,
            )
            for counted in record.strikes
        ],
        points=record.points,
        limit=policy.strikes_limit,
        strike_months=policy.strike_months,
        suspension_days=policy.suspension_days,
    )


REFUSALS = (Unauthenticated, tokens.InvalidToken, NotInScope, organisations.OrganisationNotFound)


@router.get(
    "/{organisation_id:uuid}/standing",
    operation_id="getStanding",
    summary="What a branch has against it",
    responses=problems(*REFUSALS),
)
def get_standing(
    organisation_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep
) -> StandingPublic:
    """Answer the branch itself, and staff and auditors above it."""
    record = suspensions.look(session, actor=actor, organisation_id=organisation_id, now=now)
    return _shown(record)


@router.post(
    "/{organisation_id:uuid}/suspension/lift",
    operation_id="liftSuspension",
    summary="Let a suspended branch order again",
    response_model=StandingPublic,
    responses=problems(*REFUSALS, suspensions.NotSuspended, idempotency.IdempotencyKeyReused),
)
def lift_suspension(
    organisation_id: UUID, said: LiftReason, actor: ActorDep, once: OnceDep
) -> Response:
    """Lift it at once, with a reason; what led to it counts no more."""
    record = suspensions.lift(
        once.session,
        actor=actor,
        organisation_id=organisation_id,
        reason=said.reason,
        now=once.now,
    )
    return once.answer(200, _shown(record))
