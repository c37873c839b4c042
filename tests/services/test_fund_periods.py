"""A fund's months and its year."""

# ruff: noqa: S608 - names and ids of our own, nothing anybody sent

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.models import EntryKind, Fund, FundAccount, LedgerEntry, Role
from app.services import fund_periods, ledger, reconciliation
from app.services.access import NotInScope
from app.services.fund_periods import PeriodNotOver
from app.services.ledger import FundNotFound, PeriodClosed
from tests.conftest import NOW, as_owner
from tests.makers import World, actor, make_account, make_fund, make_organisation, make_world

K = EntryKind
OCTOBER = date(2026, 10, 1)
LAST_OF_OCTOBER = datetime(2026, 10, 31, 15, 59, tzinfo=UTC)
NEW_YEAR = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session, available_fen=0)


def bring(session: Session, fund: Fund, fen: int, at: datetime) -> LedgerEntry:
    document = f"示例 {fen} 号"
    return ledger.appropriate(session, fund_id=fund.id, amount_fen=fen, document=document, now=at)


def close(session: Session, world: World, month: date = OCTOBER, now: datetime = NOW) -> Fund:
    officer = actor(session, world.fund_officer)
    return fund_periods.close(session, actor=officer, fund_id=world.fund.id, month=month, now=now)


@pytest.mark.parametrize(
    ("month", "last"),
    [
        (date(2026, 2, 1), date(2026, 2, 28)),
        (date(2028, 2, 1), date(2028, 2, 29)),
        (OCTOBER, date(2026, 10, 31)),
        (date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_has_its_last_day(month: date, last: date) -> None:
    assert fund_periods.last_day(month) == last


def test_a_closed_month_takes_no_entry(session: Session, world: World) -> None:
    close(session, world)
    for at in (LAST_OF_OCTOBER, LAST_OF_OCTOBER - timedelta(days=200)):
        with pytest.raises(PeriodClosed):
            bring(session, world.fund, 1, at)
    bring(session, world.fund, 1, LAST_OF_OCTOBER + timedelta(minutes=1))


def test_an_open_month_takes_it(session: Session, world: World) -> None:
    close(session, world, date(2026, 9, 1))
    bring(session, world.fund, 1, LAST_OF_OCTOBER)


def test_a_step_of_a_closed_month_is_still_found(session: Session, world: World) -> None:
    entry = bring(session, world.fund, 1, LAST_OF_OCTOBER)
    close(session, world)
    assert bring(session, world.fund, 1, LAST_OF_OCTOBER) is entry


@pytest.mark.parametrize(
    ("now", "over"),
    [(LAST_OF_OCTOBER, False), (LAST_OF_OCTOBER + timedelta(minutes=1), True)],
)
def test_a_month_is_closed_when_it_is_over(
    session: Session, world: World, now: datetime, over: bool
) -> None:
    if over:
        assert close(session, world, now=now).closed_through == date(2026, 10, 31)
    else:
        with pytest.raises(PeriodNotOver):
            close(session, world, now=now)


def test_no_month_is_opened_again(session: Session, world: World) -> None:
    close(session, world)
    assert close(session, world, date(2026, 3, 1)).closed_through == date(2026, 10, 31)
    for back in ("NULL", "'2026-09-30'"):
        with pytest.raises(IntegrityError, match="append-only"), session.begin_nested():
            session.connection().execute(text(f"UPDATE fund SET closed_through = {back}"))
    with pytest.raises(IntegrityError, match="closed_by_the_month"), session.begin_nested():
        session.connection().execute(text("UPDATE fund SET closed_through = '2026-11-15'"))
    as_owner(session)
    session.connection().execute(text("DROP TRIGGER fund_stays_closed ON fund"))
    session.connection().execute(text("UPDATE fund SET closed_through = '2026-09-30'"))


@pytest.mark.parametrize("role", [Role.FUND_APPROVER, Role.DISTRICT_STAFF, Role.AUDITOR])
def test_nobody_closes_but_the_officer(session: Session, world: World, role: Role) -> None:
    who = actor(session, make_account(session, role, at=world.district))
    with pytest.raises(NotInScope):
        fund_periods.close(session, actor=who, fund_id=world.fund.id, month=OCTOBER, now=NOW)
    stranger = actor(session, make_world(session).fund_officer)
    with pytest.raises(FundNotFound):
        fund_periods.close(session, actor=stranger, fund_id=world.fund.id, month=OCTOBER, now=NOW)


def test_statements_join_month_to_month(session: Session, world: World) -> None:
    fund = world.fund
    first = bring(session, fund, 100, LAST_OF_OCTOBER)
    bring(session, fund, 50, NOW)
    last = ledger.post(session, fund_id=fund.id, kind=K.RESERVE, amount_fen=30, step="r", now=NOW)
    close(session, world)
    months = [date(2026, n, 1) for n in (9, 10, 11, 12)]
    told = [fund_periods.statement(session, fund=fund, month=month) for month in months]
    for one, next_one in pairwise(told):
        assert one.closing == next_one.opening
    assert [(s.last_number, s.head) for s in told] == [
        (0, b""),
        (1, first.hash),
        (3, last.hash),
        (3, last.hash),
    ]
    assert [s.closed for s in told] == [True, True, False, False]
    november = told[2]
    assert {s.kind: (s.entries, s.amount_fen) for s in november.sums} == {
        K.APPROPRIATE: (1, 50),
        K.RESERVE: (1, 30),
    }
    assert november.opening[FundAccount.AVAILABLE] == 100
    assert november.closing == ledger.balances(session, fund_id=fund.id)


def test_what_is_left_of_a_past_year_lapses_once(session: Session, world: World) -> None:
    bring(session, world.fund, 100, NOW)
    late = NEW_YEAR - timedelta(minutes=1)
    assert fund_periods.lapse(session, late) == 0
    assert fund_periods.lapse(session, NEW_YEAR) == 1
    assert fund_periods.lapse(session, NEW_YEAR) == 0
    assert ledger.balances(session, fund_id=world.fund.id) == dict.fromkeys(FundAccount, 0)
    kinds = session.exec(select(LedgerEntry.kind).order_by(LedgerEntry.kind)).all()
    assert kinds == ["appropriate", "lapse"]
    assert list(reconciliation.findings(session, fund_id=world.fund.id)) == []


def test_what_comes_back_later_lapses_too(session: Session, world: World) -> None:
    bring(session, world.fund, 100, NOW)
    assert fund_periods.lapse(session, NEW_YEAR) == 1
    bring(session, world.fund, 30, NEW_YEAR)
    assert fund_periods.lapse(session, NEW_YEAR + timedelta(days=1)) == 1
    assert ledger.balances(session, fund_id=world.fund.id)[FundAccount.AVAILABLE] == 0


@pytest.mark.parametrize("kind", [K.RESERVE, K.TOP_UP])
def test_a_fund_with_something_open_waits(session: Session, world: World, kind: EntryKind) -> None:
    bring(session, world.fund, 100, NOW)
    ledger.post(session, fund_id=world.fund.id, kind=kind, amount_fen=30, step="r", now=NOW)
    assert fund_periods.lapse(session, NEW_YEAR) == 0
    back = {K.RESERVE: K.RELEASE, K.TOP_UP: K.PAY}[kind]
    ledger.post(session, fund_id=world.fund.id, kind=back, amount_fen=30, step="b", now=NOW)
    assert fund_periods.lapse(session, NEW_YEAR) == 1


def test_only_past_years_lapse(session: Session) -> None:
    district = make_organisation(session)
    for year in (2024, 2025, 2026, 2027):
        make_fund(session, district, fiscal_year=year)
    assert fund_periods.lapse(session, NOW) == 2
