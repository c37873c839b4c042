"""What every request passes, as plain ASGI: its name, its turn, and its end if it fails."""

import re
from uuid import uuid4

import anyio
import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import problems
from app.errors import Unavailable

log = structlog.get_logger()
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Name each request by `X-Request-ID`, in and out and in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its name."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, named)


class Faults:
    """Log what nobody handled, and answer 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http":
                raise
            log.exception("unhandled", path=scope["path"])
            if started:
                raise
            await problems.fault()(scope, receive, send)


class Turns:
    """Let at most `at_once` requests of the API work together; others wait for their turn.

    A request keeps its database connection between the threads it runs on. As many turns as
    connections mean that nobody inside ever waits for a connection that a waiting request holds.
    """

    def __init__(self, app: ASGIApp, *, at_once: int, longest_wait: float) -> None:
        """Set the bounds.

        Args:
            app: what to guard.
            at_once: requests inside; the size of the connection pool.
            longest_wait: seconds in the queue before a 503.
        """
        self.app = app
        self.turns = anyio.Semaphore(at_once)
        self.longest_wait = longest_wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when its turn has come, or answer 503."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        with anyio.move_on_after(self.longest_wait) as waiting:
            await self.turns.acquire()
        if waiting.cancelled_caught:
            await problems.tell(Request(scope), Unavailable())(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self.turns.release()
