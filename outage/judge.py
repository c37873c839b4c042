"""What was lost or doubled, by what the provider took and what the database says."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from sqlmodel import Session

from app.db import create_engine
from app.services import verify

RESULT = """
    SELECT n.id, n.useless_at, n.delivered_at, n.missed_at, count(d.id),
        max(d.id::text), max(d.channel), max(d.status), max(d.reason)
    FROM notification n LEFT JOIN delivery d ON d.notification_id = n.id
    GROUP BY n.id"""
LATENESS = """
    SELECT percentile_disc(ARRAY[0.5, 0.99, 1]) WITHIN GROUP (
        ORDER BY extract(epoch FROM settled_at - due_at))
    FROM delivery WHERE status = 'delivered' AND channel = 'sms'"""


@dataclass(frozen=True)
class Caught:
    """A worker that was killed or stopped, and what it had begun and not marked."""

    pid: int
    letters: frozenset[UUID]


@dataclass(frozen=True)
class Verdict:
    """What came out.

    Attributes:
        delivered: letters the provider has, and the database knows it has.
        missed: messages that would have come too late, and say so.
        doubled: letters the provider took more than once.
        between: kills and stops that fell between acceptance and mark.
        lateness: seconds at the median, the 99th percentile and the most; None without letters.
        faults: a line for each thing that cannot be.
    """

    delivered: int
    missed: int
    doubled: int
    between: int
    lateness: list[float] | None
    faults: list[str]


def accepted(folder: Path) -> list[tuple[UUID, int]]:
    """Return what the provider took: ids, and processes that sent them."""
    path = folder / "accepted"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(UUID(key), int(pid)) for key, pid in (line.split() for line in lines)]


def verdict(url: str, folder: Path, *, caught: Sequence[Caught], at: datetime) -> Verdict:
    """Judge what is left when all is still.

    Args:
        url: the database's, as libpq reads it.
        folder: where the provider wrote what it took.
        caught: whoever was killed or stopped; what was under way then may be doubled, if the
            provider does not honour ids, and never more than one for each that fell between.
        at: when the workers began, aware; what was useless by then must be missed.
    """
    sent = accepted(folder)
    taken = Counter(key for key, _ in sent)
    by_worker = defaultdict[int, set[UUID]](set)
    for key, pid in sent:
        by_worker[pid].add(key)
    between = sum(bool(one.letters & by_worker[one.pid]) for one in caught)
    with psycopg.connect(url) as connection:
        rows = connection.execute(RESULT).fetchall()
        lateness = (connection.execute(LATENESS).fetchone() or (None,))[0]
    faults: list[str] = []
    known: Counter[str] = Counter()
    for row in rows:
        outcome, fault = _outcome(row, taken, at)
        known[outcome] += 1
        faults += [fault] if fault else []
    letters = {UUID(row[5]) for row in rows if row[5]}
    faults += [f"{key}: nobody owes it" for key in taken if key not in letters]
    doubled = {key for key, times in taken.items() if times > 1}
    under_way = frozenset[UUID]().union(*(one.letters for one in caught))
    faults += [f"{key}: doubled {taken[key]} times" for key in doubled - under_way]
    again = len(sent) - len(taken)
    if again > between:
        faults += [f"doubled {again} times, by {between} kills and stops"]
    faults += _verified(url)
    return Verdict(
        known["delivered"],
        known["missed"],
        len(doubled),
        between,
        [float(one) for one in lateness] if lateness else None,
        faults,
    )


def _outcome(
    row: tuple[UUID, datetime | None, datetime | None, datetime | None, int, str, str, str, str],
    taken: Counter[UUID],
    at: datetime,
) -> tuple[str, str | None]:
    id_, useless_at, delivered_at, missed_at, count, letter, channel, status, reason = row
    useless = useless_at is not None and useless_at <= at
    if useless:
        right = (missed_at, count, channel, status, reason)
        fine = bool(missed_at) and right[1:] == (1, "inbox", "missed", "too-late")
        fine = fine and UUID(letter) not in taken
        return "missed", None if fine else f"{id_}: useless, and {status} by {channel}: {reason}"
    if not (delivered_at and count == 1 and status == "delivered"):
        return "lost", f"{id_}: lost: inbox {delivered_at}, {count} letters, {status}"
    if UUID(letter) not in taken:
        return "lost", f"{id_}: lost: marked, and the provider has none"
    return "delivered", None


def _verified(url: str) -> Iterator[str]:
    engine = create_engine(url, pool_size=1)
    with Session(engine) as session:
        # An hour on everything must be settled, whatever the workers' clock was.
        yield from verify.violations(session, now=_end(session))
    engine.dispose()


def _end(session: Session) -> datetime:
    found: datetime = (
        session.connection()
        .exec_driver_sql(
            "SELECT coalesce(max(greatest(delivered_at, missed_at)), now()) FROM notification"
        )
        .scalar_one()
    )
    return found + timedelta(hours=1)
