"""The tokens that providers lend us: asked for by one process at a time, ahead of their end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from app.models import ProviderToken
from app.services import privacy

EARLY = timedelta(minutes=4)
"""A new one is asked for so long before the end: WeChat gives one in the last five minutes."""


class Lent(Protocol):
    """What a provider answered: a token, and how long it is good."""

    @property
    def token(self) -> str:
        """The token."""

    @property
    def life(self) -> timedelta:
        """From now on."""


@dataclass(frozen=True)
class Tokens:
    """The tokens in a database.

    Each call is a transaction of its own, for what a provider did is not undone with ours: with
    another token it may have ended the one before.
    """

    engine: Engine

    def token(
        self, provider: str, *, ask: Callable[[], Lent], now: datetime, refused: str | None = None
    ) -> str | None:
        """Return a token that is good at `now`; None while another process is at it too long.

        Args:
            provider: whose, and lent to whom.
            ask: asks the provider, for less than a lock is waited for; what it raises gets
                through, unless the old token still serves.
            now: the present instant, aware.
            refused: a token that the provider does not believe any more.
        """
        row = _row(self.engine, provider)
        held = _good(row, now, refused)
        if held and row.expires_at and row.expires_at - EARLY > now:
            return held
        try:
            # Whoever has one that still serves does not wait for the one who asks for the next.
            return _renewed(self.engine, provider, ask, now, refused, wait=held is None)
        except OperationalError:
            return held
        except Exception:
            if held is None:
                raise
            return held


def _row(engine: Engine, provider: str) -> ProviderToken:
    with Session(engine) as session, session.begin():
        row = session.get(ProviderToken, provider)
        if row is None:
            fresh = insert(ProviderToken).values(provider=provider)
            session.exec(fresh.on_conflict_do_nothing())
            row = ProviderToken(provider=provider)
        else:
            session.expunge(row)
        return row


def _good(row: ProviderToken, now: datetime, refused: str | None) -> str | None:
    """Return the token of a row, if it serves at `now`."""
    if row.token_sealed is None or row.expires_at is None or row.expires_at <= now:
        return None
    token = privacy.unseal_bytes(row.token_sealed).decode()
    return None if token == refused else token


def _renewed(
    engine: Engine,
    provider: str,
    ask: Callable[[], Lent],
    now: datetime,
    refused: str | None,
    *,
    wait: bool,
) -> str:
    with Session(engine) as session, session.begin():
        locked = select(ProviderToken).where(ProviderToken.provider == provider)
        row = session.exec(locked.with_for_update(nowait=not wait)).one()
        held = _good(row, now, refused)
        if held and row.expires_at and row.expires_at - EARLY > now:
            return held
        lent = ask()
        row.token_sealed, row.expires_at = privacy.seal_bytes(lent.token.encode()), now + lent.life
        return lent.token
