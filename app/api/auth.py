"""Signing in and out, and who I am."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, ConfigDict, Field
from sqlmodel import Session

from app.api.deps import ActorDep, Line, NowDep, SessionDep, VersionDep, by
from app.api.problems import problems, tell
from app.api.router import Router
from app.errors import Stale, Unauthenticated
from app.models import Account, Role
from app.services import accounts, grants, passwords, sign_in, throttles, tokens

router = Router(tags=["auth"])

EXAMPLE_ID = "019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20"
PASSWORD_REFUSED = problems(
    sign_in.WrongCredentials, passwords.PasswordExpired, throttles.TooManyAttempts
)
NOT_SIGNED_IN = problems(Unauthenticated, tokens.InvalidToken)


class Token(BaseModel):
    """A pair of tokens; `expires_in` is the access token's life in seconds.

    The refresh token works once. Send one refresh at a time: a second use of the same one is taken
    for theft and ends the login.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "access_token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTlhIn0.x4Zq",
                "token_type": "bearer",
                "expires_in": 900,
                "refresh_token": "dF9oQ1k2c2J3aVJ0N1pVb1hQbA",
            }
        }
    )

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str


class RefreshIn(BaseModel):
    """The refresh token of a login."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"refresh_token": "dF9oQ1k2c2J3aVJ0N1pVb1hQbA"}}
    )

    refresh_token: str = Field(min_length=1, max_length=200)


class PlacePublic(BaseModel):
    """An organisation or a site, by name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={"example": {"id": EXAMPLE_ID, "name": "示例社区党支部"}},
    )

    id: UUID
    name: str


class GrantPublic(BaseModel):
    """A role in force, and where: an organisation, a site, or (system_admin) everywhere."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "example": {
                "id": EXAMPLE_ID,
                "role": "organiser",
                "organisation": {"id": EXAMPLE_ID, "name": "示例社区党支部"},
                "site": None,
            }
        },
    )

    id: UUID
    role: Role
    organisation: PlacePublic | None
    site: PlacePublic | None


class Grants(BaseModel):
    """What I may do."""

    items: list[GrantPublic]


class Me(BaseModel):
    """The signed-in person."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "id": EXAMPLE_ID,
                "name": "张三",
                "phone_masked": "138****1234",
                "grants": [],
                "version": 1,
            }
        }
    )

    id: UUID
    name: str
    phone_masked: str
    grants: list[GrantPublic]
    version: int


class MeChange(BaseModel):
    """What one may change of oneself; the phone is the staff's to change, for it opens the door."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": {"name": "张三"}})

    name: Line = Field(max_length=40)


@router.post(
    "/auth/token",
    operation_id="signIn",
    summary="Sign in with a phone number and a password",
    response_model=Token,
    responses=PASSWORD_REFUSED,
)
def sign_in_with_password(
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    session: SessionDep,
    now: NowDep,
    response: Response,
) -> Token | JSONResponse:
    """Answer a pair of tokens; `username` is the phone number."""
    account = sign_in.with_password(
        session,
        phone=form.username,
        password=form.password,
        address=by(request).address,
        now=now,
    )
    if not isinstance(account, Account):
        return tell(request, account)
    return token(sign_in.enter(session, account=account, by="password", now=now), response)


@router.post(
    "/auth/refresh",
    operation_id="refreshToken",
    summary="Exchange a refresh token, once, for a new pair",
    response_model=Token,
    responses=problems(tokens.LoginEnded),
)
def refresh_token(
    kept: RefreshIn, request: Request, session: SessionDep, now: NowDep, response: Response
) -> Token | JSONResponse:
    """Answer the next pair; a token used before ends the login it belongs to."""
    pair = tokens.refresh(session, refresh_token=kept.refresh_token, now=now)
    if pair is None:
        # Answered and not raised: an exception would undo the end of the login.
        return tell(request, tokens.LoginEnded())
    return token(pair, response)


@router.post(
    "/auth/logout",
    operation_id="signOut",
    summary="End the login of a refresh token",
    status_code=204,
)
def sign_out(kept: RefreshIn, session: SessionDep, now: NowDep) -> None:
    """End it; ending what has ended, or never was, is no error."""
    tokens.revoke(session, refresh_token=kept.refresh_token, now=now)


@router.get("/me", operation_id="getMe", summary="Who I am", responses=NOT_SIGNED_IN)
def get_me(actor: ActorDep, session: SessionDep, now: NowDep) -> Me:
    """Answer the signed-in person, with the grants in force."""
    return _me(session, session.get_one(Account, actor.account_id), actor, now)


@router.patch(
    "/me",
    operation_id="changeMe",
    summary="Change my name",
    responses=NOT_SIGNED_IN | problems(Stale),
)
def change_me(
    change: MeChange, version: VersionDep, actor: ActorDep, session: SessionDep, now: NowDep
) -> Me:
    """Change it, unless it has been changed since it was read."""
    account = accounts.rename(
        session, account_id=actor.account_id, name=change.name, version=version
    )
    return _me(session, account, actor, now)


def _me(session: Session, account: Account, actor: ActorDep, now: NowDep) -> Me:
    return Me(
        id=account.id,
        name=account.name,
        phone_masked=accounts.phone_masked(account) or "",
        grants=_grants(session, actor, now),
        version=account.version,
    )


@router.get(
    "/me/grants", operation_id="listMyGrants", summary="What I may do", responses=NOT_SIGNED_IN
)
def list_my_grants(actor: ActorDep, session: SessionDep, now: NowDep) -> Grants:
    """Answer the grants in force."""
    return Grants(items=_grants(session, actor, now))


def _grants(session: Session, actor: ActorDep, now: NowDep) -> list[GrantPublic]:
    held = grants.grants_of(session, account_id=actor.account_id, now=now)
    return [GrantPublic.model_validate(grant) for grant in held]


def token(pair: tokens.TokenPair, response: Response) -> Token:
    """Answer a pair that no cache may keep."""
    response.headers["Cache-Control"] = "no-store"
    return Token(
        access_token=pair.access_token,
        token_type="bearer",  # noqa: S106
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
    )
