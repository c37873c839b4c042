"""Counters that keep guessing and flooding slow."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index
from sqlmodel import Field, SQLModel

from app.models.base import Instant


class LoginThrottle(SQLModel, table=True):
    """Failed sign-ins of one account or one address since `since`; shut until `locked_until`.

    `key` is a keyed hash of a phone number or an address, so that an unknown number is counted
    like a known one and neither is kept.
    """

    __tablename__ = "login_throttle"
    __table_args__: Any = (
        CheckConstraint("failures >= 0", name="failures_not_negative"),
        Index("login_throttle_since_idx", "since"),
    )

    key: bytes = Field(primary_key=True)
    failures: int = 0
    since: datetime = Field(sa_type=Instant)
    locked_until: datetime | None = Field(default=None, sa_type=Instant)


class RateCounter(SQLModel, table=True):
    """Requests counted under a key in one window, where processes share their limits."""

    __tablename__ = "rate_counter"
    __table_args__: Any = (
        Index("rate_counter_expires_at_idx", "expires_at"),
        {"prefixes": ["UNLOGGED"]},
    )

    key: str = Field(primary_key=True)
    hits: int
    expires_at: datetime = Field(sa_type=Instant)
