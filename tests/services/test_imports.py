"""Importing the tree: all or nothing, and every fault by its row."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func
from sqlmodel import Session, col, select

from app.models import AuditEvent, Organisation, OrganisationKind, Role, Sector
from app.services import import_tables, imports, tree, verify
from app.services.access import Actor, NotInScope
from app.services.import_tables import Imported, ImportRefused
from tests.conftest import NOW
from tests.makers import actor, make_account, make_organisation
from tests.services.test_sheets import workbook

HEAD = "党组织代码,名称,类型,上级代码,行业,党员数,地图名称"
K = OrganisationKind


@dataclass(frozen=True)
class Place:
    district: Organisation
    town: Organisation
    branch: Organisation
    elsewhere: Organisation
    chief: Actor
    clerk: Actor


@pytest.fixture
def place(session: Session) -> Place:
    return make_place(session)


def make_place(session: Session) -> Place:
    district = make_organisation(session, name="示例区委")
    town = make_organisation(session, parent=district, kind=K.TOWN)
    return Place(
        district=district,
        town=town,
        branch=make_organisation(session, parent=town, sector=Sector.RURAL),
        elsewhere=make_organisation(session, parent=make_organisation(session), kind=K.TOWN),
        chief=actor(session, make_account(session, Role.DISTRICT_STAFF, at=district)),
        clerk=actor(session, make_account(session, Role.TOWN_STAFF, at=town)),
    )


def table(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join((head, *rows)).encode()


def run(session: Session, who: Actor, data: bytes, *, dry_run: bool = False) -> Imported:
    return imports.run(session, actor=who, data=data, dry_run=dry_run)


def faults(session: Session, who: Actor, data: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(ImportRefused) as refused:
        run(session, who, data)
    told: Any = refused.value.facts["errors"]
    assert all(set(f) == {"row", "column", "value", "code", "detail"} for f in told)
    assert all(f["detail"] for f in told)
    return [(f["row"], f["column"], f["code"]) for f in told]


def by_code(session: Session, code: str) -> Organisation:
    return session.exec(select(Organisation).where(Organisation.code == code)).one()


def broken(session: Session) -> list[str]:
    found = verify.violations(session, now=NOW)
    return [line for line in found if line.startswith("an organisation does not hang")]


def test_parents_come_in_any_order(session: Session, place: Place) -> None:
    data = table(
        "N3,=第三支部,党支部,N2,两新,12,",
        "N2,总支,general_branch,N1,,,",
        f"N1,新镇党委,镇街,{place.district.code},,0,新镇",
    )
    assert run(session, place.chief, data) == Imported(3, created=3, changed=0, unchanged=0)
    leaf, town = by_code(session, "N3"), by_code(session, "N1")
    assert (leaf.name, leaf.kind, leaf.sector, leaf.member_count) == (
        "=第三支部",
        "branch",
        "two_new",
        12,
    )
    assert leaf.path.startswith(f"{town.path}.")
    assert (leaf.version, leaf.active, leaf.outside) == (1, True, False)
    assert town.place == "新镇"
    assert broken(session) == []
    assert place.chief.acting_role() == Role.DISTRICT_STAFF


def test_what_is_there_is_changed_or_left(session: Session, place: Place) -> None:
    here = place.branch
    same = f"{here.code},{here.name},党支部,{place.town.code},农村,{here.member_count},"
    assert run(session, place.chief, table(same)) == Imported(1, 0, 0, 1)
    assert here.version == 1
    other = f"{here.code},改名,党支部,{place.town.code},,7,某村"
    assert run(session, place.clerk, table(other)) == Imported(1, 0, 1, 0)
    assert (here.name, here.sector, here.member_count, here.place) == ("改名", None, 7, "某村")
    assert here.version == 2


def test_what_the_table_has_no_column_for_stays(session: Session, place: Place) -> None:
    here = place.branch
    head = "code,name,kind,parent_code"
    data = table(f"{here.code},改名,branch,{place.town.code}", head=head)
    assert run(session, place.chief, data).changed == 1
    assert (here.name, here.sector) == ("改名", "rural")


def test_a_subtree_moves_with_its_root(session: Session, place: Place) -> None:
    group = make_organisation(session, parent=place.town, kind=K.GENERAL_BRANCH)
    inner = make_organisation(session, parent=group)
    data = table(
        f"{group.code},{group.name},党总支,N1,,0,",
        f"N1,新镇党委,镇街,{place.district.code},,0,新镇",
    )
    assert run(session, place.chief, data) == Imported(2, 1, 1, 0)
    assert inner.path == f"{by_code(session, 'N1').path}.{group.id.hex}.{inner.id.hex}"
    assert broken(session) == []


def test_two_may_change_places(session: Session, place: Place) -> None:
    one = make_organisation(session, parent=place.district, kind=K.DEPARTMENT)
    other = make_organisation(session, parent=one, kind=K.DEPARTMENT)
    data = table(
        f"{one.code},{one.name},党委,{other.code},,0,",
        f"{other.code},{other.name},党委,{place.district.code},,0,",
    )
    assert run(session, place.chief, data).changed == 2
    assert one.path == f"{place.district.path}.{other.id.hex}.{one.id.hex}"
    assert broken(session) == []


def test_every_fault_is_told_at_once(session: Session, place: Place) -> None:
    town = place.town.code
    foreign = session.get_one(Organisation, place.elsewhere.district_id).code
    data = table(
        f"N1,好支部,党支部,{town},农村,3,",
        f"N1,重复,党支部,{town},,3,",
        ",无代码,党支部,没有,,3,",
        "N4,无上级,党支部,NOPE,,3,",
        "",
        f"N6,,村,{town},太空,-3,",
        f"N7,{'长' * 121},党支部,{town},,1,{'x' * 41}",
        f'N8,"两\n行",党支部,{town},,100000001,',
        "N9,甲,党委,N10,,0,",
        "N10,乙,党委,N9,,0,",
        "N11,丙,党支部,N9,,0,",
        f"N12,丁,镇街,{town},,0,",
        f"{place.branch.code},变类型,党总支,{town},,0,",
        f"N14,戊,党支部,{foreign},,0,",
        f"{place.elsewhere.code},己,镇街,{place.district.code},,0,",
        f"N16,多一格,党支部,{town},,0,,多",
        "N17,新区,区委,,,0,",
        "N18,下级,党支部,N17,,0,",
    )
    assert faults(session, place.chief, data) == [
        (3, "code", "duplicate-code"),
        (4, "code", "missing"),
        (5, "parent_code", "unknown-parent"),
        (7, "name", "missing"),
        (7, "kind", "unknown-value"),
        (7, "sector", "unknown-value"),
        (7, "member_count", "unknown-value"),
        (8, "name", "too-long"),
        (8, "place", "too-long"),
        (9, "name", "control-character"),
        (9, "member_count", "unknown-value"),
        (10, "parent_code", "in-a-circle"),
        (11, "parent_code", "in-a-circle"),
        (13, "kind", "kind-misplaced"),
        (14, "kind", "kind-fixed"),
        (15, "parent_code", "unknown-parent"),
        (16, "code", "out-of-scope"),
        (17, "", "no-heading"),
        (18, "kind", "kind-misplaced"),
    ]
    assert session.exec(select(Organisation).where(Organisation.code == "N1")).all() == []


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("", [(1, "", "missing-heading")]),
        (
            "code,name,kind,党员人数",
            [(1, "党员人数", "unknown-heading"), (1, "parent_code", "missing-heading")],
        ),
        ("code,党组织代码,name,kind,parent_code", [(1, "党组织代码", "duplicate-heading")]),
    ],
)
def test_headings_are_known(
    session: Session, place: Place, head: str, told: list[tuple[int, str, str]]
) -> None:
    assert sorted(faults(session, place.chief, head.encode())) == sorted(told)


def test_a_circle_through_what_the_table_leaves_out(session: Session, place: Place) -> None:
    top = make_organisation(session, parent=place.district, kind=K.DEPARTMENT)
    middle = make_organisation(session, parent=top, kind=K.DEPARTMENT)
    low = make_organisation(session, parent=middle, kind=K.DEPARTMENT)
    data = table(f"{top.code},{top.name},党委,{low.code},,0,")
    assert faults(session, place.chief, data) == [(2, "parent_code", "in-a-circle")]


def test_a_town_imports_below_itself_alone(session: Session, place: Place) -> None:
    town, district = place.town, place.district
    itself = f"{town.code},{town.name},镇街,{district.code},,0,{town.place}"
    # It does not see the district above it, so it cannot name that as a parent.
    assert faults(session, place.clerk, table(itself)) == [(2, "parent_code", "unknown-parent")]
    assert run(session, place.clerk, table(f"N1,新,党支部,{town.code},,1,")).created == 1
    data = table(f"N2,新,党委,{town.code},,1,", f"N3,新,党支部,{district.code},,1,")
    assert faults(session, place.clerk, data) == [
        (2, "parent_code", "out-of-scope"),
        (3, "parent_code", "unknown-parent"),
    ]
    reader = actor(session, make_account(session, Role.AUDITOR, at=district))
    with pytest.raises(NotInScope):
        run(session, reader, table(f"N4,新,党支部,{town.code},,1,"))


def test_nothing_leaves_its_district(session: Session, place: Place) -> None:
    account = make_account(session, Role.DISTRICT_STAFF, at=place.district)
    other = session.get_one(Organisation, place.elsewhere.district_id)
    imports_both = Actor(
        account.id,
        "某人",
        (*imports.system(place.district).grants, *imports.system(other).grants),
    )
    data = table(f"{place.branch.code},支部,党支部,{place.elsewhere.code},,0,")
    assert faults(session, imports_both, data) == [(2, "parent_code", "other-district")]


def test_the_tree_has_a_depth(session: Session, place: Place) -> None:
    rows = [f"N{n},委,党委,{f'N{n - 1}' if n else place.district.code},,0," for n in range(30)]
    last = tree.DEEPEST - 2
    assert faults(session, place.chief, table(*rows))[0] == (
        last + 3,
        "parent_code",
        "tree-too-deep",
    )
    assert run(session, place.chief, table(*rows[: last + 1])).created == last + 1


def test_at_most_two_hundred_faults_are_told(session: Session, place: Place) -> None:
    with pytest.raises(ImportRefused) as refused:
        run(session, place.chief, table(*(f"N{n},,党支部,NOPE,,0," for n in range(150))))
    told: Any = refused.value.facts["errors"]
    assert (refused.value.facts["faults"], len(told)) == (300, import_tables.MOST_TOLD)


def test_few_statements_however_many_rows(session: Session, place: Place) -> None:
    statements: list[str] = []
    connection = session.connection()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    rows = [f"N{n},第{n}支部,党支部,{place.town.code},农村,{n % 90}," for n in range(3000)]
    event.listen(connection, "before_cursor_execute", note)
    try:
        assert run(session, place.chief, table(*rows)).created == 3000
    finally:
        event.remove(connection, "before_cursor_execute", note)
    assert len(statements) < 10


def test_a_workbook_is_as_good(session: Session, place: Place) -> None:
    rows: list[list[Any]] = [
        HEAD.split(","),
        ["N1", "=1+1", "党支部", place.town.code, "农村", 3, None],
    ]
    assert run(session, place.chief, workbook(rows)).created == 1
    assert by_code(session, "N1").name == "=1+1"


def counted(engine: Engine) -> tuple[int, int]:
    with Session(engine) as session:
        organisations = session.exec(select(func.count()).select_from(Organisation)).one()
        return organisations, session.exec(select(func.count()).select_from(AuditEvent)).one()


@pytest.fixture
def settled(own_engine: Engine) -> Place:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        return make_place(session)


def test_a_dry_run_leaves_no_trace(own_engine: Engine, settled: Place) -> None:
    data = table(
        f"N1,新,党支部,{settled.town.code},,1,",
        f"{settled.branch.code},改名,党支部,{settled.town.code},,1,",
    )
    before = counted(own_engine)

    def once(*, dry_run: bool) -> Imported:
        with Session(own_engine) as session, session.begin():
            return run(session, settled.chief, data, dry_run=dry_run)

    dry = once(dry_run=True)
    assert counted(own_engine) == before
    assert once(dry_run=False) == dry == Imported(2, 1, 1, 0)
    assert counted(own_engine) == (before[0] + 1, before[1] + 2)
    with Session(own_engine) as session:
        written = select(AuditEvent.action).where(AuditEvent.noun == "organisation")
        latest = session.exec(written.order_by(col(AuditEvent.number).desc()).limit(2)).all()
        assert sorted(latest) == ["create", "update"]
        assert list(verify.violations(session, now=NOW)) == []


def command(engine: Engine, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "app", "import", "organisations", str(file), *more],
        env=os.environ | {"APP_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_command_line(own_engine: Engine, settled: Place, tmp_path: Path) -> None:
    file = tmp_path / "organisations.csv"
    file.write_bytes(table(f"N1,新,党支部,{settled.town.code},,1,"))
    where = ("--district", settled.district.code)
    before = counted(own_engine)
    dry = command(own_engine, file, *where, "--dry-run")
    assert (dry.returncode, counted(own_engine)) == (0, before), dry.stderr
    done = command(own_engine, file, *where)
    assert done.returncode == 0, done.stderr
    assert '"created": 1' in done.stdout
    with Session(own_engine) as session:
        newest = select(AuditEvent).where(AuditEvent.row_id == str(by_code(session, "N1").id))
        told = session.exec(newest).one()
        assert (told.actor_id, told.actor_role, told.action) == (None, None, "create")

    file.write_bytes(table("N2,新,党支部,NOPE,,1,", f"N3,新,党支部,{settled.elsewhere.code},,x,"))
    refused = command(own_engine, file, *where)
    assert refused.returncode == 1
    for words in ("第 2 行 parent_code", "第 3 行 parent_code", "第 3 行 member_count"):
        assert words in refused.stderr
    unknown = command(own_engine, file, "--district", "NOPE")
    assert (unknown.returncode, "未找到该党组织" in unknown.stderr) == (1, True)
