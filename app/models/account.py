"""People who can sign in, and what they were granted."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, column, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
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
    SECURITY_ADMIN = "security_admin"


OFFICES_APART = (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDITOR)
"""三员: who makes accounts, who gives roles and who watches both are three people (GB/T 22239)."""


class Account(Row, table=True):
    """A person: a name, a phone, a branch and nothing else.

    The phone is kept encrypted; `phone_hash`, keyed, finds it. Tokens issued before `logins_since`
    are not accepted any more. An erased person keeps the key alone, for what others' records say.
    """

    __tablename__ = "account"
    __table_args__: Any = (
        CheckConstraint(
            "CASE WHEN erased_at IS NULL THEN num_nulls(phone_hash, phone_sealed) = 0 ELSE NOT"
            " active AND num_nonnulls(phone_hash, phone_sealed, password_hash, organisation_id) = 0"
            " END",
            name="erased_keeps_nothing",
        ),
        Index("account_organisation_id_idx", "organisation_id"),
    )

    name: str = Field(max_length=40)
    phone_hash: bytes | None = Field(default=None, unique=True)
    phone_sealed: bytes | None = None
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    password_hash: str | None = None
    password_set_at: datetime | None = Field(default=None, sa_type=Instant)
    logins_since: datetime | None = Field(default=None, sa_type=Instant)
    active: bool = True
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    version: int = 1


_IN_FORCE = text(
    "tstzrange(created_at, greatest(created_at, coalesce(ends_at, 'infinity'::timestamptz)))"
)


class Grant(Row, table=True):
    """One role of one person, at one organisation (and below it, for staff) or at one site.

    `granted_by` is empty for those that the command line gave. Nobody gives a role to oneself.
    """

    __tablename__ = "role_grant"
    __table_args__: Any = (
        known("role", Role),
        CheckConstraint(
            "CASE WHEN role IN ('system_admin', 'security_admin')"
            " THEN num_nonnulls(organisation_id, site_id) = 0"
            " WHEN role = 'site_manager' THEN organisation_id IS NULL AND site_id IS NOT NULL"
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
        CheckConstraint("granted_by <> account_id", name="not_to_oneself"),
        ExcludeConstraint(
            (column("account_id"), "="),
            (column("role"), "<>"),
            (_IN_FORCE, "&&"),
            where=text(f"role IN ({', '.join(repr(str(role)) for role in OFFICES_APART)})"),
            name="role_grant_offices_apart",
            using="gist",
        ),
        Index("role_grant_organisation_id_role_idx", "organisation_id", "role"),
        Index("role_grant_site_id_role_idx", "site_id", "role"),
    )

    account_id: UUID = Field(foreign_key="account.id")
    role: str
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    site_id: UUID | None = Field(default=None, foreign_key="site.id")
    ends_at: datetime | None = Field(default=None, sa_type=Instant)
    granted_by: UUID | None = Field(default=None, foreign_key="account.id")


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
