"""The middleware, in its order."""

from fastapi import FastAPI
from limits.storage import Storage
from starlette.middleware.cors import CORSMiddleware

from app.api.headers import SafeHeaders
from app.api.limits import BodyLimit, RateLimit
from app.api.measuring import Figures, Measured
from app.api.middleware import Faults, RequestId, Turns
from app.settings import Settings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-ID",
)
TOLD = ("ETag", "X-Request-ID", "Idempotency-Replayed", "Retry-After")


def install(app: FastAPI, settings: Settings, storage: Storage) -> None:
    """Put every middleware around the application, the innermost first.

    Headers stand outside everything that answers, so that a refusal has them too; what is cheap to
    refuse is refused before it takes a turn.

    Args:
        app: without any yet.
        settings: the bounds.
        storage: where requests are counted.
    """
    app.add_middleware(Turns, at_once=settings.pool_size, longest_wait=settings.queue_seconds)
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(RateLimit, settings=settings, storage=storage)
    app.add_middleware(Faults)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins.split(","),
            allow_methods=METHODS,
            allow_headers=ASKED,
            expose_headers=TOLD,
        )
    app.add_middleware(SafeHeaders, settings=settings)
    app.add_middleware(RequestId)
    app.state.figures = Figures()
    app.add_middleware(Measured, figures=app.state.figures)
