"""Importing sites: all or nothing, and every kind of bad row told by its number."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func
from sqlmodel import Session, select

from app.models import AuditEvent, Crs, Role, Site
from app.models import SiteStatus as S
from app.services import coordinates, imports, site_imports
from app.services.access import Actor, NotInScope
from app.services.coordinates import Place
from app.services.import_tables import Imported, ImportRefused
from app.services.site_lines import COLUMNS, NEEDED
from tests.conftest import NOW
from tests.makers import actor, make_account, make_site
from tests.services.statements import counted
from tests.services.test_sheets import workbook
from tests.services.test_site_editing import Ground, make_ground


@pytest.fixture
def ground(session: Session) -> Ground:
    return make_ground(session)


def row(town: str, **other: str) -> dict[str, str]:
    plain = {
        "code": "N1",
        "name": "新阵地",
        "town_code": town,
        "category": "农村党建",
        "kinds": "教育基地、实训基地",
        "address": "示例路 1 号",
        "lon": "117.97",
        "lat": "36.64",
        "crs": "WGS-84",
    }
    return plain | other


def table(*rows: dict[str, str]) -> bytes:
    """A CSV of rows with the columns of the first."""
    head = list(rows[0])
    lines = [",".join(COLUMNS[name] for name in head)]
    lines += [",".join(f'"{one.get(name, "")}"' for name in head) for one in rows]
    return "\n".join(lines).encode()


def run(session: Session, who: Actor, data: bytes, *, dry_run: bool = False) -> Imported:
    return site_imports.run(session, actor=who, data=data, dry_run=dry_run)


def chief(session: Session, ground: Ground) -> Actor:
    return actor(session, ground.chief)


def faults(session: Session, ground: Ground, data: bytes) -> list[tuple[int, str, str]]:
    with pytest.raises(ImportRefused) as refused:
        run(session, chief(session, ground), data)
    told: Any = refused.value.facts["errors"]
    assert all(set(f) == {"row", "column", "value", "code", "detail"} for f in told)
    assert all(any(letter > "\u4e00" for letter in f["detail"]) for f in told)
    return [(f["row"], f["column"], f["code"]) for f in told]


def by_code(session: Session, code: str) -> Site:
    return session.exec(select(Site).where(Site.code == code)).one()


def test_new_rows_become_drafts(session: Session, ground: Ground) -> None:
    gcj02 = coordinates.from_wgs84(117.98, 36.65, Crs.GCJ02)
    data = table(
        row(
            ground.town.code,
            short_name="新",
            summary="一句",
            introduction="两\n行",
            lon=str(gcj02.lon),
            lat=str(gcj02.lat),
            crs="gcj02",
            source_note="高德",
            contact_name="王示例",
            contact_phone="0533-5180000",
            parking_cars="12",
            parking_coaches="",
            step_free="是",
            lend="党旗、宣誓墙",
            honours="",
        ),
        row(ground.town.code, code="N2", name="长" * 40, short_name="", step_free="否"),
    )
    assert run(session, chief(session, ground), data) == Imported(2, 2, 0, 0)
    site, other = by_code(session, "N1"), by_code(session, "N2")
    assert (site.status, site.version, site.district_id) == (S.DRAFT, 1, ground.district.id)
    assert coordinates.place(site.location) == pytest.approx((117.98, 36.65), abs=1e-8)
    assert (site.source_longitude, site.source_crs, site.source_note) == (
        gcj02.lon,
        "gcj02",
        "高德",
    )
    assert (site.kinds, site.lend, site.honours) == (
        ["education_base", "training_base"],
        ["党旗", "宣誓墙"],
        [],
    )
    assert (site.parking_cars, site.parking_coaches, site.step_free) == (12, 0, True)
    assert site.introduction == "两\n行"
    assert (other.short_name, other.step_free, other.contact_phone) == ("长" * 20, False, "")


def test_only_what_the_table_says_changes(session: Session, ground: Ground) -> None:
    who = chief(session, ground)
    first = row(ground.town.code, summary="一", contact_phone="0533-1", parking_cars="3")
    first["contact_phone"] = "0533-5180001"
    run(session, who, table(first))
    site = by_code(session, "N1")
    site.location_verified_at, site.location_verified_by = NOW, ground.chief.id
    site.phone_confirmed_at, site.phone_confirmed_by = NOW, ground.chief.id
    session.flush()
    assert run(session, who, table(first)) == Imported(1, 0, 0, 1)
    assert site.version == 1
    assert run(session, who, table(row(ground.town.code, name="改名"))).changed == 1
    assert (site.name, site.summary, site.parking_cars, site.version) == ("改名", "一", 3, 2)
    assert site.location_verified_at == site.phone_confirmed_at == NOW
    other = {**first, "name": "改名", "contact_phone": "0533-5180002", "summary": ""}
    run(session, who, table(other))
    session.refresh(site)
    assert (site.summary, site.location_verified_at) == ("", NOW)
    assert (site.phone_confirmed_at or site.phone_confirmed_by) is None


def test_what_moves_is_not_verified(session: Session, ground: Ground) -> None:
    who = chief(session, ground)
    gated = row(ground.town.code, gate_lon="117.98", gate_lat="36.65")
    run(session, who, table(gated))
    site = by_code(session, "N1")
    site.location_verified_at, site.location_verified_by = NOW, ground.chief.id
    session.flush()
    run(session, who, table(row(ground.town.code, source_note="另一来源")))
    assert (site.location_verified_at, site.source_note) == (NOW, "另一来源")
    assert coordinates.place(site.navigation_point) == Place(117.98, 36.65)
    run(session, who, table(row(ground.town.code, lon="117.971")))
    assert site.location_verified_at is None
    assert coordinates.place(site.location) == Place(117.971, 36.64)
    assert (site.gate_longitude, site.source_note) == (117.98, "另一来源")
    gcj02 = row(ground.town.code, crs="GCJ-02")
    run(session, who, table(gcj02))
    assert coordinates.place(site.navigation_point) == pytest.approx((117.98, 36.65), abs=1e-8)
    run(session, who, table({**gcj02, "gate_lon": "", "gate_lat": ""}))
    assert coordinates.place(site.navigation_point) == coordinates.place(site.location)


BAD: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = [
    ("no code", {"code": ""}, [("code", "missing")]),
    ("no name", {"name": ""}, [("name", "missing")]),
    ("no point", {"lon": "", "lat": ""}, [("lon", "missing"), ("lat", "missing")]),
    ("long code", {"code": "x" * 33}, [("code", "too-long")]),
    ("long name", {"name": "长" * 121}, [("name", "too-long")]),
    ("long introduction", {"introduction": "长" * 5001}, [("introduction", "too-long")]),
    ("two lines", {"name": "两\n行"}, [("name", "control-character")]),
    ("category", {"category": "太空党建"}, [("category", "unknown-value")]),
    ("kind", {"kinds": "教育基地、公园"}, [("kinds", "unknown-value")]),
    ("no kind", {"kinds": "、"}, [("kinds", "unknown-value")]),
    ("CRS", {"crs": "北京54"}, [("crs", "unknown-value")]),
    ("no CRS", {"crs": ""}, [("crs", "missing")]),
    ("number", {"lon": "东经118度"}, [("lon", "unknown-value")]),
    ("infinity", {"lon": "inf"}, [("lon", "unknown-value")]),
    ("swapped", {"lon": "36.64", "lat": "117.97"}, [("lat", "out-of-range")]),
    ("off the earth", {"lon": "181"}, [("lon", "out-of-range")]),
    ("outside", {"lon": "120.5"}, [("lon", "outside-district")]),
    (
        "gate outside",
        {"gate_lon": "120.5", "gate_lat": "36.64"},
        [("gate_lon", "outside-district")],
    ),
    ("half a gate", {"gate_lon": "117.97", "gate_lat": ""}, [("gate_lat", "missing")]),
    ("formula", {"name": "=A1&B1"}, [("name", "formula")]),
    ("formula for a number", {"lon": "=117+0.97"}, [("lon", "formula")]),
    ("count", {"parking_cars": "-3"}, [("parking_cars", "unknown-value")]),
    ("huge count", {"parking_coaches": "100001"}, [("parking_coaches", "unknown-value")]),
    ("truth", {"step_free": "也许"}, [("step_free", "unknown-value")]),
    ("phone", {"contact_phone": "见公告"}, [("contact_phone", "unknown-value")]),
    ("many words", {"lend": "、".join("旗" * 21)}, [("lend", "too-many")]),
    ("long word", {"honours": "长" * 41}, [("honours", "too-long")]),
    ("unknown town", {"town_code": "NOPE"}, [("town_code", "unknown-town")]),
    ("no town", {"town_code": ""}, [("town_code", "missing")]),
]


@pytest.mark.parametrize(("other", "told"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_every_kind_of_bad_row(
    session: Session, ground: Ground, other: dict[str, str], told: list[tuple[str, str]]
) -> None:
    good = row(ground.town.code, code="OK") | dict.fromkeys(other.keys() - NEEDED, "")
    data = table(good, row(ground.town.code, **other))
    assert faults(session, ground, data) == [(3, column, code) for column, code in told]
    assert session.exec(select(Site).where(Site.code == "OK")).all() == []


def test_the_same_table_without_the_fault_is_good(session: Session, ground: Ground) -> None:
    """The control of the bad rows: each of them has one fault, and no other."""
    columns = {name for _, other, _ in BAD for name in other} - set(NEEDED)
    data = table(row(ground.town.code) | dict.fromkeys(sorted(columns), ""))
    assert run(session, chief(session, ground), data).created == 1


def test_what_is_wrong_with_the_place_in_the_tree(session: Session, ground: Ground) -> None:
    closed = make_site(session, ground.town, status=S.CLOSED)
    foreign = make_ground(session)
    data = table(
        row(ground.town.code),
        row(ground.town.code, name="重复"),
        row(ground.town.code, code=foreign.site.code),
        row(foreign.town.code, code="N4"),
        row(ground.district.code, code="N5"),
        row(ground.town.code, code=closed.code),
        row(foreign.town.code, code=ground.site.code),
    )
    assert faults(session, ground, data) == [
        (3, "code", "duplicate-code"),
        (4, "code", "out-of-scope"),
        (4, "town_code", "other-district"),
        (5, "town_code", "unknown-town"),
        (6, "town_code", "not-a-town"),
        (7, "code", "closed"),
        (8, "town_code", "unknown-town"),
    ]


def test_a_site_stays_in_its_district(session: Session, ground: Ground) -> None:
    foreign = make_ground(session)
    account = make_account(session, Role.DISTRICT_STAFF, at=ground.district)
    grants = (*imports.system(ground.district).grants, *imports.system(foreign.district).grants)
    both = Actor(account.id, "某人", grants)
    with pytest.raises(ImportRefused) as refused:
        run(session, both, table(row(foreign.town.code, code=ground.site.code)))
    told: Any = refused.value.facts["errors"]
    assert [(f["column"], f["code"]) for f in told] == [("town_code", "other-district")]


@pytest.mark.parametrize("column", NEEDED)
def test_columns_that_must_be_there(session: Session, ground: Ground, column: str) -> None:
    plain = row(ground.town.code)
    del plain[column]
    assert faults(session, ground, table(plain)) == [(1, column, "missing-heading")]


def test_headings_are_known(session: Session, ground: Ground) -> None:
    data = table(row(ground.town.code)).replace("地址".encode(), "住址".encode())
    assert faults(session, ground, data) == [
        (1, "住址", "unknown-heading"),
        (1, "address", "missing-heading"),
    ]


def test_what_was_confirmed_outside_is_not_asked_again(session: Session, ground: Ground) -> None:
    who = chief(session, ground)
    run(session, who, table(row(ground.town.code)))
    site = by_code(session, "N1")
    away = Place(120.5, 36.64)
    site.location = site.navigation_point = coordinates.point(away)
    site.source_longitude, site.outside_confirmed_by = away.lon, ground.chief.id
    session.flush()
    same = row(ground.town.code, lon="120.5", name="改名")
    assert run(session, who, table(same)).changed == 1
    assert site.outside_confirmed_by == ground.chief.id
    run(session, who, table(row(ground.town.code)))
    assert site.outside_confirmed_by is None


@pytest.mark.parametrize("who", ["manager", "clerk", "auditor"])
def test_only_district_staff_import(session: Session, ground: Ground, who: str) -> None:
    with pytest.raises(NotInScope):
        run(session, actor(session, getattr(ground, who)), table(row(ground.town.code)))


def test_few_statements_however_many_rows(session: Session, ground: Ground) -> None:
    taken, who, town = [], chief(session, ground), ground.town.code
    for first, many in ((0, 2), (100, 400)):
        data = table(*(row(town, code=f"N{first + n}") for n in range(many)))
        with counted(session) as statements:
            assert run(session, who, data).created == many
        taken.append(len([one for one in statements if not one.startswith("INSERT")]))
    assert taken[0] == taken[1] < 12


def test_a_workbook_is_as_good(session: Session, ground: Ground) -> None:
    plain = row(ground.town.code)
    rows: list[list[Any]] = [
        list(plain),
        [117.97 if name == "lon" else 36.64 if name == "lat" else plain[name] for name in plain],
    ]
    assert run(session, chief(session, ground), workbook(rows)).created == 1
    rows[1][1] = "=CONCAT(A1)"
    assert faults(session, ground, workbook(rows)) == [(2, "name", "formula")]


def totals(engine: Engine) -> tuple[int, int]:
    with Session(engine) as session:
        sites = session.exec(select(func.count()).select_from(Site)).one()
        return sites, session.exec(select(func.count()).select_from(AuditEvent)).one()


@pytest.fixture
def settled(own_engine: Engine) -> Ground:
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        return make_ground(session)


def test_a_dry_run_leaves_no_trace(own_engine: Engine, settled: Ground) -> None:
    data = table(row(settled.town.code), row(settled.town.code, code=settled.site.code))
    before = totals(own_engine)

    def once(*, dry_run: bool) -> Imported:
        with Session(own_engine) as session, session.begin():
            return run(session, chief(session, settled), data, dry_run=dry_run)

    dry = once(dry_run=True)
    assert totals(own_engine) == before
    assert once(dry_run=False) == dry == Imported(2, 1, 1, 0)
    assert totals(own_engine) == (before[0] + 1, before[1] + 2)


def command(engine: Engine, file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "app", "import", "sites", str(file), *more],
        env=os.environ | {"APP_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_command_line(own_engine: Engine, settled: Ground, tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_bytes(table(row(settled.town.code)))
    where = ("--district", settled.district.code)
    before = totals(own_engine)
    dry = command(own_engine, file, *where, "--dry-run")
    assert (dry.returncode, totals(own_engine)) == (0, before), dry.stderr
    done = command(own_engine, file, *where)
    assert (done.returncode, '"created": 1' in done.stdout) == (0, True), done.stderr
    file.write_bytes(table(row(settled.town.code, lon="x", category="太空")))
    refused = command(own_engine, file, *where)
    assert refused.returncode == 1
    for words in ("第 2 行 category", "第 2 行 lon"):
        assert words in refused.stderr
