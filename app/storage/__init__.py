"""Where pictures are kept: a folder of this machine, or a bucket that speaks S3.

What is kept never changes: a key is made of what it names. So a second `put` of a key is harmless,
and nobody needs a lock to read.
"""

from functools import lru_cache
from pathlib import Path

from app.settings import Settings
from app.storage.base import Storage, StorageUnavailable
from app.storage.folder import Folder

__all__ = ["OWN_FOLDER", "Folder", "Storage", "StorageUnavailable", "storage_of"]

OWN_FOLDER = Path(__file__).parent.parent.parent / ".data" / "photos"
"""Where a checkout keeps them that is told nothing else."""


@lru_cache
def storage_of(settings: Settings) -> Storage:
    """Return the store that the settings name; without any, a folder of the checkout."""
    if settings.s3_bucket is None:
        return Folder(settings.photo_folder or OWN_FOLDER)
    # Half a second of imports and 20 MB, for those alone who have a bucket.
    from app.storage.s3 import Bucket

    return Bucket(settings)
