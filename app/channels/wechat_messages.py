"""WeChat: one message of a mini-program to who agreed to it (小程序订阅消息, `subscribe.send`).

Sources: 微信开放文档, 小程序 > 服务端 > 订阅消息 > 发送订阅消息 (`sendMessage`), with its list
"订阅消息参数值内容限制说明", and 接口调用凭据 > 获取稳定版接口调用凭据 (`getStableAccessToken`).
"""

import asyncio
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import structlog

from app.channels import fields, posting
from app.channels.asking import Json, NoAnswer, Passing
from app.channels.sending import Letter, Refused
from app.channels.tokens import Lent, TokenStore
from app.channels.wechat import MiniProgram
from app.ways_settings import MiniProgramState, WechatTemplate

if TYPE_CHECKING:
    from aiohttp import ClientSession

TOKEN_SECONDS = 2.0
"""Longest wait for each step towards a token, while others wait for the lock."""
A_DAY = 86_400
NO_CONSENT = 43101
BAD_TOKEN = {40001, 40014, 42001}
LATER = {-1, 43108, 45009, 45011}
"""Busy; one message at a time to one reader; too many today; too many at once."""
REASONS = {
    40003: "no such openid here",
    40037: "no such template here",
    41030: "no such page",
    47003: "a field does not fit the template",
}
log = structlog.get_logger()


class Consents(Protocol):
    """Who agreed to how many messages of which template."""

    def spend(self, openid: str, template_id: str) -> bool:
        """Use one consent up; False if there is none."""

    def give_back(self, openid: str, template_id: str) -> None:
        """Undo `spend`."""

    def drop(self, openid: str, template_id: str) -> None:
        """Count none any more."""


@dataclass(frozen=True)
class WechatMessages:
    """The mini-program's messages.

    Attributes:
        program: ours.
        templates: by kind of message.
        state: the build that is opened.
        tokens: where the access token is.
        consents: each message uses one up.
        seconds: longest wait for an answer.
    """

    program: MiniProgram
    templates: Mapping[str, WechatTemplate]
    state: MiniProgramState
    tokens: TokenStore
    consents: Consents
    seconds: float | None = None

    async def send(self, letter: Letter, *, now: datetime, over: "ClientSession") -> str | None:
        """Send a letter; the address is an openid. WeChat knows no ids of ours.

        Raises:
            Passing: WeChat is busy, away, or there is no token just now.
            Refused: no template, no consent, or WeChat says never.
            NoAnswer: nobody knows whether it was taken.
        """
        template = self.templates.get(letter.kind)
        if template is None:
            raise Refused("no template for this kind")
        body = posting.written(self._message(letter, template))
        whose = (letter.address, template.template)
        if not await asyncio.to_thread(self.consents.spend, *whose):
            raise Refused("no consent")
        try:
            return await self._sent(over, body, now)
        except _NoConsentLeft:
            await asyncio.to_thread(self.consents.drop, *whose)
            raise Refused("WeChat knows of no consent") from None
        except (Passing, Refused):
            await asyncio.to_thread(self.consents.give_back, *whose)
            raise

    def _message(self, letter: Letter, template: WechatTemplate) -> dict[str, object]:
        told = {**letter.facts, "title": letter.title, "body": letter.body, "url": letter.url}
        page = {name: quote(value, safe="") for name, value in told.items()}
        return {
            "touser": letter.address,
            "template_id": template.template,
            **({"page": filled(template.page, page)} if template.page else {}),
            "data": {
                name: {"value": fields.value_of(name, filled(text, told))}
                for name, text in template.fields.items()
            },
            "miniprogram_state": self.state.value,
            "lang": "zh_CN" if letter.language == "zh" else "en_US",
        }

    async def _sent(self, over: "ClientSession", body: bytes, now: datetime) -> str | None:
        token = await self._token(now, refused=None)
        answer = await self._ask(over, token, body)
        if _code(answer) in BAD_TOKEN:
            answer = await self._ask(over, await self._token(now, refused=token), body)
        return _judged(answer)

    async def _token(self, now: datetime, refused: str | None) -> str:
        name = f"wechat:{self.program.app_id}"
        token = await asyncio.to_thread(
            self.tokens.token, name, ask=self._lent, now=now, refused=refused
        )
        if token is None:
            raise Passing("the token is being renewed")
        return token

    async def _ask(self, over: "ClientSession", token: str, body: bytes) -> Json:
        url = f"{self.program.url}/cgi-bin/message/subscribe/send"
        return await posting.post(
            over, url, body, params={"access_token": token}, seconds=self.seconds
        )

    def _lent(self) -> Lent:
        """Ask for the stable token; it goes on being good while others ask for it.

        It is asked for once in two hours, by a thread that holds a lock meanwhile, and so over a
        connection of its own.

        Raises:
            Passing: there is none now; no message has been sent.
            Refused: WeChat does not know us.
        """
        try:
            answer = asyncio.run(self._stable_token())
        except Refused:
            raise
        except NoAnswer as exc:
            raise Passing(f"no token: {exc}") from None
        code, token, life = _code(answer), answer.get("access_token"), answer.get("expires_in")
        if code in LATER:
            raise Passing(f"no token: errcode {code}")
        if code != 0:
            log.error("wechat-refuses-us", errcode=code)
            raise Refused(f"no token: errcode {code}")
        if not (isinstance(token, str) and token and isinstance(life, int) and 0 < life <= A_DAY):
            raise Passing("no token: no sense")
        return Lent(token, timedelta(seconds=life))

    async def _stable_token(self) -> Json:
        facts = {
            "grant_type": "client_credential",
            "appid": self.program.app_id,
            "secret": self.program.secret,
            "force_refresh": False,
        }
        url = f"{self.program.url}/cgi-bin/stable_token"
        async with posting.client() as over:
            return await posting.post(over, url, posting.written(facts), seconds=TOKEN_SECONDS)


class _NoConsentLeft(Exception):
    """WeChat says that its user has not agreed, or not any more."""


def filled(text: str, facts: Mapping[str, str]) -> str:
    """Put facts into the gaps of a text.

    Raises:
        Refused: there is a gap for which there is no fact.
    """
    try:
        return string.Formatter().vformat(text, (), facts)
    except KeyError:
        raise Refused("the template asks for what this message does not tell") from None


def _code(answer: Json) -> int | None:
    """Return the errcode; without one there was no fault, and one that is none is unknown."""
    code = answer.get("errcode", 0)
    return code if isinstance(code, int) else None


def _judged(answer: Json) -> str | None:
    code = _code(answer) if "errcode" in answer else None
    if code == 0:
        known = answer.get("msgid")
        return str(known)[:64] if isinstance(known, int | str) else None
    if code is None:
        raise NoAnswer("no errcode")
    if code == NO_CONSENT:
        raise _NoConsentLeft
    if code in LATER or code in BAD_TOKEN:
        raise Passing(f"errcode {code}")
    raise Refused(REASONS.get(code, f"errcode {code}"))
