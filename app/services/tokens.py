"""Access tokens, which are signed and short-lived, and refresh tokens, which are used once."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from sqlalchemy import delete, exists, or_, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from uuid_utils.compat import uuid7

from app import settings
from app.errors import Unauthenticated
from app.models import Account, RefreshToken

ALGORITHM = "HS256"
AUDIENCE = "access"
"""Keeps other things signed with the same key from passing as access tokens."""
SECRET_BYTES = 32
_COMMON = 1024
"""Signatures that are not checked anew: who is here asks more than once."""


class InvalidToken(Unauthenticated):
    """The access token is not valid, or not any more."""

    zh = "登录凭证无效或已过期"


class LoginEnded(Unauthenticated):
    """This login has ended; sign in again."""

    zh = "登录已失效，请重新登录"


@dataclass(frozen=True)
class TokenPair:
    """What a client keeps; `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int


def issue(session: Session, *, account_id: UUID, now: datetime) -> TokenPair:
    """Begin a login: a pair whose refresh token is the first link of a new family."""
    return _next_link(session, account_id=account_id, family_id=None, now=now)


def refresh(session: Session, *, refresh_token: str, now: datetime) -> TokenPair | None:
    """Exchange a refresh token, once, for a new pair.

    A second use means that two hold the token, the thief and the robbed: the login ends for both.

    Returns:
        The next pair. None if the token is unknown, used, revoked or past its time, or the account
        is not active; that is no exception, because the end of the login must be committed.
    """
    link = _locked(session, refresh_token)
    if link is None:
        return None
    account = session.get(Account, link.account_id)
    if link.used_at or link.revoked_at or account is None or not account.active:
        _end(session, family_id=link.family_id, now=now)
        return None
    if link.expires_at <= now:
        return None
    link.used_at = now
    return _next_link(session, account_id=link.account_id, family_id=link.family_id, now=now)


def revoke(session: Session, *, refresh_token: str, now: datetime) -> None:
    """End the login a refresh token belongs to, whichever link of it; an unknown one is ignored."""
    link = _locked(session, refresh_token)
    if link is not None:
        _end(session, family_id=link.family_id, now=now)


def end_all(session: Session, *, account_id: UUID, now: datetime) -> None:
    """End every login of a person, access tokens included, as when their password changes."""
    session.get_one(Account, account_id).logins_since = now
    session.exec(
        update(RefreshToken)
        .where(col(RefreshToken.account_id) == account_id, col(RefreshToken.revoked_at).is_(None))
        .values(revoked_at=now)
    )


@dataclass(frozen=True)
class Issued:
    """Whom an access token was issued to, and when."""

    account_id: UUID
    issued_at: datetime


def read_access(token: str, now: datetime) -> Issued:
    """Return whom an access token was issued to.

    Args:
        token: as sent.
        now: the present instant, aware; the library would read the clock.

    Raises:
        InvalidToken: not signed by us, not an access token, or expired at `now`.
    """
    issued, expires = _verified(token, _key())
    if expires <= now.timestamp():
        raise InvalidToken
    return issued


@lru_cache(_COMMON)
def _verified(token: str, key: str) -> tuple[Issued, float]:
    """Return whom a token was issued to, and the POSIX time at which it expires.

    Raises:
        InvalidToken: as `read_access`, but for the time.
    """
    import jwt

    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            options={
                "require": ["sub", "exp", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
        account_id, expires = UUID(claims["sub"]), float(claims["exp"])
        issued_at = datetime.fromtimestamp(float(claims["iat"]), UTC)
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError) as exc:
        raise InvalidToken from exc
    return Issued(account_id, issued_at), expires


def forget_expired(session: Session, now: datetime) -> int:
    """Delete links past their time and return how many; a job.

    The first link is the lock of its family, so it stays until the last one has expired.
    """
    younger = aliased(RefreshToken)
    family_lives = exists().where(
        col(younger.family_id) == RefreshToken.family_id, col(younger.expires_at) > now
    )
    done = session.exec(
        delete(RefreshToken)
        .where(
            col(RefreshToken.expires_at) <= now,
            or_(col(RefreshToken.id) != RefreshToken.family_id, ~family_lives),
        )
        .execution_options(synchronize_session=False)
    )
    return done.rowcount


def _next_link(
    session: Session, *, account_id: UUID, family_id: UUID | None, now: datetime
) -> TokenPair:
    knobs = settings.load()
    secret = secrets.token_urlsafe(SECRET_BYTES)
    link_id = uuid7()
    link = RefreshToken(
        id=link_id,
        account_id=account_id,
        family_id=family_id or link_id,
        token_hash=_hash(secret),
        expires_at=now + timedelta(days=knobs.refresh_days),
    )
    session.add(link)
    session.flush()
    lasting = timedelta(minutes=knobs.access_minutes)
    return TokenPair(
        access_token=_signed(account_id, now, now + lasting),
        refresh_token=secret,
        expires_in=int(lasting.total_seconds()),
    )


def _signed(account_id: UUID, now: datetime, until: datetime) -> str:
    # To the microsecond, for it is compared with the instant at which all logins were ended.
    claims = {"sub": str(account_id), "aud": AUDIENCE, "iat": now.timestamp(), "exp": until}
    import jwt

    return jwt.encode(claims, _key(), ALGORITHM)


def _key() -> str:
    return settings.load().secret_key.get_secret_value()


def _hash(secret: str) -> bytes:
    # 256 random bits cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(secret.encode()).digest()


def _locked(session: Session, refresh_token: str) -> RefreshToken | None:
    """Return the link as it is once its family is ours alone until the end of the transaction."""
    known = RefreshToken.token_hash == _hash(refresh_token)
    link = session.exec(
        select(RefreshToken.family_id, RefreshToken.account_id).where(known)
    ).one_or_none()
    if link is None:
        return None
    family_id, account_id = link
    # The account first: the end of all logins begins there, and must not miss a link being made.
    session.exec(select(Account.id).where(Account.id == account_id).with_for_update(read=True))
    # The family's first link bears the family's id. Locking it, and not only the link at hand,
    # keeps a logout from missing a link that is just being made.
    session.exec(select(RefreshToken.id).where(RefreshToken.id == family_id).with_for_update())
    fresh = select(RefreshToken).where(known).execution_options(populate_existing=True)
    return session.exec(fresh).one_or_none()


def _end(session: Session, *, family_id: UUID, now: datetime) -> None:
    session.exec(
        update(RefreshToken)
        .where(col(RefreshToken.family_id) == family_id, col(RefreshToken.revoked_at).is_(None))
        .values(revoked_at=now)
    )
