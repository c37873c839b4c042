"""Consents to messages in WeChat, as the mini-program reports them."""

from typing import Annotated, ClassVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.api.config import SettingsDep
from app.api.deps import ActorDep, SessionDep
from app.api.once import OnceDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.services import idempotency, wechat_grants
from app.services.wechat_grants import Answer, WechatTemplateUnknown
from app.settings import Settings

router = Router(prefix="/me/wechat-grants", tags=["notifications"])

MOST_AT_ONCE = 5
EXAMPLE = "rT1oIvQ0ZbB5mYk2u8sXcA9wJd4Ee7Gh6Lq3Nf0PxVs"
TemplateId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class WechatGrantPublic(BaseModel):
    """How many messages of a template I have still agreed to."""

    template_id: str
    left: int


class WechatGrants(BaseModel):
    """My consents, a line for each template in use."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"items": [{"template_id": EXAMPLE, "left": 2}]}}
    )

    items: list[WechatGrantPublic]


class WechatAnswers(BaseModel):
    """What `wx.requestSubscribeMessage` told, without its `errMsg`: an answer for each template."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={"example": {"answers": {EXAMPLE: "accept"}}}
    )

    answers: dict[TemplateId, Answer] = Field(min_length=1, max_length=MOST_AT_ONCE)


def _mine(session: SessionDep, actor: ActorDep, settings: Settings) -> WechatGrants:
    left = wechat_grants.remaining(session, account_id=actor.account_id)
    return WechatGrants(
        items=[
            WechatGrantPublic(template_id=template_id, left=left.get(template_id, 0))
            for template_id in sorted(settings.wechat_template_ids)
        ]
    )


@router.get(
    "",
    operation_id="listMyWechatGrants",
    summary="How many messages in WeChat I have agreed to",
    responses=problems(Unauthenticated),
)
def list_grants(actor: ActorDep, session: SessionDep, settings: SettingsDep) -> WechatGrants:
    """Show what is left; nothing where no messages go by WeChat."""
    return _mine(session, actor, settings)


@router.post(
    "",
    operation_id="recordMyWechatGrants",
    summary="Report what I answered in WeChat",
    response_model=WechatGrants,
    responses=problems(Unauthenticated, WechatTemplateUnknown, idempotency.IdempotencyKeyReused),
)
def record_grants(
    said: WechatAnswers,
    actor: ActorDep,
    session: SessionDep,
    settings: SettingsDep,
    once: OnceDep,
) -> Response:
    """Count one message for each template accepted; what was declined takes none away."""
    wechat_grants.record(
        session,
        account_id=actor.account_id,
        answers=said.answers,
        known=settings.wechat_template_ids,
    )
    return once.answer(200, _mine(session, actor, settings))
