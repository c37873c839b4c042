"""WeCom (企业微信): a message to a group, by the robot that is in it.

Source: 企业微信开发者中心, 消息推送（原"群机器人"）配置说明, and 全局错误码.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.channels import posting
from app.channels.asking import NoAnswer, Passing
from app.channels.fitting import clean, fit, line, octets
from app.channels.sending import Letter, Refused
from app.ways_settings import WecomKind

if TYPE_CHECKING:
    from aiohttp import ClientSession

KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOST = {WecomKind.MARKDOWN: 4096, WecomKind.TEXT: 2048}
"""Bytes of UTF-8."""
LONGEST_TITLE = 256
MARKS = str.maketrans("`*[]#>", "｀＊［］＃＞")
"""What markdown would read as its own; WeCom names no way to escape it."""
LATER = {-1, 45009, 45033}
"""Busy; more than 20 messages a minute; too many at once."""
REASONS = {93000: "no such robot"}


@dataclass(frozen=True)
class Wecom:
    """The robots of a deployment's groups, at `url`; `seconds` is the longest wait."""

    url: str
    kind: WecomKind
    seconds: float | None = None

    async def send(
        self,
        letter: Letter,
        *,
        now: datetime,  # noqa: ARG002
        over: "ClientSession",
    ) -> str | None:
        """Send a letter; the address is a robot's key. WeCom knows no ids of messages.

        Raises:
            Passing: later.
            Refused: never, or the address is no key.
            NoAnswer: nobody knows whether it was taken.
        """
        if not KEY.fullmatch(letter.address):
            raise Refused("no key of a robot")
        body = posting.written({"msgtype": self.kind, self.kind: {"content": self.said(letter)}})
        answer = await posting.post(
            over,
            f"{self.url}/cgi-bin/webhook/send",
            body,
            params={"key": letter.address},
            seconds=self.seconds,
        )
        code = answer.get("errcode")
        if not isinstance(code, int):
            raise NoAnswer("no errcode")
        if code in LATER:
            raise Passing(f"errcode {code}")
        if code != 0:
            raise Refused(REASONS.get(code, f"errcode {code}"))
        return None

    def said(self, letter: Letter) -> str:
        """Return what is told: title, text, and where it leads, which is never cut.

        Raises:
            Refused: that alone is too long.
        """
        title = fit(_plain(line(letter.title)), LONGEST_TITLE, octets)
        text = _plain(clean(letter.body))
        end = letter.url
        if self.kind is WecomKind.MARKDOWN:
            title, text = f"**{_literal(title)}**", _literal(text)
            shown = "查看详情" if letter.language == "zh" else "Details"
            end = f"[{shown}]({letter.url})"
        room = MOST[self.kind] - octets(f"{title}\n\n{end}")
        if room < 0:
            raise Refused("the address of the page is too long")
        return "\n".join(filter(None, (title, fit(text, room, octets), end)))


def _plain(text: str) -> str:
    """Keep `<@someone>` from calling people, and `<font>` from being one."""
    return text.replace("<", "＜")


def _literal(text: str) -> str:
    return text.translate(MARKS)
