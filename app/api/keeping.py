"""Making, changing and erasing people's accounts, and giving them roles."""

from datetime import UTC, datetime
from typing import ClassVar, cast
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, NowDep, SessionDep, VersionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.api.users import ID, SIGNED_IN, USER, UserGrant, UserPublic, shown
from app.errors import Stale
from app.models import Role
from app.services import (
    accounts,
    erasure,
    grants,
    idempotency,
    keeping,
    offices,
    organisations,
    privacy,
    users,
)
from app.services.access import NotInScope

router = Router(prefix="/users", tags=["users"])

KEPT = (*SIGNED_IN, users.UserNotFound, NotInScope, grants.NotForOneself)
FAR = datetime(2200, 1, 1, tzinfo=UTC)
"""Instants before it exist in every time zone."""
CODE: JsonDict = {"code": "7K4M9QX2RT", "expires_at": "2026-11-26T09:00:00+08:00"}


class OneTimeCodePublic(BaseModel):
    """A code to hand to the person, shown this once; it sets a password."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True, json_schema_extra={"example": CODE}
    )

    code: str
    expires_at: AwareDatetime


class UserMade(BaseModel):
    """A new account, and the code for its first password."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"user": USER, "one_time_code": CODE}}
    )

    user: UserPublic
    one_time_code: OneTimeCodePublic


class UserIn(BaseModel):
    """A person to make an account for; the home is their branch."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"name": "张三", "phone": "13800000000", "organisation_id": ID}
        }
    )

    name: Line = Field(max_length=40)
    phone: Line = Field(max_length=20)
    organisation_id: UUID | None = None


class UserChange(BaseModel):
    """What is to be otherwise; what is absent stays. A null home is none."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"name": "张三丰", "active": False}}
    )

    name: Line | None = Field(default=None, max_length=40)
    phone: Line | None = Field(default=None, max_length=20)
    organisation_id: UUID | None = None
    active: StrictBool | None = None

    def changes(self) -> keeping.Changes:
        """Return what was said; of the nulls only the home's means anything."""
        said = self.model_dump(exclude_unset=True)
        kept = {k: v for k, v in said.items() if v is not None or k == "organisation_id"}
        return cast("keeping.Changes", kept)


class GrantIn(BaseModel):
    """A role and where: a site for a site manager, nowhere for administrators."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"role": "organiser", "organisation_id": ID, "ends_at": None}}
    )

    role: Role
    organisation_id: UUID | None = None
    site_id: UUID | None = None
    ends_at: AwareDatetime | None = Field(default=None, lt=FAR)


@router.post(
    "",
    status_code=201,
    operation_id="createUser",
    summary="Make an account",
    response_model=UserMade,
    responses=problems(
        *SIGNED_IN,
        NotInScope,
        organisations.OrganisationNotFound,
        privacy.InvalidPhone,
        accounts.PhoneTaken,
        idempotency.IdempotencyKeyReused,
    ),
)
def create_user(
    wanted: UserIn, actor: ActorDep, session: SessionDep, now: NowDep, once: OnceDep
) -> Response:
    """Make it without a password; the one-time code answered sets the first."""
    made, code = keeping.create(session, actor=actor, now=now, **wanted.model_dump())
    body = UserMade(
        user=shown(session, [made], now)[0],
        one_time_code=OneTimeCodePublic.model_validate(code),
    )
    return once.answer(201, body)


@router.patch(
    "/{user_id}",
    operation_id="changeUser",
    summary="Change an account, or deactivate it",
    responses=problems(
        *KEPT,
        Stale,
        organisations.OrganisationNotFound,
        privacy.InvalidPhone,
        accounts.PhoneTaken,
        offices.LastOfItsOffice,
    ),
)
def change_user(
    user_id: UUID,
    wanted: UserChange,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    version: VersionDep,
) -> UserPublic:
    """Change it; a deactivated person is signed out everywhere at once."""
    changed = keeping.change(
        session,
        actor=actor,
        user_id=user_id,
        version=version,
        changes=wanted.changes(),
        now=now,
    )
    return shown(session, [changed], now)[0]


@router.post(
    "/{user_id}/code",
    status_code=201,
    operation_id="resetUser",
    summary="Hand out a new one-time code",
    response_model=OneTimeCodePublic,
    responses=problems(*KEPT, idempotency.IdempotencyKeyReused),
)
def reset_user(
    user_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep, once: OnceDep
) -> Response:
    """Issue it in place of any other, end all logins, and unlock the account."""
    code = keeping.reset(session, actor=actor, user_id=user_id, now=now)
    return once.answer(201, OneTimeCodePublic.model_validate(code))


@router.post(
    "/{user_id}/grants",
    status_code=201,
    operation_id="giveRole",
    summary="Give somebody a role",
    response_model=UserGrant,
    responses=problems(
        *KEPT,
        grants.PlaceNotFound,
        grants.AlreadyGranted,
        grants.OfficesApart,
        grants.ScopeUnfit,
        grants.EndsInThePast,
        idempotency.IdempotencyKeyReused,
    ),
)
def give_role(
    user_id: UUID,
    wanted: GrantIn,
    actor: ActorDep,
    session: SessionDep,
    now: NowDep,
    once: OnceDep,
) -> Response:
    """Give it at one place; a role that has lapsed there begins anew."""
    given = keeping.give(session, actor=actor, user_id=user_id, now=now, **wanted.model_dump())
    held = grants.grants_of(session, account_id=user_id, now=now)
    told = next(one for one in held if one.id == given.id)
    return once.answer(201, UserGrant.model_validate(told))


@router.delete(
    "/{user_id}/grants/{grant_id}",
    status_code=204,
    operation_id="takeRole",
    summary="Take a role from somebody",
    responses=problems(*KEPT, grants.GrantNotFound, offices.LastOfItsOffice),
)
def take_role(
    user_id: UUID, grant_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep
) -> None:
    """Take it; whoever may give a role may take it."""
    account = users.get(session, actor=actor, user_id=user_id, lock=True)
    grants.take(session, actor=actor, account=account, grant_id=grant_id, now=now)


@router.delete(
    "/{user_id}",
    status_code=204,
    operation_id="eraseUser",
    summary="Erase a person (注销)",
    responses=problems(*KEPT, offices.LastOfItsOffice),
)
def erase_user(user_id: UUID, actor: ActorDep, session: SessionDep, now: NowDep) -> None:
    """Forget name and phone for good; what the branch did stays. The second time it is a 404."""
    erasure.erase(session, actor=actor, user_id=user_id, now=now)
