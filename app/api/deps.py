"""What endpoints may ask for."""

import base64
import binascii
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import structlog
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Header, Query, Request
from fastapi.security import OAuth2PasswordBearer
from pydantic import BeforeValidator, StringConstraints
from sqlmodel import Session

from app import clock
from app.errors import Malformed, Unauthenticated
from app.reader import Reader
from app.services import access, audit, tokens

VERSION = r'^(W/)?"?\d{1,9}"?$'
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ACTOR = "actor"
BEARER = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False)


@contextmanager
def transaction(request: Request) -> Iterator[Session]:
    """Give one transaction: committed if nothing is raised, else rolled back."""
    with Session(request.app.state.engine) as session, session.begin():
        yield session
        if audit.is_owed(session):
            audit.sign(session, actor=session.info.get(ACTOR), by=by(request))


async def get_session(request: Request) -> AsyncIterator[Session]:
    """Give one transaction per request.

    Its beginning asks nothing of the database; only its end costs a thread, which nobody who
    waits for a connection can keep it from.
    """
    whole = transaction(request)
    end = partial(to_thread.run_sync, limiter=CapacityLimiter(1))
    session = whole.__enter__()
    try:
        yield session
    except BaseException as exc:
        await end(whole.__exit__, type(exc), exc, exc.__traceback__)
        raise
    await end(whole.__exit__, None, None, None)


def by(request: Request) -> audit.By:
    """Say where a request comes from."""
    return audit.By(
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        address=request.client.host if request.client else None,
    )


async def get_now() -> datetime:
    """Give the instant at which the request is judged; `async`, so that it costs no thread."""
    return clock.now()


async def get_reader(request: Request) -> Reader:
    """Give what reads single statements; nothing can be changed through it."""
    reader: Reader = request.app.state.reader
    return reader


SessionDep = Annotated[Session, Depends(get_session, scope="function")]
NowDep = Annotated[datetime, Depends(get_now)]
ReaderDep = Annotated[Reader, Depends(get_reader)]
TokenDep = Annotated[str | None, Depends(BEARER)]


def get_actor(token: TokenDep, session: SessionDep, now: NowDep) -> access.Actor:
    """Give the signed-in person.

    Raises:
        Unauthenticated: there is no valid token, or its account is not active.
    """
    if token is None:
        raise Unauthenticated
    claims = tokens.read_access(token, now)
    actor = access.load(session, account_id=claims.account_id, issued_at=claims.issued_at, now=now)
    session.info[ACTOR] = actor
    return actor


def get_visitor(token: TokenDep, session: SessionDep, now: NowDep) -> access.Actor | None:
    """Give the signed-in person, or nobody; a bad token is refused, not overlooked."""
    return get_actor(token, session, now) if token else None


ActorDep = Annotated[access.Actor, Depends(get_actor)]
MaybeActorDep = Annotated[access.Actor | None, Depends(get_visitor)]


def _written_as_date(value: object) -> object:
    if isinstance(value, str) and not ISO_DATE.fullmatch(value):
        raise ValueError("write it as YYYY-MM-DD")
    return value


# Instants of these dates exist in every time zone. A number would be read as seconds since 1970.
DateDep = Annotated[
    date, BeforeValidator(_written_as_date), Query(ge=date(1900, 1, 1), le=date(2199, 12, 31))
]
LimitDep = Annotated[int, Query(ge=1, le=200, description="Most items on a page")]
CursorDep = Annotated[
    str | None, Query(max_length=400, description="`next_cursor` of the page before")
]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""Text of one line, not empty."""
Prose = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]*$")]
"""Text of any number of lines."""


def get_version(
    if_match: Annotated[
        str,
        Header(
            alias="If-Match",
            pattern=VERSION,
            description="The `version` that was read; another one by now answers 412",
        ),
    ],
) -> int:
    """Give the version that a change was made to."""
    return int(if_match.removeprefix("W/").strip('"'))


VersionDep = Annotated[int, Depends(get_version)]


def get_seen_version(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            pattern=VERSION,
            description="The `version` that was read, if that matters; another one answers 412",
        ),
    ] = None,
) -> int | None:
    """Give the version that somebody decides upon, if they say it."""
    return get_version(if_match) if if_match else None


SeenVersionDep = Annotated[int | None, Depends(get_seen_version)]


class CursorUnreadable(Malformed):
    """The cursor is not one this service gave out."""

    zh = "分页游标无效"


def write_cursor(*keys: datetime | str | UUID) -> str:
    """Pack the sort keys of the last row of a page; opaque to clients."""
    texts = [key.isoformat() if isinstance(key, datetime) else str(key) for key in keys]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *kinds: Any) -> tuple[Any, ...] | None:
    """Unpack a cursor into keys of `kinds` (`datetime`, `UUID` or `str`), or None without one.

    Raises:
        CursorUnreadable: it was not made by `write_cursor` for these kinds.
    """
    if cursor is None:
        return None
    try:
        texts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        parsers = [datetime.fromisoformat if kind is datetime else kind for kind in kinds]
        return tuple(parse(text) for parse, text in zip(parsers, texts, strict=True))
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as exc:
        raise CursorUnreadable from exc
