"""What every answer tells browsers and caches, whoever made it."""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Env, Settings

NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""Policy of whatever is no page: were it ever shown as one, it could load and run nothing."""
A_YEAR = 365 * 24 * 3600
ALWAYS = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "geolocation=(self), accelerometer=(), camera=(), display-capture=(), gyroscope=(),"
        " magnetometer=(), microphone=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
IN_PRODUCTION = {"Strict-Transport-Security": f"max-age={A_YEAR}; includeSubDomains"}


def policy_of_pages(settings: Settings) -> str:
    """Return what pages may load and run: files of this server, and the base map's tiles."""
    tiles = urlsplit(settings.tile_url or "")
    elsewhere = f" {tiles.scheme}://{tiles.netloc}" if tiles.netloc else ""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: blob:{elsewhere}",
            f"connect-src 'self'{elsewhere}",
            "worker-src 'self'",
            "font-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SafeHeaders:
    """Add to each answer the headers that it does not set itself."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self.app = app
        wanted = ALWAYS | (IN_PRODUCTION if settings.env is Env.PRODUCTION else {})
        self.headers = [(name.lower().encode(), value.encode()) for name, value in wanted.items()]
        self.varies = bool(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and complete the answer."""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                added = (header for header in self.headers if header[0] not in given)
                message["headers"] = [*message["headers"], *added]
                if self.varies:
                    # Said to everybody, or a cache would give other origins a copy without leave.
                    MutableHeaders(scope=message).add_vary_header("Origin")
            await send(message)

        await self.app(scope, receive, completed if scope["type"] == "http" else send)
