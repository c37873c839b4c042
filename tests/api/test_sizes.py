"""How large a body may be, whatever it says of itself, and what it must be."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import anyio
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from starlette.types import Message, Receive, Scope, Send

from app.api.limits import BodyLimit
from app.main import create_app
from app.settings import Env, Settings
from tests.api.replies import NOBODY, refused
from tests.conftest import NOW
from tests.live import serving

KB = 1024
SMALL = Settings(env=Env.TEST, body_kb=4, upload_mb=1)
REFRESH = "/api/v1/auth/refresh"
PLAIN = "/api/v1/notifications/read"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def small(shared_engine: Engine) -> TestClient:
    return TestClient(create_app(shared_engine, SMALL))


def of_size(size: int) -> bytes:
    """A body that would be taken if it were not for its size."""
    empty = len(json.dumps({"refresh_token": ""}))
    return json.dumps({"refresh_token": "x" * (size - empty)}).encode()


def test_a_body_of_the_largest_size_is_read(small: TestClient) -> None:
    reply = small.post(REFRESH, content=of_size(4 * KB), headers=JSON)
    refused(reply, 422, "malformed-request")


def test_a_byte_more_is_too_much(small: TestClient) -> None:
    reply = small.post(REFRESH, content=of_size(4 * KB + 1), headers=JSON)
    assert refused(reply, 413, "body-too-large")["limit_kb"] == 4


def in_pieces(size: int) -> Iterator[bytes]:
    for _ in range(0, size, KB):
        yield b"x" * KB


def test_a_body_that_does_not_say_its_size_is_counted(small: TestClient) -> None:
    reply = small.post(REFRESH, content=in_pieces(8 * KB), headers=JSON)
    refused(reply, 413, "body-too-large")


@pytest.mark.parametrize(("name", "larger"), [("import", True), ("photos", True), ("x", False)])
def test_a_file_may_be_larger(small: TestClient, name: str, larger: bool) -> None:
    path = f"/api/v1/nowhere/{name}"
    assert (small.post(path, content=b"x" * 1000 * KB).status_code != 413) == larger
    assert small.post(path, content=b"x" * 1025 * KB).status_code == 413


def sent(address: str, *parts: bytes) -> bytes:
    """Send bytes as they are and return all that comes back."""
    host, port = urlsplit(address).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        answer = b""
        with suppress(OSError):  # it may hang up before it has heard all
            for part in parts:
                line.sendall(part)
            line.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while piece := line.recv(65536):
                answer += piece
    return answer


HEAD = b"POST /api/v1/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
LINES = {
    "chunks without an end": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[CHUNK] * 5),
    "a huge length and nothing": (HEAD + b"Content-Length: 99999999999\r\n\r\n",),
    "a length of a million digits": (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",),
    "less than it says": (HEAD + b"Content-Length: 100\r\n\r\n", b"{}"),
    "more than it says": (HEAD + b"Content-Length: 2\r\n\r\n", b"{}" + b"x" * 400_000),
    "a negative length": (HEAD + b"Content-Length: -1\r\n\r\n", b"{}"),
    "a length in words": (HEAD + b"Content-Length: much\r\n\r\n", b"{}"),
    "two lengths": (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n", b"{}x"),
    "length and chunks": (
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "an endless path": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
    "an endless query": (b"GET /livez?" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
    "an endless header": (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 200_000 + b"\r\n\r\n",),
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: x\r\n" * 20_000 + b"\r\n",),
    "no HTTP at all": (b"\x16\x03\x01" + b"\x00" * 400,),
}
TOO_LARGE = {"chunks without an end", "a huge length and nothing", "a length of a million digits"}


@pytest.fixture(scope="module")
def address(shared_engine: Engine) -> Iterator[str]:
    with serving(shared_engine, NOW) as url:
        yield url


@pytest.mark.parametrize("line", LINES)
def test_no_line_brings_the_server_down(address: str, line: str) -> None:
    answer = sent(address, *LINES[line])
    assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
    if line in TOO_LARGE - {"a length of a million digits"}:
        assert answer.startswith(b"HTTP/1.1 413"), answer[:200]
    alive = sent(address, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert alive.startswith(b"HTTP/1.1 200")


async def unasked(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the request was passed on")


def told(guard: BodyLimit, headers: dict[bytes, bytes], coming: list[Message]) -> int | None:
    """Send these messages to the guard, then nothing; return the status it answers, if any."""
    answers: list[Message] = []

    async def receive() -> Message:
        if not coming:
            await anyio.sleep_forever()
        return coming.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {"type": "http", "path": REFRESH, "method": "POST", "headers": list(headers.items())}
    anyio.run(guard, scope, receive, send)
    return answers[0]["status"] if answers else None


def piece(size: int) -> Message:
    return {"type": "http.request", "body": b"x" * size, "more_body": True}


def test_a_length_that_lies_is_found_out() -> None:
    guard = BodyLimit(unasked, settings=SMALL)
    assert told(guard, {b"content-length": b"10"}, [piece(KB) for _ in range(9)]) == 413


def test_who_goes_away_is_not_answered() -> None:
    guard = BodyLimit(unasked, settings=SMALL)
    assert told(guard, {}, [piece(5), {"type": "http.disconnect"}]) is None


def test_who_lets_the_body_trickle_is_left() -> None:
    guard = BodyLimit(unasked, settings=SMALL, patience=0.01)
    assert told(guard, {b"content-length": b"100"}, [piece(5)]) == 408


TYPES = ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=x", "x"]


@pytest.mark.parametrize("kind", [None, *TYPES])
def test_a_body_of_another_kind_is_refused(client: TestClient, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]
    for path, methods in paths.items():
        for method in {"post", "put", "patch"} & set(methods):
            filled = path.replace("{", "").replace("}", "")
            for one in (filled, path.format_map(Anything())):
                reply = client.request(method, one, content=b"<a/>", headers=headers)
                closed = reply.status_code == 503 and reply.json()["code"].endswith("-not-set-up")
                assert reply.status_code < 500 or closed, (method, one, reply.text)


class Anything(dict[str, str]):
    """An id for whatever a path asks for."""

    def __missing__(self, key: str) -> str:
        return NOBODY
