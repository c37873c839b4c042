"""Reconciliation (对账): what the rows of a fund must be to one another, added up anew.

Each check finds the rows that are not so, of the fund `:fund_id` or, where that is null, of all.
`app verify` asks the same.
"""

# ruff: noqa: S608 - names and ids of our own, nothing anybody sent

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from app.models import ACCOUNTS, MIRRORS, FundAccount

_ACCOUNTS = ", ".join(f"('{account}')" for account in FundAccount)
_PAIRS = ", ".join(f"('{kind}', '{giver}', '{taker}')" for kind, (giver, taker) in ACCOUNTS.items())
_MIRRORS = ", ".join(f"('{kind}', '{mirror}')" for kind, mirror in MIRRORS.items())


def _of(column: str) -> str:
    return f"(CAST(:fund_id AS uuid) IS NULL OR {column} = :fund_id)"


CHECKS: dict[str, str] = {
    "a subsidy is not what the ledger says": f"""
        SELECT s.booking_id FROM subsidy s LEFT JOIN (
            SELECT booking_id, min(fund_id::text)::uuid AS fund_id,
                sum(CASE 'reserved' WHEN to_account THEN amount_fen
                    WHEN from_account THEN -amount_fen ELSE 0 END) AS reserved,
                sum(CASE 'payable' WHEN to_account THEN amount_fen
                    WHEN from_account THEN -amount_fen ELSE 0 END) AS payable
            FROM ledger_entry WHERE booking_id IS NOT NULL GROUP BY booking_id) l
        ON l.booking_id = s.booking_id
        WHERE {_of("coalesce(s.fund_id, l.fund_id)")}
        AND (coalesce(l.reserved, 0), coalesce(l.payable, 0)) <> (
            CASE WHEN s.status = 'reserved' THEN s.reserved_fen ELSE 0 END,
            CASE WHEN s.status = 'committed' THEN s.committed_fen ELSE 0 END)""",
    "a ledger entry is for a booking without a subsidy": f"""
        SELECT l.id FROM ledger_entry l LEFT JOIN subsidy s USING (booking_id)
        WHERE l.booking_id IS NOT NULL AND s.booking_id IS NULL AND {_of("l.fund_id")}""",
    "a balance is not the sum of its entries": f"""
        SELECT f.id || ' ' || a.account
        FROM fund f CROSS JOIN (VALUES {_ACCOUNTS}) a (account)
        LEFT JOIN fund_balance b ON b.fund_id = f.id AND b.account = a.account
        LEFT JOIN (
            SELECT fund_id, account, sum(moved) AS total FROM (
                SELECT fund_id, to_account AS account, amount_fen AS moved FROM ledger_entry
                UNION ALL SELECT fund_id, from_account, -amount_fen FROM ledger_entry) m
            GROUP BY fund_id, account) s ON s.fund_id = f.id AND s.account = a.account
        WHERE {_of("f.id")} AND (b.balance_fen IS DISTINCT FROM coalesce(s.total, 0)
            OR (b.balance_fen < 0 AND a.account <> 'source'))""",
    "a ledger has a gap": f"""
        SELECT coalesce(f.id, l.fund_id) FROM fund f FULL JOIN (
            SELECT fund_id, count(*) AS entries, min(number) AS first, max(number) AS last
            FROM ledger_entry GROUP BY fund_id) l ON l.fund_id = f.id
        WHERE {_of("coalesce(f.id, l.fund_id)")}
        AND ((coalesce(l.entries, 0), coalesce(l.last, 0))
            IS DISTINCT FROM (f.last_number, f.last_number) OR coalesce(l.first, 1) <> 1)""",
    "a ledger was changed": f"""
        SELECT e.fund_id || ' ' || e.number FROM (
            SELECT l, fund_id, number, hash, booked_on,
                lag(hash) OVER chain AS previous, lag(booked_on) OVER chain AS earlier
            FROM ledger_entry l WHERE {_of("fund_id")}
            WINDOW chain AS (PARTITION BY fund_id ORDER BY number)) e
        WHERE e.hash IS DISTINCT FROM ledger_digest(coalesce(e.previous, ''), e.l)
        OR e.booked_on < e.earlier""",
    "a ledger does not end where its fund says": f"""
        SELECT f.id FROM fund f
        LEFT JOIN ledger_entry l ON l.fund_id = f.id AND l.number = f.last_number
        WHERE {_of("f.id")} AND f.head IS DISTINCT FROM coalesce(l.hash, '')""",
    "an entry is not of its kind": f"""
        SELECT l.id FROM ledger_entry l
        LEFT JOIN (VALUES {_PAIRS}) k (kind, giver, taker) ON k.kind = l.kind
        WHERE {_of("l.fund_id")} AND (l.amount_fen <= 0 OR (l.from_account, l.to_account)
            IS DISTINCT FROM (k.giver, k.taker))""",
    "a reversal is not the mirror image of its entry": f"""
        SELECT m.id FROM ledger_entry m LEFT JOIN ledger_entry o ON o.id = m.reverses_id
        LEFT JOIN (VALUES {_MIRRORS}) k (kind, mirror) ON k.kind = o.kind
        WHERE {_of("m.fund_id")} AND (m.reverses_id IS NOT NULL OR starts_with(m.kind, 'reverse_'))
        AND (m.fund_id, m.kind, m.amount_fen, m.booking_id, m.claim_id, m.number > o.number)
            IS DISTINCT FROM
            (o.fund_id, k.mirror, o.amount_fen, o.booking_id, o.claim_id, TRUE)""",
    "a reversal was not confirmed, or a confirmed one not made": f"""
        SELECT coalesce(r.id, m.id) FROM (SELECT * FROM reversal WHERE status = 'confirmed') r
        FULL JOIN (
            SELECT DISTINCT ON (coalesce(booking_id, id))
                id, fund_id, reverses_id, booking_id
            FROM ledger_entry WHERE reverses_id IS NOT NULL
            ORDER BY coalesce(booking_id, id), number) m ON m.reverses_id = r.entry_id
        WHERE {_of("coalesce(r.fund_id, m.fund_id)")} AND num_nulls(r.id, m.id) > 0""",
    "a claim line is not its visit's subsidy": f"""
        SELECT l.booking_id FROM claim_line l JOIN claim c ON c.id = l.claim_id
        JOIN booking b ON b.id = l.booking_id
        LEFT JOIN subsidy s ON s.booking_id = l.booking_id
        WHERE {_of("c.fund_id")} AND (b.status, s.status, s.committed_fen, s.fund_id)
            IS DISTINCT FROM ('completed', 'committed', l.amount_fen, c.fund_id)""",
    "a claim is not the sum of its lines": f"""
        SELECT c.id FROM claim c LEFT JOIN (
            SELECT claim_id, sum(amount_fen) AS total FROM claim_line GROUP BY claim_id) l
        ON l.claim_id = c.id WHERE {_of("c.fund_id")} AND c.amount_fen <> coalesce(l.total, 0)""",
    "a claim and its payment differ": f"""
        SELECT c.id FROM claim c LEFT JOIN (
            SELECT claim_id, fund_id, sum(CASE kind WHEN 'pay' THEN amount_fen
                ELSE -amount_fen END) AS paid
            FROM ledger_entry WHERE claim_id IS NOT NULL GROUP BY claim_id, fund_id) l
        ON l.claim_id = c.id
        WHERE {_of("c.fund_id")} AND (coalesce(l.paid, 0), coalesce(l.fund_id, c.fund_id))
            IS DISTINCT FROM
            (CASE WHEN c.status = 'paid' THEN c.amount_fen ELSE 0 END, c.fund_id)""",
}


@dataclass(frozen=True)
class Finding:
    """A row that breaks a rule."""

    check: str
    row: str


def findings(session: Session, *, fund_id: UUID) -> Iterator[Finding]:
    """Yield what is wrong with a fund; nothing when all is right. Nothing is changed."""
    for name, sql in CHECKS.items():
        for (row,) in session.connection().execute(text(sql), {"fund_id": fund_id}):
            yield Finding(name, str(row))
