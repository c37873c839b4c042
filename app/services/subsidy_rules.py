"""The tariff as its keepers write and its readers read it: versions, history and a preview."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, exists, func, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from app.db import violating
from app.errors import Conflict, DomainError, Malformed, NotFound, Stale
from app.models import (
    RULE_DATES_IN_ORDER,
    RULE_VERSION_ONCE,
    Account,
    Organisation,
    Role,
    SubsidyRule,
)
from app.services import tariff
from app.services.access import OVERSEERS, Actor, NotInScope
from app.services.funds import KEEPERS
from app.services.organisations import OrganisationNotFound

READERS = (*KEEPERS, *OVERSEERS)


class SubsidyRuleNotFound(NotFound):
    """There is no such line of the tariff, or it is not yours to see."""

    zh = "未找到该补助标准"


class SubsidyRuleCodeTaken(Conflict):
    """The tariff has a line of this code; write its next version."""

    zh = "该代码的补助标准已存在，请修订为新版本"


class RuleEndsTooEarly(Malformed):
    """A rule does not end before it begins."""

    zh = "补助标准的失效日期不能早于生效日期"


@dataclass(frozen=True)
class Terms:
    """What a version says; see `SubsidyRule`."""

    valid_from: date
    valid_to: date | None
    category: str | None
    programme_kind: str | None
    sector: str | None
    base_fen: int
    per_head_fen: int
    head_cap: int
    visit_cap_fen: int
    site_month_cap_fen: int | None
    branch_year_cap_fen: int | None


@dataclass(frozen=True)
class View:
    """A version with what is shown of it.

    `ends` is the day on which it holds no more: by its own dates, or because a newer one begins;
    not after its first day where it never holds. `newest` is the last version of its line, and
    `made_by` a name.
    """

    rule: SubsidyRule
    ends: date | None
    newest: int
    made_by: str | None


def readable(session: Session, *, actor: Actor) -> Sequence[UUID]:
    """Return the districts whose tariff an actor may read: where they keep funds or oversee."""
    offices = actor.organisations(*READERS)
    at = select(Organisation.district_id).where(col(Organisation.id).in_(offices))
    return session.exec(at.distinct()).all()


def page(
    session: Session,
    *,
    actor: Actor,
    day: date | None,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[View]:
    """Return one version of each line, one more line than `limit`, by district and code.

    Args:
        session: open transaction.
        actor: who reads.
        day: the versions that hold on it; without it the newest of each line.
        after: district and code of the last one of the page before.
        limit: length of a page.
    """
    newer = aliased(SubsidyRule)
    replaced = exists().where(_same_line(newer), col(newer.version) > SubsidyRule.version)
    which = [
        col(SubsidyRule.organisation_id).in_(readable(session, actor=actor)),
        ~replaced if day is None else tariff.holds_on(day),
    ]
    keys = (col(SubsidyRule.organisation_id), col(SubsidyRule.code))
    if after is not None:
        which.append(tuple_(*keys) > tuple_(*after))
    return _views(session, *which, order=keys, limit=limit + 1)


def get(session: Session, *, actor: Actor, rule_id: UUID) -> View:
    """Return one version an actor may read.

    Raises:
        SubsidyRuleNotFound: there is none, or it is of a tariff that is not theirs to see.
    """
    theirs = col(SubsidyRule.organisation_id).in_(readable(session, actor=actor))
    found = _views(session, theirs, col(SubsidyRule.id) == rule_id, order=(), limit=1)
    if not found:
        raise SubsidyRuleNotFound
    return found[0]


def history(
    session: Session, *, actor: Actor, rule_id: UUID, before: int | None, limit: int
) -> list[View]:
    """Return the versions of the line that one is of, one more than `limit`, the newest first.

    Args:
        session: open transaction.
        actor: who reads.
        rule_id: any version of the line.
        before: the version of the last one of the page before.
        limit: length of a page.

    Raises:
        SubsidyRuleNotFound: as `get`.
    """
    rule = get(session, actor=actor, rule_id=rule_id).rule
    which = [
        col(SubsidyRule.organisation_id) == rule.organisation_id,
        col(SubsidyRule.code) == rule.code,
    ]
    if before is not None:
        which.append(col(SubsidyRule.version) < before)
    return _views(session, *which, order=(col(SubsidyRule.version).desc(),), limit=limit + 1)


def create(
    session: Session, *, actor: Actor, organisation_id: UUID, code: str, terms: Terms
) -> View:
    """Write the first version of a new line of a district's tariff.

    Raises:
        OrganisationNotFound: there is none, or its tariff is not the actor's to see.
        NotInScope: they see it, but do not keep its fund.
        RuleEndsTooEarly: its dates are not in order.
        SubsidyRuleCodeTaken: there is a line of this code.
    """
    if organisation_id not in readable(session, actor=actor):
        raise OrganisationNotFound
    _require_officer(actor, organisation_id)
    rule = SubsidyRule(
        organisation_id=organisation_id, code=code, made_by=actor.account_id, **asdict(terms)
    )
    return _write(session, rule, actor, SubsidyRuleCodeTaken())


def revise(session: Session, *, actor: Actor, rule_id: UUID, version: int, terms: Terms) -> View:
    """Write the next version of a line; what is reserved keeps the one it was reserved by.

    Args:
        session: open transaction; roll it back on any error.
        actor: a fund officer of the district.
        rule_id: any version of the line.
        version: the newest one that the actor has seen.
        terms: all of them; they take the place of those before from their first day on.

    Raises:
        SubsidyRuleNotFound: there is none, or it is of a tariff that is not theirs to see.
        NotInScope: they see it, but do not keep its fund.
        Stale: there is a newer version by now.
        RuleEndsTooEarly: its dates are not in order.
    """
    seen = get(session, actor=actor, rule_id=rule_id)
    _require_officer(actor, seen.rule.organisation_id)
    if seen.newest != version:
        raise Stale
    rule = SubsidyRule(
        organisation_id=seen.rule.organisation_id,
        code=seen.rule.code,
        version=version + 1,
        made_by=actor.account_id,
        **asdict(terms),
    )
    return _write(session, rule, actor, Stale())


def _require_officer(actor: Actor, organisation_id: UUID) -> None:
    if organisation_id not in actor.organisations(Role.FUND_OFFICER):
        raise NotInScope(roles=[Role.FUND_OFFICER])
    actor.act_as([Role.FUND_OFFICER])


def _write(session: Session, rule: SubsidyRule, actor: Actor, taken: DomainError) -> View:
    session.add(rule)
    with (
        violating(RULE_VERSION_ONCE, taken),
        violating(RULE_DATES_IN_ORDER, RuleEndsTooEarly()),
    ):
        session.flush()
    session.refresh(rule, ["created_at"])
    return View(rule=rule, ends=rule.valid_to, newest=rule.version, made_by=actor.name)


def _same_line(other: type[SubsidyRule]) -> ColumnElement[bool]:
    return (col(other.organisation_id) == col(SubsidyRule.organisation_id)) & (
        col(other.code) == col(SubsidyRule.code)
    )


def _views(
    session: Session, *which: ColumnElement[bool], order: Sequence[Any], limit: int
) -> list[View]:
    newer, any_ = aliased(SubsidyRule), aliased(SubsidyRule)
    replaced_on = (
        select(func.min(newer.valid_from))
        .where(_same_line(newer), col(newer.version) > SubsidyRule.version)
        .scalar_subquery()
    )
    newest = select(func.max(any_.version)).where(_same_line(any_)).scalar_subquery()
    found = session.exec(
        select(SubsidyRule, func.least(SubsidyRule.valid_to, replaced_on), newest, Account.name)
        .outerjoin(Account, col(Account.id) == SubsidyRule.made_by)
        .where(*which)
        .order_by(*order)
        .limit(limit)
    )
    return [View(*row) for row in found]
