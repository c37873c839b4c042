"""The life of one booking's subsidy, within its caps and its fund."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import (
    Category,
    FundAccount,
    LedgerEntry,
    ProgrammeKind,
    Sector,
    Subsidy,
    SubsidyStatus,
    WhenExhausted,
)
from app.services import ledger, subsidies, verify
from app.services.ledger import FundExhausted
from app.services.subsidies import Case
from app.services.tariff import WhyNothing
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    make_booking,
    make_rule,
    make_world,
)

DAY = IN_A_WEEK.date()
URBAN, VISIT, RURAL = Category.URBAN, ProgrammeKind.VISIT, Sector.RURAL


def case(world: World, **other: Any) -> Case:
    usual: dict[str, Any] = {
        "booking_id": uuid7(),
        "district_id": world.district.id,
        "day": DAY,
        "category": URBAN,
        "sector": Sector.URBAN,
        "programme_kinds": [ProgrammeKind.VISIT],
        "outside": False,
        "site_id": world.site.id,
        "branch_id": world.branch.id,
        "ticketed": False,
    }
    return Case(**(usual | other))


def reserve(session: Session, world: World, people: int = 20, **other: Any) -> Subsidy:
    """Set money aside for a new booking of the world, past everything that usually asks for it."""
    booking_id = make_booking(session, world, people=people).id
    wanted = case(world, booking_id=booking_id, **other)
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
    assert subsidy.committed_fen == subsidy.arithmetic["amount_fen"] == 20_000 + extra
    last = subsidy.arithmetic["caps"][-1]
    cut = {"cap": "fund", "cap_fen": 20_000 + spare, "used_fen": 0, "cut_fen": 5_000 - extra}
    assert (last == cut) == (spare < 5_000)
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
    wanted = case(world, booking_id=subsidy.booking_id)
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
    assert subsidy.arithmetic["reason"] == WhyNothing.FUND_EXHAUSTED
    last = {"cap": "fund", "cap_fen": 19_999, "used_fen": 0, "cut_fen": 20_000}
    assert subsidy.arithmetic["caps"][-1] == last
    _commit(session, subsidy)
    assert (subsidy.status, subsidy.committed_fen) == (SubsidyStatus.UNFUNDED, None)
    assert standing(session, world) == (19_999, 0, 0)
    assert money_is_in_order(session)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"outside": True}, WhyNothing.OUTSIDE_BRANCH),
        ({"day": DAY.replace(year=2031)}, WhyNothing.NO_FUND),
        ({"district_id": uuid7()}, WhyNothing.NO_RULE),
    ],
)
def test_outside_the_tariff_or_the_fund_nothing_is_paid(
    session: Session, other: dict[str, Any], why: WhyNothing
) -> None:
    world = make_world(session)
    subsidy = reserve(session, world, **other)
    assert subsidy.arithmetic == {"people": 20, "caps": [], "amount_fen": 0, "reason": why}
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
