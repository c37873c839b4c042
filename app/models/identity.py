"""What other services call a person, and sign-ins under way there."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from app.models.base import Instant, Row, known


class Provider(StrEnum):
    """微信小程序、政务统一身份认证."""

    WECHAT = "wechat"
    OIDC = "oidc"


class Identity(Row, table=True):
    """That a subject of a provider is this account; a keyed hash of its name there finds it.

    The name itself is kept, encrypted, where messages go to it: by WeChat.
    """

    __tablename__ = "identity"
    __table_args__: Any = (
        known("provider", Provider),
        Index("identity_subject_key", "provider", "subject_hash", unique=True),
        Index("identity_account_key", "account_id", "provider", unique=True),
    )

    account_id: UUID = Field(foreign_key="account.id")
    provider: str
    subject_hash: bytes
    subject_sealed: bytes | None = None


class OidcLogin(SQLModel, table=True):
    """A sign-in sent to the identity provider and not back yet; its state is known by a hash."""

    __tablename__ = "oidc_login"
    __table_args__: Any = (Index("oidc_login_expires_at_idx", "expires_at"),)

    state_hash: bytes = Field(primary_key=True)
    nonce: str
    code_verifier: str
    expires_at: datetime = Field(sa_type=Instant)
