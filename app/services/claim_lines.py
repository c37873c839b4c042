"""The lines of a claim (补单明细) with their evidence: who says what about each visit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.models import (
    Account,
    Booking,
    Claim,
    ClaimLine,
    Organisation,
    ReturnedLine,
    Review,
    Subsidy,
    SubsidyRule,
    Visit,
)
from app.services import exceptions
from app.services.codes import code_of


@dataclass(frozen=True)
class Word:
    """Somebody's word on a visit; `name` is empty where the clock said it."""

    name: str | None
    at: datetime


@dataclass(frozen=True)
class Line:
    """One visit of a claim and all that speaks for it, or against."""

    booking_id: UUID
    code: str
    organisation_id: UUID
    organisation_name: str
    starts_at: datetime
    ends_at: datetime
    people_expected: int
    people_attended: int
    amount_fen: int
    received: Word
    counted: Word | None
    reviewed: Word | None
    stars: tuple[int, int, int] | None
    """Content, reception, facilities."""
    rule_code: str | None
    rule_version: int | None
    arithmetic: dict[str, Any]
    odd: list[exceptions.Odd]


def page(
    session: Session,
    *,
    claim_id: UUID,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> list[Line]:
    """Return one more than `limit` lines of a claim in the order of the visits; two statements.

    Args:
        session: open transaction.
        claim_id: one that the reader may see.
        after: start and booking of the last one of the page before.
        limit: length of a page.
    """
    receiver, counter, guest = aliased(Account), aliased(Account), aliased(Account)
    wanted = (
        select(
            ClaimLine,
            Booking,
            Organisation,
            Visit,
            Review,
            Subsidy,
            SubsidyRule,
            receiver.name.label("receiver"),  # type: ignore[attr-defined]
            counter.name.label("counter"),  # type: ignore[attr-defined]
            guest.name.label("guest"),  # type: ignore[attr-defined]
        )  # type: ignore[call-overload]
        .join(Booking, col(Booking.id) == ClaimLine.booking_id)
        .join(Organisation, col(Organisation.id) == Booking.organisation_id)
        .join(Visit, col(Visit.booking_id) == Booking.id)
        .join(receiver, receiver.id == Visit.confirmed_by)
        .outerjoin(counter, counter.id == Visit.completed_by)
        .outerjoin(Review, col(Review.booking_id) == Booking.id)
        .outerjoin(guest, guest.id == Review.written_by)
        .join(Subsidy, col(Subsidy.booking_id) == Booking.id)
        .outerjoin(SubsidyRule, col(SubsidyRule.id) == Subsidy.rule_id)
        .where(ClaimLine.claim_id == claim_id)
    )
    order = (col(Booking.starts_at), col(Booking.id))
    if after is not None:
        wanted = wanted.where(tuple_(*order) > tuple_(*after))
    rows = session.execute(wanted.order_by(*order).limit(limit + 1)).all()
    ids = [row.ClaimLine.booking_id for row in rows]
    odd = exceptions.of_bookings(session, claim_id=claim_id, booking_ids=ids)
    return [_line(row, odd[row.ClaimLine.booking_id]) for row in rows]


def _line(row: Any, odd: list[exceptions.Odd]) -> Line:
    booking, visit, review, rule = row.Booking, row.Visit, row.Review, row.SubsidyRule
    return Line(
        booking_id=booking.id,
        code=code_of(booking.number),
        organisation_id=row.Organisation.id,
        organisation_name=row.Organisation.name,
        starts_at=booking.starts_at,
        ends_at=booking.ends_at,
        people_expected=booking.people_expected,
        people_attended=row.ClaimLine.people_attended,
        amount_fen=row.ClaimLine.amount_fen,
        received=Word(row.receiver, visit.arrived_at),
        counted=Word(row.counter, visit.completed_at) if visit.completed_at else None,
        reviewed=Word(row.guest, review.created_at) if review else None,
        stars=(review.content, review.reception, review.facilities) if review else None,
        rule_code=rule.code if rule else None,
        rule_version=rule.version if rule else None,
        arithmetic=row.Subsidy.arithmetic,
        odd=odd,
    )


@dataclass(frozen=True)
class Returned:
    """A visit that was taken out of a claim."""

    booking_id: UUID
    code: str
    amount_fen: int
    reason: str
    by_name: str
    at: datetime


MOST_RETURNED = 200
"""How many are shown; the audit log has them all."""


def returned(session: Session, *, claim_id: UUID) -> list[Returned]:
    """Return the visits that were taken out of a claim, the newest first."""
    rows = session.exec(
        select(ReturnedLine, Booking.number, Account.name)
        .join(Booking, col(Booking.id) == ReturnedLine.booking_id)
        .join(Account, col(Account.id) == ReturnedLine.returned_by)
        .where(ReturnedLine.claim_id == claim_id)
        .order_by(col(ReturnedLine.returned_at).desc(), col(ReturnedLine.booking_id))
        .limit(MOST_RETURNED)
    ).all()
    return [
        Returned(
            booking_id=line.booking_id,
            code=code_of(number or 0),
            amount_fen=line.amount_fen,
            reason=line.reason,
            by_name=name,
            at=line.returned_at,
        )
        for line, number, name in rows
    ]


def signed(session: Session, *, claim: Claim) -> dict[str, str]:
    """Return the names of those who submitted, reviewed, approved and paid a claim, by the deed."""
    deeds = {
        "submit": claim.submitted_by,
        "review": claim.reviewed_by,
        "approve": claim.approved_by,
        "pay": claim.paid_by,
    }
    known = [account_id for account_id in deeds.values() if account_id]
    found = session.exec(select(Account.id, Account.name).where(col(Account.id).in_(known)))
    names = dict(found.all())
    return {deed: names[account_id] for deed, account_id in deeds.items() if account_id}
