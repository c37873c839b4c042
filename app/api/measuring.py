"""What requests cost, counted as plain ASGI: by route, never by what was asked for."""

from bisect import bisect_left
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the ranges that durations are counted in, seconds; the last range has none."""
KNOWN = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
API = "/api/v1"

Key = tuple[str, str, int]


class Figures:
    """Requests of this process: method, route template and status, each with its durations.

    Only the event loop writes, so nothing is locked; there are no more keys than routes have
    methods and statuses.
    """

    def __init__(self) -> None:
        self.counts: dict[Key, list[int]] = {}
        self.seconds: dict[Key, float] = {}

    def add(self, key: Key, seconds: float) -> None:
        """Count one request."""
        counts = self.counts.get(key)
        if counts is None:
            counts = self.counts[key] = [0] * (len(BOUNDS) + 1)
            self.seconds[key] = 0.0
        counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds[key] += seconds


class Measured:
    """Count each request once it is answered, with its status and how long it took."""

    def __init__(self, app: ASGIApp, *, figures: Figures) -> None:
        self.app, self.figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        began = perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = _template(scope)
            method = scope["method"] if scope["method"] in KNOWN else "other"
            self.figures.add((method, route, status), perf_counter() - began)


def _template(scope: Scope) -> str:
    """Return the path of the route that answered; a router's own does not have its prefix."""
    path: str = getattr(scope.get("route"), "path", UNMATCHED)
    bare = path.startswith("/") and not path.startswith(API)
    return API + path if bare and scope["path"].startswith(f"{API}/") else path
