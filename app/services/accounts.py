"""People who can sign in: their accounts and passwords."""

import secrets

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import Session, select

from app.db import violating
from app.errors import Conflict, Unauthenticated
from app.models import Account
from app.services import privacy

PHONE_ONCE = "account_phone_hash_key"

# OWASP's argon2id setting: 19 MiB each, so that a full house of logins fits into memory.
_HASHER = PasswordHash((Argon2Hasher(memory_cost=19 * 1024, time_cost=2, parallelism=1),))
_NOBODY = _HASHER.hash(secrets.token_urlsafe())
"""Verified where there is no password, so that the time of an answer does not tell who exists."""


class PhoneTaken(Conflict):
    """Another account has this phone number."""

    zh = "该手机号已有账号"


class WrongCredentials(Unauthenticated):
    """The phone number or the password is wrong."""

    zh = "手机号或密码有误"


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


def phone_masked(account: Account) -> str | None:
    """Return the number as all but its owner may see it; None for an erased person."""
    sealed = account.phone_sealed
    return None if sealed is None else privacy.mask(privacy.unseal(sealed))


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
