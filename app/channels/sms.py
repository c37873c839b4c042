"""SMS, by a gateway that speaks one signed request; see docs/channels.md for its contract."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Sms:
    """The gateway.

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

    async def send(self, letter: Letter, *, now: datetime, over: "ClientSession") -> str | None:
        """Send a letter; the address is a phone in E.164.

        The gateway takes an id of ours once and answers a second request as the first, so that
        what was not answered may be sent again.

        Raises:
            Passing: no answer, or the gateway says later.
            Refused: it says never, or the address is no phone.
        """
        if not PHONE.fullmatch(letter.address):
            raise Refused("no phone in E.164")
        timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(NONCE_BYTES)
        body = posting.written(self._message(letter, timestamp, nonce))
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
        try:
            answer = await posting.post(over, self.url, body, headers=headers, seconds=self.seconds)
            return _judged(answer)
        except Refused:
            raise
        except NoAnswer as exc:
            raise Passing(str(exc)) from None

    def _message(self, letter: Letter, timestamp: str, nonce: str) -> dict[str, object]:
        template = self.templates.get(letter.kind)
        told = line(f"{letter.body} {letter.url}")
        if units(told) > (most := LONGEST - units(f"【{self.sign_name}】")):
            told = f"{fit(line(letter.body), most - units(letter.url) - 1, units)} {letter.url}"
        return {
            "message_id": str(letter.id),
            "phone": letter.address,
            "sign_name": self.sign_name,
            "template": template,
            "params": dict(letter.facts) if template else {},
            "text": "" if template else told,
            "timestamp": timestamp,
            "nonce": nonce,
        }


def _judged(answer: Json) -> str | None:
    code, known = answer.get("code"), answer.get("id")
    if not isinstance(code, int):
        raise NoAnswer("no code")
    if code == TOO_MANY or code in FAULTS:
        raise Passing(f"code {code}")
    if code != TAKEN:
        raise Refused(f"code {code}")
    return str(known)[:64] if isinstance(known, int | str) else None
