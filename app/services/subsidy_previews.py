"""What the fund would pay for a visit that is only thought of, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlmodel import Session

from app.models import Fund, FundAccount, Organisation, Role, Site, SubsidyRule
from app.services import ledger, subsidies, subsidy_rules, tariff
from app.services.access import Actor, NotInScope
from app.services.funds import KEEPERS
from app.services.organisations import OrganisationNotFound
from app.services.sites import SiteNotFound
from app.services.tariff import Sums, WhyNothing

ASKERS = (*KEEPERS, Role.DISTRICT_STAFF, Role.AUDITOR)
"""Who may know what any site or branch of the district has had."""


@dataclass(frozen=True)
class Imagined:
    """A visit to a site, or one of a category, by a branch, or one of a sector."""

    organisation_id: UUID
    day: date
    people: int
    programme_kinds: Sequence[str]
    site_id: UUID | None
    category: str | None
    branch_id: UUID | None
    sector: str | None
    outside: bool


@dataclass(frozen=True)
class Preview:
    """What comes of it; no rule and no fund where it does not get that far."""

    sums: Sums
    rule: SubsidyRule | None
    fund: Fund | None
    available_fen: int | None


def preview(session: Session, *, actor: Actor, imagined: Imagined) -> Preview:
    """Reckon a visit as an approval would now; nothing is reserved.

    Args:
        session: open transaction.
        actor: who keeps the district's fund or oversees all of the district.
        imagined: of a site and a branch their caps are looked at, of others only the rule's.

    Raises:
        OrganisationNotFound: no such district, or its tariff is not the actor's to see; or the
            branch is not in its tree.
        NotInScope: they see the tariff, but not what sites and branches had.
        SiteNotFound: the district has no such site.
    """
    district = imagined.organisation_id
    if district not in subsidy_rules.readable(session, actor=actor):
        raise OrganisationNotFound
    held = [g.role for g in actor.grants if g.role in ASKERS and g.organisation_id == district]
    if not held:
        raise NotInScope(roles=[str(role) for role in ASKERS])
    actor.act_as(held)
    found = subsidies.sources(session, visit=_visit(session, imagined))
    if isinstance(found, WhyNothing):
        return Preview(tariff.nothing(found, people=imagined.people), None, None, None)
    rule, fund = found
    others = subsidies.used(
        session,
        rule=rule,
        fund_id=fund.id,
        day=imagined.day,
        site_id=imagined.site_id,
        branch_id=imagined.branch_id,
    )
    sums = tariff.arithmetic(rule, people=imagined.people, used=others)
    left = ledger.balances(session, fund_id=fund.id)[FundAccount.AVAILABLE]
    if sums["amount_fen"] > left:
        tariff.drop(sums, available_fen=left)
    return Preview(sums, rule, fund, left)


def _visit(session: Session, imagined: Imagined) -> tariff.Visit:
    category, sector, outside = imagined.category, imagined.sector, imagined.outside
    if imagined.site_id:
        site = session.get(Site, imagined.site_id)
        if site is None or site.district_id != imagined.organisation_id:
            raise SiteNotFound
        category = site.category
    if imagined.branch_id:
        branch = session.get(Organisation, imagined.branch_id)
        if branch is None or branch.district_id != imagined.organisation_id:
            raise OrganisationNotFound
        sector, outside = branch.sector, branch.outside
    assert category is not None  # noqa: S101  # a site or a category is given
    return tariff.Visit(
        district_id=imagined.organisation_id,
        day=imagined.day,
        category=category,
        sector=sector,
        programme_kinds=imagined.programme_kinds,
        outside=outside,
    )
