"""Handing something over by HTTP: once, within bounds, and clear about what became of it."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from app.channels import asking
from app.channels.asking import Json, NoAnswer, Passing
from app.channels.sending import Refused

if TYPE_CHECKING:
    import httpx2

LONGEST_ANSWER = 64 * 1024
"""Bytes of an answer that are read; ours are far shorter."""
OK, REDIRECTED, TOO_MANY = 200, 300, 429
JSON = {"Content-Type": "application/json; charset=utf-8"}


def written(facts: Mapping[str, object]) -> bytes:
    """Return an object as JSON in UTF-8, without spaces; what is no text is replaced by `?`."""
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def post(
    url: str,
    content: bytes,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] = JSON,
    seconds: float | None = None,
) -> Json:
    """Send a body once and return the JSON object that is answered; no redirect is followed.

    Args:
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
    import httpx2

    limit = seconds if seconds is not None else asking.SECONDS
    try:
        with asking.client().stream(
            "POST", url, content=content, params=params, headers=headers, timeout=limit
        ) as reply:
            _check(reply.status_code)
            body = json.loads(_read(reply, time.monotonic() + limit))
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as exc:
        raise Passing(type(exc).__name__) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError) as exc:
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


def _read(reply: "httpx2.Response", until: float) -> bytes:
    body = bytearray()
    for part in reply.iter_bytes():
        body += part
        if len(body) > LONGEST_ANSWER:
            raise NoAnswer("the answer is too long")
        if time.monotonic() > until:
            raise NoAnswer("the answer has no end")
    return bytes(body)
