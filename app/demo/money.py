"""The fund: opened and filled, its tariff, and each month's claims."""

from datetime import date, time, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from app.demo import words
from app.demo.tree import Tree
from app.demo.world import World, at_local
from app.models import (
    Category,
    Claim,
    ClaimStatus,
    Fund,
    ProgrammeKind,
    Sector,
    Site,
    SubsidyRule,
)
from app.services import claim_drafts, claim_moves, ledger

YUAN = 100
DRAFTED_ON = 3
"""Day of the month on which the month before is put together: late visits are closed by then."""
_STEPS: tuple[tuple[str, ...], ...] = (
    (),
    ("submit",),
    ("submit", "review"),
    ("submit", "review", "approve"),
    ("submit", "return"),
    ("submit", "review", "approve", "pay"),
)
"""How far the claims of the newest month come, in turn; the older ones are paid."""


class _Rate(NamedTuple):
    """Yuan for a visit, and for each of so many heads; no more in all than `most`."""

    base: int
    per_head: int
    heads: int
    most: int


_BASE = "base"
_SITE_MONTH, _BRANCH_YEAR = 3_000, 1_500
"""Yuan that a site gets in a month, and that a branch costs in a year, at most."""
_RAISED = _Rate(120, 9, 50, 560)
_TARIFF: dict[str, tuple[_Rate, Category | None, ProgrammeKind | None, Sector | None]] = {
    _BASE: (_Rate(100, 8, 50, 500), None, None, None),
    "general": (_Rate(120, 9, 50, 600), Category.GENERAL, None, None),
    "rural-branch": (_Rate(150, 10, 50, 650), None, None, Sector.RURAL),
    "training": (_Rate(200, 10, 60, 800), None, ProgrammeKind.TRAINING_CASE, None),
    "two-new-training": (
        _Rate(250, 12, 60, 900),
        None,
        ProgrammeKind.TRAINING_CASE,
        Sector.TWO_NEW,
    ),
}


def write_tariff(session: Session, *, tree: Tree, since: date, today: date) -> None:
    """Write the subsidy rules; the base rate rises in the middle of the year."""
    raised = date(today.year, 7, 1)
    rises = since < raised <= today
    for code, (rate, category, programme_kind, sector) in _TARIFF.items():
        rule = _rule(tree, code, rate, since)
        rule.category, rule.programme_kind, rule.sector = category, programme_kind, sector
        session.add(rule)
    if rises:
        rule = _rule(tree, _BASE, _RAISED, raised)
        rule.version = 2
        session.add(rule)
    session.flush()


def _rule(tree: Tree, code: str, rate: _Rate, since: date) -> SubsidyRule:
    return SubsidyRule(
        organisation_id=tree.district.id,
        code=code,
        valid_from=since,
        base_fen=rate.base * YUAN,
        per_head_fen=rate.per_head * YUAN,
        head_cap=rate.heads,
        visit_cap_fen=rate.most * YUAN,
        site_month_cap_fen=_SITE_MONTH * YUAN,
        branch_year_cap_fen=_BRANCH_YEAR * YUAN,
    )


def open_funds(world: World, *, since: date, last: date) -> list[Fund]:
    """Open a fund for every year visits may fall in, filled now and again in its July."""
    funds = []
    for year in range(since.year, last.year + 1):
        fund = ledger.open_fund(
            world.session,
            organisation_id=world.tree.district.id,
            fiscal_year=year,
            name=f"{year} 年度党员教育阵地专项经费（示例）",
        )
        _appropriate(world, fund.id, 450_000, f"淄川组示例〔{year}〕1 号")
        midyear = at_local(date(year, 7, 5), time(10))
        document = f"淄川组示例〔{year}〕7 号"
        if midyear > world.now:
            filling = partial(_appropriate, world, fund.id, 250_000, document)
            world.agenda.enter(midyear, filling)
        funds.append(fund)
    return funds


def _appropriate(world: World, fund_id: UUID, yuan: int, document: str) -> None:
    ledger.appropriate(
        world.session,
        fund_id=fund_id,
        amount_fen=yuan * YUAN,
        document=document,
        now=world.now,
    )


def plan_claims(world: World, funds: list[Fund], *, since: date) -> None:
    """Enter the drafting of every month that is over; each enters what follows from it."""
    by_year = {fund.fiscal_year: fund.id for fund in funds}
    month, planned = since.replace(day=1), []
    while (at := at_local(_next(month).replace(day=DRAFTED_ON), time(8))) <= world.agenda.until:
        planned.append((month, at))
        month = _next(month)
    for month, at in planned:
        newest = month == planned[-1][0]
        world.agenda.enter(at, partial(_draft, world, by_year[month.year], month, newest=newest))


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _draft(world: World, fund_id: UUID, month: date, *, newest: bool) -> None:
    claim_drafts.draft_month(world.session, fund_id=fund_id, month=month)
    drafts = world.session.exec(
        select(Claim.id, Site.code)
        .join(Site, col(Site.id) == Claim.site_id)
        .where(Claim.fund_id == fund_id, Claim.month == month, Claim.status == ClaimStatus.DRAFT)
        .order_by(col(Site.code))
    ).all()
    for n, (claim_id, site_code) in enumerate(drafts):
        manager = next(p.manager for p in world.places if p.site.code == site_code)
        steps = list(_STEPS[n % len(_STEPS)] if newest else _whole_way(world))
        _enter_next(world, claim_id, manager, steps)


def _whole_way(world: World) -> tuple[str, ...]:
    returned = ("submit", "return") if world.chance(0.06) else ()
    return (*returned, "submit", "review", "approve", "pay")


def _enter_next(world: World, claim_id: UUID, manager: UUID, steps: list[str]) -> None:
    if steps:
        at = world.soon(world.now, (2, 40))
        world.agenda.enter(at, partial(_step, world, claim_id, manager, steps))


def _step(world: World, claim_id: UUID, manager: UUID, steps: list[str]) -> None:
    name = steps.pop(0)
    actors = {
        "submit": manager,
        "review": world.staff.officer,
        "return": world.staff.officer,
    }
    world.tally[f"claim {name}"] += 1
    claim_moves.move(
        world.session,
        actor=world.actor(actors.get(name, world.staff.approver)),
        claim_id=claim_id,
        name=name,
        now=world.now,
        reason=world.luck.choice(words.RETURNED) if name == "return" else None,
        voucher_number=f"示例-{world.tally['claim pay']:05}" if name == "pay" else None,
    )
    _enter_next(world, claim_id, manager, steps)
