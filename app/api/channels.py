"""By which ways the reader wants messages."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from app.api.deps import ActorDep, Line, SessionDep
from app.api.problems import problems
from app.api.router import Router
from app.errors import Unauthenticated
from app.models import Way
from app.services import channel_choices, tokens
from app.services.channel_choices import Wish

router = Router(tags=["notifications"])

Outward = Literal["wechat", "sms", "email", "wecom"]
EXAMPLE: JsonDict = {
    "channels": [
        {"channel": "wechat", "enabled": True, "reachable": True, "address": None},
        {"channel": "email", "enabled": True, "reachable": True, "address": "z***@example.com"},
    ]
}


class ChannelPublic(BaseModel):
    """A way; `reachable` tells whether there is an address, which is shown masked."""

    channel: Outward
    enabled: bool
    reachable: bool
    address: str | None


class ChannelsPublic(BaseModel):
    """The ways beside the inbox, in the order in which they are tried."""

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra={"example": EXAMPLE})

    channels: list[ChannelPublic]


class ChannelWish(BaseModel):
    """A way that is wanted, or not.

    `address` is a mailbox for `email` and the key of a group's robot for `wecom`; left out, the one
    that is kept stays. SMS go to the account's phone, WeChat to who is linked with it.
    """

    channel: Outward
    enabled: bool
    address: Annotated[Line | None, Field(max_length=200)] = None


class ChannelsIn(BaseModel):
    """All ways, the first one is tried first; each at most once."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        json_schema_extra={
            "example": {
                "channels": [
                    {"channel": "wechat", "enabled": True},
                    {"channel": "email", "enabled": True, "address": "zhao@example.com"},
                ]
            }
        }
    )

    channels: list[ChannelWish] = Field(max_length=4)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({wish.channel for wish in self.channels}) < len(self.channels):
            raise ValueError("name each channel once")
        return self


@router.get(
    "/me/channels",
    operation_id="getMyChannels",
    summary="By which ways I want messages",
    responses=problems(Unauthenticated, tokens.InvalidToken),
)
def get_my_channels(actor: ActorDep, session: SessionDep) -> ChannelsPublic:
    """Answer what was chosen; everything also comes into the inbox."""
    return _shown(session, actor)


@router.put(
    "/me/channels",
    operation_id="chooseMyChannels",
    summary="Choose by which ways I want messages",
    responses=problems(Unauthenticated, tokens.InvalidToken, channel_choices.AddressUnfit),
)
def choose_my_channels(said: ChannelsIn, actor: ActorDep, session: SessionDep) -> ChannelsPublic:
    """Replace the choice: a message goes by the first way that works, and into the inbox."""
    wishes = [Wish(Way(one.channel), one.enabled, one.address) for one in said.channels]
    channel_choices.choose(session, account_id=actor.account_id, wishes=wishes)
    return _shown(session, actor)


def _shown(session: SessionDep, actor: ActorDep) -> ChannelsPublic:
    found = channel_choices.choices(session, account_id=actor.account_id)
    return ChannelsPublic(
        channels=[ChannelPublic.model_validate(one, from_attributes=True) for one in found]
    )
