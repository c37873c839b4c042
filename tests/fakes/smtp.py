"""A mail server, with its ways to fail; as a process it prints its address and its control URL."""

import asyncio
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.fakes import faulty
from tests.fakes.faulty import Fault, Seen, Service
from tests.live import free_port

USER, PASSWORD = "map", "canary-password-of-the-mailbox"


@dataclass
class Mail(Service):
    """The server: what it took, as bytes, and what goes wrong next (a fault, or a reply)."""

    host: str = "127.0.0.1"
    port: int = 0
    mails: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    at_rcpt: bool = False

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Nobody talks HTTP to it but who controls it."""
        return {}

    def refusal(self, code: int) -> dict[str, Any]:
        """As above."""
        return {}

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Name who is to get it."""
        if self.at_rcpt and self.faults:
            return f"{self.faults.popleft()} no"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take it, or not."""
        fault = self.faults.popleft() if self.faults else None
        if isinstance(fault, int):
            return f"{fault} no"
        if fault not in {Fault.HANG, Fault.DROP}:
            self._take(envelope)
        if fault is Fault.TAKE_TWICE:
            self._take(envelope)
        if fault in {Fault.HANG, Fault.TAKE_AND_HANG}:
            self.hanging.set()
            while not self.released.is_set():
                await asyncio.sleep(0.02)
        if fault in {Fault.DROP, Fault.TAKE_AND_DROP}:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"

    def _take(self, envelope: Envelope) -> None:
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((str(envelope.mail_from), list(envelope.rcpt_tos), content))
        self.taken.append({"to": envelope.rcpt_tos, "mail": content.decode("latin-1")})


def authenticated(*args: Any) -> AuthResult:
    """Let `USER` in."""
    given = args[4]
    good = given == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextmanager
def running(
    mail: Mail | None = None, *, tls: ssl.SSLContext | None = None, at_once: bool = False
) -> Iterator[Mail]:
    """Run it: in clear, with STARTTLS (`tls`), or with TLS from the first byte (`at_once`)."""
    mail = mail or Mail()
    knobs: dict[str, Any] = {"ssl_context": tls} if at_once else {"tls_context": tls}
    if tls:
        knobs |= {"authenticator": authenticated, "auth_require_tls": not at_once}
    if tls and not at_once:
        knobs["require_starttls"] = True
    mail.port = free_port()
    controller = Controller(mail, hostname=mail.host, port=mail.port, **knobs)
    controller.start()
    try:
        yield mail
    finally:
        mail.released.set()
        controller.stop()


if __name__ == "__main__":
    with running() as server:
        sys.stdout.write(f"smtp://{server.host}:{server.port}\n")
        faulty.serve(server)
