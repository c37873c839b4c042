"""SMS, by a gateway that speaks one signed request; see docs/channels.md for its contract."""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from app.channels import posting
from app.channels.asking import Json, NoAnswer, Passing
from app.channels.fitting import fit, line, units
from app.channels.sending import Letter, Refused

if TYPE_CHECKING:
    from aiohttp import ClientSession

LONGEST = 500
"""UTF-16 units of a text with its signature: what carriers here send as one long message."""
NONCE_BYTES = 16
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
TAKEN, TOO_MANY, FAULTS = 0, 429, range(500, 600)

Waiting = tuple[Letter, "asyncio.Future[str | None]"]


@dataclass(frozen=True)
class Sms:
    """The gateway; letters that are ready at the same moment go there in one request.

    Attributes:
        url: where it listens.
        key: our name there.
        secret: what signs our requests.
        sign_name: the signature (短信签名) before each text, without its brackets.
        templates: of the gateway, by kind; a kind without one goes as text.
        seconds: longest wait for an answer.
    """

    url: str
    key: str
    secret: str = field(repr=False)
    sign_name: str
    templates: Mapping[str, str]
    seconds: float | None = None
    _ready: list[Waiting] = field(default_factory=list, init=False, repr=False, compare=False)
    _asking: set["asyncio.Task[None]"] = field(
        default_factory=set, init=False, repr=False, compare=False
    )

    async def send(self, letter: Letter, *, now: datetime, over: "ClientSession") -> str | None:
        """Send a letter; the address is a phone in E.164.

        The gateway takes an id of ours once and answers a second time as the first, so that what
        was not answered may be sent again.

        Raises:
            Passing: no answer, or the gateway says later.
            Refused: it says never, or the address is no phone.
        """
        if not PHONE.fullmatch(letter.address):
            raise Refused("no phone in E.164")
        said: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._ready.append((letter, said))
        if len(self._ready) == 1:
            # It begins after whoever is ready has joined, and ends whoever of them gives up.
            asking = asyncio.create_task(self._send_together(now, over))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        try:
            return await said
        except Refused:
            raise
        except NoAnswer as exc:
            raise Passing(str(exc)) from None

    async def _send_together(self, now: datetime, over: "ClientSession") -> None:
        """Send what is ready in one request, and tell each who still waits what came of it."""
        together = self._ready.copy()
        self._ready.clear()
        letters = [letter for letter, _ in together]
        try:
            answers = _answers(await self._asked(letters, now, over))
        except Exception as exc:  # noqa: BLE001 - it is theirs to judge
            outcomes: list[str | Exception | None] = [exc] * len(letters)
        else:
            outcomes = [_outcome(answers.get(str(letter.id), {})) for letter in letters]
        for (_, said), outcome in zip(together, outcomes, strict=True):
            if said.done():
                continue
            if isinstance(outcome, Exception):
                said.set_exception(outcome)
            else:
                said.set_result(outcome)

    async def _asked(self, letters: Sequence[Letter], now: datetime, over: "ClientSession") -> Json:
        timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(NONCE_BYTES)
        body = posting.written(
            {
                "sign_name": self.sign_name,
                "timestamp": timestamp,
                "nonce": nonce,
                "messages": [self._message(letter) for letter in letters],
            }
        )
        signed = hmac.digest(
            self.secret.encode(), timestamp.encode() + nonce.encode() + body, hashlib.sha256
        )
        headers = {
            **posting.JSON,
            "X-Key": self.key,
            "X-Timestamp": timestamp,
            "X-Nonce": nonce,
            "X-Signature": signed.hex(),
        }
        return await posting.post(over, self.url, body, headers=headers, seconds=self.seconds)

    def _message(self, letter: Letter) -> dict[str, object]:
        template = self.templates.get(letter.kind)
        told = line(f"{letter.body} {letter.url}")
        if units(told) > (most := LONGEST - units(f"【{self.sign_name}】")):
            told = f"{fit(line(letter.body), most - units(letter.url) - 1, units)} {letter.url}"
        return {
            "message_id": str(letter.id),
            "phone": letter.address,
            "template": template,
            "params": dict(letter.facts) if template else {},
            "text": "" if template else told,
        }


def _answers(answer: Json) -> dict[str, Json]:
    """Return what the gateway says of each message, by its id.

    Raises:
        NoAnswer: it says nothing of messages.
    """
    _check(answer)
    told = answer.get("messages")
    if not isinstance(told, list):
        raise NoAnswer("no messages")
    return {str(one.get("message_id")): one for one in told if isinstance(one, dict)}


def _outcome(answer: Json) -> str | NoAnswer | None:
    try:
        _check(answer)
    except NoAnswer as exc:
        return exc
    known = answer.get("id")
    return str(known)[:64] if isinstance(known, int | str) else None


def _check(answer: Json) -> None:
    """Judge a code, of all messages or of one.

    Raises:
        Passing: later.
        Refused: never.
        NoAnswer: there is none.
    """
    code = answer.get("code")
    if not isinstance(code, int):
        raise NoAnswer("no code")
    if code == TOO_MANY or code in FAULTS:
        raise Passing(f"code {code}")
    if code != TAKEN:
        raise Refused(f"code {code}")
