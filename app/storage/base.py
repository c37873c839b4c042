"""What a store is."""

from typing import Protocol

from app.errors import Unavailable


class StorageUnavailable(Unavailable):
    """The store of photos does not answer; try again."""

    zh = "照片存储暂不可用，请稍后再试"


class Storage(Protocol):
    """A place for bytes under keys of letters, digits, dots and dashes."""

    def put(self, key: str, content: bytes) -> None:
        """Keep `content`, whole or not at all, and only then return.

        Raises:
            StorageUnavailable: it is not kept.
        """

    def get(self, key: str) -> bytes | None:
        """Return what is kept, or None.

        Raises:
            StorageUnavailable: there is no telling.
        """

    def delete(self, key: str) -> None:
        """Forget it; what is not there is forgotten already.

        Raises:
            StorageUnavailable: it may be there still.
        """
