"""A receiver of webhooks, with its ways to fail."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Act = Callable[["Receiver", BaseHTTPRequestHandler], None]


@dataclass
class Receiver:
    """The server: what it got, and what it does next (a status, or a way to fail)."""

    port: int = 0
    got: list[Received] = field(default_factory=list)
    acts: deque[int | Act] = field(default_factory=deque)
    choose: Callable[[Received], int | None] = field(default=lambda _: None)
    """The status for a request, by what is in it; None for what is next."""
    hanging: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook"


def hang(receiver: Receiver, _: BaseHTTPRequestHandler) -> None:
    """Say nothing until released."""
    receiver.hanging.set()
    receiver.released.wait(20)


def drip(receiver: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Send a header that never ends, byte by byte."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while not receiver.released.wait(0.02):
        handler.wfile.write(b"x")


def flood(receiver: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Send a body without end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not receiver.released.is_set():
        handler.wfile.write(b"x" * 65536)


def junk(_: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Speak something else."""
    handler.wfile.write(b"220 mail.example.cn ESMTP\r\n\x00\xff\r\n\r\n")


def drop(_: Receiver, handler: BaseHTTPRequestHandler) -> None:
    """Hang up."""
    handler.close_connection = True


def redirect_to(url: str) -> Act:
    """Send whoever asks somewhere else."""

    def act(_: Receiver, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", url)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return act


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            with receiver.lock:
                receiver.got.append(came)
                chosen = receiver.choose(came)
                act: int | Act = chosen or (receiver.acts.popleft() if receiver.acts else 204)
            if not isinstance(act, int):
                with suppress(OSError):
                    act(receiver, self)
                return
            self.send_response(act)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            with receiver.lock:
                receiver.got.append(Received(self.path, {}, b""))
            self.send_response(200)
            self.end_headers()

    return Handler


@contextmanager
def running() -> Iterator[Receiver]:
    """Run one."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    receiver.port = server.server_port
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
