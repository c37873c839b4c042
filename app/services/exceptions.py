"""Three-way match (三单比对): booking, visit and the branch's word; what differs, for a person.

Nothing here stops a claim. Each kind is SQL over all rows of a fund or of some claims, and all of
them are one statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from app.db import violating
from app.errors import Conflict, NotFound
from app.models import ExceptionKind, ExceptionLook
from app.services import funds
from app.services.access import Actor, NotInScope
from app.services.codes import code_of

WATCHED_FROM_FEN = 100_000
"""1,000 yuan: from there on a payment is not for petty cash (现金管理暂行条例, 5), and is looked at
harder; so whoever wants not to be looked at stays just under it."""
JUST_UNDER_FEN = WATCHED_FROM_FEN * 95 // 100
TOO_LONG = timedelta(days=30)
"""The clock completes a visit, or finds that nobody came, within a day: after a month it is stuck,
and the fund misses the money."""

_IN_CLAIMS = {
    ExceptionKind.ATTENDED_ABOVE_EXPECTED: "people_attended > people_expected",
    ExceptionKind.UNCONFIRMED_BY_BRANCH: (
        "NOT EXISTS (SELECT FROM review r WHERE r.booking_id = line.booking_id)"
    ),
    ExceptionKind.AT_TWO_SITES: """EXISTS (
        SELECT FROM booking other WHERE other.organisation_id = line.organisation_id
        AND other.site_id <> line.site_id AND other.status IN ('arrived', 'completed')
        AND other.starts_at < line.ends_at AND other.ends_at > line.starts_at)""",
    ExceptionKind.JUST_UNDER_THRESHOLD: f"""
        amount_fen >= {JUST_UNDER_FEN} AND amount_fen < {WATCHED_FROM_FEN}""",
    # As it was when the money was set aside, whatever the site is by now.
    ExceptionKind.TICKETED_SITE: (
        "EXISTS (SELECT FROM subsidy s WHERE s.booking_id = line.booking_id AND s.ticketed)"
    ),
}
"""What is odd about a line of a claim."""

_LINES = """
    WITH line AS (
        SELECT l.booking_id, l.claim_id, l.people_attended, l.amount_fen, b.people_expected,
               b.organisation_id, b.site_id, b.starts_at, b.ends_at
        FROM claim_line l JOIN claim c ON c.id = l.claim_id JOIN booking b ON b.id = l.booking_id
        WHERE {scope})
    """
_UNDER_WAY = f"""
    SELECT s.booking_id, NULL::uuid, NULL::int, NULL::bigint, '{ExceptionKind.RESERVED_TOO_LONG}'
    FROM subsidy s JOIN booking b ON b.id = s.booking_id
    WHERE s.fund_id = :fund_id AND s.status = 'reserved' AND b.ends_at < :stale
    AND (CAST(:booking_id AS uuid) IS NULL OR s.booking_id = :booking_id)"""  # noqa: S608  # a constant
_OF_LINES = " UNION ALL ".join(
    f"""
    SELECT booking_id, claim_id, people_attended, amount_fen, '{kind}' AS kind
    FROM line WHERE {odd}"""  # noqa: S608  # constants of this module
    for kind, odd in _IN_CLAIMS.items()
)
_SHOWN = """
    SELECT e.booking_id, e.kind, e.claim_id, e.people_attended, e.amount_fen,
           b.number, b.starts_at, b.people_expected, b.site_id, p.name AS site_name,
           b.organisation_id, o.name AS organisation_name,
           x.note, x.looked_at, x.looked_by, a.name AS looked_by_name
    FROM ({found}) e JOIN booking b ON b.id = e.booking_id JOIN site p ON p.id = b.site_id
    JOIN organisation o ON o.id = b.organisation_id
    LEFT JOIN exception_look x ON x.booking_id = e.booking_id AND x.kind = e.kind
    LEFT JOIN account a ON a.id = x.looked_by
    WHERE (CAST(:kind AS text) IS NULL OR e.kind = :kind)
    AND (CAST(:looked AS boolean) IS NULL OR (x.kind IS NOT NULL) = :looked)
    AND (CAST(:after_id AS uuid) IS NULL OR (e.booking_id, e.kind) > (:after_id, :after_kind))
    ORDER BY e.booking_id, e.kind LIMIT :limit"""
_OF_CLAIMS = text(
    f"{_LINES.format(scope='c.id = ANY(:claim_ids)')} {_SHOWN.format(found=_OF_LINES)}"
)
_OF_FUND = text(
    _LINES.format(
        scope="c.fund_id = :fund_id"
        " AND (CAST(:booking_id AS uuid) IS NULL OR l.booking_id = :booking_id)"
    )
    + _SHOWN.format(found=f"{_OF_LINES} UNION ALL {_UNDER_WAY}")
)
_WAITING = text(f"""
    {_LINES.format(scope="c.id = ANY(:claim_ids)")}
    SELECT claim_id, count(*) AS odd FROM ({_OF_LINES}) e
    WHERE NOT EXISTS (
        SELECT FROM exception_look x WHERE x.booking_id = e.booking_id AND x.kind = e.kind)
    GROUP BY claim_id""")  # noqa: S608  # constants of this module


class ExceptionNotFound(NotFound):
    """There is no such exception, or it is not yours to see."""

    zh = "未找到该异常"


class ExceptionLookedAt(Conflict):
    """Somebody has looked at this exception already."""

    zh = "该异常已有人核查"


@dataclass(frozen=True)
class Look:
    """Who looked at an exception, when, and what they found."""

    by_id: UUID
    by_name: str
    at: datetime
    note: str


@dataclass(frozen=True)
class Odd:
    """One thing that does not match about one booking."""

    kind: ExceptionKind
    booking_id: UUID
    code: str
    claim_id: UUID | None
    site_id: UUID
    site_name: str
    organisation_id: UUID
    organisation_name: str
    starts_at: datetime
    people_expected: int
    people_attended: int | None
    amount_fen: int | None
    look: Look | None


@dataclass(frozen=True)
class Wanted:
    """Which exceptions of a fund; None leaves a question open."""

    kind: ExceptionKind | None = None
    looked: bool | None = None
    booking_id: UUID | None = None


def waiting(session: Session, *, claim_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return how many exceptions of each claim nobody has looked at; claims without are absent."""
    rows = session.connection().execute(_WAITING, {"claim_ids": list(claim_ids)})
    return {row.claim_id: row.odd for row in rows}


def of_bookings(
    session: Session, *, claim_id: UUID, booking_ids: Sequence[UUID]
) -> dict[UUID, list[Odd]]:
    """Return what does not match about lines of a claim, by booking."""
    found: dict[UUID, list[Odd]] = {booking_id: [] for booking_id in booking_ids}
    asked = _asked(Wanted(), None, None) | {"claim_ids": [claim_id]}
    for row in session.connection().execute(_OF_CLAIMS, asked).mappings():
        if row["booking_id"] in found:
            found[row["booking_id"]].append(_odd(row))
    return found


def of_fund(
    session: Session,
    *,
    actor: Actor,
    fund_id: UUID,
    wanted: Wanted,
    after: tuple[UUID, str] | None = None,
    limit: int,
    now: datetime,
) -> list[Odd]:
    """Return one more than `limit` exceptions of a fund, by booking and kind.

    Args:
        session: open transaction.
        actor: who looks.
        fund_id: whose.
        wanted: which.
        after: booking and kind of the last one of the page before.
        limit: length of a page.
        now: the present instant, aware.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
    """
    funds.get(session, actor=actor, fund_id=fund_id)
    asked = _asked(wanted, after, limit + 1) | {
        "fund_id": fund_id,
        "stale": now - TOO_LONG,
        "booking_id": wanted.booking_id,
    }
    return [_odd(row) for row in session.connection().execute(_OF_FUND, asked).mappings()]


def look(
    session: Session,
    *,
    actor: Actor,
    fund_id: UUID,
    booking_id: UUID,
    kind: ExceptionKind,
    note: str,
    now: datetime,
) -> Odd:
    """Write down that the actor looked at an exception, and what they found; once for all.

    Raises:
        FundNotFound: there is none, or it is not theirs to see.
        NotInScope: they do not keep the fund.
        ExceptionNotFound: nothing of this kind is odd about the booking.
        ExceptionLookedAt: somebody was there before.
    """
    fund = funds.get(session, actor=actor, fund_id=fund_id)
    held = [role for role in funds.KEEPERS if fund.organisation_id in actor.organisations(role)]
    if not held:
        raise NotInScope(roles=sorted(funds.KEEPERS))
    found = partial(
        of_fund,
        session,
        actor=actor,
        fund_id=fund_id,
        wanted=Wanted(kind=kind, booking_id=booking_id),
        limit=1,
        now=now,
    )
    if not found():
        raise ExceptionNotFound
    actor.act_as(held)
    session.add(
        ExceptionLook(
            booking_id=booking_id, kind=kind, note=note, looked_by=actor.account_id, looked_at=now
        )
    )
    with violating("exception_look_pkey", ExceptionLookedAt()):
        session.flush()
    return found()[0]


def _asked(wanted: Wanted, after: tuple[UUID, str] | None, limit: int | None) -> dict[str, object]:
    after_id, after_kind = after or (None, None)
    return {
        "kind": wanted.kind,
        "looked": wanted.looked,
        "after_id": after_id,
        "after_kind": after_kind,
        "limit": limit,
    }


def _odd(row: RowMapping) -> Odd:
    told = Look(row["looked_by"], row["looked_by_name"], row["looked_at"], row["note"])
    names = set(Odd.__dataclass_fields__) & set(row)
    return Odd(
        **{name: row[name] for name in names - {"kind"}},
        kind=ExceptionKind(row["kind"]),
        code=code_of(row["number"]),
        look=told if row["looked_at"] else None,
    )
