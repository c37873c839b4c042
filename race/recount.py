"""A recount of a ledger that shares nothing with the service: rows, a table of kinds, SHA-256."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import psycopg

WAYS = {
    "appropriate": "source available",
    "reserve": "available reserved",
    "release": "reserved available",
    "commit": "reserved payable",
    "top_up": "available payable",
    "pay": "payable paid",
    "lapse": "available source",
}
_FACTS = (
    "id, fund_id, number, kind, from_account, to_account, amount_fen, step, booking_id, claim_id,"
    " document, reverses_id, booked_on, created_at"
)
_HERE = timezone(timedelta(hours=8))


def recount(url: str) -> Iterator[str]:
    """Yield what is wrong with any fund of a database."""
    with psycopg.connect(url) as connection:
        funds = connection.execute("SELECT id, last_number, head FROM fund").fetchall()
        for fund_id, last_number, head in funds:
            balances = connection.execute(
                "SELECT account, balance_fen FROM fund_balance WHERE fund_id = %s", [fund_id]
            ).fetchall()
            rows = connection.execute(
                f"SELECT hash, {_FACTS} FROM ledger_entry WHERE fund_id = %s ORDER BY number",  # noqa: S608
                [fund_id],
            ).fetchall()
            for fault in _faults(rows, Counter(dict(balances)), last_number, head):
                yield f"fund {fund_id}: {fault}"


def _faults(
    rows: Sequence[tuple[Any, ...]], balances: Counter[str], last_number: int, head: bytes
) -> Iterator[str]:
    held: Counter[str] = Counter()
    chain, steps, day = b"", set(), date.min
    for count, (found, *facts) in enumerate(rows, 1):
        number, kind, giver, taker, fen, step = facts[2:8]
        booked_on, created_at = facts[-2:]
        chain = hashlib.sha256(chain + _written(facts)).digest()
        held[giver] -= fen
        held[taker] += fen
        low = [account for account, left in held.items() if left < 0 and account != "source"]
        wrong = {
            f"number {number} is number {count}": number != count,
            f"{number}: {kind} from {giver} to {taker}": WAYS[kind] != f"{giver} {taker}",
            f"{number}: {fen} fen": fen <= 0,
            f"{number}: {low} below zero": bool(low),
            f"{number}: another hash": found != chain,
            f"{number}: step {step} again": step in steps,
            f"{number}: booked on {booked_on} after {day}": booked_on
            != max(day, created_at.astimezone(_HERE).date()),
        }
        yield from (fault for fault, there in wrong.items() if there)
        steps.add(step)
        day = booked_on
    if last_number != len(rows) or head != chain:
        yield f"{last_number} entries are said to be, {len(rows)} are"
    if held != balances:  # to a Counter nought is the same as nothing
        yield f"balances {dict(balances)}, and entries make {dict(held)}"


def _written(facts: Sequence[Any]) -> bytes:
    """Return the facts of an entry as the database writes them into a hash."""
    *others, booked_on, created_at = facts
    since = (created_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    epoch = f"{since // 10**6}.{since % 10**6:06}"
    plain = [fact if isinstance(fact, int | None) else str(fact) for fact in (*others, booked_on)]
    return (json.dumps(plain, ensure_ascii=False)[:-1] + f", {epoch}]").encode()
