"""The tariff (补助标准): which rule a visit meets, and how many fen it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Date,
    String,
    and_,
    any_,
    bindparam,
    exists,
    or_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models import SubsidyRule


class Cap(StrEnum):
    """单次上限、阵地月上限、支部年上限、经费余额."""

    VISIT = "visit"
    SITE_MONTH = "site_month"
    BRANCH_YEAR = "branch_year"
    FUND = "fund"


class WhyNothing(StrEnum):
    """区外党支部、无适用标准、无专项经费、无人到场、标准为零、月上限用完、年上限用完、经费不足."""

    OUTSIDE_BRANCH = "outside_branch"
    NO_RULE = "no_rule"
    NO_FUND = "no_fund"
    NOBODY = "nobody"
    RULE_GIVES_NOTHING = "rule_gives_nothing"
    SITE_MONTH_CAP = "site_month_cap"
    BRANCH_YEAR_CAP = "branch_year_cap"
    FUND_EXHAUSTED = "fund_exhausted"


_REASONS = {
    Cap.VISIT: WhyNothing.RULE_GIVES_NOTHING,
    Cap.SITE_MONTH: WhyNothing.SITE_MONTH_CAP,
    Cap.BRANCH_YEAR: WhyNothing.BRANCH_YEAR_CAP,
    Cap.FUND: WhyNothing.FUND_EXHAUSTED,
}


@dataclass(frozen=True)
class Visit:
    """What the choice of a rule looks at."""

    district_id: UUID
    day: date
    category: str
    sector: str | None
    programme_kinds: Sequence[str]
    outside: bool


@dataclass(frozen=True)
class Used:
    """What other visits to the site in the month, and of the branch in the year, cost; fen."""

    site_month_fen: int = 0
    branch_year_fen: int = 0


Sums = dict[str, Any]
"""Every number of a sum, as a subsidy keeps it.

`amount_fen` is `base_fen + per_head_fen * heads`, less what each of `caps` cut, in their order;
`heads` is the least of `people` and `head_cap`, and for nobody there is nothing to cut. `reason`
says why it is 0, if it is.
"""


def holds_on(day: date | BindParameter[date]) -> ColumnElement[bool]:
    """Say in SQL which versions hold on a day: of a code the newest begun, unless it is over."""
    newer = aliased(SubsidyRule)
    replaced = exists().where(
        col(newer.organisation_id) == SubsidyRule.organisation_id,
        col(newer.code) == SubsidyRule.code,
        col(newer.version) > SubsidyRule.version,
        col(newer.valid_from) <= day,
    )
    ends = col(SubsidyRule.valid_to)
    begun = col(SubsidyRule.valid_from) <= day
    return and_(begun, or_(ends.is_(None), ends > day), ~replaced)


def _met() -> SelectOfScalar[SubsidyRule]:
    """Return the statement that finds all rules a visit meets; made once, for every visit asks."""
    rule, day = SubsidyRule, bindparam("day", type_=Date)
    kinds: BindParameter[Sequence[str]] = bindparam("kinds", type_=ARRAY(String))
    return select(rule).where(
        rule.organisation_id == bindparam("organisation_id"),
        holds_on(day),
        or_(col(rule.category).is_(None), col(rule.category) == bindparam("category")),
        or_(col(rule.sector).is_(None), col(rule.sector) == bindparam("sector", type_=String)),
        or_(col(rule.programme_kind).is_(None), col(rule.programme_kind) == any_(kinds)),
    )


_MET = _met()


def rule_for(session: Session, *, visit: Visit) -> SubsidyRule | None:
    """Return the rule a visit meets, if there is one; of an outside branch do not ask.

    That with the most conditions. Of as many, a condition on the programme goes before one on the
    sector, and that before one on the category; then the one that began last, then the first code.
    """
    asked = {
        "organisation_id": visit.district_id,
        "day": visit.day,
        "category": visit.category,
        "sector": visit.sector,
        "kinds": list(visit.programme_kinds),
    }
    met = session.exec(_MET, params=asked)
    # `max` keeps the first of equals.
    return max(sorted(met, key=lambda rule: rule.code), key=_rank, default=None)


def _rank(rule: SubsidyRule) -> tuple[int, bool, bool, date]:
    kind, sector = rule.programme_kind is not None, rule.sector is not None
    return kind + sector + (rule.category is not None), kind, sector, rule.valid_from


def is_shared(rule: SubsidyRule) -> bool:
    """Tell whether a rule has a cap that other visits use up too."""
    return rule.site_month_cap_fen is not None or rule.branch_year_cap_fen is not None


def nothing(why: WhyNothing, *, people: int) -> Sums:
    """Return the sum of a visit that no rule is asked about."""
    return {"people": people, "caps": [], "amount_fen": 0, "reason": why}


def arithmetic(rule: SubsidyRule, *, people: int, used: Used, reserved_fen: int = 0) -> Sums:
    """Return what a visit of `people` comes to, and every number it is made of.

    Args:
        rule: the one it meets.
        people: who come, or came.
        used: what others have had of the caps of site and branch.
        reserved_fen: what it was promised; that is not cut by what others had since.
    """
    heads = min(people, rule.head_cap)
    sums: Sums = {
        "rule": rule.code,
        "rule_version": rule.version,
        "base_fen": rule.base_fen,
        "per_head_fen": rule.per_head_fen,
        "people": people,
        "head_cap": rule.head_cap,
        "heads": heads,
        "visit_cap_fen": rule.visit_cap_fen,
        "caps": [],
        "amount_fen": rule.base_fen + rule.per_head_fen * heads if people else 0,
        "reason": None if people else WhyNothing.NOBODY,
    }
    if people and not sums["amount_fen"]:
        sums["reason"] = WhyNothing.RULE_GIVES_NOTHING
    cut(sums, Cap.VISIT, rule.visit_cap_fen)
    if rule.site_month_cap_fen is not None:
        cut(sums, Cap.SITE_MONTH, rule.site_month_cap_fen, used.site_month_fen, reserved_fen)
    if rule.branch_year_cap_fen is not None:
        cut(sums, Cap.BRANCH_YEAR, rule.branch_year_cap_fen, used.branch_year_fen, reserved_fen)
    return sums


def cut(sums: Sums, cap: Cap, cap_fen: int, used_fen: int = 0, least_fen: int = 0) -> None:
    """Cut a sum to what is left of a cap, but not below `least_fen`; write down how much."""
    left = max(cap_fen - used_fen, least_fen, 0)
    _cut_to(min(sums["amount_fen"], left), sums, cap, cap_fen, used_fen)


def drop(sums: Sums, *, available_fen: int) -> None:
    """Cut all of a sum that a fund cannot cover whole; write down what it has."""
    _cut_to(0, sums, Cap.FUND, available_fen, 0)


def _cut_to(amount_fen: int, sums: Sums, cap: Cap, cap_fen: int, used_fen: int) -> None:
    before = sums["amount_fen"]
    cut_fen = before - amount_fen
    sums["caps"].append({"cap": cap, "cap_fen": cap_fen, "used_fen": used_fen, "cut_fen": cut_fen})
    sums["amount_fen"] = amount_fen
    if before and not amount_fen:
        sums["reason"] = _REASONS[cap]
