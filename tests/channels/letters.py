"""The letter of docs/channels.md, and channels to the fakes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any, Self
from uuid import UUID

from aiohttp import ClientSession

from app.channels import posting
from app.channels import wechat_messages as ours
from app.channels.email import Email
from app.channels.sending import Channel, Letter
from app.channels.sms import Sms
from app.channels.tokens import Lent, TokenStore
from app.channels.wechat import MiniProgram
from app.channels.wechat_messages import Consents
from app.channels.wecom import Wecom
from app.ways_settings import MiniProgramState, SmtpSecurity, WechatTemplate, WecomKind
from tests.conftest import NOW
from tests.fakes import sms, wecom
from tests.fakes.wechat import APP_ID, SECRET
from tests.fakes.wechat_messages import WechatMessages

ID = UUID("019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20")
OPENID = "oABCD-0123456789"
PHONE = "+8613800001234"
MAILBOX = "zhang@example.cn"
TEMPLATE_ID = "rT1oIvQ0ZbB5mYk2u8sXcA9wJd4Ee7Gh6Lq3Nf0PxVs"
TEMPLATE = WechatTemplate.model_validate(
    {
        "template": TEMPLATE_ID,
        "fields": {
            "thing1": "{site}",
            "time2": "{when}",
            "character_string3": "{code}",
            "phrase4": "已接单",
        },
        "page": "pages/web/index?url={url}",
    }
)
FACTS = {
    "site": "示例红色记忆馆",
    "branch": "城东社区党支部",
    "when": "2026-12-01 09:00",
    "code": "AB3K9",
}
BODY = "示例红色记忆馆 已接受 城东社区党支部 2026-12-01 09:00 的预约（AB3K9）。"
URL = "https://map.example.cn/#/bookings/019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f21"


def letter(address: str, *, title: str = "预约已接单", body: str = BODY, **facts: str) -> Letter:
    """Write to somebody; `facts` come on top of the usual ones."""
    return Letter(ID, address, "booking-approved", title, body, FACTS | facts, "zh", URL)


class Wire:
    """An event loop and its connections, for several letters."""

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self._over = self._runner.run(_connections())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._over.close())
        self._runner.close()

    def send(self, channel: Channel, one: Letter) -> str | None:
        """Send a letter."""
        return self._runner.run(channel.send(one, now=NOW, over=self._over))

    def send_all(
        self, channel: Channel, several: Sequence[Letter], given_up: int | None = None
    ) -> list[str | BaseException | None]:
        """Send letters that are ready together; what came of each, a fault too.

        One of them may be given up when they are under way.
        """

        async def send() -> list[str | BaseException | None]:
            each = [
                asyncio.create_task(channel.send(one, now=NOW, over=self._over)) for one in several
            ]
            if given_up is not None:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                each[given_up].cancel()
            return await asyncio.gather(*each, return_exceptions=True)

        return self._runner.run(send())

    def rest(self, until: Event) -> bool:
        """Send nothing until something has happened, as a loop does: with an ear for the line."""
        return self._runner.run(asyncio.to_thread(until.wait, 20))


async def _connections() -> ClientSession:
    return posting.client()


def sent(channel: Channel, one: Letter) -> str | None:
    """Send a single letter."""
    with Wire() as wire:
        return wire.send(channel, one)


def gateway(server: sms.Gateway, **templates: str) -> Sms:
    """Our side of the fake gateway."""
    return Sms(server.url, sms.KEY, sms.SECRET, "党建地图", templates, seconds=0.5)


def robot(server: wecom.Robots, kind: WecomKind = WecomKind.MARKDOWN) -> Wecom:
    """Our side of the fake robots."""
    return Wecom(server.url, kind, seconds=0.5)


def mailer(
    port: int,
    security: SmtpSecurity = SmtpSecurity.NONE,
    login: tuple[str, str] | None = None,
) -> Email:
    """Our side of the fake mail server."""
    return Email("127.0.0.1", port, security, login, "map@example.cn", seconds=0.5)


@dataclass
class Purse:
    """A token store for one process."""

    kept: Lent | None = None

    def token(
        self, provider: str, *, ask: Callable[[], Lent], now: datetime, refused: str | None = None
    ) -> str:
        """Ask once, and again for what was refused."""
        if self.kept is None or self.kept.token == refused:
            self.kept = ask()
        return self.kept.token


@dataclass
class Ledger:
    """Consents of one person."""

    left: int = 9

    def spend(self, openid: str, template_id: str) -> bool:
        """One less, if there is one."""
        self.left -= 1
        return self.left >= 0

    def give_back(self, openid: str, template_id: str) -> None:
        """One more."""
        self.left += 1

    def drop(self, openid: str, template_id: str) -> None:
        """None."""
        self.left = 0


def program(
    server: WechatMessages,
    tokens: TokenStore | None = None,
    consents: Consents | None = None,
    **knobs: Any,
) -> ours.WechatMessages:
    """Our side of the fake WeChat."""
    usual: dict[str, Any] = {
        "program": MiniProgram(APP_ID, SECRET, server.url),
        "templates": {"booking-approved": TEMPLATE},
        "state": MiniProgramState.FORMAL,
        "tokens": tokens or Purse(),
        "consents": consents or Ledger(),
        "seconds": 0.5,
    }
    return ours.WechatMessages(**(usual | knobs))
