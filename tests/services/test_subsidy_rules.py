"""Writing the tariff: versions, who may, and of two who write at once the second."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.errors import Stale
from app.models import Account, AuditEvent, Role, Sector, SubsidyRule
from app.services import audit, subsidy_rules
from app.services.access import NotInScope
from app.services.organisations import OrganisationNotFound
from app.services.subsidy_rules import (
    RuleEndsTooEarly,
    SubsidyRuleCodeTaken,
    SubsidyRuleNotFound,
    Terms,
    View,
)
from tests.conftest import as_owner
from tests.makers import World, actor, make_account, make_rule, make_world
from tests.services.test_standings_races import Act, drop, one_behind_the_other, side_by_side

DAY = date(2027, 1, 1)
TERMS = Terms(
    valid_from=DAY,
    valid_to=None,
    category=None,
    programme_kind=None,
    sector=None,
    base_fen=1,
    per_head_fen=2,
    head_cap=3,
    visit_cap_fen=4,
    site_month_cap_fen=5,
    branch_year_cap_fen=6,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def create(session: Session, world: World, who: Account | None = None, code: str = "A") -> View:
    return subsidy_rules.create(
        session,
        actor=actor(session, who or world.fund_officer),
        organisation_id=world.district.id,
        code=code,
        terms=TERMS,
    )


def revise(session: Session, world: World, view: View, version: int, terms: Terms = TERMS) -> View:
    return subsidy_rules.revise(
        session,
        actor=actor(session, world.fund_officer),
        rule_id=view.rule.id,
        version=version,
        terms=terms,
    )


def test_a_line_is_written_in_somebody_s_name(session: Session, world: World) -> None:
    view = create(session, world)
    assert (view.rule.code, view.rule.version, view.newest, view.ends) == ("A", 1, 1, None)
    assert view.made_by == world.fund_officer.name
    found = subsidy_rules.get(
        session, actor=actor(session, world.fund_officer), rule_id=view.rule.id
    )
    assert found == view


def test_a_line_is_written_into_the_audit_log_with_who_did_it(
    session: Session, world: World
) -> None:
    officer = actor(session, world.fund_officer)
    view = subsidy_rules.create(
        session, actor=officer, organisation_id=world.district.id, code="A", terms=TERMS
    )
    audit.sign(session, actor=officer, by=audit.By("req", "192.0.2.7"))
    session.connection().execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    event = session.exec(select(AuditEvent).where(AuditEvent.row_id == str(view.rule.id))).one()
    assert (event.noun, event.actor_role) == ("subsidy_rule", Role.FUND_OFFICER)


@pytest.mark.parametrize("terms", [TERMS, replace(TERMS, sector=Sector.RURAL, valid_to=DAY)])
def test_a_version_takes_the_place_of_the_one_before(
    session: Session, world: World, terms: Terms
) -> None:
    first = create(session, world)
    second = revise(session, world, first, 1, terms)
    assert (second.rule.version, second.rule.code, second.ends) == (2, "A", terms.valid_to)
    who = actor(session, world.fund_officer)
    again = subsidy_rules.get(session, actor=who, rule_id=first.rule.id)
    assert (again.ends, again.newest) == (DAY, 2)
    third = revise(session, world, first, 2, terms)
    assert third.rule.version == 3


@pytest.mark.parametrize("version", [0, 1, 3])
def test_who_has_not_seen_the_newest_version_writes_none(
    session: Session, world: World, version: int
) -> None:
    view = revise(session, world, create(session, world), 1)
    with pytest.raises(Stale):
        revise(session, world, view, version)


def test_a_code_is_given_once_a_district(session: Session, world: World) -> None:
    create(session, world)
    create(session, make_world(session))
    create(session, world, code="B")
    with pytest.raises(SubsidyRuleCodeTaken):
        create(session, world)


def test_a_rule_does_not_end_before_it_begins(session: Session, world: World) -> None:
    view = create(session, world)
    early = replace(TERMS, valid_to=DAY - timedelta(days=1))
    with pytest.raises(RuleEndsTooEarly):
        revise(session, world, view, 1, early)


@pytest.mark.parametrize("name", ["town_staff", "district_staff", "fund_approver"])
def test_who_only_reads_the_tariff_does_not_write_it(
    session: Session, world: World, name: str
) -> None:
    with pytest.raises(NotInScope):
        create(session, world, getattr(world, name))


@pytest.mark.parametrize("name", ["organiser", "manager"])
def test_to_others_it_is_not_there(session: Session, world: World, name: str) -> None:
    who, view = getattr(world, name), create(session, world)
    with pytest.raises(OrganisationNotFound):
        create(session, world, who)
    with pytest.raises(SubsidyRuleNotFound):
        subsidy_rules.get(session, actor=actor(session, who), rule_id=view.rule.id)


def test_an_officer_of_a_town_does_not_write_its_district_s_tariff(
    session: Session, world: World
) -> None:
    officer = make_account(session, Role.FUND_OFFICER, at=world.town)
    with pytest.raises(NotInScope):
        create(session, world, officer)


def test_the_tariff_is_listed_by_what_is_newest_or_by_what_holds(
    session: Session, world: World
) -> None:
    view = create(session, world)
    revise(session, world, view, 1, replace(TERMS, valid_from=DAY + timedelta(days=9)))
    make_rule(session, make_world(session).district, code="A")
    who = actor(session, world.town_staff)

    def listed(day: date | None) -> list[tuple[str, int]]:
        found = subsidy_rules.page(session, actor=who, day=day, after=None, limit=9)
        return [(one.rule.code, one.rule.version) for one in found if one.rule.code == "A"]

    assert listed(None) == [("A", 2)]
    assert listed(DAY - timedelta(days=1)) == []
    assert listed(DAY + timedelta(days=8)) == [("A", 1)]
    assert listed(DAY + timedelta(days=9)) == [("A", 2)]


@pytest.mark.parametrize(
    "statement", ["UPDATE subsidy_rule SET base_fen = 1", "DELETE FROM subsidy_rule"]
)
@pytest.mark.parametrize("owner", [False, True])
def test_a_written_version_cannot_be_changed(
    session: Session, world: World, statement: str, owner: bool
) -> None:
    if owner:
        as_owner(session)
    with pytest.raises(DBAPIError, match="append-only" if owner else "permission denied"):
        session.connection().execute(text(statement))


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("category", "marine", "subsidy_rule_category_known_check"),
        ("programme_kind", "lunch", "subsidy_rule_programme_kind_known_check"),
        ("sector", "navy", "subsidy_rule_sector_known_check"),
        ("base_fen", -1, "subsidy_rule_not_negative_check"),
        ("per_head_fen", -1, "subsidy_rule_not_negative_check"),
        ("head_cap", -1, "subsidy_rule_not_negative_check"),
        ("visit_cap_fen", -1, "subsidy_rule_not_negative_check"),
        ("site_month_cap_fen", -1, "subsidy_rule_not_negative_check"),
        ("branch_year_cap_fen", -1, "subsidy_rule_not_negative_check"),
        ("version", 0, "subsidy_rule_version_counts_check"),
        ("valid_to", date(1999, 1, 1), "subsidy_rule_dates_in_order_check"),
    ],
)
def test_the_database_refuses_what_no_tariff_says(
    session: Session, world: World, column: str, value: object, constraint: str
) -> None:
    rule = SubsidyRule(
        id=uuid7(), organisation_id=world.district.id, code="A", **vars(TERMS) | {column: value}
    )
    session.add(rule)
    with pytest.raises(IntegrityError, match=constraint):
        session.flush()


def revisions(engine: Engine) -> tuple[Act, Act]:
    """Two who change the same version."""
    with Session(engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
        view = create(setup, world)

    def write(session: Session) -> object:
        return revise(session, world, view, 1)

    return write, write


def test_of_two_who_change_a_line_at_once_the_second_reads_again(own_engine: Engine) -> None:
    assert one_behind_the_other(own_engine, *revisions(own_engine)) == "stale"


def test_without_the_constraint_both_write_the_same_version(own_engine: Engine) -> None:
    first, second = revisions(own_engine)
    drop(own_engine, "ALTER TABLE subsidy_rule DROP CONSTRAINT subsidy_rule_version_once")
    side_by_side(own_engine, first, second)
    with Session(own_engine) as session:
        versions = session.exec(select(SubsidyRule.version).where(SubsidyRule.code == "A")).all()
    assert sorted(versions) == [1, 2, 2]
