"""`python -m race.poster URL SEED CHUNKS CLIENT CLIENTS FILE FUND...`: a client that posts.

It sends its chunks of the plan, each in one transaction, and writes down what was acknowledged.
Killed and started again, it goes on after what it wrote, and sends again what it had not.
"""

import os
import sys
from pathlib import Path
from random import Random
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app.db import create_engine
from app.services import ledger
from race.plan import CHUNK, Call, chunk, senders

_UNDONE = 0.05
"""How often a transaction is rolled back and done again."""


def main(arguments: list[str]) -> None:
    """Send all that is left of one client's part."""
    url, seed, chunks, client, clients, path, *funds = arguments
    own = [n for n in range(int(chunks)) if int(client) in senders(n, int(clients))]
    done = Path(path).read_bytes().count(b"\n") // CHUNK if Path(path).exists() else 0
    engine = create_engine(url, pool_size=1)
    chance = Random(f"{seed}/{client}/{done}")
    out = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number in own[done:]:
        calls = chunk(int(seed), number, [UUID(fund) for fund in funds])
        while (told := _send(engine, calls, undone=chance.random() < _UNDONE)) is None:
            pass
        os.write(out, "".join(f"{line}\n" for line in told).encode())


def _send(engine: Engine, calls: list[Call], *, undone: bool) -> list[str] | None:
    """Post some calls in one transaction; None when it was undone, or had to wait too long."""
    try:
        with Session(engine) as session:
            told = [_post(session, call) for call in calls]
            if undone:
                session.rollback()
                return None
            session.commit()
    except OperationalError:
        return None
    return told


def _post(session: Session, call: Call) -> str:
    posted = ledger.attempt(
        session,
        fund_id=call.fund_id,
        kind=call.kind,
        amount_fen=call.amount_fen,
        step=call.step,
        document=call.document,
    )
    return f"{call.step} {posted.entry_id or posted.refusal}"


if __name__ == "__main__":
    main(sys.argv[1:])
