"""Tokens that other services lend us, shared by all processes."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Instant


class ProviderToken(SQLModel, table=True):
    """The one token a provider has lent us, encrypted; good until just before `expires_at`.

    A row without a token is there to be locked by whoever asks for the first one. Not audited: it
    tells nothing of a person, and is renewed every two hours.
    """

    __tablename__ = "provider_token"
    __table_args__: Any = (
        CheckConstraint("(token_sealed IS NULL) = (expires_at IS NULL)", name="whole"),
    )

    provider: str = Field(primary_key=True)
    token_sealed: bytes | None = None
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
