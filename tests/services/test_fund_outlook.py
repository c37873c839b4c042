from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from sqlmodel import Session

from app.models import Booking, Category, EntryKind, Fund, FundAccount, OrganisationKind, Site
from app.services import fund_outlook, ledger, orders
from app.services.fund_outlook import LATELY_DAYS, Part
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_organisation,
    make_session,
    make_site,
    make_venue,
    make_world,
    wanted,
)
from tests.services.statements import counted

YEAR = NOW.year
PLENTY = 10**9


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def make_fund(session: Session, world: World, *, fen: int = PLENTY) -> Fund:
    fund = ledger.open_fund(
        session, organisation_id=world.town.id, fiscal_year=YEAR, name="示例经费"
    )
    ledger.appropriate(
        session, fund_id=fund.id, amount_fen=fen, document="示例 1 号", now=noon(date(YEAR, 1, 2))
    )
    return fund


def visits_at(session: Session, world: World, site: Site, count: int) -> list[Booking]:
    hall = make_venue(session, site)
    slots = [make_session(session, hall, starts_at=IN_A_WEEK + 3 * n * HOUR) for n in range(count)]
    who = actor(session, world.organiser)
    return [
        orders.order(
            session, actor=who, wanted=replace(wanted(world, slot), programme_ids=[]), now=NOW
        )
        for slot in slots
    ]


def spend(
    session: Session, fund: Fund, booking: Booking, day: date, fen: int, *, commit: bool = True
) -> None:
    for kind in (EntryKind.RESERVE, EntryKind.COMMIT)[: 1 + commit]:
        ledger.post(
            session,
            fund_id=fund.id,
            kind=kind,
            amount_fen=fen,
            step=f"{kind}:{booking.id}:{day}",
            booking_id=booking.id,
            now=noon(day),
        )


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def test_visits_go_on_as_in_the_last_ninety_days(session: Session, world: World) -> None:
    fund = make_fund(session, world)
    old, new, ahead = visits_at(session, world, world.site, 3)
    today = date(YEAR, 10, 2)  # ninety days before the year's last
    spend(session, fund, old, date(YEAR, 3, 1), 500)
    spend(session, fund, new, today - timedelta(days=LATELY_DAYS - 1), 900)
    spend(session, fund, ahead, today, 200, commit=False)
    assert (date(YEAR, 12, 31) - today).days == LATELY_DAYS
    seen = fund_outlook.of(session, fund=fund, now=noon(today))
    assert seen.total == Part(due_fen=1400, reserved_fen=200, forecast_fen=1400 + 900)


def test_the_first_of_them_does_not_count_the_day_after(session: Session, world: World) -> None:
    fund = make_fund(session, world)
    [visit] = visits_at(session, world, world.site, 1)
    first = date(YEAR, 4, 1)
    spend(session, fund, visit, first, 900)
    last = first + timedelta(days=LATELY_DAYS - 1)
    for today, more in ((last, True), (last + timedelta(days=1), False)):
        seen = fund_outlook.of(session, fund=fund, now=noon(today))
        assert (seen.total.forecast_fen > 900) is more


def test_what_is_reserved_counts_in_full_where_it_is_more(session: Session, world: World) -> None:
    fund = make_fund(session, world)
    [visit] = visits_at(session, world, world.site, 1)
    spend(session, fund, visit, date(YEAR, 10, 2), 777, commit=False)
    seen = fund_outlook.of(session, fund=fund, now=noon(date(YEAR, 10, 2)))
    assert seen.total == Part(due_fen=0, reserved_fen=777, forecast_fen=777)


@pytest.mark.parametrize(("left", "days"), [(0, 1), (9, 1), (10, 2), (899, 90), (900, None)])
def test_it_says_when_nothing_will_be_left(
    session: Session, world: World, left: int, days: int | None
) -> None:
    today = date(YEAR, 10, 2)
    fund = make_fund(session, world, fen=900 + left)
    [visit] = visits_at(session, world, world.site, 1)
    spend(session, fund, visit, today, 900)  # ten a day
    seen = fund_outlook.of(session, fund=fund, now=noon(today))
    assert seen.runs_out_on == (today + timedelta(days=days) if days else None)


def test_a_year_that_is_over_costs_no_more(session: Session, world: World) -> None:
    fund = make_fund(session, world)
    [visit] = visits_at(session, world, world.site, 1)
    spend(session, fund, visit, date(YEAR, 12, 20), 900)
    seen = fund_outlook.of(session, fund=fund, now=noon(date(YEAR + 1, 1, 3)))
    assert (seen.total.forecast_fen, seen.runs_out_on) == (900, None)


def test_a_fund_with_nothing_in_it_has_nothing_to_tell(session: Session, world: World) -> None:
    fund = ledger.open_fund(
        session, organisation_id=world.town.id, fiscal_year=YEAR, name="示例经费"
    )
    seen = fund_outlook.of(session, fund=fund, now=NOW)
    assert (seen.months, seen.by_category, seen.by_town) == ([], {}, {})
    assert (seen.total, seen.runs_out_on) == (Part(0, 0, 0), None)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_counting_by_hand_gives(session: Session, world: World, seed: int) -> None:
    luck = Random(seed)
    fund = make_fund(session, world)
    other = make_organisation(
        session, parent=world.district, kind=OrganisationKind.TOWN, name="另一镇"
    )
    sites = [
        world.site,
        make_site(session, other, category=Category.URBAN),
        make_site(session, world.town, category=Category.URBAN),
    ]
    visits = [(site, one) for site in sites for one in visits_at(session, world, site, 4)]
    today = date(YEAR, 1, 1) + timedelta(days=luck.randint(100, 360))
    due: dict[object, int] = defaultdict(int)
    lately: dict[object, int] = defaultdict(int)
    reserved: dict[object, int] = defaultdict(int)
    months: dict[date, int] = defaultdict(int)
    booked = sorted(
        date(YEAR, 1, 3) + timedelta(days=luck.randrange((today - date(YEAR, 1, 3)).days + 1))
        for _ in visits
    )
    for (site, booking), day in zip(luck.sample(visits, len(visits)), booked, strict=True):
        fen, commit = luck.randint(1, 10_000), luck.random() < 0.7
        spend(session, fund, booking, day, fen, commit=commit)
        for key in (None, site.category, site.town_id):
            (due if commit else reserved)[key] += fen
            if commit and day > today - timedelta(days=LATELY_DAYS):
                lately[key] += fen
        months[day.replace(day=1)] += fen if commit else 0
    seen = fund_outlook.of(session, fund=fund, now=noon(today))
    ahead = (date(YEAR, 12, 31) - today).days

    def part(key: object) -> Part:
        to_come = max(reserved[key], lately[key] * ahead // LATELY_DAYS)
        return Part(due[key], reserved[key], due[key] + to_come)

    assert seen.total == part(None)
    assert seen.by_category == {site.category: part(site.category) for site in sites}
    towns: set[UUID] = {site.town_id for site in sites}
    assert {town: told for (town, _), told in seen.by_town.items()} == {
        town: part(town) for town in towns
    }
    assert {month.month: month.due_fen for month in seen.months if month.due_fen} == {
        month: fen for month, fen in months.items() if fen
    }
    assert sum(month.appropriated_fen for month in seen.months) == PLENTY
    left = ledger.balances(session, fund_id=fund.id)
    assert seen.months[-1].available_fen == left[FundAccount.AVAILABLE]


def test_it_takes_two_statements_however_much_is_booked(session: Session, world: World) -> None:
    fund = make_fund(session, world)
    for booking in visits_at(session, world, world.site, 3):
        spend(session, fund, booking, date(YEAR, 5, 1), 10)
    with counted(session) as statements:
        fund_outlook.of(session, fund=fund, now=NOW)
    assert len(statements) == 2
