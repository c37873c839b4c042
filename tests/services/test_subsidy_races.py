"""What many approvals do at once to one cap, and to the last fen of a fund."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.errors import DomainError
from app.models import Booking, Category, FundAccount, Subsidy, SubsidyStatus, WhenExhausted
from app.services import ledger, steps, subsidies, verify
from tests.conftest import NOW
from tests.makers import (
    World,
    make_booking,
    make_rule,
    make_session,
    make_venue,
    make_world,
    move,
)
from tests.races import at_once
from tests.services.test_standings_races import Act, one_behind_the_other

VISIT = 20_000
MANY = 6
Guards = Callable[[], AbstractContextManager[None]]


@contextmanager
def without_lock() -> Iterator[None]:
    """Look at the fund and its caps without keeping others out; only the posting itself does."""
    with pytest.MonkeyPatch.context() as patch:
        bare = SimpleNamespace(**vars(ledger) | {"lock": ledger.balances})
        patch.setattr(subsidies, "ledger", bare)
        yield


def settle(
    engine: Engine,
    bookings: int,
    *,
    available_fen: int = 1_000_000,
    when_exhausted: WhenExhausted = WhenExhausted.REFUSE,
    **caps: Any,
) -> tuple[World, list[UUID]]:
    """A world with visits to come, 200 yuan each, none of them approved yet."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup, available_fen=available_fen, when_exhausted=when_exhausted)
        make_rule(setup, world.district, category=Category.URBAN, **caps)
        slots = [make_session(setup, make_venue(setup, world.site)) for _ in range(bookings)]
        return world, [make_booking(setup, world, slot).id for slot in slots]


def approve(engine: Engine, world: World, booking_id: UUID) -> str:
    """Approve as the manager does; what comes of it."""
    try:
        with Session(engine) as session, session.begin():
            booking = session.get_one(Booking, booking_id)
            move(session, world.manager, booking, "approve")
    except DomainError as refusal:
        return refusal.slug()
    return "approved"


def amounts(engine: Engine) -> list[int]:
    with Session(engine) as session:
        assert list(verify.violations(session, now=NOW)) == []
        found = session.exec(select(Subsidy.reserved_fen).where(col(Subsidy.fund_id).is_not(None)))
        return sorted(fen or 0 for fen in found)


@pytest.mark.parametrize("cap", ["site_month_cap_fen", "branch_year_cap_fen"])
def test_approvals_at_once_fill_a_cap_to_the_fen_and_no_further(
    own_engine: Engine, cap: str
) -> None:
    world, made = settle(own_engine, MANY, **dict[str, Any]({cap: 3 * VISIT + 1}))
    said = at_once(MANY, lambda n: approve(own_engine, world, made[n]))
    assert said == ["approved"] * MANY
    assert amounts(own_engine) == [0, 0, 1, VISIT, VISIT, VISIT]


@pytest.mark.parametrize("spare", [0, VISIT - 1])
def test_approvals_at_once_take_all_that_fits_and_no_more(own_engine: Engine, spare: int) -> None:
    world, made = settle(own_engine, MANY, available_fen=3 * VISIT + spare)
    said = at_once(MANY, lambda n: approve(own_engine, world, made[n]))
    assert sorted(said) == ["approved"] * 3 + ["fund-exhausted"] * 3
    assert amounts(own_engine) == [VISIT] * 3


def test_approvals_at_once_go_unfunded_where_the_fund_lets_them(own_engine: Engine) -> None:
    world, made = settle(
        own_engine, MANY, available_fen=3 * VISIT + 1, when_exhausted=WhenExhausted.UNFUNDED
    )
    said = at_once(MANY, lambda n: approve(own_engine, world, made[n]))
    assert said == ["approved"] * MANY
    assert amounts(own_engine) == [VISIT] * 3


def reserving(booking_id: UUID) -> Act:
    return lambda session: steps.reserve(session, session.get_one(Booking, booking_id), now=NOW)


@pytest.mark.parametrize("cap", ["site_month_cap_fen", "branch_year_cap_fen"])
@pytest.mark.parametrize(
    ("guards", "had"), [(nullcontext, [0, VISIT]), (without_lock, [VISIT] * 2)]
)
def test_without_the_lock_a_cap_is_passed(
    own_engine: Engine, cap: str, guards: Guards, had: list[int]
) -> None:
    _, made = settle(own_engine, 2, **dict[str, Any]({cap: VISIT}))
    with guards():
        assert one_behind_the_other(own_engine, *map(reserving, made)) == "done"
    with Session(own_engine) as session:
        found = sorted(fen or 0 for fen in session.exec(select(Subsidy.reserved_fen)))
        assert found == had
        passed = [line for line in verify.violations(session, now=NOW) if " had more of " in line]
        assert len(passed) == (sum(had) > VISIT)


def test_who_comes_second_for_the_last_fen_goes_unfunded(own_engine: Engine) -> None:
    _, made = settle(own_engine, 2, available_fen=VISIT, when_exhausted=WhenExhausted.UNFUNDED)
    assert one_behind_the_other(own_engine, *map(reserving, made)) == "done"
    with Session(own_engine) as session:
        statuses = session.exec(select(Subsidy.status).order_by(Subsidy.status)).all()
        assert statuses == [SubsidyStatus.RESERVED, SubsidyStatus.UNFUNDED]


def test_a_cap_that_one_frees_while_another_waits_is_had_by_the_other(own_engine: Engine) -> None:
    world, made = settle(own_engine, 2, site_month_cap_fen=VISIT)
    assert approve(own_engine, world, made[0]) == "approved"

    def give_back(session: Session) -> object:
        subsidies.release(session, booking_id=made[0])
        return made[0]

    assert one_behind_the_other(own_engine, give_back, reserving(made[1])) == "done"
    with Session(own_engine) as session:
        assert session.get_one(Subsidy, made[1]).reserved_fen == VISIT
        held = ledger.balances(session, fund_id=world.fund.id)
        assert held[FundAccount.RESERVED] == VISIT
