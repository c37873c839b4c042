"""Signing in, for lines that last longer than a token."""

from uuid import UUID

from sqlmodel import Session

from app import clock
from app.db import create_engine
from app.services import tokens


def signed_in(url: str, account_id: UUID) -> str:
    """Return a fresh access token of an account.

    Args:
        url: the database's, by who owns it.
        account_id: whose.
    """
    engine = create_engine(url)
    with Session(engine) as session, session.begin():
        token = tokens.issue(session, account_id=account_id, now=clock.now()).access_token
    engine.dispose()
    return token
