"""Pictures that no site may show any more."""

from datetime import datetime

from sqlalchemy import func
from sqlmodel import Field, SQLModel

from app.models.base import Instant


class DroppedPhoto(SQLModel, table=True):
    """A picture that a site let go: to be taken out of the store, unless another site has it."""

    __tablename__ = "dropped_photo"

    digest: str = Field(primary_key=True, max_length=64)
    created_at: datetime = Field(
        default=None,
        sa_type=Instant,
        nullable=False,
        sa_column_kwargs={"server_default": func.now()},
    )
