"""E-mail by SMTP (RFC 5321), as messages that say they are automatic (RFC 5322, 3834)."""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from app.channels import asking
from app.channels.asking import NoAnswer, Passing
from app.channels.fitting import clean, fit, line
from app.channels.sending import Letter, Refused
from app.ways_settings import Mailbox, SmtpSecurity

if TYPE_CHECKING:
    from aiohttp import ClientSession

LONGEST_SUBJECT = 120
NEVER, TAKEN = 500, 250
_MAILBOX: TypeAdapter[str] = TypeAdapter(Mailbox)


@dataclass(frozen=True)
class Email:
    """A mail server, and how we are known there.

    Attributes:
        host: its name, which its certificate has to bear.
        port: where it listens.
        security: how the connection is protected.
        login: user and password, if it asks for them.
        sender: the mailbox that letters come from.
        seconds: longest wait for a connection, and for each answer.
    """

    host: str
    port: int
    security: SmtpSecurity
    login: tuple[str, str] | None = field(repr=False)
    sender: str
    seconds: float | None = None

    async def send(
        self,
        letter: Letter,
        *,
        now: datetime,
        over: "ClientSession",  # noqa: ARG002
    ) -> str | None:
        """Send a letter; the address is a mailbox. Return its Message-ID.

        Raises:
            Passing: no connection, no protection, or the server says later (4xx).
            Refused: it says never (5xx), or the address is no mailbox.
            NoAnswer: it had all of the letter and did not say whether it took it.
        """
        message = self.written(letter, now)
        await asyncio.to_thread(self._hand_over, message, letter.address)
        return str(message["Message-ID"])

    def _hand_over(self, message: EmailMessage, address: str) -> None:
        with self._session() as server:
            _check(server.mail(self.sender)[0])
            _check(server.rcpt(address)[0])
            try:
                code, _ = server.data(message.as_bytes())
            except smtplib.SMTPDataError as exc:
                _check(exc.smtp_code)
                raise NoAnswer(f"reply {exc.smtp_code}") from None
            except (smtplib.SMTPException, OSError) as exc:
                raise NoAnswer(type(exc).__name__) from None
            _check(code)

    def written(self, letter: Letter, now: datetime) -> EmailMessage:
        """Return a letter as a mail; no part of it can begin another header.

        Raises:
            Refused: the address is no mailbox.
        """
        domain = self.sender.rpartition("@")[2]
        message = EmailMessage(policy=SMTP)
        message["Message-ID"] = f"<{letter.id}@{domain}>"
        message["Date"] = format_datetime(now)
        message["From"] = Address(addr_spec=self.sender)
        message["To"] = Address(addr_spec=_mailbox(letter.address))
        message["Subject"] = fit(line(letter.title), LONGEST_SUBJECT)
        message["Auto-Submitted"] = "auto-generated"
        text = f"{clean(letter.body)}\n\n{letter.url}\n"
        message.set_content(text, charset="utf-8", cte="base64")
        message["Content-Language"] = "zh" if letter.language == "zh" else "en"
        return message

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        try:
            server = self._connected()
        except smtplib.SMTPNotSupportedError:
            raise Refused("the server offers no such protection or login") from None
        except smtplib.SMTPAuthenticationError as exc:
            _check(exc.smtp_code)
            raise Passing(type(exc).__name__) from None
        except (smtplib.SMTPException, OSError) as exc:
            raise Passing(type(exc).__name__) from None
        try:
            yield server
        except (smtplib.SMTPException, OSError) as exc:
            raise Passing(type(exc).__name__) from None
        else:
            # It has the letter; whether it heard the farewell is no matter.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        """Return a session that is protected and logged in as far as the settings say."""
        limit = self.seconds if self.seconds is not None else asking.SECONDS
        name = self.sender.rpartition("@")[2]
        if self.security is SmtpSecurity.TLS:
            trust = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, name, timeout=limit, context=trust
            )
        else:
            server = smtplib.SMTP(self.host, self.port, name, timeout=limit)
        try:
            if self.security is SmtpSecurity.STARTTLS:
                server.starttls(context=ssl.create_default_context())
            server.ehlo_or_helo_if_needed()
            if self.login:
                server.login(*self.login)
        except BaseException:
            server.close()
            raise
        return server


def _mailbox(address: str) -> str:
    try:
        return _MAILBOX.validate_python(address)
    except ValidationError:
        raise Refused("no mailbox") from None


def _check(code: int) -> None:
    """Judge a reply by its first digit.

    Raises:
        Refused: 5.
        Passing: any other but 2.
    """
    if code >= NEVER:
        raise Refused(f"reply {code}")
    if not TAKEN <= code < TAKEN + 50:
        raise Passing(f"reply {code}")
