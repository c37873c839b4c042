"""Addresses under which calendar programs read a person's bookings without a login."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from app.models.base import Instant


class CalendarFeed(SQLModel, table=True):
    """The one feed of a person; who knows its token reads it, and a new token ends the old one.

    The token is found by its hash. It is kept besides, encrypted, because its owner wants to see it
    again when the next device is to have it.
    """

    __tablename__ = "calendar_feed"

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    token_hash: bytes = Field(unique=True)
    token_sealed: bytes
    made_at: datetime = Field(sa_type=Instant)
