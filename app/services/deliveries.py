"""Letters on their way: claimed with a lease, marked under the fence of that claim.

A claim is one short transaction. Whoever holds it sends outside of any, and says afterwards what
came of it, which counts only while nobody has claimed the letter since.
"""

# ruff: noqa: S608 - the rules of our own, nothing anybody sent

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from app.services import letters
from app.services.truths import ABOUT, Why, untrue


@dataclass(frozen=True)
class Held:
    """A letter that a worker holds, with what is in it.

    Attributes:
        id: the letter's, and that of the delivery that stands for it.
        fence: of this claim.
        attempts: claims so far, this one included.
        until: end of the lease, aware.
        parts: the deliveries in it, the oldest first: what they tell, and to whom.
    """

    id: UUID
    fence: int
    attempts: int
    until: datetime
    parts: Sequence[RowMapping]


_CLAIM = text("""
    WITH due AS MATERIALIZED (
        SELECT id FROM delivery
        WHERE channel = :channel AND letter_id = id AND status IN ('waiting', 'leased')
        AND next_attempt_at <= :now
        ORDER BY due_at, id LIMIT :batch FOR UPDATE SKIP LOCKED)
    UPDATE delivery d SET status = 'leased', fence = d.fence + 1, attempts = d.attempts + 1,
        lease_until = :until, next_attempt_at = :until
    FROM due WHERE d.letter_id = due.id AND d.status IN ('waiting', 'leased')
    RETURNING d.id""")

_READ = text(f"""
    SELECT d.id, d.letter_id, d.fence, d.attempts, n.kind, n.facts, n.booking_id, d.account_id,
        a.phone_sealed, c.address_sealed, i.subject_sealed,
        coalesce(CASE WHEN a.active THEN {untrue(inbox=False)} ELSE '{Why.ACCOUNT_CLOSED}' END,
            d.reason) AS why
    FROM delivery d JOIN notification n ON n.id = d.notification_id
    JOIN account a ON a.id = d.account_id
    LEFT JOIN channel_choice c ON c.account_id = d.account_id AND c.channel = d.channel
    LEFT JOIN identity i ON i.account_id = d.account_id AND i.provider = 'wechat'
    {ABOUT}
    WHERE d.id = ANY(CAST(:ids AS uuid[]))
    ORDER BY d.due_at, d.id""")

_DROP = text("""
    UPDATE delivery d SET reason = said.why,
        status = CASE WHEN said.last THEN 'missed' ELSE d.status END,
        lease_until = CASE WHEN NOT said.last THEN d.lease_until END,
        settled_at = CASE WHEN said.last THEN CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:whys AS text[]), CAST(:lasts AS bool[]))
        AS said(id, why, last)
    WHERE d.id = said.id""")


def claim(
    session: Session, *, channel: str, now: datetime, lease: timedelta, batch: int
) -> list[Held]:
    """Take letters that are due by a way, the oldest first, and return those that are still true.

    What is no longer true is written down as missed. Letters that another worker has are passed
    over, unless its lease has ended.

    Args:
        session: open transaction; commit it before anything is sent.
        channel: the way.
        now: the present instant, aware.
        lease: for how long they are this worker's; `renew` makes it longer.
        batch: most letters.
    """
    until = now + lease
    wanted = {"channel": channel, "now": now, "until": until, "batch": batch}
    connection = session.connection()
    ids = list(connection.execute(_CLAIM, wanted).scalars())
    if not ids:
        return []
    rows = connection.execute(_READ, {"ids": ids, "now": now}).mappings().all()
    true: dict[UUID, list[RowMapping]] = {}
    for row in rows:
        if not row["why"]:
            true.setdefault(row["letter_id"], []).append(row)
    _drop(session, [row for row in rows if row["why"]], true, now)
    return [
        Held(letter_id, parts[0]["fence"], parts[0]["attempts"], until, parts)
        for letter_id, parts in true.items()
    ]


def _drop(
    session: Session, untrue: Sequence[RowMapping], kept: Collection[UUID], now: datetime
) -> None:
    """Write down why they do not go out; who stands for a letter that does is settled with it."""
    if untrue:
        said = {
            "ids": [row["id"] for row in untrue],
            "whys": [row["why"] for row in untrue],
            "lasts": [row["id"] not in kept for row in untrue],
        }
        session.connection().execute(_DROP, {**said, "now": now})


_RENEW = text("""
    UPDATE delivery d SET lease_until = :until, next_attempt_at = :until
    FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS int[])) AS held(id, fence)
    WHERE d.letter_id = held.id AND d.fence = held.fence AND d.status = 'leased'
    AND d.lease_until > :now
    RETURNING d.letter_id""")


def renew(
    session: Session, *, held: Mapping[UUID, int], now: datetime, lease: timedelta
) -> set[UUID]:
    """Make the leases of letters longer and return which of them are still this worker's.

    Args:
        session: open transaction.
        held: letters and the fences they were claimed with.
        now: the present instant, aware.
        lease: from now on.
    """
    given = {"ids": list(held), "fences": list(held.values()), "now": now, "until": now + lease}
    return set(session.connection().execute(_RENEW, given).scalars())


@dataclass(frozen=True)
class Outcome:
    """What came of a letter.

    Attributes:
        id: the letter's.
        fence: the one it was claimed with.
        why: reason of a failure; None for delivered, or for later.
        again_at: when to try again, aware; None for never.
        provider_id: what the provider calls it.
        error: what it said, without any address.
    """

    id: UUID
    fence: int
    why: Why | None = None
    again_at: datetime | None = None
    provider_id: str | None = None
    error: str | None = None

    @property
    def status(self) -> str:
        """The state it leads to."""
        if self.again_at:
            return "waiting"
        return "failed" if self.why else "delivered"


_MARK = text("""
    UPDATE delivery d SET lease_until = NULL,
        status = CASE WHEN said.again_at IS NULL AND d.reason IS NOT NULL THEN 'missed'
            ELSE said.status END,
        reason = coalesce(d.reason, said.why),
        next_attempt_at = coalesce(said.again_at, d.next_attempt_at),
        settled_at = CASE WHEN said.again_at IS NULL THEN CAST(:now AS timestamptz) END,
        provider_id = said.provider_id, last_error = said.error
    FROM unnest(CAST(:ids AS uuid[]), CAST(:fences AS int[]), CAST(:statuses AS text[]),
        CAST(:whys AS text[]), CAST(:agains AS timestamptz[]), CAST(:providers AS text[]),
        CAST(:errors AS text[])) AS said(id, fence, status, why, again_at, provider_id, error)
    WHERE d.letter_id = said.id AND d.fence = said.fence AND d.status = 'leased'
    RETURNING d.id, d.notification_id, d.letter_id, d.status""")

_PASS_ON = text("""
    UPDATE delivery SET status = 'passed_on'
    WHERE status = 'failed' AND id = ANY(CAST(:ids AS uuid[]))""")


def mark(
    session: Session, *, outcomes: Sequence[Outcome], ways: Collection[str], now: datetime
) -> set[UUID]:
    """Write down what came of letters, and return those it was this worker's to say of.

    What failed for good goes on by the reader's next way, if there is one.

    Args:
        session: open transaction.
        outcomes: at most one a letter.
        ways: that there is a channel for.
        now: the present instant, aware.
    """
    said = {
        "ids": [one.id for one in outcomes],
        "fences": [one.fence for one in outcomes],
        "statuses": [one.status for one in outcomes],
        "whys": [one.why for one in outcomes],
        "agains": [one.again_at for one in outcomes],
        "providers": [one.provider_id for one in outcomes],
        "errors": [one.error for one in outcomes],
    }
    marked = session.connection().execute(_MARK, {**said, "now": now}).all()
    failed = {row.notification_id: row.id for row in marked if row.status == "failed"}
    if failed:
        gone_on = letters.write(session, notification_ids=list(failed), ways=ways, now=now)
        session.connection().execute(_PASS_ON, {"ids": [failed[one] for one in gone_on]})
    return {row.letter_id for row in marked}
