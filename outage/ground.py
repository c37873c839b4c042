"""People with a phone, and messages that are all due at once."""

import itertools
import json
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from sqlalchemy import text
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.db import create_engine
from app.services import privacy

EACH = 10
"""Messages for one person."""
KIND = "suspension-lifted"
FACTS = {"branch": "某党支部", "reason": "情况属实"}


def people(url: str, count: int) -> list[UUID]:
    """Save accounts that want messages by SMS."""
    ids = [UUID(str(uuid7())) for _ in range(count)]
    rows = []
    for number, id_ in enumerate(ids):
        phone = f"139{number:08}"
        rows.append(
            {
                "id": id_,
                "hash": privacy.fingerprint(phone),
                "sealed": privacy.seal(phone),
                "choice": UUID(str(uuid7())),
            }
        )
    engine = create_engine(url, pool_size=1)
    with Session(engine) as session, session.begin():
        connection = session.connection()
        connection.execute(text("SET LOCAL ROLE NONE"))
        # Not what is tried here, and one event for each account would take longer than all else.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            text(
                "INSERT INTO account (id, name, phone_hash, phone_sealed, active, version)"
                " VALUES (:id, '人员', :hash, :sealed, TRUE, 1)"
            ),
            rows,
        )
        connection.execute(
            text(
                "INSERT INTO channel_choice (id, account_id, channel, enabled, place)"
                " VALUES (:choice, :id, 'sms', TRUE, 0)"
            ),
            rows,
        )
    engine.dispose()
    return ids


def owe(
    url: str,
    accounts: list[UUID],
    count: int,
    *,
    due_at: datetime,
    useless_at: datetime | None = None,
) -> None:
    """Owe so many messages, in turn to each of the accounts; those of one are a millisecond apart.

    Args:
        url: the database's, as libpq reads it.
        accounts: who is told.
        count: messages.
        due_at: of the first for each, aware.
        useless_at: from when on they would tell nothing, aware; None for never.
    """
    facts = json.dumps(FACTS)
    turns = itertools.islice(
        (
            (account, due_at + timedelta(milliseconds=turn))
            for turn in itertools.count()
            for account in accounts
        ),
        count,
    )
    into = "COPY notification (id, account_id, kind, facts, due_at, useless_at) FROM STDIN"
    with psycopg.connect(url) as connection, connection.cursor().copy(into) as copy:
        for account, at in turns:
            copy.write_row((uuid7(), account, KIND, facts, at, useless_at))
