"""What the posting clients send: the same for the same seed, each chunk for two of them."""

from dataclasses import dataclass
from random import Random
from uuid import UUID

from app.models import EntryKind

CHUNK = 3
"""Postings of one transaction, all in one fund."""
_KINDS = {
    EntryKind.APPROPRIATE: 5,
    EntryKind.RESERVE: 8,
    EntryKind.RELEASE: 3,
    EntryKind.COMMIT: 5,
    EntryKind.TOP_UP: 1,
    EntryKind.PAY: 4,
    EntryKind.LAPSE: 1,
}
_MOST_FEN = 900


@dataclass(frozen=True)
class Call:
    """One posting."""

    fund_id: UUID
    kind: EntryKind
    amount_fen: int
    step: str
    document: str | None


def chunk(seed: int, number: int, funds: list[UUID]) -> list[Call]:
    """Return what one transaction posts."""
    chance = Random(f"{seed}/{number}")
    fund_id = chance.choice(funds)
    return [
        Call(
            fund_id=fund_id,
            kind=chance.choices(list(_KINDS), list(_KINDS.values()))[0],
            amount_fen=chance.randint(1, _MOST_FEN),
            step=f"race:{seed}:{number}:{n}",
            document=f"第 {number} 号" if chance.random() < 1 / 2 else None,
        )
        for n in range(CHUNK)
    ]


def senders(number: int, clients: int) -> tuple[int, int]:
    """Return the two clients that send a chunk."""
    first = number % clients
    return first, (first + 1 + number // clients % (clients - 1)) % clients
