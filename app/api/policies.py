"""The rules of ordering, version by version."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from app.api.deps import (
    ActorDep,
    CursorDep,
    CursorUnreadable,
    LimitDep,
    NowDep,
    SessionDep,
    VersionDep,
    read_cursor,
    write_cursor,
)
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.times import When
from app.errors import Stale, Unauthenticated
from app.models import MOST_LEAD_DAYS, MOST_OPEN_BOOKINGS, MOST_PEOPLE, ApprovalMode
from app.models.policy import (
    MOST_DAYS,
    MOST_KM_PER_HOUR,
    MOST_OFFER_HOURS,
    MOST_STRIKE_MONTHS,
    MOST_STRIKES,
    MOST_SUSPENSION_DAYS,
)
from app.services import (
    idempotency,
    organisations,
    policy_editing,
    policy_history,
    tokens,
)
from app.services.access import NotInScope
from app.services.policy_history import History, PolicyState, Version

router = Router(tags=["policies"])

MOST_ANSWER_DAYS = 30
RULES: JsonDict = {
    "lead_working_days": 3,
    "lead_working_days_large": 5,
    "large_party_people": 50,
    "horizon_days": 60,
    "answer_working_days": 1,
    "free_cancel_working_days": 2,
    "approval_mode": "manual",
    "open_bookings_limit": 2,
    "late_cancel_strikes": 1,
    "no_show_strikes": 2,
    "strikes_limit": 3,
    "strike_months": 12,
    "suspension_days": 90,
    "offer_hours": 24,
    "travel_km_per_hour": 30,
}
EXAMPLE: JsonDict = {
    **RULES,
    "id": "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f60",
    "site_id": None,
    "version": 2,
    "state": "in_force",
    "effective_at": "2026-12-01T00:00:00Z",
    "ends_at": None,
    "made_by": "张组织",
    "created_at": "2026-11-25T01:00:00Z",
}


Lead = Annotated[int, Field(strict=True, ge=0, le=MOST_LEAD_DAYS)]
Strikes = Annotated[int, Field(strict=True, ge=0, le=MOST_STRIKES)]


class PolicyIn(BaseModel):
    """A version to be: all the rules, for they take the place of all. Without a time, at once.

    Working days count make-up workdays. `lead_working_days` and, for more than
    `large_party_people` people or a branch from outside, `lead_working_days_large` are how long
    ahead at least, `horizon_days` how many days at most. A late cancellation and a no-show are so
    many strikes; `strikes_limit` of them within `strike_months` stop new bookings for
    `suspension_days`. `open_bookings_limit` is for one branch at one site. Places that came free
    are held for `offer_hours` for who waited; a group gets from one stop of a route to the next at
    `travel_km_per_hour`, as the crow flies.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {**RULES, "effective_at": "2026-12-01T00:00:00Z"}}
    )

    lead_working_days: Lead
    lead_working_days_large: Lead
    large_party_people: int = Field(strict=True, ge=1, le=MOST_PEOPLE)
    horizon_days: int = Field(strict=True, ge=0, le=MOST_DAYS)
    answer_working_days: int = Field(strict=True, ge=1, le=MOST_ANSWER_DAYS)
    free_cancel_working_days: Lead
    approval_mode: ApprovalMode
    open_bookings_limit: int = Field(strict=True, ge=1, le=MOST_OPEN_BOOKINGS)
    late_cancel_strikes: Strikes
    no_show_strikes: Strikes
    strikes_limit: int = Field(strict=True, ge=1, le=MOST_STRIKES)
    strike_months: int = Field(strict=True, ge=1, le=MOST_STRIKE_MONTHS)
    suspension_days: int = Field(strict=True, ge=1, le=MOST_SUSPENSION_DAYS)
    offer_hours: int = Field(strict=True, ge=1, le=MOST_OFFER_HOURS)
    travel_km_per_hour: int = Field(strict=True, ge=1, le=MOST_KM_PER_HOUR)
    effective_at: When | None = None

    def rules(self) -> policy_editing.Rules:
        """Return what it says, without its time."""
        return policy_editing.Rules(**self.model_dump(exclude={"effective_at"}))


class PolicyVersion(BaseModel):
    """A version; `site_id` is null where it is the district's, `made_by` is a name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: UUID
    site_id: UUID | None
    version: int
    state: PolicyState
    effective_at: AwareDatetime
    ends_at: AwareDatetime | None
    made_by: str | None
    created_at: AwareDatetime
    lead_working_days: int
    lead_working_days_large: int
    large_party_people: int
    horizon_days: int
    answer_working_days: int
    free_cancel_working_days: int
    approval_mode: ApprovalMode
    open_bookings_limit: int
    late_cancel_strikes: int
    no_show_strikes: int
    strikes_limit: int
    strike_months: int
    suspension_days: int
    offer_hours: int
    travel_km_per_hour: int


class PolicyPage(BaseModel):
    """The rules that hold now, and one page of versions, the newest first.

    `newest_version` is what `If-Match` has to say; 0 for a site that never had rules of its own.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "in_force": EXAMPLE,
                "newest_version": 2,
                "items": [EXAMPLE],
                "next_cursor": None,
            }
        }
    )

    in_force: PolicyVersion
    newest_version: int
    items: list[PolicyVersion]
    next_cursor: str | None


def shown(version: Version) -> PolicyVersion:
    """Return a version as it is told."""
    row = version.policy.model_dump()
    return PolicyVersion(**row | {"state": version.state, "made_by": version.made_by})


def page_of(history: History, limit: int) -> PolicyPage:
    """Return one page of a history."""
    versions = history.versions[:limit]
    more = len(history.versions) > limit
    return PolicyPage(
        in_force=shown(history.in_force),
        newest_version=history.newest,
        items=[shown(version) for version in versions],
        next_cursor=write_cursor(str(versions[-1].policy.version)) if more else None,
    )


def before(cursor: str | None) -> int | None:
    """Return the version that a page begins after.

    Raises:
        CursorUnreadable: the cursor is of another list.
    """
    after = read_cursor(cursor, int)
    return after[0] if after else None


READING = (Unauthenticated, tokens.InvalidToken, NotInScope, CursorUnreadable)
MAKING = (
    Unauthenticated,
    tokens.InvalidToken,
    NotInScope,
    Stale,
    policy_editing.PolicyBackdated,
    policy_editing.LargePartyLeadTooShort,
    policy_editing.HorizonTooShort,
    policy_editing.FreeCancelTooEarly,
    idempotency.IdempotencyKeyReused,
)


@router.get(
    "/organisations/{organisation_id:uuid}/policies",
    operation_id="listPolicies",
    summary="The rules of a district, and how they were and will be",
    responses=problems(*READING, organisations.OrganisationNotFound),
)
def list_policies(
    organisation_id: UUID,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    limit: LimitDep = 20,
    cursor: CursorDep = None,
) -> PolicyPage:
    """List them for those who oversee the district or an organisation in it."""
    history = policy_history.of_district(
        session,
        actor=actor,
        organisation_id=organisation_id,
        before=before(cursor),
        limit=limit,
        now=now,
    )
    return page_of(history, limit)


@router.post(
    "/organisations/{organisation_id:uuid}/policies",
    status_code=201,
    operation_id="createPolicy",
    summary="Make rules for a district",
    response_model=PolicyVersion,
    responses=problems(*MAKING, organisations.OrganisationNotFound, policy_editing.NotADistrict),
)
def create_policy(
    organisation_id: UUID, wanted: PolicyIn, actor: ActorDep, version: VersionDep, once: OnceDep
) -> Response:
    """Write the next version; what is booked keeps the rules it was judged by."""
    made = policy_editing.enact_for_district(
        once.session,
        actor=actor,
        organisation_id=organisation_id,
        version=version,
        rules=wanted.rules(),
        effective_at=wanted.effective_at,
        now=once.now,
    )
    return once.answer(201, shown(made))
