"""Staff answer outside branches."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Body, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import ActorDep, Prose
from app.api.once import OnceDep
from app.api.organisations import EXAMPLE as BRANCH
from app.api.organisations import OrganisationPublic
from app.api.problems import problems
from app.api.registrations import EXAMPLE, ID, READING, RegistrationPublic
from app.api.router import Router
from app.services import accounts, grants, idempotency, organisations, registrations, tree
from app.services.access import NotInScope

router = Router(prefix="/registrations", tags=["registrations"])


class ApproveIn(BaseModel):
    """What the branch will hang under; null for what it asked."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"parent_id": None}}
    )

    parent_id: UUID | None = None


class RefusalIn(BaseModel):
    """Why not."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"reason": "请向所在区委组织部提出"}}
    )

    reason: Prose = Field(min_length=1, max_length=500)


class OneTimeCodePublic(BaseModel):
    """A code for the first password, shown this once."""

    code: str
    expires_at: AwareDatetime


class ApprovedPublic(BaseModel):
    """What the approval made; the code is null where the contact had an account."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "registration": EXAMPLE,
                "branch": BRANCH,
                "user_id": ID,
                "one_time_code": {
                    "code": "7KQ2M9XW4T",
                    "expires_at": "2026-11-23T09:00:00+08:00",
                },
            }
        }
    )

    registration: RegistrationPublic
    branch: OrganisationPublic
    user_id: UUID
    one_time_code: OneTimeCodePublic | None


AS_ASKED = ApproveIn()
DECIDING = (
    *READING,
    NotInScope,
    registrations.RegistrationNotFound,
    registrations.RegistrationDecided,
    idempotency.IdempotencyKeyReused,
)


@router.post(
    "/{registration_id}/approve",
    operation_id="approveRegistration",
    summary="Let an outside branch in",
    response_model=ApprovedPublic,
    responses=problems(
        *DECIDING,
        organisations.OrganisationNotFound,
        tree.KindMisplaced,
        tree.TreeTooDeep,
        tree.OtherDistrict,
        grants.NotForOneself,
        accounts.PhoneTaken,
    ),
)
def approve_registration(
    registration_id: UUID,
    actor: ActorDep,
    once: OnceDep,
    said: Annotated[ApproveIn, Body()] = AS_ASKED,
) -> Response:
    """Plant the branch and make its contact the organiser, with an account if they have none."""
    done = registrations.approve(
        once.session,
        actor=actor,
        registration_id=registration_id,
        parent_id=said.parent_id,
        now=once.now,
    )
    return once.answer(200, _approved(done))


def _approved(done: registrations.Approved) -> ApprovedPublic:
    code = done.code
    return ApprovedPublic(
        registration=RegistrationPublic.model_validate(done.registration),
        branch=OrganisationPublic.model_validate(done.branch),
        user_id=done.account_id,
        one_time_code=OneTimeCodePublic(code=code.code, expires_at=code.expires_at)
        if code
        else None,
    )


@router.post(
    "/{registration_id}/reject",
    operation_id="rejectRegistration",
    summary="Refuse an outside branch, with a reason",
    response_model=RegistrationPublic,
    responses=problems(*DECIDING),
)
def reject_registration(
    registration_id: UUID, said: RefusalIn, actor: ActorDep, once: OnceDep
) -> Response:
    """Refuse it; it may ask again."""
    found = registrations.reject(
        once.session,
        actor=actor,
        registration_id=registration_id,
        reason=said.reason,
        now=once.now,
    )
    return once.answer(200, RegistrationPublic.model_validate(found))
