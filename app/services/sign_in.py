"""Signing in, and setting a password: what is proved, how often one may try, what is noted.

A refusal is returned and not raised: an exception would undo the count of the failures.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.errors import Forbidden, Unauthenticated
from app.models import Account, Organisation
from app.services import accounts, audit, one_time_codes, passwords, throttles, tokens
from app.services.throttles import TooManyAttempts

Proof = Callable[[Account | None], bool]
NOBODY = UUID(int=0)


class WrongCredentials(Unauthenticated):
    """The phone number or the password is wrong."""

    zh = "手机号或密码有误"


class WrongPassword(Forbidden):
    """This is not your present password."""

    # Not 401: clients take that for the end of their access token, renew it and send again.
    zh = "原密码有误"


class WrongCode(Unauthenticated):
    """The phone number or the one-time code is wrong, or the code is used or too old."""

    zh = "手机号或一次性验证码有误，或验证码已失效"


Refusal = WrongCredentials | WrongPassword | WrongCode | TooManyAttempts | passwords.PasswordExpired


def with_password(
    session: Session, *, phone: str, password: str, address: str | None, now: datetime
) -> Account | Refusal:
    """Return the account that a phone number and a password open, or why they do not.

    Args:
        session: open transaction, to be committed either way.
        phone: in any spelling, or anything else.
        password: as typed.
        address: where the request comes from.
        now: the present instant, aware.
    """
    subject = throttles.subject_of(phone)
    proof = _password(session, password)
    account = _proved(session, subject, address, now, proof, WrongCredentials())
    if isinstance(account, Account) and passwords.is_expired(account, now):
        return passwords.PasswordExpired()
    return account


def set_with_password(
    session: Session,
    *,
    phone: str,
    current_password: str,
    password: str,
    address: str | None,
    now: datetime,
) -> Refusal | None:
    """Change a password, also one that has expired, for somebody who knows it.

    Args:
        session: open transaction, to be committed either way.
        phone: in any spelling, or anything else.
        current_password: as typed.
        password: the new one, as typed.
        address: where the request comes from.
        now: the present instant, aware.

    Raises:
        PasswordTooWeak: the new one breaks the rules.
    """
    subject = throttles.subject_of(phone)
    proof = _password(session, current_password)
    account = _proved(session, subject, address, now, proof, WrongCredentials())
    return _changed(session, account, password, now, by="password")


def set_with_code(
    session: Session, *, phone: str, code: str, password: str, address: str | None, now: datetime
) -> Refusal | None:
    """Set a password with the one-time code that staff have handed out.

    Args:
        session: open transaction, to be committed either way.
        phone: in any spelling, or anything else.
        code: as typed.
        password: the new one, as typed.
        address: where the request comes from.
        now: the present instant, aware.

    Raises:
        PasswordTooWeak: the new one breaks the rules; the code is still good.
    """

    def proof(account: Account | None) -> bool:
        known = account.id if account and account.active else NOBODY
        return one_time_codes.redeem(session, account_id=known, code=code, now=now)

    subject = throttles.subject_of(phone)
    account = _proved(session, subject, address, now, proof, WrongCode())
    return _changed(session, account, password, now, by="code")


def set_own(
    session: Session,
    *,
    account_id: UUID,
    current_password: str,
    password: str,
    address: str | None,
    now: datetime,
) -> Refusal | None:
    """Change the password of the signed-in person, who may be at somebody else's device.

    Args:
        session: open transaction, to be committed either way.
        account_id: the person.
        current_password: as typed.
        password: the new one, as typed.
        address: where the request comes from.
        now: the present instant, aware.

    Raises:
        PasswordTooWeak: the new one breaks the rules.
    """
    subject = session.get_one(Account, account_id).phone_hash
    assert subject  # noqa: S101  # who is signed in is not erased
    proof = _password(session, current_password)
    account = _proved(session, subject, address, now, proof, WrongPassword())
    return _changed(session, account, password, now, by="password")


def enter(session: Session, *, account: Account, by: str, now: datetime) -> tokens.TokenPair:
    """Begin a login of a person who has proved who they are, and note it.

    Args:
        session: open transaction.
        account: the person, locked.
        by: `password`, `wechat` or `oidc`.
        now: the present instant, aware.
    """
    _note(session, account, "sign_in", by=by)
    return tokens.issue(session, account_id=account.id, now=now)


def _password(session: Session, password: str) -> Proof:
    return lambda account: passwords.fits(session, account=account, password=password)


def _proved(
    session: Session,
    subject: bytes,
    address: str | None,
    now: datetime,
    proof: Proof,
    refusal: WrongCredentials | WrongPassword | WrongCode,
) -> Account | Refusal:
    account = accounts.locked(session, condition=Account.phone_hash == subject)
    attempt = throttles.begin(session, subject=subject, address=address, now=now)
    if isinstance(attempt, TooManyAttempts):
        return attempt
    if proof(account) and account is not None:
        throttles.succeeded(session, attempt=attempt, now=now)
        return account
    shut = throttles.failed(session, attempt=attempt, now=now)
    if account is not None:
        _note(session, account, "lock_out" if shut else "sign_in_failed")
    return refusal


def _changed(
    session: Session, account: Account | Refusal, password: str, now: datetime, *, by: str
) -> Refusal | None:
    if not isinstance(account, Account):
        return account
    passwords.set_password(session, account=account, password=password, now=now)
    _note(session, account, "password_change", by=by)
    return None


def _note(session: Session, account: Account, action: str, **facts: object) -> None:
    home = select(Organisation.district_id).where(col(Organisation.id) == account.organisation_id)
    district_id = session.exec(home).one_or_none()
    audit.note(
        session,
        action=action,
        noun="account",
        row_id=account.id,
        district_id=district_id,
        **facts,
    )
