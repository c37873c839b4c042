"""Planting, changing and moving: who may, what hangs where, and two at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, Select, func, text
from sqlmodel import Session, col, select

from app.errors import DomainError, Stale
from app.models import Account, Organisation, OrganisationKind, Role, Sector
from app.services import bookings, organisations, tree, verify
from app.services.access import Actor, NotInScope, below
from app.services.organisations import OrganisationCodeTaken, OrganisationNotFound
from app.services.tree import Changes, KindMisplaced, OrganisationInACircle, OtherDistrict
from tests.conftest import NOW
from tests.makers import (
    actor,
    make_account,
    make_booking,
    make_grant,
    make_organisation,
    make_world,
)
from tests.races import replaced_sql, until_somebody_waits

K = OrganisationKind


@dataclass(frozen=True)
class Woods:
    """Two towns and a committee in one district, and what hangs below them."""

    district: Organisation
    town: Organisation
    other_town: Organisation
    department: Organisation
    general: Organisation
    branch: Organisation
    elsewhere: Organisation
    district_staff: Actor
    town_staff: Actor


@pytest.fixture
def woods(session: Session) -> Woods:
    return make_woods(session)


def make_woods(session: Session) -> Woods:
    district = make_organisation(session)
    town = make_organisation(session, parent=district, kind=K.TOWN)
    general = make_organisation(session, parent=town, kind=K.GENERAL_BRANCH)
    return Woods(
        district=district,
        town=town,
        other_town=make_organisation(session, parent=district, kind=K.TOWN),
        department=make_organisation(session, parent=district, kind=K.DEPARTMENT),
        general=general,
        branch=make_organisation(session, parent=general),
        elsewhere=make_organisation(session),
        district_staff=acting(session, Role.DISTRICT_STAFF, district),
        town_staff=acting(session, Role.TOWN_STAFF, town),
    )


def acting(session: Session, role: Role, *places: Organisation) -> Actor:
    account = make_account(session)
    for place in places:
        make_grant(session, account, role, at=place)
    return actor(session, account)


def plant(
    session: Session, who: Actor, parent: Organisation, kind: OrganisationKind, code: str = "N1"
) -> Organisation:
    return tree.plant(session, actor=who, name="新的", code=code, kind=kind, parent_id=parent.id)


def change(session: Session, who: Actor, node: Organisation, changes: Changes) -> Organisation:
    return tree.change(
        session, actor=who, organisation_id=node.id, version=node.version, changes=changes
    )


def move(session: Session, who: Actor, node: Organisation, to: Organisation) -> Organisation:
    return change(session, who, node, {"parent_id": to.id})


def broken(session: Session) -> list[str]:
    found = verify.violations(session, now=NOW)
    return [line for line in found if line.startswith("an organisation does not hang")]


def test_what_is_planted_hangs_below_its_parent(session: Session, woods: Woods) -> None:
    planted = plant(session, woods.district_staff, woods.district, K.TOWN)
    assert planted.path == f"{woods.district.path}.{planted.id.hex}"
    assert (planted.place, planted.version) == ("新的", 1)
    assert woods.district_staff.acting_role() == Role.DISTRICT_STAFF
    inside = plant(session, woods.town_staff, woods.general, K.BRANCH, "N2")
    assert inside.district_id == woods.district.id
    assert broken(session) == []


@pytest.mark.parametrize(
    ("kind", "parent", "fits"),
    [
        (K.TOWN, "district", True),
        (K.TOWN, "department", False),
        (K.DEPARTMENT, "department", True),
        (K.DEPARTMENT, "general", False),
        (K.GENERAL_BRANCH, "department", True),
        (K.GENERAL_BRANCH, "general", False),
        (K.BRANCH, "district", True),
        (K.BRANCH, "branch", False),
        (K.DISTRICT, "district", False),
    ],
)
def test_kinds_nest(
    session: Session, woods: Woods, kind: OrganisationKind, parent: str, fits: bool
) -> None:
    under: Organisation = getattr(woods, parent)
    if fits:
        assert plant(session, woods.district_staff, under, kind).parent_id == under.id
        return
    with pytest.raises(KindMisplaced) as refused:
        plant(session, woods.district_staff, under, kind)
    assert refused.value.facts == {
        "kind": str(kind),
        "parent_kind": under.kind,
        "allowed": [str(one) for one in tree.PARENTS[kind]],
    }


@pytest.mark.parametrize(
    ("parent", "kind", "error"),
    [
        ("town", K.BRANCH, None),
        ("town", K.GENERAL_BRANCH, None),
        ("general", K.BRANCH, None),
        ("town", K.DEPARTMENT, NotInScope),
        ("district", K.BRANCH, OrganisationNotFound),
        ("other_town", K.BRANCH, OrganisationNotFound),
        ("elsewhere", K.BRANCH, OrganisationNotFound),
    ],
)
def test_a_town_plants_branches_below_itself(
    session: Session,
    woods: Woods,
    parent: str,
    kind: OrganisationKind,
    error: type[DomainError] | None,
) -> None:
    if error is None:
        assert plant(session, woods.town_staff, getattr(woods, parent), kind)
        assert woods.town_staff.acting_role() == Role.TOWN_STAFF
    else:
        with pytest.raises(error):
            plant(session, woods.town_staff, getattr(woods, parent), kind)


@pytest.mark.parametrize(
    "role", [r for r in Role if r not in {*tree.STAFF, Role.SITE_MANAGER}], ids=str
)
def test_nobody_else_plants_or_changes(session: Session, woods: Woods, role: Role) -> None:
    nowhere = role in {Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN}
    account = make_account(session, role, at=None if nowhere else woods.general)
    who = actor(session, account)
    with pytest.raises((NotInScope, OrganisationNotFound)):
        plant(session, who, woods.general, K.BRANCH)
    with pytest.raises((NotInScope, OrganisationNotFound)):
        change(session, who, woods.general, {"name": "改名"})


def test_a_code_is_used_once(session: Session, woods: Woods) -> None:
    with pytest.raises(OrganisationCodeTaken), session.begin_nested():
        plant(session, woods.town_staff, woods.town, K.BRANCH, woods.elsewhere.code)
    with pytest.raises(OrganisationCodeTaken), session.begin_nested():
        change(session, woods.town_staff, woods.branch, {"code": woods.elsewhere.code})


def test_what_is_said_changes_and_the_rest_stays(session: Session, woods: Woods) -> None:
    before = woods.branch.code
    said: Changes = {"name": "改名", "sector": Sector.HEALTH, "member_count": 9, "active": False}
    changed = change(session, woods.town_staff, woods.branch, said)
    assert (changed.name, changed.sector, changed.member_count) == ("改名", "health", 9)
    assert (changed.active, changed.code, changed.version) == (False, before, 2)


def test_of_two_changes_to_one_version_the_second_is_stale(session: Session, woods: Woods) -> None:
    change(session, woods.town_staff, woods.branch, {"name": "先"})
    with pytest.raises(Stale):
        tree.change(
            session,
            actor=woods.district_staff,
            organisation_id=woods.branch.id,
            version=1,
            changes={"name": "后"},
        )
    assert woods.branch.name == "先"


def test_a_town_does_not_change_itself(session: Session, woods: Woods) -> None:
    with pytest.raises(NotInScope):
        change(session, woods.town_staff, woods.town, {"name": "改名"})
    assert change(session, woods.district_staff, woods.town, {"name": "改名"}).name == "改名"
    assert change(session, woods.district_staff, woods.district, {"name": "区"}).name == "区"


def test_a_town_keeps_a_name_on_the_map(session: Session, woods: Woods) -> None:
    town = change(session, woods.district_staff, woods.town, {"name": "新名", "place": None})
    assert town.place == "新名"


def test_a_subtree_moves_as_one(session: Session, woods: Woods) -> None:
    moved = move(session, woods.district_staff, woods.general, woods.department)
    assert moved.path == f"{woods.department.path}.{moved.id.hex}"
    assert woods.branch.path == f"{moved.path}.{woods.branch.id.hex}"
    assert broken(session) == []


def test_moving_to_where_it_is_moves_nothing(session: Session, woods: Woods) -> None:
    path = woods.general.path
    assert move(session, woods.town_staff, woods.general, woods.town).path == path


@pytest.mark.parametrize("target", ["department", "inner"])
def test_nothing_hangs_under_itself(session: Session, woods: Woods, target: str) -> None:
    inner = make_organisation(session, parent=woods.department, kind=K.DEPARTMENT)
    to = inner if target == "inner" else woods.department
    with pytest.raises(OrganisationInACircle):
        move(session, woods.district_staff, woods.department, to)


def test_nothing_leaves_its_district(session: Session, woods: Woods) -> None:
    both = acting(session, Role.DISTRICT_STAFF, woods.district, woods.elsewhere)
    with pytest.raises(OtherDistrict):
        move(session, both, woods.branch, woods.elsewhere)


def test_who_moves_holds_both_ends(session: Session, woods: Woods) -> None:
    with pytest.raises(OrganisationNotFound):
        move(session, woods.town_staff, woods.branch, woods.other_town)
    overseer = acting(session, Role.TOWN_STAFF, woods.town)
    make_grant(session, account := make_account(session), Role.TOWN_STAFF, at=woods.town)
    make_grant(session, account, Role.AUDITOR, at=woods.district)
    with pytest.raises(NotInScope):
        move(session, actor(session, account), woods.branch, woods.other_town)
    # They hold both committees, yet not the district that one of them would be taken from.
    other = make_organisation(session, parent=woods.district, kind=K.DEPARTMENT)
    both = acting(session, Role.DISTRICT_STAFF, woods.department, other)
    with pytest.raises(NotInScope):
        move(session, both, woods.department, other)
    assert move(session, overseer, woods.branch, woods.town).parent_id == woods.town.id


def test_history_moves_with_the_branch(session: Session) -> None:
    world = make_world(session)
    far = make_organisation(session, parent=world.district, kind=K.TOWN)
    sender = make_organisation(session, parent=world.district, kind=K.TOWN)
    move(session, actor(session, world.district_staff), world.branch, sender)
    booking = make_booking(session, world)
    old, new = (make_account(session, Role.TOWN_STAFF, at=town) for town in (sender, far))

    def seen_by(account: Account) -> list[UUID]:
        wanted = bookings.visible(actor(session, account))
        return [found.id for found in session.exec(wanted)]

    assert (seen_by(old), seen_by(new)) == ([booking.id], [])
    move(session, actor(session, world.district_staff), world.branch, far)
    assert (seen_by(old), seen_by(new)) == ([], [booking.id])
    with pytest.raises(bookings.BookingNotFound):
        bookings.get(session, actor=actor(session, old), booking_id=booking.id)


@pytest.fixture
def crossing(own_engine: Engine) -> tuple[UUID, UUID, UUID]:
    """Two committees side by side, and whoever may move both."""
    with Session(own_engine) as session, session.begin():
        district = make_organisation(session)
        one, other = (make_organisation(session, parent=district, kind=K.DEPARTMENT) for _ in "ab")
        make_organisation(session, parent=one)
        make_organisation(session, parent=other)
        staff = make_account(session, Role.DISTRICT_STAFF, at=district)
        return one.id, other.id, staff.id


def move_across(engine: Engine, crossing: tuple[UUID, UUID, UUID]) -> str:
    """Move one below the other while somebody moves the other below the one; tell how it ended."""
    one, other, staff = crossing

    def go(session: Session, node_id: UUID, target: UUID) -> None:
        who = actor(session, session.get_one(Account, staff))
        changes: Changes = {"parent_id": target}
        tree.change(session, actor=who, organisation_id=node_id, version=1, changes=changes)

    def second() -> str:
        try:
            with Session(engine) as session, session.begin():
                go(session, other, one)
        except DomainError as refusal:
            return refusal.slug()
        return "moved"

    with ThreadPoolExecutor(1) as pool, Session(engine) as session, session.begin():
        go(session, one, other)
        ending = pool.submit(second)
        until_somebody_waits(engine)
        session.commit()
        return ending.result()


def test_of_two_crossing_moves_the_second_is_refused(
    own_engine: Engine, crossing: tuple[UUID, UUID, UUID]
) -> None:
    assert move_across(own_engine, crossing) == "organisation-in-a-circle"
    with Session(own_engine) as session:
        assert broken(session) == []


def test_without_the_lock_they_make_a_circle(
    own_engine: Engine, crossing: tuple[UUID, UUID, UUID]
) -> None:
    with replaced_sql(own_engine, " FOR NO KEY UPDATE"):
        assert move_across(own_engine, crossing) == "moved"
    with Session(own_engine) as session:
        assert broken(session)


def test_who_plants_waits_for_who_moves(
    own_engine: Engine, crossing: tuple[UUID, UUID, UUID]
) -> None:
    one, other, staff = crossing

    def planted() -> None:
        with Session(own_engine) as session, session.begin():
            who = actor(session, session.get_one(Account, staff))
            tree.plant(session, actor=who, name="新", code="N1", kind=K.BRANCH, parent_id=one)

    with ThreadPoolExecutor(1) as pool, Session(own_engine) as session, session.begin():
        who = actor(session, session.get_one(Account, staff))
        changes: Changes = {"parent_id": other}
        tree.change(session, actor=who, organisation_id=one, version=1, changes=changes)
        ending = pool.submit(planted)
        until_somebody_waits(own_engine)
        session.commit()
        ending.result()
    with Session(own_engine) as session:
        assert broken(session) == []


PLANT_MANY = text("""
    WITH made AS (
        SELECT uuid7() AS id, t.path, t.id AS town_id, t.district_id, n
        FROM organisation t, generate_series(1, 1000) n
        WHERE t.district_id = :district AND t.kind = 'town')
    INSERT INTO organisation
        (id, parent_id, district_id, path, code, name, kind, member_count, outside, active, version)
    SELECT id, town_id, district_id, path || replace(id::text, '-', ''),
           left(id::text, 32), '第' || n || '村党支部', 'branch', 9, false, true, 1
    FROM made""")


ENROL = text("""
    INSERT INTO account (id, name, phone_hash, phone_sealed, organisation_id, active, version)
    SELECT uuid7(), '某人', sha256(id::text::bytea), '\\x00', id, true, 1
    FROM organisation WHERE district_id = :district""")


def plan_of(session: Session, wanted: Select[Any]) -> str:
    engine = session.connection().engine
    compiled = wanted.compile(engine, compile_kwargs={"render_postcompile": True})
    rows = session.connection().exec_driver_sql(f"EXPLAIN {compiled}", compiled.params)
    return "\n".join(row[0] for row in rows)


def test_what_lies_below_a_town_is_found_by_index(session: Session) -> None:
    district = make_organisation(session)
    towns = [make_organisation(session, parent=district, kind=K.TOWN) for _ in range(21)]
    staff = acting(session, Role.TOWN_STAFF, towns[7])
    chief = acting(session, Role.DISTRICT_STAFF, district)
    session.connection().execute(PLANT_MANY, {"district": district.id})
    session.connection().execute(ENROL, {"district": district.id})
    rare = make_organisation(session, parent=towns[3], name="聊斋故里艺术团党支部")
    session.connection().execute(text("SET LOCAL ROLE NONE"))
    session.connection().execute(text("ANALYZE organisation, account"))
    assert session.exec(select(func.count()).select_from(Organisation)).one() > 20_000

    home = below(col(Account.organisation_id), staff.paths(Role.TOWN_STAFF))  # type: ignore[arg-type]
    for wanted in (organisations.visible(staff), select(Account.id).where(home)):
        plan = plan_of(session, wanted)
        assert "organisation_path_idx" in plan, plan
        assert "Seq Scan on organisation" not in plan, plan

    named = organisations.organisations(actor=chief, q="聊斋故里", limit=50)
    assert [found.id for found in session.exec(named)] == [rare.id]
    plan = plan_of(session, named)
    assert "organisation_name_idx" in plan, plan
    assert "Seq Scan on organisation" not in plan, plan


def test_without_the_index_the_whole_tree_is_read(session: Session) -> None:
    district = make_organisation(session)
    make_organisation(session, parent=district, kind=K.TOWN)
    staff = acting(session, Role.TOWN_STAFF, district)
    session.connection().execute(PLANT_MANY, {"district": district.id})
    session.connection().execute(text("SET LOCAL ROLE NONE"))
    session.connection().execute(text("DROP INDEX organisation_path_idx"))
    session.connection().execute(text("ANALYZE organisation"))
    assert "Seq Scan on organisation" in plan_of(session, organisations.visible(staff))


def test_a_foreign_organisation_is_not_found(session: Session, woods: Woods) -> None:
    for node_id in (woods.elsewhere.id, uuid4()):
        with pytest.raises(OrganisationNotFound):
            tree.change(
                session,
                actor=woods.district_staff,
                organisation_id=node_id,
                version=1,
                changes={"name": "改名"},
            )
