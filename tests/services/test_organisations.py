"""The tree, and who may look."""

from dataclasses import dataclass
from uuid import uuid4

import pytest
from sqlalchemy import event, func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.models import Organisation, OrganisationKind, Role, Sector
from app.services import organisations
from app.services.access import Actor, Held
from app.services.organisations import OrganisationCodeTaken, OrganisationNotFound, Sapling


@dataclass(frozen=True)
class Tree:
    district: Organisation
    town: Organisation
    other_town: Organisation
    branch: Organisation
    other_branch: Organisation


@pytest.fixture
def tree(session: Session) -> Tree:
    def plant(code: str, kind: OrganisationKind, parent: Organisation | None) -> Organisation:
        sector = Sector.RURAL if kind is OrganisationKind.BRANCH else None
        return organisations.create(
            session, name=f"{code}党组织", code=code, kind=kind, parent=parent, sector=sector
        )

    district = plant("T1", OrganisationKind.DISTRICT, None)
    town = plant("T1-1", OrganisationKind.TOWN, district)
    other_town = plant("T1-2", OrganisationKind.TOWN, district)
    return Tree(
        district=district,
        town=town,
        other_town=other_town,
        branch=plant("T1-1-1", OrganisationKind.BRANCH, town),
        other_branch=plant("T1-2-1", OrganisationKind.BRANCH, other_town),
    )


def acting(role: Role, at: Organisation | None) -> Actor:
    held = Held(role, at.id if at else None, at.path if at else None, None)
    return Actor(uuid4(), "某人", (held,))


def codes(session: Session, actor: Actor, **filters: object) -> list[str]:
    wanted = organisations.organisations(actor=actor, limit=200, **filters)  # type: ignore[arg-type]
    return [found.code for found in session.exec(wanted)]


def test_paths_lead_from_the_district_down(tree: Tree) -> None:
    district, town, branch = tree.district, tree.town, tree.branch
    assert district.path == district.id.hex
    assert branch.path == f"{district.id.hex}.{town.id.hex}.{branch.id.hex}"
    assert {o.district_id for o in (district, town, branch)} == {district.id}
    assert (district.parent_id, branch.parent_id) == (None, town.id)


def test_a_location_is_longitude_first(session: Session, tree: Tree) -> None:
    placed = organisations.create(
        session,
        name="有地点的支部",
        code="T1-1-2",
        kind=OrganisationKind.BRANCH,
        parent=tree.town,
        location=(117.96, 36.64),
    )
    point = select(func.ST_X(Organisation.location), func.ST_Y(Organisation.location)).where(
        Organisation.id == placed.id
    )
    assert session.exec(point).one() == (117.96, 36.64)


def test_a_code_is_used_once(session: Session, tree: Tree) -> None:
    with pytest.raises(OrganisationCodeTaken), session.begin_nested():
        organisations.create(
            session, name="重复", code="T1-1", kind=OrganisationKind.TOWN, parent=tree.district
        )


def test_only_a_district_is_a_root(session: Session) -> None:
    with (
        pytest.raises(IntegrityError, match=r"district_is_root|root_is_district"),
        session.begin_nested(),
    ):
        organisations.create(
            session, name="无根", code="T9", kind=OrganisationKind.BRANCH, parent=None
        )


def test_many_are_planted_by_few_statements(session: Session, tree: Tree) -> None:
    statements: list[str] = []
    connection = session.connection()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    saplings = [
        Sapling(
            name=f"第{n}支部",
            code=f"T1-1-M{n:04}",
            kind=OrganisationKind.BRANCH,
            parent=tree.town,
            sector=Sector.URBAN,
            location=(117.96, 36.64),
        )
        for n in range(1800)
    ]
    event.listen(connection, "before_cursor_execute", note)
    try:
        planted = organisations.create_many(session, saplings=saplings)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    assert len(statements) < 10
    below = col(Organisation.parent_id) == tree.town.id
    assert session.exec(select(func.count()).select_from(Organisation).where(below)).one() == 1801
    assert [o.code for o in planted] == [s.code for s in saplings]


@pytest.mark.parametrize(
    ("role", "at", "seen"),
    [
        (Role.MEMBER, "branch", ["T1-1-1"]),
        (Role.ORGANISER, "branch", ["T1-1-1"]),
        (Role.TOWN_STAFF, "town", ["T1-1", "T1-1-1"]),
        (Role.DISTRICT_STAFF, "district", ["T1", "T1-1", "T1-1-1", "T1-2", "T1-2-1"]),
        (Role.AUDITOR, "district", ["T1", "T1-1", "T1-1-1", "T1-2", "T1-2-1"]),
        (Role.FUND_OFFICER, "district", ["T1"]),
        (Role.FUND_APPROVER, "district", ["T1"]),
    ],
)
def test_a_role_sees_what_it_reaches(
    session: Session, tree: Tree, role: Role, at: str, seen: list[str]
) -> None:
    actor = acting(role, getattr(tree, at))
    assert codes(session, actor) == seen
    for found in (tree.district, tree.town, tree.branch, tree.other_town, tree.other_branch):
        if found.code in seen:
            assert organisations.get(session, actor=actor, organisation_id=found.id) is found
        else:
            with pytest.raises(OrganisationNotFound):
                organisations.get(session, actor=actor, organisation_id=found.id)


def test_a_system_administrator_sees_the_tree(session: Session, tree: Tree) -> None:
    assert "T1-2-1" in codes(session, acting(Role.SYSTEM_ADMIN, None))


def test_nobody_sees_nothing(session: Session, tree: Tree) -> None:
    assert codes(session, Actor(uuid4(), "无角色", ())) == []


def test_what_does_not_exist_is_not_found(session: Session) -> None:
    with pytest.raises(OrganisationNotFound):
        organisations.get(session, actor=acting(Role.SYSTEM_ADMIN, None), organisation_id=uuid4())


def test_filters(session: Session, tree: Tree) -> None:
    staff = acting(Role.DISTRICT_STAFF, tree.district)
    assert codes(session, staff, q="1-2") == ["T1-2", "T1-2-1"]
    assert codes(session, staff, q="%") == []
    assert codes(session, staff, parent_id=tree.town.id) == ["T1-1-1"]
    assert codes(session, staff, sector=Sector.RURAL) == ["T1-1-1", "T1-2-1"]
    assert codes(session, staff, after="T1-1-1") == ["T1-2", "T1-2-1"]


def test_a_filter_does_not_widen_the_scope(session: Session, tree: Tree) -> None:
    assert codes(session, acting(Role.TOWN_STAFF, tree.town), parent_id=tree.other_town.id) == []
