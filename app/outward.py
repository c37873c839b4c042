"""Which addresses of others' choosing this service may call: public ones, and no others.

Whoever may name an address could otherwise have us ask our own machines for them. The name is
looked up once, every address it has is judged, and the connection goes to one that was.
"""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import BoundedSemaphore, Thread
from urllib.parse import urlsplit

PORTS = (443, 8443)
LONGEST_NAME = 253
Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], list[str]]

WITHIN_IT = (  # prefixes that hold an IPv4 address, which is where the packet ends up
    IPv6Network("64:ff9b::/96"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2002::/16"),
    IPv6Network("2001::/32"),
    IPv6Network("::/96"),
    IPv6Network("fec0::/10"),  # site-local, which Python takes for global
    IPv6Network("5f00::/16"),
)
"""Translated, tunnelled and outdated ranges: nobody's receiver is there."""
PUBLIC_BUT_NOT_OURS = frozenset(map(ip_address, ("168.63.129.16", "192.0.0.192", "192.88.99.1")))
"""What a cloud answers its own machines at, and the gateway of a tunnel."""


class NotPublic(Exception):
    """It may not be called; the text says why, in a word."""


@dataclass(frozen=True)
class Target:
    """An address fit to be looked up; with `open`, it may be on our side of the wall."""

    scheme: str
    host: str
    port: int
    path: str
    open: bool


LOOKUP_SECONDS = 3.0
"""How long a name may take; nothing else ends a lookup that hangs."""
LOOKUPS_AT_ONCE = 8
_lookups = BoundedSemaphore(LOOKUPS_AT_ONCE)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host by the machine's own resolver.

    Raises:
        OSError: it has none.
        TimeoutError: nobody says in time, or as many lookups hang as there may be; an `OSError`.
    """
    said: Future[list[str]] = Future()

    def look() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            said.set_result([str(entry[4][0]) for entry in found])
        except BaseException as exc:  # noqa: BLE001 - for who waits
            said.set_exception(exc)
        finally:
            _lookups.release()

    if not _lookups.acquire(timeout=LOOKUP_SECONDS):
        raise TimeoutError
    Thread(target=look, daemon=True).start()
    return said.result(LOOKUP_SECONDS)


def target(url: str, *, allowed: frozenset[str] = frozenset()) -> Target:
    """Read an address as it is written.

    Args:
        url: `https://host[:port]/path`.
        allowed: `host:port` of those that need be neither public nor encrypted.

    Raises:
        NotPublic: it is not https, names a person, a fragment or a port that is not for this, or
            cannot be read.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("ascii")
    except ValueError:
        raise NotPublic("unreadable") from None
    is_open = f"{host}:{port}" in allowed
    if parts.scheme != "https" and not (is_open and parts.scheme == "http"):
        raise NotPublic("not-https")
    if "@" in parts.netloc or parts.fragment or "#" in url:
        raise NotPublic("credentials-or-fragment")
    if (
        not host
        or len(host) > LONGEST_NAME
        or any(ord(c) <= ord(" ") or c in '\\%"<>' for c in url)
    ):
        raise NotPublic("unreadable")
    port = port or PORTS[0]
    if port not in PORTS and not is_open:
        raise NotPublic("port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, is_open)


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet's, for a single machine."""
    if isinstance(address, IPv6Address) and (
        address.ipv4_mapped or address.scope_id or any(address in net for net in WITHIN_IT)
    ):
        return False
    if address in PUBLIC_BUT_NOT_OURS:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def addresses(aim: Target, lookup: Resolve = resolve) -> list[str]:
    """Return where a target is, if all of it may be called.

    Args:
        aim: what `target` returned.
        lookup: the resolver.

    Raises:
        NotPublic: the host has no address, or one that is not public.
    """
    try:
        found = lookup(aim.host, aim.port)
        read = [ip_address(one) for one in found]
    except (OSError, ValueError, UnicodeError):
        raise NotPublic("unknown-host") from None
    if not read:
        raise NotPublic("unknown-host")
    if not aim.open and not all(map(is_public, read)):
        raise NotPublic("not-public")
    return found
