"""Writing rules of ordering: who may, what is refused, and one at a time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.errors import DomainError, Stale
from app.models import Policy, Role, SiteStatus
from app.services import organisations, policy_editing, sites
from app.services.access import NotInScope
from tests.conftest import NOW, as_owner
from tests.makers import (
    World,
    actor,
    make_account,
    make_organisation,
    make_world,
)
from tests.races import replaced_sql, until_somebody_waits
from tests.services.rulebooks import (
    DEFAULT,
    enact,
    enact_here,
    withdraw,
)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.mark.parametrize(
    ("change", "refusal", "limit"),
    [
        ({"lead_working_days": 6}, policy_editing.LargePartyLeadTooShort, 6),
        ({"horizon_days": 6}, policy_editing.HorizonTooShort, 7),
        (
            {"lead_working_days_large": 6, "horizon_days": 13},
            policy_editing.HorizonTooShort,
            14,
        ),
        ({"free_cancel_working_days": 4}, policy_editing.FreeCancelTooEarly, 3),
    ],
    ids=["large party", "horizon", "horizon of six", "free cancellation"],
)
def test_rules_that_contradict_each_other_are_refused(
    session: Session,
    world: World,
    change: dict[str, Any],
    refusal: type[DomainError],
    limit: int,
) -> None:
    for make in (enact, enact_here):
        version = 1 if make is enact else 0
        with pytest.raises(refusal) as refused:
            make(session, world, version=version, rules=replace(DEFAULT, **change))
        assert refused.value.facts == {"limit": limit}
        assert str(limit) in refused.value.detail("zh")


@pytest.mark.parametrize(
    "change",
    [
        {"lead_working_days": 5},
        {"horizon_days": 7},
        {"lead_working_days_large": 6, "horizon_days": 14},
        {"free_cancel_working_days": 3},
        {
            "lead_working_days": 0,
            "lead_working_days_large": 0,
            "free_cancel_working_days": 0,
            "horizon_days": 0,
        },
    ],
    ids=["large party", "horizon", "horizon of six", "free cancellation", "today alone"],
)
def test_at_the_bound_they_are_not(session: Session, world: World, change: dict[str, Any]) -> None:
    assert enact(session, world, rules=replace(DEFAULT, **change)).policy.version == 2


def test_who_has_not_seen_the_newest_version_writes_none(session: Session, world: World) -> None:
    enact(session, world)
    for version in (0, 1, 3):
        with pytest.raises(Stale):
            enact(session, world, version=version)
    enact_here(session, world)
    with pytest.raises(Stale):
        enact_here(session, world)
    with pytest.raises(Stale):
        withdraw(session, world, 0)


def test_a_closed_site_keeps_its_rules(session: Session, world: World) -> None:
    enact_here(session, world)
    world.site.status = SiteStatus.CLOSED
    session.flush()
    with pytest.raises(sites.SiteClosed):
        enact_here(session, world, version=1)
    with pytest.raises(sites.SiteClosed):
        withdraw(session, world, 1)


def test_only_staff_of_the_district_write(session: Session, world: World) -> None:
    auditor = make_account(session, Role.AUDITOR, at=world.district)
    lower = make_account(session, Role.DISTRICT_STAFF, at=world.town)
    for who in (world.manager, world.town_staff, lower, world.organiser):
        with pytest.raises(organisations.OrganisationNotFound):
            enact(session, world, who=who)
    with pytest.raises(NotInScope):
        enact(session, world, who=auditor)
    for who in (world.manager, world.town_staff, auditor):
        with pytest.raises(NotInScope):
            enact_here(session, world, who=who)
        with pytest.raises(NotInScope):
            withdraw(session, world, 0, who=who)
    abroad = make_account(session, Role.DISTRICT_STAFF, at=make_organisation(session))
    with pytest.raises(sites.SiteNotFound):
        enact_here(session, world, who=abroad)


def test_rules_are_a_district_s_alone(session: Session, world: World) -> None:
    with pytest.raises(policy_editing.NotADistrict):
        policy_editing.enact_for_district(
            session,
            actor=actor(session, world.district_staff),
            organisation_id=world.town.id,
            version=1,
            rules=DEFAULT,
            effective_at=None,
            now=NOW,
        )


def with_all(_: Engine) -> AbstractContextManager[None]:
    return nullcontext()


@contextmanager
def without_lock(engine: Engine) -> Iterator[None]:
    mine = "organisation.id = %(id_1)s::UUID"
    with replaced_sql(engine, f"{mine} FOR NO KEY UPDATE", mine):
        yield


def versions(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.exec(select(Policy.version).order_by(col(Policy.version))).all())


@pytest.mark.parametrize("guards", [with_all, without_lock])
def test_of_two_who_write_at_once_one_has_written(
    own_engine: Engine, guards: Callable[[Engine], AbstractContextManager[None]]
) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)

    def second() -> str:
        try:
            with Session(own_engine) as session, session.begin():
                enact(session, world)
        except Stale:
            return "stale"
        return "written"

    with guards(own_engine), ThreadPoolExecutor(1) as pool, Session(own_engine) as session:
        enact(session, world)
        waiting = pool.submit(second)
        until_somebody_waits(own_engine)
        session.commit()
        assert waiting.result() == "stale"
    assert versions(own_engine) == [1, 2]


def test_with_neither_lock_nor_key_both_write(own_engine: Engine) -> None:
    with Session(own_engine, expire_on_commit=False) as setup, setup.begin():
        world = make_world(setup)
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("ALTER TABLE policy DROP CONSTRAINT policy_version_once"))
    with (
        without_lock(own_engine),
        Session(own_engine) as first,
        Session(own_engine) as second,
    ):
        enact(first, world)
        enact(second, world)
        first.commit()
        second.commit()
    assert versions(own_engine) == [1, 2, 2]
