"""Whatever is reserved, committed and released, a plain model says the same to the fen."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.models import (
    Booking,
    FundAccount,
    Organisation,
    Site,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
    WhenExhausted,
)
from app.services import ledger, subsidies, tariff, verify
from app.services.calendar import midnight
from app.services.ledger import FundExhausted
from app.services.subsidies import Case
from tests.conftest import NOW
from tests.makers import (
    World,
    make_booking,
    make_organisation,
    make_rule,
    make_session,
    make_site,
    make_venue,
    make_world,
)
from tests.properties.tariffs import (
    BOOKINGS,
    CATEGORIES,
    SECTORS,
    Line,
    Plain,
    Visit,
    deeds,
    tariffs,
)

S = SubsidyStatus


@dataclass(frozen=True)
class Ground:
    """A world without a tariff of its own, two sites, two branches, and bookings to point at."""

    session: Session
    world: World
    sites: list[Site]
    branches: list[Organisation]
    bookings: list[UUID]


@pytest.fixture(scope="module")
def ground(shared_engine: Engine) -> Iterator[Ground]:
    with shared_engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            world = make_world(session, available_fen=0)
            own = session.exec(select(SubsidyRule)).one()
            make_rule(
                session,
                world.district,
                code=own.code,
                version=2,
                valid_from=own.valid_from,
                valid_to=own.valid_from,
            )
            sites = [make_site(session, world.town, category=one) for one in CATEGORIES]
            branches = [
                make_organisation(session, parent=world.town, sector=one) for one in SECTORS
            ]
            made = []
            for _ in range(BOOKINGS):
                slot = make_session(session, make_venue(session, world.site))
                made.append(make_booking(session, world, slot).id)
            yield Ground(session, world, sites, branches, made)
        transaction.rollback()


def put(ground: Ground, n: int, visit: Visit) -> Case:
    """Have a booking be of that visit; what else there is to a booking does not matter here."""
    booking = ground.session.get_one(Booking, ground.bookings[n])
    starts_at = midnight(visit.day) + timedelta(hours=20)
    with ground.session.no_autoflush:
        booking.site_id = ground.sites[visit.site].id
        booking.organisation_id = ground.branches[visit.branch].id
        booking.starts_at, booking.ends_at = starts_at, starts_at + timedelta(hours=2)
        booking.open_number = n + 1
    ground.session.flush()
    return Case(
        district_id=ground.world.district.id,
        day=visit.day,
        category=CATEGORIES[visit.site],
        sector=SECTORS[visit.branch],
        programme_kinds=visit.kinds,
        outside=visit.outside,
        booking_id=booking.id,
        site_id=booking.site_id,
        branch_id=booking.organisation_id,
        ticketed=False,
    )


def write(ground: Ground, lines: list[Line]) -> None:
    for line in lines:
        until = None if line.days is None else line.first + timedelta(line.days)
        make_rule(
            ground.session,
            ground.world.district,
            code=line.code,
            version=line.version,
            valid_from=line.first,
            valid_to=until,
            category=line.category,
            programme_kind=line.programme_kind,
            sector=line.sector,
            base_fen=line.base,
            per_head_fen=line.head,
            head_cap=line.heads,
            visit_cap_fen=line.visit_cap,
            site_month_cap_fen=line.month_cap,
            branch_year_cap_fen=line.year_cap,
        )


def reserve(ground: Ground, n: int, visit: Visit, people: int) -> str:
    session, case = ground.session, put(ground, n, visit)
    attempt = session.begin_nested()
    try:
        made = subsidies.reserve(session, case=case, people=people)
    except FundExhausted:
        attempt.rollback()
        return "refused"
    attempt.commit()
    return made.status


def agree(ground: Ground, plain: Plain) -> None:
    """Compare every fen, and every sum with its own lines."""
    held = ledger.balances(ground.session, fund_id=ground.world.fund.id)
    fen = {status: sum(k.fen for k in plain.kept.values() if k.status == status) for status in S}
    assert held[FundAccount.AVAILABLE] == plain.available
    assert held[FundAccount.RESERVED] == fen[S.RESERVED]
    assert held[FundAccount.PAYABLE] == fen[S.COMMITTED]
    for n, kept in plain.kept.items():
        subsidy = ground.session.get_one(Subsidy, ground.bookings[n])
        assert subsidy.status == kept.status
        sums = subsidy.arithmetic
        rule = ground.session.get(SubsidyRule, subsidy.rule_id) if subsidy.rule_id else None
        met = (rule.code, rule.version) if rule else None
        assert met == ((kept.line.code, kept.line.version) if kept.line else None)
        whole = sums["base_fen"] + sums["per_head_fen"] * sums["heads"] if "rule" in sums else 0
        whole = whole if sums["people"] else 0
        assert sums["amount_fen"] == whole - sum(cap["cut_fen"] for cap in sums["caps"])
        assert sums["amount_fen"] == kept.fen
        assert (sums["reason"] is None) == (kept.fen > 0)
    for line in verify.violations(ground.session, now=NOW):
        # No booking is moved here.
        assert not OF_MONEY.search(line) or line.startswith("a subsidy does not fit"), line


OF_MONEY = re.compile(r"\b(month|year|ledger|balance|subsidy)\b")


def play(ground: Ground, plain: Plain, what: list[tuple[Any, ...]], *, later: list[Line]) -> None:
    """Do it all in both; in the middle the tariff is changed, which no subsidy notices."""
    write(ground, plain.lines)
    for turn, (name, n, *more) in enumerate(what):
        if turn == len(what) // 2:
            write(ground, later)
            plain.lines = plain.lines + later
        kept = plain.kept.get(n)
        if name == "reserve":
            if kept is None or kept.status in {S.RELEASED, S.UNFUNDED}:
                assert reserve(ground, n, *more) == plain.reserve(n, *more)
        elif name == "commit":
            subsidies.commit(ground.session, booking_id=ground.bookings[n], people=more[0])
            plain.commit(n, more[0])
        else:
            subsidies.release(ground.session, booking_id=ground.bookings[n])
            plain.release(n)
    agree(ground, plain)
    ground.session.expire_all()


def filled(ground: Ground, available: int, *, refuses: bool) -> None:
    """Leave so many fen in the fund: the rest goes where no visit asks for it."""
    session, fund = ground.session, ground.world.fund
    fund.when_exhausted = WhenExhausted.REFUSE if refuses else WhenExhausted.UNFUNDED
    session.add(fund)
    ledger.appropriate(session, fund_id=fund.id, amount_fen=available, document="此次")


def run(
    ground: Ground,
    first: list[Line],
    later: list[Line],
    available: int,
    refuses: bool,
    what: list[tuple[Any, ...]],
) -> None:
    known = {(line.code, line.version) for line in first}
    later = [line for line in later if (line.code, line.version) not in known]
    attempt = ground.session.begin_nested()
    try:
        filled(ground, available, refuses=refuses)
        play(ground, Plain(first, available, refuses), what, later=later)
    finally:
        attempt.rollback()
        ground.session.expire_all()


PACE = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
BRIEF = settings(PACE, max_examples=200, database=None)
drawn = given(
    first=tariffs, later=tariffs, available=st.integers(1, 200), refuses=st.booleans(), what=deeds
)


@PACE
@drawn
def test_the_fund_and_the_model_agree(ground: Ground, **drawn: Any) -> None:
    run(ground, **drawn)


def nobody_used(*_: object, **__: object) -> tariff.Used:
    return tariff.Used()


def first_comes_first(_: SubsidyRule) -> int:
    return 0


def uncut(*_: object, **__: object) -> None:
    """Cut nothing."""


def by_the_newest(rule: SubsidyRule, **how: Any) -> tariff.Sums:
    """Pay a base of one fen more from the second version on."""
    sums = ARITHMETIC(rule, **how)
    sums["amount_fen"] += rule.version > 1
    return sums


ARITHMETIC = tariff.arithmetic


@pytest.mark.parametrize(
    ("where", "name", "fault"),
    [
        (subsidies, "used", nobody_used),
        (tariff, "_rank", first_comes_first),
        (tariff, "cut", uncut),
        (tariff, "arithmetic", by_the_newest),
    ],
)
def test_a_fault_is_found(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
    fault: Callable[..., Any],
) -> None:
    monkeypatch.setattr(where, name, fault)

    @BRIEF
    @drawn
    def again(**drawn: Any) -> None:
        run(ground, **drawn)

    with pytest.raises((AssertionError, FundExhausted)):
        again()
