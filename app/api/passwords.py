"""Setting a password: one's own, one that has expired, and a first one with a code from staff."""

from typing import Annotated, ClassVar, Self

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.api.deps import ActorDep, NowDep, SessionDep, by
from app.api.problems import problems, tell
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import passwords, sign_in, throttles, tokens

router = Router(tags=["auth"])

PHONE = Field(max_length=40)
SECRET = Field(min_length=1, max_length=passwords.LONGEST)
Secret = Annotated[str, SECRET]


class OwnPasswordIn(BaseModel):
    """The password one has, and the one to have instead."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {"current_password": "Chun-2026", "new_password": "Qiu-2026-11"}
        }
    )

    current_password: Secret
    new_password: Secret


class PasswordIn(BaseModel):
    """A phone number, one proof that it is one's own, and the password to have."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "phone": "13800001234",
                "code": "7K3M9PXQRA",
                "new_password": "Qiu-2026-11",
            }
        }
    )

    phone: str = PHONE
    current_password: Secret | None = None
    code: str | None = Field(
        default=None, min_length=1, max_length=40, description="One-time code from staff"
    )
    new_password: Secret

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if (self.current_password is None) == (self.code is None):
            raise ValueError("send either current_password or code")
        return self


@router.post(
    "/me/password",
    operation_id="changeMyPassword",
    summary="Change my password",
    status_code=204,
    response_model=None,
    responses=problems(
        Unauthenticated,
        tokens.InvalidToken,
        sign_in.WrongPassword,
        passwords.PasswordTooWeak,
        throttles.TooManyAttempts,
    ),
)
def change_my_password(
    body: OwnPasswordIn, request: Request, actor: ActorDep, session: SessionDep, now: NowDep
) -> Response:
    """Set it and end every login, this one too; a wrong current password counts as a failure."""
    refusal = sign_in.set_own(
        session,
        account_id=actor.account_id,
        current_password=body.current_password,
        password=body.new_password,
        address=by(request).address,
        now=now,
    )
    return _answer(request, refusal)


@router.post(
    "/auth/password",
    operation_id="setPassword",
    summary="Set a password with the present one, even if expired, or with a code from staff",
    status_code=204,
    response_model=None,
    responses=problems(
        sign_in.WrongCredentials,
        sign_in.WrongCode,
        passwords.PasswordTooWeak,
        throttles.TooManyAttempts,
    ),
)
def set_password(body: PasswordIn, request: Request, session: SessionDep, now: NowDep) -> Response:
    """Set it and end every login; failures count as those of signing in do."""
    address = by(request).address
    if body.code is not None:
        refusal = sign_in.set_with_code(
            session,
            phone=body.phone,
            code=body.code,
            password=body.new_password,
            address=address,
            now=now,
        )
    else:
        refusal = sign_in.set_with_password(
            session,
            phone=body.phone,
            current_password=body.current_password or "",
            password=body.new_password,
            address=address,
            now=now,
        )
    return _answer(request, refusal)


def _answer(request: Request, refusal: sign_in.Refusal | None) -> JSONResponse | Response:
    # Answered and not raised: an exception would undo the count of the failures.
    return tell(request, refusal) if refusal else Response(status_code=204)
