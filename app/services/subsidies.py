"""The life of one booking's subsidy: reserved, committed or released, within caps and the fund."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, literal
from sqlmodel import Session, col, select

from app.models import (
    Booking,
    EntryKind,
    Fund,
    FundAccount,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
    WhenExhausted,
)
from app.services import ledger, tariff
from app.services.calendar import local_date, midnight
from app.services.tariff import Cap, Sums, Used, WhyNothing

DECEMBER = 12
S = SubsidyStatus


@dataclass(frozen=True)
class Case(tariff.Visit):
    """A booking as the tariff and its caps look at it."""

    booking_id: UUID
    site_id: UUID
    branch_id: UUID
    ticketed: bool


def reserve(session: Session, *, case: Case, people: int, now: datetime | None = None) -> Subsidy:
    """Set aside what the visit will cost, if the tariff and the fund provide for it.

    Raises:
        FundExhausted: the fund cannot cover it, and refuses such approvals.
        PeriodClosed: the books of the month of `now` are closed.
    """
    subsidy = session.get(Subsidy, case.booking_id)
    if subsidy is None:
        subsidy = Subsidy(booking_id=case.booking_id, status=S.UNFUNDED, arithmetic={})
    else:
        subsidy.round += 1
    subsidy.ticketed = case.ticketed
    found = sources(session, visit=case)
    if isinstance(found, WhyNothing):
        return _unfunded(session, subsidy, tariff.nothing(found, people=people))
    rule, fund = found
    if tariff.is_shared(rule):
        # First the lock, then what others have had: what they commit while we wait must count.
        ledger.lock(session, fund_id=fund.id)
    others = used(
        session,
        rule=rule,
        fund_id=fund.id,
        day=case.day,
        site_id=case.site_id,
        branch_id=case.branch_id,
        but=case.booking_id,
    )
    sums = tariff.arithmetic(rule, people=people, used=others)
    amount, subsidy.fund_id = sums["amount_fen"], fund.id
    posted = _attempt(session, subsidy, EntryKind.RESERVE, amount, now)
    if posted and posted.refusal:
        if posted.refusal != "exhausted" or fund.when_exhausted != WhenExhausted.UNFUNDED:
            ledger.refuse(posted, fund_id=fund.id, amount_fen=amount)
        tariff.drop(sums, available_fen=posted.held_fen or 0)
        return _unfunded(session, subsidy, sums)
    subsidy.status, subsidy.arithmetic, subsidy.rule_id = S.RESERVED, sums, rule.id
    subsidy.reserved_fen, subsidy.committed_fen = amount, None
    session.add(subsidy)
    session.flush()
    return subsidy


def sources(session: Session, *, visit: tariff.Visit) -> tuple[SubsidyRule, Fund] | WhyNothing:
    """Return the rule that a visit meets and the fund that pays for it, or why there is none."""
    if visit.outside:
        return WhyNothing.OUTSIDE_BRANCH
    rule = tariff.rule_for(session, visit=visit)
    if rule is None:
        return WhyNothing.NO_RULE
    fund = ledger.fund_for(session, organisation_id=visit.district_id, day=visit.day)
    return WhyNothing.NO_FUND if fund is None else (rule, fund)


def commit(session: Session, *, booking_id: UUID, people: int, now: datetime | None = None) -> None:
    """Owe the site what the visit cost with `people` attending; the rest goes back.

    It is judged by the rule it was reserved by. What it cost more than was reserved is topped up
    as far as the caps and the fund go; what was reserved is not cut by what others had since.
    """
    subsidy = session.get(Subsidy, booking_id)
    if subsidy is None or subsidy.status != S.RESERVED:
        return
    assert subsidy.fund_id is not None and subsidy.reserved_fen is not None  # noqa: S101, PT018
    booking, reserved = session.get_one(Booking, booking_id), subsidy.reserved_fen
    rule = session.get_one(SubsidyRule, subsidy.rule_id)
    left = ledger.lock(session, fund_id=subsidy.fund_id)[FundAccount.AVAILABLE]
    others = used(
        session,
        rule=rule,
        fund_id=subsidy.fund_id,
        day=local_date(booking.starts_at),
        site_id=booking.site_id,
        branch_id=booking.organisation_id,
        but=booking_id,
    )
    sums = tariff.arithmetic(rule, people=people, used=others, reserved_fen=reserved)
    if sums["amount_fen"] > reserved + left:
        tariff.cut(sums, Cap.FUND, reserved + left)
    due = sums["amount_fen"]
    _post(session, subsidy, EntryKind.COMMIT, min(due, reserved), now)
    _post(session, subsidy, EntryKind.RELEASE, max(reserved - due, 0), now)
    _post(session, subsidy, EntryKind.TOP_UP, max(due - reserved, 0), now)
    subsidy.status, subsidy.arithmetic, subsidy.committed_fen = S.COMMITTED, sums, due
    session.flush()


def release(session: Session, *, booking_id: UUID, now: datetime | None = None) -> None:
    """Give back what was set aside for a visit that will not take place."""
    subsidy = session.get(Subsidy, booking_id)
    if subsidy is None or subsidy.status != S.RESERVED:
        return
    _post(session, subsidy, EntryKind.RELEASE, subsidy.reserved_fen or 0, now)
    subsidy.status = S.RELEASED
    session.flush()


def used(
    session: Session,
    *,
    rule: SubsidyRule,
    fund_id: UUID,
    day: date,
    site_id: UUID | None,
    branch_id: UUID | None,
    but: UUID | None = None,
) -> Used:
    """Return what visits have had of the caps of a rule, by whatever rule; exact under the lock.

    Args:
        session: open transaction.
        rule: what it does not cap is not counted.
        fund_id: whose money.
        day: of the visit; its month and its year are looked at.
        site_id: where; without it nothing is counted for the site.
        branch_id: who; likewise.
        but: the booking that is not counted.
    """
    if not tariff.is_shared(rule):
        return Used()
    at_site: ColumnElement[int] = literal(0)
    of_branch: ColumnElement[int] = literal(0)
    if rule.site_month_cap_fen is not None and site_id:
        month = day.replace(day=1)
        next_month = date(day.year + day.month // DECEMBER, day.month % DECEMBER + 1, 1)
        at_site = _had(col(Booking.site_id) == site_id, month, next_month, fund_id, but)
    if rule.branch_year_cap_fen is not None and branch_id:
        year, next_year = date(day.year, 1, 1), date(day.year + 1, 1, 1)
        theirs = col(Booking.organisation_id) == branch_id
        of_branch = _had(theirs, year, next_year, fund_id, but)
    return Used(*session.exec(select(at_site, of_branch)).one())


def _had(
    whose: ColumnElement[bool], since: date, until: date, fund_id: UUID, but: UUID | None
) -> ColumnElement[int]:
    fen = case(
        (col(Subsidy.status) == S.RESERVED, col(Subsidy.reserved_fen)),
        (col(Subsidy.status) == S.COMMITTED, col(Subsidy.committed_fen)),
    )
    total = cast(func.coalesce(func.sum(fen), 0), BigInteger)
    return (
        select(total)
        .join(Booking, col(Booking.id) == Subsidy.booking_id)
        .where(
            whose,
            col(Booking.starts_at) >= midnight(since),
            col(Booking.starts_at) < midnight(until),
            Subsidy.fund_id == fund_id,
            col(Subsidy.booking_id).is_distinct_from(but),
        )
        .scalar_subquery()
    )


def _unfunded(session: Session, subsidy: Subsidy, sums: Sums) -> Subsidy:
    subsidy.status, subsidy.arithmetic = S.UNFUNDED, sums
    subsidy.fund_id = subsidy.rule_id = subsidy.reserved_fen = subsidy.committed_fen = None
    session.add(subsidy)
    session.flush()
    return subsidy


def _post(
    session: Session, subsidy: Subsidy, kind: EntryKind, amount_fen: int, now: datetime | None
) -> None:
    posted = _attempt(session, subsidy, kind, amount_fen, now)
    if posted and posted.refusal:
        assert subsidy.fund_id is not None  # noqa: S101
        ledger.refuse(posted, fund_id=subsidy.fund_id, amount_fen=amount_fen)


def _attempt(
    session: Session, subsidy: Subsidy, kind: EntryKind, amount_fen: int, now: datetime | None
) -> ledger.Posted | None:
    if amount_fen == 0:
        return None
    assert subsidy.fund_id is not None  # noqa: S101
    return ledger.attempt(
        session,
        fund_id=subsidy.fund_id,
        kind=kind,
        amount_fen=amount_fen,
        step=f"booking:{subsidy.booking_id}:{kind}:{subsidy.round}",
        booking_id=subsidy.booking_id,
        now=now,
    )
