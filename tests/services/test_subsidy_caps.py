"""The caps of a site's month and of a branch's year, through the moves that fill and free them."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from app.models import (
    Booking,
    Category,
    Role,
    Sector,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
)
from app.services import subsidies, subsidy_rules, verify
from app.services.calendar import local_date, midnight
from app.services.tariff import Used, WhyNothing
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_fund,
    make_organisation,
    make_programme,
    make_rule,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)
from tests.races import replaced_sql
from tests.services.statements import counted

DECEMBER, JANUARY = date(2026, 12, 1), date(2027, 1, 1)
IN_TIME = "booking.starts_at < %(starts_at_{0})s::TIMESTAMP WITH TIME ZONE"
OF_FUND = " AND subsidy.fund_id = %(fund_id_{0})s::UUID"


def capped(session: Session, **caps: Any) -> tuple[World, SubsidyRule]:
    """A world whose sites are urban, and a rule for these: 100 yuan, and 5 a head up to 40."""
    world = make_world(session, groups_limit=50, people_limit=10_000)
    return world, make_rule(session, world.district, category=Category.URBAN, **caps)


def approved(
    session: Session, world: World, people: int = 20, when: datetime = IN_A_WEEK, **how: Any
) -> Booking:
    """A visit that is approved: 20 people cost 200 yuan."""
    slot = make_session(session, make_venue(session, world.site, people_limit=999), starts_at=when)
    booking = make_booking(session, world, slot, people=people, **how)
    return move(session, world.manager, booking, "approve")


def subsidy(session: Session, booking: Booking) -> Subsidy:
    return session.get_one(Subsidy, booking.id)


def reserved(session: Session, booking: Booking) -> int | None:
    return subsidy(session, booking).reserved_fen


def complete(session: Session, world: World, booking: Booking, attended: int) -> Subsidy:
    move(session, world.manager, booking, "arrive", booking.starts_at)
    move(session, world.manager, booking, "complete", booking.ends_at, people=attended)
    return subsidy(session, booking)


def other_branch(session: Session, world: World) -> World:
    branch = make_organisation(session, parent=world.town, sector=Sector.URBAN)
    organiser = make_account(session, Role.ORGANISER, at=branch)
    return replace(world, branch=branch, organiser=organiser)


def other_site(session: Session, world: World) -> World:
    site = make_site(session, world.town)
    return replace(
        world,
        site=site,
        programme=make_programme(session, site),
        manager=make_account(session, Role.SITE_MANAGER, at=site),
    )


CAPS = ["site_month_cap_fen", "branch_year_cap_fen"]
WHY = dict(zip(CAPS, (WhyNothing.SITE_MONTH_CAP, WhyNothing.BRANCH_YEAR_CAP), strict=True))


@pytest.mark.parametrize("cap", CAPS)
def test_what_is_over_a_cap_is_cut_and_the_sum_says_so(session: Session, cap: str) -> None:
    world, _ = capped(session, **{cap: 50_000})
    made = [approved(session, world) for _ in range(4)]
    assert [reserved(session, one) for one in made] == [20_000, 20_000, 10_000, 0]
    sums = [subsidy(session, one).arithmetic for one in made]
    name = cap.removesuffix("_cap_fen")
    assert [one["caps"][1:] for one in sums] == [
        [{"cap": name, "cap_fen": 50_000, "used_fen": used, "cut_fen": cut}]
        for used, cut in ((0, 0), (20_000, 0), (40_000, 10_000), (50_000, 20_000))
    ]
    assert [one["reason"] for one in sums] == [None, None, None, WHY[cap]]
    assert subsidy(session, made[3]).status == SubsidyStatus.RESERVED
    assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("leave", ["cancel", "change", "no-show", "fewer came"])
def test_what_a_visit_does_not_need_is_free_for_others(
    session: Session, cap: str, leave: str
) -> None:
    world, _ = capped(session, **{cap: 20_000})
    first = approved(session, world)
    assert reserved(session, approved(session, world)) == 0
    if leave == "fewer came":
        assert complete(session, world, first, 4).committed_fen == 12_000
    else:
        at = first.ends_at + timedelta(hours=1) if leave == "no-show" else NOW
        who = world.manager if leave == "no-show" else world.organiser
        move(session, who, first, leave, at)
    freed = 8_000 if leave == "fewer came" else 20_000
    assert reserved(session, approved(session, world)) == freed


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize(
    ("attended", "committed"), [(10, 15_000), (20, 20_000), (26, 23_000), (39, 25_000)]
)
def test_a_top_up_goes_as_far_as_the_cap(
    session: Session, cap: str, attended: int, committed: int
) -> None:
    world, _ = capped(session, **{cap: 40_000})
    first, _ = approved(session, world), approved(session, world, people=10)
    done = complete(session, world, first, attended)
    assert (done.committed_fen, done.arithmetic["amount_fen"]) == (committed, committed)


@pytest.mark.parametrize("cap", CAPS)
def test_what_was_cut_at_approval_is_made_good_if_there_is_room_at_the_end(
    session: Session, cap: str
) -> None:
    world, _ = capped(session, **{cap: 25_000})
    first, second = approved(session, world), approved(session, world)
    assert reserved(session, second) == 5_000
    complete(session, world, first, 0)
    assert complete(session, world, second, 20).committed_fen == 20_000


def test_what_was_reserved_is_not_cut_by_what_others_had_since(session: Session) -> None:
    world, _ = capped(session, site_month_cap_fen=20_000)
    first = approved(session, world)
    make_rule(
        session, world.district, category=Category.URBAN, sector=Sector.URBAN, visit_cap_fen=90_000
    )
    assert reserved(session, approved(session, world)) == 20_000
    assert complete(session, world, first, 40).committed_fen == 20_000


def test_all_rules_fill_the_caps_that_any_of_them_has(session: Session) -> None:
    world, _ = capped(session, site_month_cap_fen=30_000)
    plain = make_rule(session, world.district, category=Category.URBAN, sector=Sector.URBAN)
    first = approved(session, world)
    assert subsidy(session, first).rule_id == plain.id
    rural = replace(world, branch=make_organisation(session, parent=world.town))
    rural = replace(rural, organiser=make_account(session, Role.ORGANISER, at=rural.branch))
    assert reserved(session, approved(session, rural)) == 10_000


def board(session: Session) -> Used:
    """What others had of the caps, where every condition has a visit that it keeps out.

    Each is of another number of people, so that the sums tell which are in them.
    """
    world, rule = capped(session, site_month_cap_fen=10**9, branch_year_cap_fen=10**9)
    make_fund(session, world.district, fiscal_year=2027)
    late, early = midnight(JANUARY) - timedelta(hours=2), midnight(JANUARY)
    stranger, elsewhere = other_branch(session, world), other_site(session, world)
    seen = approved(session, world, people=1)
    complete(session, world, approved(session, world, people=3), 2)
    approved(session, stranger, people=4)
    approved(session, elsewhere, people=8)
    approved(session, world, people=16, when=late)
    approved(session, elsewhere, people=17, when=early)
    approved(session, world, people=18, when=early)
    approved(session, world, people=19, when=midnight(DECEMBER) - timedelta(hours=3))
    move(session, world.organiser, approved(session, world, people=32), "cancel")
    return subsidies.used(
        session,
        rule=rule,
        fund_id=world.fund.id,
        day=local_date(seen.starts_at),
        site_id=world.site.id,
        branch_id=world.branch.id,
        but=seen.id,
    )


def cost(*people: int) -> int:
    return sum(10_000 + 500 * n for n in people)


EXPECTED = Used(cost(2, 4, 16), cost(2, 8, 16, 19))


def test_every_condition_keeps_a_visit_out_of_the_caps(session: Session) -> None:
    assert board(session) == EXPECTED


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("booking.site_id = %(site_id_1)s::UUID", "TRUE"),
        ("booking.organisation_id = %(organisation_id_1)s::UUID", "TRUE"),
        ("booking.starts_at >= %(starts_at_1)s::TIMESTAMP WITH TIME ZONE", "TRUE"),
        (IN_TIME.format(2) + OF_FUND.format(1), "TRUE"),
        (IN_TIME.format(4) + OF_FUND.format(2), "TRUE"),
        ("subsidy.booking_id IS DISTINCT FROM %(booking_id_1)s::UUID", "TRUE"),
        ("subsidy.booking_id IS DISTINCT FROM %(booking_id_2)s::UUID", "TRUE"),
        ("WHEN (subsidy.status = %(status_1)s::VARCHAR) THEN", "WHEN FALSE THEN"),
        ("WHEN (subsidy.status = %(status_1)s::VARCHAR) THEN", "WHEN TRUE THEN"),
        ("WHEN (subsidy.status = %(status_2)s::VARCHAR) THEN", "WHEN FALSE THEN"),
    ],
)
def test_a_visit_counted_wrongly_is_noticed(session: Session, words: str, others: str) -> None:
    with replaced_sql(session.connection(), words, others):
        assert board(session) != EXPECTED


def test_a_month_begins_and_ends_at_midnight_here(session: Session) -> None:
    world, _ = capped(session, site_month_cap_fen=20_000)
    make_fund(session, world.district, fiscal_year=2027)
    first, last = midnight(DECEMBER), midnight(JANUARY) - timedelta(hours=2)
    made = [
        approved(session, world, when=when)
        for when in (first - timedelta(hours=2), first, last, midnight(JANUARY))
    ]
    assert [reserved(session, one) for one in made] == [20_000, 20_000, 0, 20_000]


def test_a_branch_has_its_cap_each_year_and_everywhere(session: Session) -> None:
    world, _ = capped(session, branch_year_cap_fen=20_000)
    make_fund(session, world.district, fiscal_year=2027)
    elsewhere, stranger = other_site(session, world), other_branch(session, world)
    made = [
        approved(session, *how)
        for how in (
            (world, 20),
            (elsewhere, 20),
            (stranger, 20),
            (world, 20, midnight(JANUARY)),
        )
    ]
    assert [reserved(session, one) for one in made] == [20_000, 0, 20_000, 20_000]


def test_a_new_version_never_changes_what_was_reserved(session: Session) -> None:
    world, rule = capped(session, site_month_cap_fen=90_000)
    first = approved(session, world)
    before = dict(subsidy(session, first).arithmetic)
    officer = actor(session, world.fund_officer)
    seen = subsidy_rules.get(session, actor=officer, rule_id=rule.id).rule
    fields = subsidy_rules.Terms.__dataclass_fields__
    terms = {name: getattr(seen, name) for name in fields} | {"base_fen": 1, "per_head_fen": 2}
    new = subsidy_rules.revise(
        session, actor=officer, rule_id=rule.id, version=1, terms=subsidy_rules.Terms(**terms)
    ).rule
    assert (reserved(session, first), subsidy(session, first).arithmetic) == (20_000, before)
    second = approved(session, world)
    assert (subsidy(session, second).rule_id, reserved(session, second)) == (new.id, 41)
    done = complete(session, world, first, 22)
    assert (done.committed_fen, done.rule_id) == (21_000, rule.id)
    assert (done.arithmetic["rule_version"], done.arithmetic["base_fen"]) == (1, 10_000)


@pytest.mark.parametrize("ticketed", [False, True])
@pytest.mark.parametrize("outside", [False, True])
def test_a_visit_to_a_place_with_tickets_is_flagged(
    session: Session, ticketed: bool, outside: bool
) -> None:
    world, _ = capped(session)
    world.site.ticketed, world.branch.outside = ticketed, outside
    session.flush()
    assert subsidy(session, approved(session, world)).ticketed == ticketed


@pytest.mark.parametrize(("caps", "more"), [({}, 0), (dict.fromkeys(CAPS, 10**6), 1)])
def test_caps_cost_an_approval_one_statement(
    session: Session, caps: dict[str, int], more: int
) -> None:
    world, _ = capped(session, **caps)
    approved(session, world)
    slot = make_session(session, world.venue, starts_at=IN_A_WEEK + timedelta(hours=4))
    booking = make_booking(session, world, slot)
    with counted(session) as statements:
        move(session, world.manager, booking, "approve")
    assert sum("coalesce(sum(CASE" in one for one in statements) == more
