"""People who can sign in, and what they were granted."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from app.models.base import Instant, Row, known


class Role(StrEnum):
    """What a grant lets its holder be; the scope is the grant's organisation or site."""

    MEMBER = "member"
    ORGANISER = "organiser"
    SITE_MANAGER = "site_manager"
    TOWN_STAFF = "town_staff"
    DISTRICT_STAFF = "district_staff"
    FUND_OFFICER = "fund_officer"
    FUND_APPROVER = "fund_approver"
    AUDITOR = "auditor"
    SYSTEM_ADMIN = "system_admin"


class Account(Row, table=True):
    """A person: a name, a phone and nothing else.

    The phone is kept encrypted; `phone_hash`, keyed, finds it.
    """

    __tablename__ = "account"

    name: str = Field(max_length=40)
    phone_hash: bytes = Field(unique=True)
    phone_sealed: bytes
    password_hash: str | None = None
    active: bool = True


class Grant(Row, table=True):
    """One role of one person, at one organisation (and below it, for staff) or at one site."""

    __tablename__ = "role_grant"
    __table_args__: Any = (
        known("role", Role),
        CheckConstraint(
            "CASE role WHEN 'system_admin' THEN num_nonnulls(organisation_id, site_id) = 0"
            " WHEN 'site_manager' THEN organisation_id IS NULL AND site_id IS NOT NULL"
            " ELSE organisation_id IS NOT NULL AND site_id IS NULL END",
            name="scope_fits_role",
        ),
        UniqueConstraint(
            "account_id",
            "role",
            "organisation_id",
            "site_id",
            name="role_grant_once",
            postgresql_nulls_not_distinct=True,
        ),
        Index("role_grant_organisation_id_role_idx", "organisation_id", "role"),
        Index("role_grant_site_id_role_idx", "site_id", "role"),
    )

    account_id: UUID = Field(foreign_key="account.id")
    role: str
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    site_id: UUID | None = Field(default=None, foreign_key="site.id")
    ends_at: datetime | None = Field(default=None, sa_type=Instant)


class RefreshToken(Row, table=True):
    """One link of a chain of refresh tokens, known by its hash.

    Every use makes the next link of the same family; a link used twice betrays a theft and ends
    the whole family.
    """

    __tablename__ = "refresh_token"
    __table_args__: Any = (
        Index("refresh_token_family_id_idx", "family_id"),
        Index("refresh_token_expires_at_idx", "expires_at"),
    )

    account_id: UUID = Field(foreign_key="account.id")
    family_id: UUID
    token_hash: bytes = Field(unique=True)
    expires_at: datetime = Field(sa_type=Instant)
    used_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
