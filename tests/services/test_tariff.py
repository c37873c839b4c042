"""Which rule a visit meets, and what it comes to."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session
from uuid_utils.compat import uuid7

from app.models import Category, Organisation, ProgrammeKind, Sector, SubsidyRule
from app.services import tariff
from app.services.tariff import Cap, Used, Visit, WhyNothing, arithmetic, rule_for
from tests.makers import IN_A_WEEK, make_organisation, make_rule
from tests.races import replaced_sql

DAY = IN_A_WEEK.date()
EVE = DAY - timedelta(days=1)
URBAN, VISIT, OATH, RURAL = Category.URBAN, ProgrammeKind.VISIT, ProgrammeKind.OATH, Sector.RURAL


@pytest.fixture
def district(session: Session) -> Organisation:
    return make_organisation(session)


def visit(district: Organisation, **other: Any) -> Visit:
    usual: dict[str, Any] = {
        "district_id": district.id,
        "day": DAY,
        "category": URBAN,
        "sector": RURAL,
        "programme_kinds": [VISIT, OATH],
        "outside": False,
    }
    return Visit(**(usual | other))


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
        ([{"programme_kind": OATH}, {}], 0),
    ],
)
def test_the_most_specific_rule_wins(
    session: Session, district: Organisation, rules: list[dict[str, Any]], winner: int | None
) -> None:
    made = [make_rule(session, district, **rule) for rule in rules]
    expected = None if winner is None else made[winner]
    assert rule_for(session, visit=visit(district)) == expected


KIND, SECTOR, CATEGORY = {"programme_kind": VISIT}, {"sector": RURAL}, {"category": URBAN}
LATE = {"valid_from": date(2026, 2, 1)}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (KIND, SECTOR),
        (SECTOR, CATEGORY),
        (KIND | SECTOR, KIND | CATEGORY),
        (KIND | CATEGORY, SECTOR | CATEGORY),
        (KIND | {"code": "Z"}, SECTOR | LATE | {"code": "A"}),
        (LATE | {"code": "Z"}, {"code": "A", "version": 7}),
        ({"code": "A"}, {"code": "B", "version": 7}),
        (KIND | {"code": "A"}, {"programme_kind": OATH, "code": "B"}),
    ],
)
def test_of_equals_the_first_is_named(
    session: Session,
    district: Organisation,
    better: dict[str, Any],
    worse: dict[str, Any],
    turned: bool,
) -> None:
    better_first = [better, worse] if turned else [worse, better]
    made = {id(one): make_rule(session, district, **one) for one in better_first}
    assert rule_for(session, visit=visit(district)) == made[id(better)]


def test_a_branch_without_a_sector_meets_no_rule_for_one(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, sector=RURAL)
    assert rule_for(session, visit=visit(district, sector=None)) is None


def test_another_districts_tariff_does_not_count(session: Session, district: Organisation) -> None:
    make_rule(session, make_organisation(session))
    assert rule_for(session, visit=visit(district)) is None


def test_a_rule_is_valid_from_its_first_day_to_before_its_last(
    session: Session, district: Organisation
) -> None:
    first, last = date(2026, 12, 1), date(2026, 12, 31)
    rule = make_rule(session, district, valid_from=first, valid_to=last)
    days = [date(2026, 11, 30), first, date(2026, 12, 30), last]
    found = [rule_for(session, visit=visit(district, day=day)) for day in days]
    assert found == [None, rule, rule, None]


def met(session: Session, district: Organisation, day: date = DAY) -> int | None:
    rule = rule_for(session, visit=visit(district, day=day))
    return rule.version if rule else None


def test_a_new_version_takes_over_on_its_first_day(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, code="A")
    make_rule(session, district, code="A", version=2, valid_from=DAY)
    assert (met(session, district, EVE), met(session, district)) == (1, 2)


def test_a_version_that_ended_does_not_give_way_to_the_one_before(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, code="A")
    make_rule(session, district, code="A", version=2, valid_from=EVE, valid_to=DAY)
    assert (met(session, district, EVE), met(session, district)) == (2, None)


def test_a_version_without_a_day_ends_the_line(session: Session, district: Organisation) -> None:
    make_rule(session, district, code="A")
    make_rule(session, district, code="A", version=2, valid_from=DAY, valid_to=DAY)
    assert (met(session, district, EVE), met(session, district)) == (1, None)


def test_a_version_with_other_conditions_takes_the_place_of_all_before(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, code="A")
    make_rule(session, district, code="A", version=2, category=Category.RURAL)
    assert met(session, district) is None


def test_a_version_to_come_is_passed_over_by_one_that_begins_sooner(
    session: Session, district: Organisation
) -> None:
    make_rule(session, district, code="A", valid_from=DAY)
    make_rule(session, district, code="A", version=2, valid_from=EVE)
    assert (met(session, district, EVE), met(session, district)) == (2, 2)


def board(session: Session) -> list[str | None]:
    """What a visit meets on four days, where every condition has a rule that it keeps away."""
    ours, theirs = make_organisation(session), make_organisation(session)
    spring, summer = DAY + timedelta(days=10), DAY + timedelta(days=20)
    make_rule(session, ours, code="A")
    make_rule(session, ours, code="A", version=2, valid_from=DAY, valid_to=summer)
    make_rule(session, ours, code="B", version=3, category=Category.RURAL)
    make_rule(session, ours, code="C", sector=Sector.HEALTH)
    make_rule(session, ours, code="D", programme_kind=ProgrammeKind.MEETING)
    make_rule(session, ours, code="E", category=URBAN, valid_from=spring, valid_to=summer)
    make_rule(session, theirs, code="A", version=9, category=URBAN)
    found = [rule_for(session, visit=visit(ours, day=day)) for day in (EVE, DAY, spring, summer)]
    return [f"{rule.code}{rule.version}" if rule else None for rule in found]


def test_every_condition_keeps_a_rule_away(session: Session) -> None:
    assert board(session) == ["A1", "A2", "E1", None]


@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("subsidy_rule.organisation_id = %(organisation_id)s::UUID", "TRUE"),
        ("subsidy_rule.category = %(category)s::VARCHAR", "TRUE"),
        ("subsidy_rule.sector = %(sector)s::VARCHAR", "TRUE"),
        ("subsidy_rule.programme_kind = ANY (", "'visit' = ANY ("),
        ("subsidy_rule.valid_from <= %(day)s::DATE", "TRUE"),
        ("subsidy_rule.valid_to > ", "subsidy_rule.valid_to >= "),
        ("subsidy_rule_1.organisation_id = subsidy_rule.organisation_id", "TRUE"),
        ("subsidy_rule_1.code = subsidy_rule.code", "TRUE"),
        ("subsidy_rule_1.version > subsidy_rule.version", "FALSE"),
        ("subsidy_rule_1.valid_from <= %(day)s::DATE", "TRUE"),
    ],
)
def test_a_condition_left_out_is_noticed(session: Session, words: str, others: str) -> None:
    with replaced_sql(session.connection(), words, others):
        assert board(session) != ["A1", "A2", "E1", None]


def line(base: int, per_head: int, head_cap: int, cap: int, **caps: Any) -> SubsidyRule:
    return SubsidyRule(
        organisation_id=uuid7(),
        code="R",
        valid_from=DAY,
        base_fen=base,
        per_head_fen=per_head,
        head_cap=head_cap,
        visit_cap_fen=cap,
        **caps,
    )


fen = st.integers(0, 50_000)
caps = st.none() | st.integers(0, 80_000)


def in_words(rule: SubsidyRule, people: int, used: Used, reserved: int) -> int:
    """Reckon by asking of each cap what is left of it."""
    amount = rule.base_fen if people else 0
    for head in range(people):
        amount += rule.per_head_fen if head < rule.head_cap else 0
    if amount > rule.visit_cap_fen:
        amount = rule.visit_cap_fen
    for cap, had in (
        (rule.site_month_cap_fen, used.site_month_fen),
        (rule.branch_year_cap_fen, used.branch_year_fen),
    ):
        if cap is None or had + amount <= cap or amount <= reserved:
            continue
        amount = max(reserved, cap - had)
    return amount


@given(
    rule=st.builds(
        line,
        fen,
        fen,
        st.integers(0, 200),
        fen,
        site_month_cap_fen=caps,
        branch_year_cap_fen=caps,
    ),
    people=st.integers(0, 300),
    used=st.builds(Used, fen, fen),
    reserved=fen,
)
def test_the_amount_is_what_counting_on_fingers_gives(
    rule: SubsidyRule, people: int, used: Used, reserved: int
) -> None:
    sums = arithmetic(rule, people=people, used=used, reserved_fen=reserved)
    assert sums["amount_fen"] == in_words(rule, people, used, reserved)
    whole = sums["base_fen"] + sums["per_head_fen"] * sums["heads"] if people else 0
    assert sums["amount_fen"] == whole - sum(cap["cut_fen"] for cap in sums["caps"])
    assert (sums["reason"] is None) == (sums["amount_fen"] > 0)
    named = [cap["cap"] for cap in sums["caps"]]
    assert (Cap.SITE_MONTH in named) == (rule.site_month_cap_fen is not None)
    assert (Cap.BRANCH_YEAR in named) == (rule.branch_year_cap_fen is not None)
    assert (sums["people"], sums["rule"], sums["rule_version"]) == (people, "R", 1)


def test_one_head_more_never_costs_less() -> None:
    rule = line(10_000, 500, 40, 25_000)
    amounts = [arithmetic(rule, people=n, used=Used())["amount_fen"] for n in range(60)]
    assert amounts == sorted(amounts)
    assert (amounts[0], amounts[1], amounts[20], amounts[-1]) == (0, 10_500, 20_000, 25_000)


def test_the_sum_says_which_caps_cut_and_what_was_used_before() -> None:
    rule = line(10_000, 500, 40, 28_000, site_month_cap_fen=50_000, branch_year_cap_fen=90_000)
    sums = arithmetic(rule, people=52, used=Used(25_000, 60_000))
    assert sums == {
        "rule": "R",
        "rule_version": 1,
        "base_fen": 10_000,
        "per_head_fen": 500,
        "people": 52,
        "head_cap": 40,
        "heads": 40,
        "visit_cap_fen": 28_000,
        "caps": [
            {"cap": Cap.VISIT, "cap_fen": 28_000, "used_fen": 0, "cut_fen": 2_000},
            {"cap": Cap.SITE_MONTH, "cap_fen": 50_000, "used_fen": 25_000, "cut_fen": 3_000},
            {"cap": Cap.BRANCH_YEAR, "cap_fen": 90_000, "used_fen": 60_000, "cut_fen": 0},
        ],
        "amount_fen": 25_000,
        "reason": None,
    }


@pytest.mark.parametrize(
    ("rule", "people", "used", "why"),
    [
        (line(1, 1, 9, 9), 0, Used(), WhyNothing.NOBODY),
        (line(0, 0, 9, 9), 5, Used(), WhyNothing.RULE_GIVES_NOTHING),
        (line(0, 7, 0, 9), 5, Used(), WhyNothing.RULE_GIVES_NOTHING),
        (line(1, 1, 9, 0), 5, Used(), WhyNothing.RULE_GIVES_NOTHING),
        (line(1, 1, 9, 9, site_month_cap_fen=8), 5, Used(8), WhyNothing.SITE_MONTH_CAP),
        (line(1, 1, 9, 9, site_month_cap_fen=8), 5, Used(900), WhyNothing.SITE_MONTH_CAP),
        (line(1, 1, 9, 9, branch_year_cap_fen=8), 5, Used(0, 8), WhyNothing.BRANCH_YEAR_CAP),
        (
            line(1, 1, 9, 9, site_month_cap_fen=8, branch_year_cap_fen=8),
            5,
            Used(8, 8),
            WhyNothing.SITE_MONTH_CAP,
        ),
    ],
)
def test_a_sum_of_nothing_says_why(
    rule: SubsidyRule, people: int, used: Used, why: WhyNothing
) -> None:
    sums = arithmetic(rule, people=people, used=used)
    assert (sums["amount_fen"], sums["reason"]) == (0, why)


def test_what_was_promised_is_not_cut_but_not_raised_either() -> None:
    rule = line(10_000, 0, 0, 50_000, site_month_cap_fen=30_000)
    promised = [
        arithmetic(rule, people=1, used=Used(used), reserved_fen=reserved)["amount_fen"]
        for used, reserved in [(29_000, 4_000), (29_000, 900), (90_000, 4_000), (0, 40_000)]
    ]
    assert promised == [4_000, 1_000, 4_000, 10_000]


def test_what_a_fund_cannot_cover_is_dropped_whole() -> None:
    sums = arithmetic(line(900, 0, 0, 900), people=1, used=Used())
    tariff.drop(sums, available_fen=899)
    assert (sums["amount_fen"], sums["reason"]) == (0, WhyNothing.FUND_EXHAUSTED)
    assert sums["caps"][-1] == {"cap": Cap.FUND, "cap_fen": 899, "used_fen": 0, "cut_fen": 900}
