"""A folder of this machine, or one that all machines share."""

import os
import tempfile
from pathlib import Path

from app.storage.base import StorageUnavailable


class Folder:
    """Keeps each key in a file of its name, in one of 256 folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: bytes) -> None:
        """Write beside its place, then rename: a reader finds all of it or nothing.

        Raises:
            StorageUnavailable: the disk is full, or the folder not ours.
        """
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
                try:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                    Path(file.name).replace(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise StorageUnavailable from error

    def get(self, key: str) -> bytes | None:
        """Return what is kept, or None.

        Raises:
            StorageUnavailable: it cannot be read.
        """
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageUnavailable from error

    def delete(self, key: str) -> None:
        """Forget it.

        Raises:
            StorageUnavailable: the folder is not ours.
        """
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable from error

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / key
