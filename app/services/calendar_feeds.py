"""The address of a person's calendar: made, shown again, made anew, ended, and who is behind it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.errors import NotFound, Unauthenticated
from app.models import CalendarFeed
from app.services import access, privacy

SECRET_BYTES = 32


class CalendarNotFound(NotFound):
    """There is no such calendar, or not any more."""

    zh = "未找到该日历，或该日历地址已停用"


@dataclass(frozen=True)
class Feed:
    """A feed's token, in plain, and since when it is good."""

    token: str
    made_at: datetime


def renew(session: Session, *, account_id: UUID, now: datetime) -> Feed:
    """Give a person a new address; the one they had, if any, is ended."""
    feed = Feed(secrets.token_urlsafe(SECRET_BYTES), now)
    fresh = {
        "token_hash": _hash(feed.token),
        "token_sealed": privacy.seal_bytes(feed.token.encode()),
        "made_at": now,
    }
    row = insert(CalendarFeed).values(account_id=account_id, **fresh)
    session.exec(row.on_conflict_do_update(index_elements=["account_id"], set_=fresh))
    return feed


def mine(session: Session, *, account_id: UUID) -> Feed | None:
    """Return a person's feed, or None if they have none."""
    own = select(CalendarFeed.token_sealed, CalendarFeed.made_at)
    row = session.exec(own.where(CalendarFeed.account_id == account_id)).one_or_none()
    return Feed(privacy.unseal_bytes(row[0]).decode(), row[1]) if row else None


def end(session: Session, *, account_id: UUID) -> None:
    """End a person's feed; ending none is harmless."""
    session.exec(delete(CalendarFeed).where(col(CalendarFeed.account_id) == account_id))


def reader_of(session: Session, *, token: str, now: datetime) -> access.Actor:
    """Return whose bookings a token shows, with their grants in force at `now`.

    Raises:
        CalendarNotFound: nobody has this token (any more), or their account is not active.
    """
    known = select(CalendarFeed.account_id).where(CalendarFeed.token_hash == _hash(token))
    account_id = session.exec(known).one_or_none()
    if account_id is None:
        raise CalendarNotFound
    try:
        return access.load(session, account_id=account_id, now=now)
    except Unauthenticated as exc:
        raise CalendarNotFound from exc


def _hash(token: str) -> bytes:
    # 256 random bits cannot be guessed, so a fast hash is enough.
    return hashlib.sha256(token.encode()).digest()
