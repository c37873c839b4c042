"""Failed sign-ins, counted for each account and for each address, so that guessing is slow."""

import hashlib
import ipaddress
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import TooMany
from app.models import LoginThrottle
from app.services import passwords, privacy

ADDRESS_FAILURES = 50
"""Of everybody behind one address, such as a town hall's, in `ADDRESS_WINDOW`."""
ADDRESS_WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
PREFIX_V6 = 64
"""Bits of an IPv6 address that one household has; it may choose the others at will."""


class TooManyAttempts(TooMany):
    """Too many failed sign-ins; wait a while, or ask staff for a one-time code."""

    zh = "登录失败次数过多，请稍后再试，或联系工作人员重置密码"
    detail_en = "Try again in {retry_after_seconds} seconds"
    detail_zh = "登录失败次数过多，请 {retry_after_seconds} 秒后再试"


@dataclass(frozen=True)
class Attempt:
    """One sign-in under way, counted as failed until it has succeeded.

    `account` is locked until the end of the transaction: attempts on one account queue up, and each
    sees how the one before it ended.
    """

    account: LoginThrottle
    address: bytes


def begin(
    session: Session, *, subject: bytes, address: str | None, now: datetime
) -> Attempt | TooManyAttempts:
    """Take one of the attempts that are left; to be called before a secret is verified.

    Args:
        session: open transaction, to be committed however the attempt ends.
        subject: the fingerprint of the phone number, whether or not anybody has it.
        address: where the request comes from.
        now: the present instant, aware.

    Returns:
        The attempt, or the refusal if there is none left.
    """
    address_key = _address_key(address)
    shut = col(LoginThrottle.locked_until)
    place = session.exec(select(shut).where(LoginThrottle.key == address_key)).one_or_none()
    if place and place > now:
        return _refusal(place, now)
    account = _locked(session, _account_key(subject), now)
    if account.locked_until and account.locked_until > now:
        return _refusal(account.locked_until, now)
    rules = passwords.policy()
    _count(account, rules.failures, rules.locked_for, now)
    session.flush()
    return Attempt(account, address_key)


def failed(session: Session, *, attempt: Attempt, now: datetime) -> bool:
    """Count a failure for the address too, and tell whether the account is shut by it.

    The address is locked only now, and for a moment, so that a town hall need not queue up.
    """
    _count(_locked(session, attempt.address, now), ADDRESS_FAILURES, ADDRESS_WINDOW, now)
    session.flush()
    return attempt.account.locked_until is not None


def succeeded(session: Session, *, attempt: Attempt, now: datetime) -> None:
    """Forget the account's failures; those of the address stay."""
    _reset(attempt.account, now)
    session.flush()


def unlock(session: Session, *, phone_hash: bytes) -> None:
    """Forget the failures of the account that has this phone."""
    key = _account_key(phone_hash)
    session.exec(delete(LoginThrottle).where(col(LoginThrottle.key) == key))


def forget_old(session: Session, now: datetime) -> int:
    """Delete counters that count for nothing any more and return how many; a job."""
    past = delete(LoginThrottle).where(col(LoginThrottle.since) <= now - KEPT)
    return session.exec(past.execution_options(synchronize_session=False)).rowcount


def _locked(session: Session, key: bytes, now: datetime) -> LoginThrottle:
    """Return the counter as it is once it is ours alone until the end of the transaction."""
    fresh = insert(LoginThrottle).values(key=key, failures=0, since=now)
    # The update changes nothing and locks the row; so there is one to lock the first time, too.
    row = fresh.on_conflict_do_update(
        index_elements=["key"], set_={"key": fresh.excluded.key}
    ).returning(LoginThrottle)
    counter: LoginThrottle = session.exec(row.execution_options(populate_existing=True)).one()[0]
    return counter


def _count(counter: LoginThrottle, most: int, window: timedelta, now: datetime) -> None:
    over = counter.locked_until or counter.since + window
    if over <= now:
        _reset(counter, now)
    counter.failures += 1
    if counter.failures >= most:
        counter.locked_until = now + window


def _reset(counter: LoginThrottle, now: datetime) -> None:
    counter.failures, counter.since, counter.locked_until = 0, now, None


def _refusal(until: datetime, now: datetime) -> TooManyAttempts:
    return TooManyAttempts(retry_after_seconds=math.ceil((until - now).total_seconds()))


def _account_key(subject: bytes) -> bytes:
    return privacy.keyed_hash("login throttle account", subject)


def _address_key(address: str | None) -> bytes:
    return privacy.keyed_hash("login throttle address", _prefix(address or "").encode())


def _prefix(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    bits = PREFIX_V6 if parsed.version == 6 else parsed.max_prefixlen
    return str(ipaddress.ip_network((parsed, bits), strict=False))


def subject_of(phone: str) -> bytes:
    """Return what attempts on a phone number, or on anything typed in its place, count under."""
    try:
        return privacy.fingerprint(phone)
    except privacy.InvalidPhone:
        return hashlib.sha256(phone.encode()).digest()
