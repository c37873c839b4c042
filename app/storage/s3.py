"""A bucket, of Amazon's S3 or whatever else speaks its protocol (阿里云 OSS, 腾讯云 COS, MinIO)."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.settings import Settings
from app.storage.base import StorageUnavailable

CONNECT_SECONDS = 1
READ_SECONDS = 3
TRIES = 2


class Bucket:
    """Keeps each key as an object of its name."""

    def __init__(
        self,
        settings: Settings,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        """Prepare a client; nothing is asked yet.

        Args:
            settings: which bucket, where, and its keys; without keys, those of the machine.
            connect_seconds: longest wait for a connection.
            read_seconds: longest wait for the next part of an answer.
        """
        secret = settings.s3_secret_key
        # Safe between threads, as the library's documentation says of clients.
        self.client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=Config(
                connect_timeout=connect_seconds,
                read_timeout=read_seconds,
                retries={"total_max_attempts": TRIES, "mode": "standard"},
                # Checksums of its own making are more than the others understand.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self.name = str(settings.s3_bucket)

    def put(self, key: str, content: bytes) -> None:
        """Keep `content`."""
        with _reachable():
            self.client.put_object(
                Bucket=self.name, Key=key, Body=content, ContentType="image/webp"
            )

    def get(self, key: str) -> bytes | None:
        """Return what is kept, or None."""
        with _reachable(), suppress(self.client.exceptions.NoSuchKey):
            return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return None

    def delete(self, key: str) -> None:
        """Forget it."""
        with _reachable():
            self.client.delete_object(Bucket=self.name, Key=key)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise StorageUnavailable from error
