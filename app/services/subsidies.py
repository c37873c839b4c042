"""What a visit costs the fund: the tariff, and the life of one booking's subsidy."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from app.models import (
    EntryKind,
    FundAccount,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
    WhenExhausted,
)
from app.services import ledger


@dataclass(frozen=True)
class Case:
    """What the tariff looks at."""

    booking_id: UUID
    district_id: UUID
    day: date
    category: str
    sector: str | None
    programme_kinds: Sequence[str]
    outside: bool


def rule_for(session: Session, *, case: Case) -> SubsidyRule | None:
    """Return the most specific rule valid on the day; of one code, only the newest version."""
    rules = session.exec(
        select(SubsidyRule).where(
            SubsidyRule.organisation_id == case.district_id,
            col(SubsidyRule.valid_from) <= case.day,
            or_(col(SubsidyRule.valid_to).is_(None), col(SubsidyRule.valid_to) > case.day),
            or_(col(SubsidyRule.category).is_(None), col(SubsidyRule.category) == case.category),
            or_(col(SubsidyRule.sector).is_(None), col(SubsidyRule.sector) == case.sector),
            or_(
                col(SubsidyRule.programme_kind).is_(None),
                col(SubsidyRule.programme_kind).in_(case.programme_kinds),
            ),
        )
    ).all()
    newest = {rule.code: rule for rule in sorted(rules, key=lambda rule: rule.version)}
    return max(newest.values(), key=_rank, default=None)


def _rank(rule: SubsidyRule) -> tuple[int, int, str]:
    conditions = (rule.category, rule.programme_kind, rule.sector)
    return sum(x is not None for x in conditions), rule.version, rule.code


def arithmetic(rule: SubsidyRule, *, people: int) -> dict[str, int]:
    """Return the amount for a visit of `people`, fen, and every number it was made of."""
    heads = min(people, rule.head_cap)
    return {
        "base_fen": rule.base_fen,
        "per_head_fen": rule.per_head_fen,
        "people": people,
        "head_cap": rule.head_cap,
        "heads": heads,
        "visit_cap_fen": rule.visit_cap_fen,
        "amount_fen": min(rule.base_fen + rule.per_head_fen * heads, rule.visit_cap_fen)
        if people
        else 0,
    }


def reserve(session: Session, *, case: Case, people: int, now: datetime | None = None) -> Subsidy:
    """Set aside what the visit will cost, if the tariff and the fund provide for it.

    Raises:
        FundExhausted: the fund cannot cover it, and refuses such approvals.
        PeriodClosed: the books of the month of `now` are closed.
    """
    subsidy = session.get(Subsidy, case.booking_id)
    if subsidy is None:
        subsidy = Subsidy(booking_id=case.booking_id, status=SubsidyStatus.UNFUNDED, arithmetic={})
    else:
        subsidy.round += 1
    rule = None if case.outside else rule_for(session, case=case)
    fund = ledger.fund_for(session, organisation_id=case.district_id, day=case.day)
    if rule is None or fund is None:
        return _unfunded(session, subsidy, {})
    sums = arithmetic(rule, people=people)
    amount = sums["amount_fen"]
    subsidy.fund_id = fund.id
    posted = _attempt(session, subsidy, EntryKind.RESERVE, amount, now)
    if posted and posted.refusal:
        if posted.refusal != "exhausted" or fund.when_exhausted != WhenExhausted.UNFUNDED:
            ledger.refuse(posted, fund_id=fund.id, amount_fen=amount)
        return _unfunded(session, subsidy, sums)
    subsidy.status, subsidy.arithmetic = SubsidyStatus.RESERVED, sums
    subsidy.rule_id = rule.id
    subsidy.reserved_fen, subsidy.committed_fen = amount, None
    session.add(subsidy)
    session.flush()
    return subsidy


def commit(session: Session, *, booking_id: UUID, people: int, now: datetime | None = None) -> None:
    """Owe the site what the visit cost with `people` attending; the rest goes back.

    What the visit cost more than was reserved is topped up as far as the fund goes.
    """
    subsidy = session.get(Subsidy, booking_id)
    if subsidy is None or subsidy.status != SubsidyStatus.RESERVED:
        return
    assert subsidy.fund_id is not None and subsidy.reserved_fen is not None  # noqa: S101, PT018
    sums = arithmetic(session.get_one(SubsidyRule, subsidy.rule_id), people=people)
    due, reserved = sums["amount_fen"], subsidy.reserved_fen
    left = ledger.lock(session, fund_id=subsidy.fund_id)[FundAccount.AVAILABLE]
    extra = min(max(due - reserved, 0), left)
    _post(session, subsidy, EntryKind.COMMIT, min(due, reserved), now)
    _post(session, subsidy, EntryKind.RELEASE, max(reserved - due, 0), now)
    _post(session, subsidy, EntryKind.TOP_UP, extra, now)
    subsidy.status, subsidy.arithmetic = SubsidyStatus.COMMITTED, sums
    subsidy.committed_fen = min(due, reserved) + extra
    session.flush()


def release(session: Session, *, booking_id: UUID, now: datetime | None = None) -> None:
    """Give back what was set aside for a visit that will not take place."""
    subsidy = session.get(Subsidy, booking_id)
    if subsidy is None or subsidy.status != SubsidyStatus.RESERVED:
        return
    _post(session, subsidy, EntryKind.RELEASE, subsidy.reserved_fen or 0, now)
    subsidy.status = SubsidyStatus.RELEASED
    session.flush()


def _unfunded(session: Session, subsidy: Subsidy, sums: dict[str, int]) -> Subsidy:
    subsidy.status, subsidy.arithmetic = SubsidyStatus.UNFUNDED, sums
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
