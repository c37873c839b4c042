"""Answers kept for requests that may be sent twice."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.models.base import Instant


class IdempotencyKey(SQLModel, table=True):
    """One answered request of one account, written in the transaction that did what it asked.

    One without an answer was refused for want of room, and counted; its key is free.

    `request_hash` covers method, path and body; `answer` is the body sent, byte for byte,
    encrypted: it may tell a phone number.
    """

    __tablename__ = "idempotency_key"
    __table_args__: Any = (Index("idempotency_key_made_at_idx", "made_at"),)

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    key: UUID = Field(primary_key=True)
    request_hash: bytes
    status: int | None = None
    answer: bytes | None = None
    made_at: datetime = Field(sa_type=Instant)
