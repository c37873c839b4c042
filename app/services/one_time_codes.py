"""Codes that staff hand to a person who has no password yet, or has forgotten it."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.models import Account, OneTimeCode
from app.services import accounts, privacy, throttles

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and capitals without 0 O, 1 I L and U: a code is read out and typed in."""
LENGTH = 10
LIFE = timedelta(hours=24)
GUESSES = 5


@dataclass(frozen=True)
class IssuedCode:
    """A code to be shown once; only its hash is kept."""

    code: str
    expires_at: datetime


def issue(
    session: Session, *, account_id: UUID, issued_by: UUID | None, now: datetime
) -> IssuedCode:
    """Give an account a new code, in place of whatever code it had, and let it try again.

    Args:
        session: open transaction.
        account_id: whose password the code will set.
        issued_by: the member of staff; None for the command line.
        now: the present instant, aware.
    """
    account = accounts.locked(session, condition=Account.id == account_id)
    if account and account.phone_hash:
        throttles.unlock(session, phone_hash=account.phone_hash)
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    issued = IssuedCode(code, now + LIFE)
    fresh = {
        "code_hash": _hash(account_id, code),
        "expires_at": issued.expires_at,
        "guesses_left": GUESSES,
        "issued_by": issued_by,
    }
    row = insert(OneTimeCode).values(account_id=account_id, **fresh)
    session.exec(row.on_conflict_do_update(index_elements=["account_id"], set_=fresh))
    return issued


def redeem(session: Session, *, account_id: UUID, code: str, now: datetime) -> bool:
    """Use up an account's code and tell whether `code` was it.

    A wrong guess is counted, and the last one ends the code. That is no exception, because the
    count must be committed although the guesser is refused.

    Args:
        session: open transaction.
        account_id: whose code it should be.
        code: as typed; small letters, spaces and hyphens do not matter.
        now: the present instant, aware.
    """
    mine = col(OneTimeCode.account_id) == account_id
    # Locked, so that of two clients with the same code the second finds it gone.
    kept = session.exec(
        select(OneTimeCode).where(mine).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if kept is None or kept.expires_at <= now:
        return False
    fits = hmac.compare_digest(kept.code_hash, _hash(account_id, code))
    if fits or kept.guesses_left <= 1:
        session.delete(kept)
    else:
        kept.guesses_left -= 1
    session.flush()
    return fits


def forget_expired(session: Session, now: datetime) -> int:
    """Delete codes past their time and return how many; a job."""
    past = delete(OneTimeCode).where(col(OneTimeCode.expires_at) <= now)
    return session.exec(past.execution_options(synchronize_session=False)).rowcount


def _hash(account_id: UUID, code: str) -> bytes:
    plain = code.upper().replace(" ", "").replace("-", "")
    return privacy.keyed_hash("one-time code", account_id.bytes + plain.encode())
