"""How much and how often may be asked, as plain ASGI."""

import ipaddress
import re
from contextlib import suppress

import anyio
from limits.storage import Storage
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import clock
from app.api import problems
from app.services import rates, tokens
from app.settings import Env, Settings

AT_ONCE = 4
"""Requests counted at once, and connections that counting in the database takes, a process."""
BODY_SECONDS = 30
UPLOADS = ("/import", "/photos")
PRODUCTION_RATES = {
    "rate_per_address": "600/minute",
    "rate_per_account": "300/minute",
    "rate_sign_in": "30/minute",
}
SIGN_IN = "/api/v1/auth/"
OPEN_FORMS = re.compile(r"/api/v1/(registrations|sites/[^/]+/location/reports)")
FEEDS = re.compile(r"/api/v1/calendars/[^/]+")
NOT_GUESSABLE = ("/api/v1/auth/refresh", "/api/v1/auth/logout")
"""Carry 256 random bits; and every page that is loaded anew begins with the first."""


class BodyLimit:
    """Read the body whole, if it is not too large, and only then pass the request on.

    So nobody holds a turn while their body trickles in.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, patience: float = BODY_SECONDS) -> None:
        """Set the bounds.

        Args:
            app: what to guard.
            settings: the largest body, and the largest file.
            patience: seconds in which the whole body must have come.
        """
        self.app = app
        self.body_kb, self.upload_kb = settings.body_kb, settings.upload_mb * 1024
        self.patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body, or answer 413, or 408 when it does not come."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most_kb = self.upload_kb if scope["path"].endswith(UPLOADS) else self.body_kb
        body: Message | None = None
        try:
            with anyio.fail_after(self.patience):
                body = await _whole(scope, receive, most_kb)
        except problems.BodyTooLarge as error:
            await problems.tell(Request(scope), error)(scope, receive, send)
        except TimeoutError:
            answer = await problems.on_http_error(Request(scope), HTTPException(408))
            await answer(scope, receive, send)
        if body is None:
            return
        waiting = [body]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await receive()

        await self.app(scope, replayed, send)


async def _whole(scope: Scope, receive: Receive, most_kb: int) -> Message | None:
    """Return the body as one message; None if the client has gone.

    Raises:
        BodyTooLarge: it says so, or goes on too long.
    """
    most = most_kb * 1024
    said = Headers(scope=scope).get("content-length", "")
    # A length that is no number is left to what comes.
    if said.isdecimal() and int(said[:20]) > most:
        raise problems.BodyTooLarge(limit_kb=most_kb)
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise problems.BodyTooLarge(limit_kb=most_kb)
    return {"type": "http.request", "body": bytes(body), "more_body": False}


class RateLimit:
    """Answer 429 to whoever asks too often.

    Who is signed in is counted by account, for a whole office may share one address; everybody
    else by address, and once more where passwords and codes could be guessed.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, storage: Storage) -> None:
        self.app = app
        self.per_address = _rate(settings, "rate_per_address", storage)
        self.per_account = _rate(settings, "rate_per_account", storage)
        self.sign_in = _rate(settings, "rate_sign_in", storage)
        self.turns = anyio.CapacityLimiter(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, and pass it on unless it is one too many."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            try:
                await self._count(Request(scope))
            except rates.TooManyRequests as error:
                await problems.tell(Request(scope), error)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _count(self, request: Request) -> None:
        address, account = address_of(request), account_of(request)
        counts = []
        if is_guessable(request):
            counts.append((self.sign_in, "sign-in", address))
        if is_feed(request):
            # Apart from the sign-ins: a whole office's calendars may come from one address.
            counts.append((self.sign_in, "calendar", address))
        if account:
            counts.append((self.per_account, "account", account))
        else:
            counts.append((self.per_address, "address", address))
        for rate, what, whom in counts:
            if rate.windows:
                # Threads of their own: those of the endpoints may all be busy.
                await anyio.to_thread.run_sync(rate.count, what, whom, limiter=self.turns)


def _rate(settings: Settings, name: str, storage: Storage) -> rates.Rate:
    chosen: str | None = getattr(settings, name)
    if chosen is None:
        chosen = PRODUCTION_RATES[name] if settings.env is Env.PRODUCTION else ""
    return rates.Rate(chosen, storage)


def is_guessable(request: Request) -> bool:
    """Tell whether a request tries a secret, or is a form that anybody may send."""
    path = request.url.path
    tried = path.startswith(SIGN_IN) and path not in NOT_GUESSABLE
    return request.method == "POST" and (tried or OPEN_FORMS.fullmatch(path) is not None)


def is_feed(request: Request) -> bool:
    """Tell whether a request reads what its address alone is the key to."""
    return request.method == "GET" and FEEDS.fullmatch(request.url.path) is not None


def account_of(request: Request) -> str | None:
    """Return whose valid access token the request carries."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    with suppress(tokens.InvalidToken):
        return str(tokens.read_access(token, clock.now()).account_id)
    return None


def address_of(request: Request) -> str:
    """Return where a request comes from; of IPv6 the network, which each subscriber has whole."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
