"""Drafting claims (补单): what the fund owes for a month's visits, put together for each site."""

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.models import (
    Booking,
    BookingStatus,
    Claim,
    ClaimLine,
    ClaimStatus,
    Fund,
    Subsidy,
    SubsidyStatus,
    Visit,
)
from app.services import ledger
from app.services.calendar import local_date, midnight


def draft_month(session: Session, *, fund_id: UUID, month: date) -> int:
    """Put what is owed for visits up to a month's end into its sites' claims; return how many.

    Visits that have their line keep it, so doing it again changes nothing. A claim already
    submitted takes no more: what was completed too late for it, or taken out of one, goes into the
    next month's. The fund is locked before the claims, as in a payment.

    Args:
        session: open transaction.
        fund_id: the fund that owes.
        month: its first day.
    """
    ledger.lock(session, fund_id=fund_id)
    until = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    owed = session.exec(
        select(Booking.site_id, Booking.id, Visit.people_attended, Subsidy.committed_fen)
        .join(Subsidy, col(Subsidy.booking_id) == Booking.id)
        .join(Visit, col(Visit.booking_id) == Booking.id)
        .outerjoin(ClaimLine, col(ClaimLine.booking_id) == Booking.id)
        .where(
            Booking.status == BookingStatus.COMPLETED,
            col(Booking.starts_at) < midnight(until),
            Subsidy.fund_id == fund_id,
            Subsidy.status == SubsidyStatus.COMMITTED,
            col(Subsidy.committed_fen) > 0,
            col(ClaimLine.booking_id).is_(None),
        )
        .order_by(col(Booking.site_id), col(Booking.id))
    ).all()
    drafts = {site: _draft(session, fund_id, site, month) for site in {row[0] for row in owed}}
    begun = {claim.id for claim in drafts.values() if claim.amount_fen}
    grown = set()
    added = 0
    for site_id, booking_id, people, amount in owed:
        claim = drafts[site_id]
        if claim.status == ClaimStatus.DRAFT:
            session.add(
                ClaimLine(
                    booking_id=booking_id,
                    claim_id=claim.id,
                    people_attended=people,
                    amount_fen=amount or 0,
                )
            )
            claim.amount_fen += amount or 0
            grown.add(claim.id)
            added += 1
    for claim in drafts.values():
        if claim.id in begun & grown:  # who was to submit it has seen another one
            claim.version += 1
    session.flush()
    return added


def draft_last_month(session: Session, now: datetime) -> int:
    """Draft the claims of the month before the present one; a job.

    Last year's funds are asked too: December's visits may be completed in January.
    """
    last = local_date(now).replace(day=1) - timedelta(days=1)
    month = last.replace(day=1)
    due = session.exec(
        select(Fund.id)
        .where(col(Fund.fiscal_year).in_((month.year - 1, month.year)))
        .order_by(col(Fund.id))
    )
    return sum(draft_month(session, fund_id=fund_id, month=month) for fund_id in due.all())


def _draft(session: Session, fund_id: UUID, site_id: UUID, month: date) -> Claim:
    values = Claim(fund_id=fund_id, site_id=site_id, month=month, amount_fen=0)
    session.exec(
        insert(Claim)
        .values(values.model_dump(exclude={"created_at"}))
        .on_conflict_do_nothing(constraint="claim_month_once")
    )
    return session.exec(
        select(Claim)
        .where(Claim.fund_id == fund_id, Claim.site_id == site_id, Claim.month == month)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
