"""A provider that can go wrong in every way a network knows; run in a thread or as a process.

As a process (`python -m tests.fakes.sms`) it prints its URL and is told what to do over HTTP:
`PUT /_faults` with a list of faults and errcodes for the next requests, `PUT /_honours` with true
or false, `GET /_taken` and `GET /_seen` for what it has taken and seen.
"""

import json
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit


class Fault(StrEnum):
    """What becomes of the next request."""

    HANG = "hang"
    DROP = "drop"
    TAKE_AND_HANG = "take-and-hang"
    TAKE_AND_DROP = "take-and-drop"
    TAKE_TWICE = "take-twice"
    SERVER_ERROR = "server-error"
    TOO_MANY = "too-many"
    NOT_FOUND = "not-found"
    JUNK = "junk"
    A_LIST = "a-list"
    EMPTY = "empty"
    HUGE = "huge"
    ENDLESS = "endless"
    REDIRECT = "redirect"
    FAREWELL = "farewell"


TAKING = {
    *(Fault.TAKE_AND_HANG, Fault.TAKE_AND_DROP, Fault.JUNK),
    *(Fault.A_LIST, Fault.EMPTY, Fault.HUGE, Fault.ENDLESS),
}
"""The message is taken, and the answer goes wrong."""
FINE = {Fault.TAKE_TWICE, Fault.FAREWELL}
"""The answer is as it should be; after the latter, the connection ends without a word."""
STATUSES = {Fault.SERVER_ERROR: 500, Fault.TOO_MANY: 429, Fault.NOT_FOUND: 404}
BODIES = {
    Fault.JUNK: b"<html>\xff",
    Fault.A_LIST: b"[1]",
    Fault.EMPTY: b"{}",
    Fault.HUGE: b'{"errcode": 0, "code": 0, "x": "' + b"x" * 10_000_000 + b'"}',
}


@dataclass(frozen=True)
class Seen:
    """One request."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str
    port: int
    """The client's end of the connection, which tells connections apart."""

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass
class Service:
    """What providers have in common: faults to come, requests seen, messages taken.

    `honours` says whether an id that was taken before is taken once more, `cookie` what is asked
    to be told again.
    """

    url: str = ""
    faults: deque[Fault | int] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    honours: bool = True
    cookie: str = ""
    hanging: Event = field(default_factory=Event)
    parted: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    def answer(self, seen: Seen) -> dict[str, Any]:
        """Take a message, or refuse it, in the provider's words."""
        raise NotImplementedError

    def refusal(self, code: int) -> dict[str, Any]:
        """Say no in the provider's words."""
        raise NotImplementedError

    def is_faulty(self, seen: Seen) -> bool:
        """Tell whether this request can meet a fault."""
        return True


S = TypeVar("S", bound=Service)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        shown: dict[str, Any] = {
            "/_taken": self.service.taken,
            "/_seen": [asdict(seen) for seen in self.service.seen],
        }
        self._tell(json.dumps(shown[self.path]).encode())

    def do_PUT(self) -> None:
        said = json.loads(self._body())
        if self.path == "/_faults":
            self.service.faults.extend(one if isinstance(one, int) else Fault(one) for one in said)
        else:
            self.service.honours = bool(said)
        self._tell(b"{}")

    def do_POST(self) -> None:
        service, url = self.service, urlsplit(self.path)
        seen = Seen(
            url.path,
            dict(parse_qsl(url.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body().decode(),
            self.client_address[1],
        )
        with service.lock:
            service.seen.append(seen)
            fault = None
            if service.faults and service.is_faulty(seen):
                fault = service.faults.popleft()
            told: dict[str, Any] = {}
            if fault is None or fault in TAKING | FINE:
                told = service.answer(seen)
            if fault is Fault.TAKE_TWICE and service.taken:
                service.taken.append(service.taken[-1])
        self._go_wrong(fault, told)
        if fault is Fault.FAREWELL:
            self._part()

    def _go_wrong(self, fault: Fault | int | None, told: dict[str, Any]) -> None:
        if fault in {Fault.HANG, Fault.TAKE_AND_HANG}:
            self.service.hanging.set()
            self.service.released.wait(20)
        if fault in {Fault.HANG, Fault.TAKE_AND_HANG, Fault.DROP, Fault.TAKE_AND_DROP}:
            self.close_connection = True
        elif fault is Fault.ENDLESS:
            self._drip()
        elif fault is Fault.REDIRECT:
            self._tell(b"", 302, Location=f"{self.service.url}/elsewhere")
        elif fault in STATUSES:
            self._tell(b"oops", STATUSES[fault])
        elif fault in BODIES:
            self._tell(BODIES[fault])
        elif isinstance(fault, int):
            self._tell(json.dumps(self.service.refusal(fault)).encode())
        else:
            self._tell(json.dumps(told).encode())

    def _part(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_WR)
        self.service.parted.set()

    def _drip(self) -> None:
        """Give the answer bit by bit, without an end, until nobody listens."""
        self.send_response(200)
        self.end_headers()
        while not self.service.released.wait(0.02):
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _tell(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        if self.service.cookie:
            headers["Set-Cookie"] = self.service.cookie
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # nobody wants all of it
            self.close_connection = True


@contextmanager
def running(service: S) -> Iterator[S]:
    """Run it."""
    handler = type("Handler", (_Handler,), {"service": service})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield service
    finally:
        service.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def serve(service: Service) -> None:
    """Run it as a process until it is told to end."""
    told = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with running(service):
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        told.wait()
