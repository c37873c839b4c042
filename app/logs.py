"""How events are written: one JSON line each in production, readable lines elsewhere."""

import re
from collections.abc import Mapping
from typing import Any

import structlog

from app.settings import Env, Settings

SECRET = {"password", "secret", "token", "code", "phone", "authorization", "cookie", "key"}
"""Words in the name of what is never written."""
MASK = "***"
FEED = re.compile(r"(?<=/calendars/)[^/]+")
"""The part of a path that is a secret by itself."""
# PostgreSQL's own explanations repeat the row.
ROW_OF_A_FAULT = re.compile(r"^(?:DETAIL|CONTEXT): .*$", re.MULTILINE)


def _masked(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        name: MASK if SECRET & set(re.split(r"[^a-z]+", str(name).lower())) else _masked(inner)
        for name, inner in value.items()
    }


def mask(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Hide what is named like a secret, and the rows that a fault of the database tells of."""
    masked: structlog.typing.EventDict = _masked(event)
    if isinstance(path := masked.get("path"), str):
        masked["path"] = FEED.sub(MASK, path)
    if trace := masked.get("exception"):
        masked["exception"] = ROW_OF_A_FAULT.sub(f"DETAIL: {MASK}", trace)
    return masked


def configure(settings: Settings) -> None:
    """Set the log up for this process.

    Tracebacks stay plain: the library's default draws a fault with all its variables, which takes
    seconds of a processor that others wait for, and prints what should not be in a log.
    """
    writer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.env is Env.PRODUCTION
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            writer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(),
    )
