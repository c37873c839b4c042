"""Codes that staff hand to a person who has no password, or has forgotten it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Instant


class OneTimeCode(SQLModel, table=True):
    """The code of one account, known by its keyed hash; a newer one takes its place.

    It is good for one use before `expires_at`, and gone after so many wrong guesses.
    """

    __tablename__ = "one_time_code"
    __table_args__: Any = (CheckConstraint("guesses_left >= 0", name="guesses_bounded"),)

    account_id: UUID = Field(primary_key=True, foreign_key="account.id")
    code_hash: bytes
    expires_at: datetime = Field(sa_type=Instant)
    guesses_left: int
    issued_by: UUID | None = Field(default=None, foreign_key="account.id")
