"""Both stores keep the same promises, and fail in the same way."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from moto.server import ThreadedMotoServer

from app.settings import Settings
from app.storage import OWN_FOLDER, Folder, Storage, StorageUnavailable, storage_of
from app.storage.s3 import Bucket
from tests.fakes.serving import Answer, served
from tests.live import free_port
from tests.races import at_once

KEY = "9f86d081-thumb.webp"
BUCKET = "photos"


def bucket_at(url: str, name: str = BUCKET, patience: float = 20) -> Bucket:
    settings = Settings(
        s3_bucket=name,
        s3_endpoint_url=url,
        s3_region="cn-north-1",
        s3_access_key="canary-name",
        s3_secret_key="canary-secret",  # noqa: S106
    )
    return Bucket(settings, connect_seconds=patience, read_seconds=patience)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A server that speaks S3, with one bucket."""
    port = free_port()
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    url = f"http://127.0.0.1:{port}"
    bucket_at(url).client.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "cn-north-1"}
    )
    yield url
    server.stop()


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return Folder(tmp_path)
    return bucket_at(request.getfixturevalue("s3"))


def test_what_is_put_is_got_until_it_is_deleted(storage: Storage) -> None:
    assert storage.get(KEY) is None
    storage.delete(KEY)
    storage.put(KEY, b"one")
    assert storage.get(KEY) == b"one"
    storage.put(KEY, b"two")
    assert storage.get(KEY) == b"two"
    assert storage.get(KEY + "x") is None
    storage.delete(KEY)
    assert storage.get(KEY) is None


def test_many_may_put_the_same_at_once(storage: Storage) -> None:
    content = os.urandom(200_000)
    at_once(4, lambda _: storage.put(KEY, content))
    assert storage.get(KEY) == content
    storage.delete(KEY)


def test_a_bucket_s_objects_say_what_they_are(s3: str) -> None:
    bucket = bucket_at(s3)
    bucket.put(KEY, b"x")
    assert bucket.client.head_object(Bucket=BUCKET, Key=KEY)["ContentType"] == "image/webp"
    bucket.delete(KEY)


CALLS: dict[str, Callable[[Storage], object]] = {
    "put": lambda store: store.put(KEY, b"x" * 100_000),
    "get": lambda store: store.get(KEY),
    "delete": lambda store: store.delete(KEY),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_down_is_told(call: str) -> None:
    with pytest.raises(StorageUnavailable):
        CALLS[call](bucket_at(f"http://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_fails_is_told_after_a_second_try(call: str) -> None:
    asked: list[str] = []

    def failing(path: str) -> Answer:
        asked.append(path)
        return Answer(b"oops", 500)

    with served(failing) as url, pytest.raises(StorageUnavailable):
        CALLS[call](bucket_at(url))
    assert len(asked) == 2


def test_a_server_that_hangs_is_not_waited_for() -> None:
    released = Event()

    def hanging(_: str) -> None:
        released.wait(20)

    with served(hanging) as url:
        try:
            with pytest.raises(StorageUnavailable):
                CALLS["get"](bucket_at(url, patience=0.2))
            assert not released.is_set()
        finally:
            released.set()


def test_an_object_that_ends_too_soon_is_none() -> None:
    """A connection that breaks within the body gives no half of a picture."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(10)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def answer(_: int) -> object:
            if _:
                with pytest.raises(StorageUnavailable):
                    CALLS["get"](bucket_at(url))
                return None
            with closing(listening.accept()[0]) as caller:
                caller.recv(65536)
                caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            return None

        at_once(2, answer)


def test_a_bucket_that_is_not_there_is_no_absence_of_a_photo(s3: str) -> None:
    """Or a wrong setting would look like lost photos."""
    with pytest.raises(StorageUnavailable):
        bucket_at(s3, "elsewhere").get(KEY)


def test_a_wrong_secret_is_told() -> None:
    denied = Answer(DENIED, 403, "application/xml")
    with served(lambda _: denied) as url, pytest.raises(StorageUnavailable) as refusal:
        bucket_at(url).get(KEY)
    assert "canary" not in repr(refusal.value.__cause__)


DENIED = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"


@pytest.mark.parametrize("call", CALLS)
def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path, call: str) -> None:
    (tmp_path / "photos").write_bytes(b"a file")
    with pytest.raises(StorageUnavailable):
        CALLS[call](Folder(tmp_path / "photos"))


def test_half_a_file_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Folder(tmp_path)
    storage.put(KEY, b"one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable):
        storage.put(KEY, b"another")
    assert storage.get(KEY) == b"one"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY]


def test_the_settings_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = storage_of(Settings(photo_folder=tmp_path))
    assert isinstance(chosen, Folder)
    assert chosen.root == tmp_path
    monkeypatch.delenv("APP_PHOTO_FOLDER")
    own = storage_of(Settings())
    assert isinstance(own, Folder)
    assert own.root == OWN_FOLDER
    assert isinstance(storage_of(Settings(s3_bucket="photos", s3_region="cn-north-1")), Bucket)
