"""The tariff, and the life of one booking's subsidy."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import (
    Category,
    FundAccount,
    LedgerEntry,
    Organisation,
    ProgrammeKind,
    Sector,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
    WhenExhausted,
)
from app.services import ledger, subsidies, verify
from app.services.ledger import FundExhausted
from app.services.subsidies import Case, arithmetic, rule_for
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    make_booking,
    make_organisation,
    make_rule,
    make_world,
)

DAY = IN_A_WEEK.date()
URBAN, VISIT, RURAL = Category.URBAN, ProgrammeKind.VISIT, Sector.RURAL


@pytest.fixture
def district(session: Session) -> Organisation:
    return make_organisation(session)


def case(district: Organisation, **other: Any) -> Case:
    usual: dict[str, Any] = {
        "booking_id": uuid7(),
        "district_id": district.id,
        "day": DAY,
        "category": URBAN,
        "sector": RURAL,
        "programme_kinds": [VISIT, ProgrammeKind.OATH],
        "outside": False,
    }
    return Case(**(usual | other))


@pytest.mark.parametrize(
    ("rules", "winner"),
    [
        ([], None),
        ([{}], 0),
        ([{"category": Category.RURAL}], None),
        ([{"sector": Sector.HEALTH}], None),
        ([{"programme_kind": ProgrammeKind.MEETING}], None),
        ([{}, {"category": URBAN}], 1),
        ([{"sector": RURAL}, {}], 0),
        ([{"category": URBAN, "version": 9}, {"programme_kind": VISIT, "sector": RURAL}], 1),
        ([{"category": URBAN, "programme_kind": VISIT, "sector": RURAL}, {"category": URBAN}], 0),
        ([{"category": URBAN, "sector": Sector.HEALTH}, {}], 1),
        ([{"programme_kind": ProgrammeKind.OATH}, {}], 0),
        ([{"version": 2}, {"version": 3}, {"version": 1}], 1),
        ([{"code": "A", "category": URBAN}, {"code": "A", "version": 2}], 1),
    ],
)
def test_the_most_specific_rule_wins_then_the_newest(
    session: Session, district: Organisation, rules: list[dict[str, Any]], winner: int | None
) -> None:
    made = [make_rule(session, district, **rule) for rule in rules]
    expected = None if winner is None else made[winner]
    assert rule_for(session, case=case(district)) == expected


def test_a_branch_without_a_sector_meets_no_rule_for_one(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, sector=RURAL)
    assert rule_for(session, case=case(district, sector=None)) is None


def test_another_districts_tariff_does_not_count(session: Session, district: Organisation) -> None:
    make_rule(session, make_organisation(session))
    assert rule_for(session, case=case(district)) is None


def test_a_rule_is_valid_from_its_first_day_to_before_its_last(
    session: Session, district: Organisation
) -> None:
    rule = make_rule(session, district)
    rule.valid_from, rule.valid_to = date(2026, 12, 1), date(2026, 12, 31)
    session.flush()
    days = [date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 30), date(2026, 12, 31)]
    found = [rule_for(session, case=case(district, day=day)) for day in days]
    assert found == [None, rule, rule, None]


def test_of_two_versions_each_has_its_time(session: Session, district: Organisation) -> None:
    old, new = (make_rule(session, district, version=version) for version in (1, 2))
    new.code = old.code
    new.valid_from = old.valid_to = DAY
    session.flush()
    eve = rule_for(session, case=case(district, day=DAY - timedelta(days=1)))
    assert (eve, rule_for(session, case=case(district))) == (old, new)


def tariff(base: int, per_head: int, head_cap: int, cap: int) -> SubsidyRule:
    return SubsidyRule(
        organisation_id=uuid7(),
        code="R",
        valid_from=DAY,
        base_fen=base,
        per_head_fen=per_head,
        head_cap=head_cap,
        visit_cap_fen=cap,
    )


fen = st.integers(0, 50_000)


@given(base=fen, per_head=fen, head_cap=st.integers(0, 200), cap=fen, people=st.integers(0, 300))
def test_the_amount_is_what_counting_on_fingers_gives(
    base: int, per_head: int, head_cap: int, cap: int, people: int
) -> None:
    rule = tariff(base, per_head, head_cap, cap)
    amount = base
    for head in range(people):
        amount += per_head if head < head_cap else 0
    expected = 0 if people == 0 else min(amount, cap)
    sums = arithmetic(rule, people=people)
    assert sums["amount_fen"] == expected
    parts = sums["base_fen"] + sums["per_head_fen"] * sums["heads"]
    assert people == 0 or sums["amount_fen"] == min(parts, sums["visit_cap_fen"])
    assert (sums["people"], sums["head_cap"]) == (people, head_cap)


def test_one_head_more_never_costs_less() -> None:
    rule = tariff(10_000, 500, 40, 25_000)
    amounts = [arithmetic(rule, people=people)["amount_fen"] for people in range(60)]
    assert amounts == sorted(amounts)
    assert (amounts[0], amounts[1], amounts[20], amounts[-1]) == (0, 10_500, 20_000, 25_000)


def reserve(session: Session, world: World, people: int = 20, **other: Any) -> Subsidy:
    """Set money aside for a new booking of the world, past everything that usually asks for it."""
    booking_id = make_booking(session, world, people=people).id
    wanted = case(world.district, booking_id=booking_id, **other)
    return subsidies.reserve(session, case=wanted, people=people)


def standing(session: Session, world: World) -> tuple[int, int, int]:
    held = ledger.balances(session, fund_id=world.fund.id)
    return held[FundAccount.AVAILABLE], held[FundAccount.RESERVED], held[FundAccount.PAYABLE]


def money_is_in_order(session: Session) -> bool:
    """Tell whether nothing is wrong but the states of bookings, which are not moved here."""
    found = list(verify.violations(session, now=NOW))
    return all(line.startswith("a subsidy does not fit its booking's status") for line in found)


def test_an_approval_sets_money_aside(session: Session) -> None:
    world = make_world(session, available_fen=50_000)
    subsidy = reserve(session, world)
    assert (subsidy.status, subsidy.reserved_fen) == (SubsidyStatus.RESERVED, 20_000)
    assert subsidy.arithmetic["amount_fen"] == 20_000
    assert standing(session, world) == (30_000, 20_000, 0)
    assert money_is_in_order(session)


@pytest.mark.parametrize(
    ("attended", "committed", "left"),
    [
        (20, 20_000, 30_000),
        (18, 19_000, 31_000),
        (0, 0, 50_000),
        (26, 23_000, 27_000),
        (90, 25_000, 25_000),
    ],
)
def test_a_visit_costs_what_took_place(
    session: Session, attended: int, committed: int, left: int
) -> None:
    world = make_world(session, available_fen=50_000)
    subsidy = reserve(session, world)
    subsidies.commit(session, booking_id=subsidy.booking_id, people=attended)
    assert (subsidy.status, subsidy.committed_fen) == (SubsidyStatus.COMMITTED, committed)
    assert (subsidy.arithmetic["people"], subsidy.reserved_fen) == (attended, 20_000)
    assert standing(session, world) == (left, 0, committed)
    assert money_is_in_order(session)


@pytest.mark.parametrize("spare", [0, 1, 2_000, 5_000, 9_000])
def test_a_top_up_goes_as_far_as_the_fund(session: Session, spare: int) -> None:
    world = make_world(session, available_fen=20_000 + spare)
    subsidy = reserve(session, world)
    subsidies.commit(session, booking_id=subsidy.booking_id, people=40)
    extra = min(spare, 5_000)
    assert subsidy.committed_fen == 20_000 + extra
    assert subsidy.arithmetic["amount_fen"] == 25_000
    assert standing(session, world) == (spare - extra, 0, 20_000 + extra)
    assert money_is_in_order(session)


def test_what_is_not_used_goes_back(session: Session) -> None:
    world = make_world(session, available_fen=50_000)
    subsidy = reserve(session, world)
    subsidies.release(session, booking_id=subsidy.booking_id)
    assert (subsidy.status, subsidy.committed_fen) == (SubsidyStatus.RELEASED, None)
    assert standing(session, world) == (50_000, 0, 0)
    assert money_is_in_order(session)


End = Callable[[Session, Subsidy], None]


def _commit(session: Session, subsidy: Subsidy) -> None:
    subsidies.commit(session, booking_id=subsidy.booking_id, people=18)


def _release(session: Session, subsidy: Subsidy) -> None:
    subsidies.release(session, booking_id=subsidy.booking_id)


@pytest.mark.parametrize("end", [_commit, _release])
@pytest.mark.parametrize("again", [_commit, _release])
def test_a_subsidy_ends_once(session: Session, end: End, again: End) -> None:
    world = make_world(session)
    subsidy = reserve(session, world)
    end(session, subsidy)
    before = standing(session, world), subsidy.status
    again(session, subsidy)
    assert (standing(session, world), subsidy.status) == before


def test_a_booking_approved_again_reserves_anew(session: Session) -> None:
    world = make_world(session, available_fen=50_000)
    subsidy = reserve(session, world)
    wanted = case(world.district, booking_id=subsidy.booking_id)
    for people, amount in ((30, 25_000), (10, 15_000)):
        subsidies.release(session, booking_id=subsidy.booking_id)
        again = subsidies.reserve(session, case=wanted, people=people)
        assert again is subsidy
        assert (again.status, again.reserved_fen) == (SubsidyStatus.RESERVED, amount)
        assert standing(session, world) == (50_000 - amount, amount, 0)
    assert subsidy.round == 3
    assert money_is_in_order(session)


def test_a_fund_that_refuses_leaves_no_trace(session: Session) -> None:
    world = make_world(session, available_fen=19_999)
    with pytest.raises(FundExhausted) as refused, session.begin_nested():
        reserve(session, world)
    assert refused.value.facts == {"amount_fen": 20_000, "available_fen": 19_999}
    assert standing(session, world) == (19_999, 0, 0)


def test_the_last_fen_can_be_set_aside(session: Session) -> None:
    world = make_world(session, available_fen=20_000)
    assert reserve(session, world).status == SubsidyStatus.RESERVED
    assert standing(session, world) == (0, 20_000, 0)


def test_a_fund_that_lets_visits_go_unfunded_keeps_its_money(session: Session) -> None:
    world = make_world(session, available_fen=19_999, when_exhausted=WhenExhausted.UNFUNDED)
    subsidy = reserve(session, world)
    assert (subsidy.status, subsidy.fund_id) == (SubsidyStatus.UNFUNDED, None)
    assert subsidy.arithmetic["amount_fen"] == 20_000
    _commit(session, subsidy)
    assert (subsidy.status, subsidy.committed_fen) == (SubsidyStatus.UNFUNDED, None)
    assert standing(session, world) == (19_999, 0, 0)
    assert money_is_in_order(session)


@pytest.mark.parametrize(
    "other",
    [
        {"outside": True},
        {"day": DAY.replace(year=2031)},
        {"district_id": uuid7()},
    ],
)
def test_outside_the_tariff_or_the_fund_nothing_is_paid(
    session: Session, other: dict[str, Any]
) -> None:
    world = make_world(session)
    subsidy = reserve(session, world, **other)
    assert (subsidy.status, subsidy.reserved_fen) == (SubsidyStatus.UNFUNDED, None)
    assert session.exec(select(LedgerEntry).where(LedgerEntry.kind == "reserve")).all() == []


def test_a_free_visit_is_funded_without_an_entry(session: Session) -> None:
    world = make_world(session)
    make_rule(
        session,
        world.district,
        base_fen=0,
        per_head_fen=0,
        category=URBAN,
    )
    subsidy = reserve(session, world)
    assert (subsidy.status, subsidy.reserved_fen) == (SubsidyStatus.RESERVED, 0)
    assert standing(session, world)[1] == 0
    assert money_is_in_order(session)
