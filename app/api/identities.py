"""Signing in by WeChat, and by a government identity provider."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, ClassVar, Self

from fastapi import Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlmodel import Session

from app.api.auth import Token, token
from app.api.deps import NowDep, SessionDep, by, transaction
from app.api.problems import problems, tell
from app.api.router import Router
from app.channels import oidc, wechat
from app.models import Account, Provider
from app.services import identities, passwords, sign_in, throttles
from app.settings import Settings

router = Router(tags=["auth"])


class WechatIn(BaseModel):
    """The code of `wx.login`; the first time, phone and password as well, to link the account."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"code": "0a3Xyz1w3abcDE2abc0w3xyz9a3Xyz1r"}}
    )

    code: str = Field(min_length=1, max_length=200)
    phone: str | None = Field(default=None, max_length=40)
    password: str | None = Field(default=None, min_length=1, max_length=passwords.LONGEST)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.phone is None) != (self.password is None):
            raise ValueError("send both phone and password, or neither")
        return self


class OidcStart(BaseModel):
    """Where to send the person; keep `state`, and compare it with the one that comes back."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "authorization_url": "https://id.example.gov.cn/authorize?client_id=party-map",
                "state": "dF9oQ1k2c2J3aVJ0N1pVb1hQbA",
            }
        }
    )

    authorization_url: str
    state: str


class OidcIn(BaseModel):
    """What the identity provider sent the person back with."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"code": "SplxlOBeZQQYbYS6WxSbIA", "state": "dF9oQ1k2c2J3aVJ0N1pVb1hQbA"}
        }
    )

    code: str = Field(min_length=1, max_length=2000)
    state: str = Field(min_length=1, max_length=200)


def get_mini_program(request: Request) -> wechat.MiniProgram:
    """Give our mini-program.

    Raises:
        WechatNotSetUp: the settings name none.
    """
    knobs: Settings = request.app.state.settings
    if not (knobs.wechat_app_id and knobs.wechat_app_secret):
        raise wechat.WechatNotSetUp
    secret = knobs.wechat_app_secret.get_secret_value()
    return wechat.MiniProgram(knobs.wechat_app_id, secret, knobs.wechat_api_url)


def get_client(request: Request) -> oidc.Client:
    """Give us as the identity provider knows us.

    Raises:
        OidcNotSetUp: the settings name none.
    """
    knobs: Settings = request.app.state.settings
    secret = knobs.oidc_client_secret.get_secret_value() if knobs.oidc_client_secret else None
    if not (knobs.oidc_issuer and knobs.oidc_client_id and secret and knobs.oidc_redirect_url):
        raise oidc.OidcNotSetUp
    return oidc.Client(knobs.oidc_issuer, knobs.oidc_client_id, secret, knobs.oidc_redirect_url)


def get_briefly(request: Request) -> Callable[[], AbstractContextManager[Session]]:
    """Give a way to do something in a transaction of its own, ended before somebody is asked."""
    return partial(transaction, request)


ProgramDep = Annotated[wechat.MiniProgram, Depends(get_mini_program)]
ClientDep = Annotated[oidc.Client, Depends(get_client)]
BrieflyDep = Annotated[Callable[[], AbstractContextManager[Session]], Depends(get_briefly)]


@router.post(
    "/auth/wechat",
    operation_id="signInByWechat",
    summary="Sign in from the mini-program",
    response_model=Token,
    responses=problems(
        wechat.WechatCodeInvalid,
        identities.WechatUnlinked,
        sign_in.WrongCredentials,
        passwords.PasswordExpired,
        wechat.WechatUserBlocked,
        identities.AlreadyLinked,
        throttles.TooManyAttempts,
        wechat.WechatTooMany,
        wechat.WechatUnavailable,
        wechat.WechatNotSetUp,
    ),
)
def sign_in_by_wechat(
    body: WechatIn,
    request: Request,
    program: ProgramDep,
    session: SessionDep,
    now: NowDep,
    response: Response,
) -> Token | JSONResponse:
    """Answer a pair of tokens; phone and password count the first time only.

    Raises:
        WechatUnlinked: it is the first time, and there are none.
    """
    # Before the first SQL, so that no connection waits for WeChat.
    openid = wechat.openid_of(program, code=body.code)
    account = identities.account_of(session, provider=Provider.WECHAT, subject=openid)
    if account is None:
        if body.phone is None or body.password is None:
            raise identities.WechatUnlinked
        proved = sign_in.with_password(
            session,
            phone=body.phone,
            password=body.password,
            address=by(request).address,
            now=now,
        )
        if not isinstance(proved, Account):
            return tell(request, proved)
        identities.link(session, account=proved, provider=Provider.WECHAT, subject=openid)
        account = proved
    return token(sign_in.enter(session, account=account, by="wechat", now=now), response)


@router.post(
    "/auth/oidc/start",
    operation_id="startOidc",
    summary="Begin to sign in at the government identity provider",
    responses=problems(oidc.OidcUnavailable, oidc.OidcNotSetUp),
)
def start_oidc(
    client: ClientDep, session: SessionDep, now: NowDep, response: Response
) -> OidcStart:
    """Answer where to go; the answer from there is awaited for ten minutes."""
    sent = oidc.begin(client)
    identities.remember(
        session, state=sent.state, nonce=sent.nonce, code_verifier=sent.code_verifier, now=now
    )
    response.headers["Cache-Control"] = "no-store"
    return OidcStart(authorization_url=sent.url, state=sent.state)


@router.post(
    "/auth/oidc",
    operation_id="signInByOidc",
    summary="Sign in with the answer of the government identity provider",
    responses=problems(
        oidc.OidcRefused,
        identities.OidcUnlinked,
        identities.AlreadyLinked,
        oidc.OidcUnavailable,
        oidc.OidcNotSetUp,
    ),
)
def sign_in_by_oidc(
    body: OidcIn,
    client: ClientDep,
    briefly: BrieflyDep,
    session: SessionDep,
    now: NowDep,
    response: Response,
) -> Token:
    """Answer a pair of tokens; the first time, the provider's verified phone names the account.

    Raises:
        OidcRefused: no sign-in with this state is awaited.
        OidcUnlinked: no account is linked, and none has the verified phone.
    """
    with briefly() as own:
        sent = identities.take(own, state=body.state, now=now)
    if sent is None:
        raise oidc.OidcRefused
    person = oidc.finish(
        client, code=body.code, nonce=sent.nonce, code_verifier=sent.code_verifier, now=now
    )
    subject = f"{client.issuer} {person.subject}"
    account = identities.account_of(session, provider=Provider.OIDC, subject=subject)
    if account is None and person.phone:
        account = identities.account_with_phone(session, phone=person.phone)
        if account:
            identities.link(session, account=account, provider=Provider.OIDC, subject=subject)
    if account is None:
        raise identities.OidcUnlinked
    return token(sign_in.enter(session, account=account, by="oidc", now=now), response)
