"""People who can sign in: their accounts, passwords and grants."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import or_
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, Malformed, Unauthenticated
from app.models import Account, Grant, Organisation, Role, Site
from app.services import privacy

PHONE_ONCE = "account_phone_hash_key"
GRANT_ONCE = "role_grant_once"
SCOPE_FITS = "role_grant_scope_fits_role_check"

# OWASP's argon2id setting: 19 MiB each, so that a full house of logins fits into memory.
_HASHER = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))
_NOBODY = _HASHER.hash(secrets.token_urlsafe())
"""Verified where there is no password, so that the time of an answer does not tell who exists."""


class PhoneTaken(Conflict):
    """Another account has this phone number."""

    zh = "该手机号已有账号"


class AlreadyGranted(Conflict):
    """The person has this role there already."""

    zh = "该人员已有此角色"


class ScopeUnfit(Malformed):
    """This role is not given at such a place."""

    zh = "角色与授权范围不符"


class WrongCredentials(Unauthenticated):
    """The phone number or the password is wrong."""

    zh = "手机号或密码有误"


@dataclass(frozen=True)
class Place:
    """What a grant is given at."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Granted:
    """A grant in force, with the names of its places."""

    id: UUID
    role: Role
    organisation: Place | None
    site: Place | None


def create(session: Session, *, name: str, phone: str, password: str | None) -> Account:
    """Open an account.

    Args:
        session: open transaction.
        name: the person's.
        phone: in any spelling.
        password: None for one who signs in by other means only.

    Raises:
        InvalidPhone: it is no phone number.
        PhoneTaken: another account has it.
    """
    account = Account(
        name=name,
        phone_hash=privacy.fingerprint(phone),
        phone_sealed=privacy.seal(phone),
        password_hash=None if password is None else _HASHER.hash(password),
    )
    session.add(account)
    with violating(PHONE_ONCE, PhoneTaken()):
        session.flush()
    return account


def grant(
    session: Session,
    *,
    account_id: UUID,
    role: Role,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
    ends_at: datetime | None = None,
) -> Grant:
    """Give a person a role at one place.

    Args:
        session: open transaction.
        account_id: the person.
        role: what they become.
        organisation_id: where, for all roles but the next two.
        site_id: where, for a site manager; a system administrator has no place.
        ends_at: first instant without it, aware; None for good.

    Raises:
        AlreadyGranted: they have exactly this, in force or lapsed.
        ScopeUnfit: the place is not of the kind the role needs.
    """
    given = Grant(
        account_id=account_id,
        role=role,
        organisation_id=organisation_id,
        site_id=site_id,
        ends_at=ends_at,
    )
    session.add(given)
    with violating(GRANT_ONCE, AlreadyGranted()), violating(SCOPE_FITS, ScopeUnfit()):
        session.flush()
    return given


def phone_masked(account: Account) -> str | None:
    """Return the number as all but its owner may see it; None for an erased person."""
    sealed = account.phone_sealed
    return None if sealed is None else privacy.mask(privacy.unseal(sealed))


def grants_of(session: Session, *, account_id: UUID, now: datetime) -> list[Granted]:
    """Return what a person holds at the aware instant `now`, in the order it was given."""
    rows = session.exec(
        select(Grant, Organisation.name, Site.name)
        .outerjoin(Organisation, col(Organisation.id) == Grant.organisation_id)
        .outerjoin(Site, col(Site.id) == Grant.site_id)
        .where(
            Grant.account_id == account_id,
            or_(col(Grant.ends_at).is_(None), col(Grant.ends_at) > now),
        )
        .order_by(col(Grant.id))
    ).all()
    return [
        Granted(
            id=held.id,
            role=Role(held.role),
            organisation=_place(held.organisation_id, organisation),
            site=_place(held.site_id, site),
        )
        for held, organisation, site in rows
    ]


def _place(place_id: UUID | None, name: str | None) -> Place | None:
    return None if place_id is None or name is None else Place(place_id, name)


def authenticate(session: Session, *, phone: str, password: str) -> Account:
    """Return the account that a phone number and a password open.

    The work is the same whether or not there is such an account. A password kept under older
    parameters is hashed anew, as this is the only moment it is known.

    Args:
        session: open transaction.
        phone: in any spelling, or anything else.
        password: as typed.

    Raises:
        WrongCredentials: no active account has this phone with this password. Which of them was
            wrong is not told.
    """
    account = _by_phone(session, phone)
    kept = (account.password_hash if account else None) or _NOBODY
    fits, renewed = _HASHER.verify_and_update(password, kept)
    if account is None or not (fits and account.active and account.password_hash):
        raise WrongCredentials
    if renewed is not None:
        account.password_hash = renewed
        session.flush()
    return account


def _by_phone(session: Session, phone: str) -> Account | None:
    try:
        fingerprint = privacy.fingerprint(phone)
    except privacy.InvalidPhone:
        return None
    return session.exec(select(Account).where(Account.phone_hash == fingerprint)).one_or_none()
