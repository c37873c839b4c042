"""Asking somebody else's service: never for long, and again only where that may help."""

import atexit
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import httpx2

SECONDS = 3.0
"""Longest wait for a connection, and for the next part of an answer."""
TRIES = 3
FAULT = 500

# It writes whole addresses, and in those to WeChat there is a secret.
logging.getLogger("httpx2").setLevel(logging.WARNING)

T = TypeVar("T")
Json = dict[str, object]


class NoAnswer(Exception):
    """There is no answer that makes sense; the text says why and holds no secret."""


class Passing(NoAnswer):
    """As above, and the next moment there may be one."""


@lru_cache(maxsize=1)
def client() -> "httpx2.Client":
    """Return what all of a process asks with, by any number of threads.

    Connections are kept for a moment: a new one, with the certificates it believes, takes more of
    a processor than a hundred requests. Cookies are not kept, for nobody here has a session.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    made = httpx2.Client(cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])))
    atexit.register(made.close)
    return made


def patiently(ask: Callable[[], T]) -> T:
    """Return what `ask` does, which is done again after a passing failure, a few times.

    Raises:
        NoAnswer: the last one of `ask`.
    """
    import stamina

    return stamina.retry(
        on=Passing, attempts=TRIES, timeout=None, wait_initial=0.1, wait_max=0.5, wait_jitter=0.1
    )(ask)()


def get(url: str, params: dict[str, str] | None = None) -> Json:
    """Return the JSON object at an address.

    Raises:
        Passing: no connection, or a fault over there.
        NoAnswer: too late, or no JSON object.
    """
    import httpx2

    try:
        reply = client().get(url, params=params, timeout=SECONDS)
        if reply.status_code >= FAULT:
            raise Passing(f"status {reply.status_code}")
        body = reply.json()
    except (httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ConnectTimeout) as exc:
        raise Passing(type(exc).__name__) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
        # Not chained: the library's words repeat the address.
        raise NoAnswer(type(exc).__name__) from None
    if not isinstance(body, dict):
        raise NoAnswer("no JSON object")
    return body
