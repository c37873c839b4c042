"""Photos of sites."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field

from app.models.base import Row


class SitePhoto(Row, table=True):
    """A picture of a site, re-encoded, without anything its camera wrote into it.

    `digest` is the SHA-256 of the stored picture, hexadecimal, and the name it is stored under;
    `position` counts from 0, and the first one stands for the site. Sizes are pixels.
    """

    __tablename__ = "site_photo"
    __table_args__: Any = (
        CheckConstraint("digest ~ '^[0-9a-f]{64}$'", name="digest_hexadecimal"),
        CheckConstraint("width > 0 AND height > 0", name="size_positive"),
        CheckConstraint("position >= 0", name="position_not_negative"),
        Index("site_photo_site_id_digest_key", "site_id", "digest", unique=True),
        Index("site_photo_site_id_position_idx", "site_id", "position"),
    )

    site_id: UUID = Field(foreign_key="site.id")
    position: int
    digest: str = Field(max_length=64)
    width: int
    height: int
    caption: str = Field(default="", max_length=120)
    version: int = 1
