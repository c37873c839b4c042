"""How events are written: one JSON line each in production, readable lines elsewhere."""

import structlog

from app.settings import Env, Settings


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
    as_text = [structlog.processors.format_exc_info] if settings.env is Env.PRODUCTION else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *as_text,
            writer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.PrintLoggerFactory(),
    )
