"""Handing something over by HTTP: once, within bounds, and clear about what became of it."""

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.channels import asking
from app.channels.asking import Json, NoAnswer, Passing
from app.channels.sending import Refused

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; ours are far shorter."""
OK, REDIRECTED, TOO_MANY = 200, 300, 429
JSON = {"Content-Type": "application/json; charset=utf-8"}


def client() -> "ClientSession":
    """Return what any number of letters are sent with, by one event loop, until it is closed.

    Connections are kept for some seconds: a new one takes more of a processor than a hundred
    letters. Cookies are not kept, for nobody here has a session.
    """
    import aiohttp

    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


def written(facts: Mapping[str, object]) -> bytes:
    """Return an object as JSON in UTF-8, without spaces; what is no text is replaced by `?`."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


async def post(
    over: "ClientSession",
    url: str,
    content: bytes,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = JSON,
    seconds: float | None = None,
) -> Json:
    """Send a body once and return the JSON object that is answered; no redirect is followed.

    Args:
        over: the connections.
        url: of the settings, never of a user.
        content: the body.
        params: what goes behind the `?`; secrets may be among it, none gets into an error.
        headers: sent along.
        seconds: longest wait for a connection, for the next part of an answer, and for all of its
            body; without it, that of `asking`.

    Raises:
        Passing: it was not handed over, or there is a fault over there (5xx) or too much (429).
        Refused: another status than 2xx.
        NoAnswer: it was handed over and no answer that makes sense came back.
    """
    import aiohttp

    limit = seconds if seconds is not None else asking.SECONDS
    patience = aiohttp.ClientTimeout(connect=limit, sock_connect=limit, sock_read=limit)
    try:
        async with over.post(
            url,
            data=content,
            params=params,
            headers=headers,
            allow_redirects=False,
            timeout=patience,
        ) as reply:
            _check(reply.status)
            async with asyncio.timeout(limit):
                body = json.loads(await _read(reply))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
        raise Passing(type(exc).__name__) from None
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as exc:
        # Not chained: the library's words repeat the address.
        raise NoAnswer(type(exc).__name__) from None
    if not isinstance(body, dict):
        raise NoAnswer("no JSON object")
    return body


def _check(status: int) -> None:
    if status >= asking.FAULT or status == TOO_MANY:
        raise Passing(f"status {status}")
    if not OK <= status < REDIRECTED:
        raise Refused(f"status {status}")


async def _read(reply: "ClientResponse") -> bytes:
    body = bytearray()
    async for part in reply.content.iter_any():
        body += part
        if len(body) > LONGEST_ANSWER:
            raise NoAnswer("the answer is too long")
    return bytes(body)
