"""Tables of statistics as files: what is in them, whose they are, and that it is noted."""

import csv
import io
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from openpyxl import load_workbook
from sqlalchemy import Engine
from sqlmodel import Session, select

from app.harmless import original
from app.models import (
    Account,
    AuditEvent,
    Booking,
    OrganisationKind,
    RefusedOrder,
    Role,
    Shortage,
    UnmetSearch,
)
from app.services import booking_tables, demand_tables, exports, verify
from app.services.audit import NOTED
from app.services.codes import code_of
from app.services.table_notes import Asked
from tests.api.replies import refused
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_completed,
    make_organisation,
    make_session,
    make_world,
    point,
    review,
    signed_in,
)
from tests.services.statements import counted

PATH = "/api/v1/statistics"
PERIOD = {"from": "2026-11-01", "to": "2027-02-01"}
NAMES = [f"{name}.{media}" for name in exports.TABLES for media in exports.Media]


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def sought(session: Session, world: World) -> None:
    """Somebody looks for a place near the world's town and finds none."""
    world.town.location = point(117.97, 36.70)
    session.add(
        UnmetSearch(
            asked_on=NOW.date(),
            longitude=117.965,
            latitude=36.705,
            radius_m=5000,
            wanted_from=NOW,
            wanted_to=NOW + HOUR,
            people=40,
            category="urban",
            programme_kind="lecture",
            times=3,
        )
    )
    session.flush()


def visited(session: Session, world: World) -> None:
    """Somebody came, and liked it."""
    review(session, make_completed(session, world), 5, 4, 3)


def table(reply: Response) -> list[dict[str, str]]:
    """A table by the Chinese names of its columns."""
    text = reply.content.decode("utf-8-sig")
    (head, *lines) = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = [name.partition(" ")[0] for name in head]
    return [dict(zip(names, line, strict=True)) for line in lines]


def told_of(reply: Response) -> dict[str, str]:
    """What a sheet says of itself."""
    notes = load_workbook(io.BytesIO(reply.content)).worksheets[-1]
    return {str(name): str(said) for name, said in notes.iter_rows(values_only=True)}


def asked(
    client: TestClient, session: Session, who: Account, name: str, **more: str | int
) -> Response:
    params = PERIOD | more
    reply = client.get(f"{PATH}/{name}", headers=signed_in(session, who), params=params)
    assert reply.status_code == 200, reply.text
    assert int(reply.headers["content-length"]) == len(reply.content)
    return reply


def rows(reply: Response) -> list[dict[str, str]]:
    text = reply.content.decode("utf-8-sig")
    (head, *lines) = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == [column.heading for column in booking_tables.COLUMNS]
    keys = [column.key for column in booking_tables.COLUMNS]
    return [dict(zip(keys, line, strict=True)) for line in lines]


def test_each_booking_has_a_row(client: TestClient, session: Session, world: World) -> None:
    world.branch.name = "=HYPERLINK(1)"
    session.flush()
    visited = make_completed(session, world, attended=18)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    waiting = make_booking(session, world, later, people=7)
    reply = asked(client, session, world.town_staff, "bookings.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "filename*=UTF-8''" in reply.headers["content-disposition"]
    assert reply.content.startswith(b"\xef\xbb\xbf")
    first, second = rows(reply)
    assert first == {
        "code": code_of(visited.number or 0),
        "site_code": world.site.code,
        "site": world.site.name,
        "town": world.town.place,
        "category": "城市党建",
        "branch_code": world.branch.code,
        "branch": "'=HYPERLINK(1)",
        "sector": "城市社区",
        "side": "区内",
        "programmes": "参观讲解",
        "starts_at": "2026-12-02 09:00",
        "ends_at": "2026-12-02 11:00",
        "people_expected": "20",
        "people_attended": "18",
        "status": "已完成",
        "answer_minutes": first["answer_minutes"],
        "rating": "",
        "subsidy_fen": "190.00",
    }
    assert second["code"] == code_of(waiting.number or 0)
    assert [second[key] for key in ("people_attended", "answer_minutes", "subsidy_fen")] == [""] * 3
    assert original(first["branch"]) == world.branch.name


def test_days_are_those_of_the_wall_and_the_last_one_counts(
    client: TestClient, session: Session, world: World
) -> None:
    like = make_booking(session, world).model_dump(exclude={"id", "created_at", "number"})
    walls = ("2026-11-30T23:30", "2026-12-01T00:00", "2026-12-31T23:30", "2027-01-01T00:00")
    for number, wall in enumerate(walls, 2):
        starts = datetime.fromisoformat(f"{wall}+08:00")
        times = {"starts_at": starts, "ends_at": starts + HOUR, "open_number": number}
        session.add(Booking.model_validate(like | times))
    session.flush()
    params = {"from": "2026-12-01", "to": "2026-12-31"}
    headers = signed_in(session, world.district_staff)
    reply = client.get(f"{PATH}/bookings.csv", headers=headers, params=params)
    told = [row["starts_at"] for row in rows(reply)]
    assert (told[0], told[-1]) == ("2026-12-01 00:00", "2026-12-31 23:30")
    assert len(told) == 3


def test_nobody_is_named(client: TestClient, session: Session, world: World) -> None:
    make_completed(session, world)
    text = asked(client, session, world.district_staff, "bookings.csv").text
    assert "王组织" not in text
    assert "138000" not in text
    assert world.manager.name not in text


def test_the_sheet_says_the_same_and_what_it_is(
    client: TestClient, session: Session, world: World
) -> None:
    make_completed(session, world)
    texts = rows(asked(client, session, world.district_staff, "bookings.csv"))
    content = asked(client, session, world.district_staff, "bookings.xlsx").content
    data, notes = load_workbook(io.BytesIO(content)).worksheets
    (cells,) = data.iter_rows(min_row=4, values_only=True)
    assert cells[0] == texts[0]["code"]
    assert cells[12:14] == (20, 20)
    assert cells[17] == 200
    told = {str(name): str(said) for name, said in notes.iter_rows(values_only=True)}
    assert told["期间 Period"] == "2026-11-01 至 2027-02-01"
    assert told["范围 Scope"] == world.district.name
    assert told["导出人 Made by"] == world.district_staff.name
    assert told["行数 Rows"] == "1"
    assert "时间 Made at" in told


def test_the_overview_says_what_the_dashboard_says(
    client: TestClient, session: Session, world: World
) -> None:
    make_completed(session, world, attended=18)
    headers = signed_in(session, world.district_staff)
    shown = client.get(f"{PATH}/overview", headers=headers, params=PERIOD).json()
    text = asked(client, session, world.district_staff, "overview.csv").content.decode("utf-8-sig")
    lines = {(line[0], line[1]): line[2:] for line in csv.reader(io.StringIO(text))}
    assert int(lines["总计", "人次"][3]) == shown["people"] == 18
    assert int(lines["总计", "到访"][3]) == shown["visits"]
    assert [int(n) for n in lines["镇街", world.town.place or ""][:3]] == [1, 1, 18]
    assert [int(n) for n in lines["类别", "城市党建"][:3]] == [1, 1, 18]
    available = shown["balances_fen"]["available"]
    assert lines["经费", "可用"][4] == f"{available // 100}.{available % 100:02}"


def test_usage_says_what_is_asked_by_site_and_month(
    client: TestClient, session: Session, world: World
) -> None:
    make_completed(session, world, attended=18)
    headers = signed_in(session, world.district_staff)
    wanted = PERIOD | {"group_by": ["month", "site"]}
    (cell,) = client.get(f"{PATH}/usage", headers=headers, params=wanted).json()["cells"]
    cell = cell["measures"]
    text = asked(client, session, world.district_staff, "usage.csv").content.decode("utf-8-sig")
    heading, row = csv.reader(io.StringIO(text))
    said = dict(zip([name.split(" ")[0] for name in heading], row, strict=True))
    assert (said["月份"], said["阵地"]) == ("2026-12", world.site.short_name)
    assert int(said["人次"]) == cell["people"] == 18
    assert (said["到访"], said["爽约"]) == (str(cell["visits"]), str(cell["no_shows"]))
    fen = cell["subsidy_fen"]
    assert fen > 0
    assert said["补助（元）"] == f"{fen // 100}.{fen % 100:02}"


def test_coverage_says_of_each_branch_whether_it_came(
    client: TestClient, session: Session, world: World
) -> None:
    make_completed(session, world)
    new = make_organisation(session, parent=world.town, name="新支部")
    loose = make_organisation(session, parent=world.district, name="直属支部")
    make_organisation(session, parent=world.town, active=False)
    staff = world.district_staff
    first, second, third = table(asked(client, session, staff, "coverage.csv"))
    assert first == {
        "镇街": world.town.name,
        "支部编号": world.branch.code,
        "支部": world.branch.name,
        "行业": "城市社区",
        "期间到访": "1",
        "最近到访": "2026-12-02",
        "期间来过": "是",
        "从未来过": "否",
        "长期未来": "否",
    }
    assert [second[name] for name in ("支部", "期间到访", "最近到访", "从未来过", "长期未来")] == [
        new.name,
        "0",
        "",
        "是",
        "否",
    ]
    assert (third["支部"], third["镇街"]) == (loose.name, "")
    silent = table(asked(client, session, staff, "coverage.csv", silent_days=7))
    assert [row["长期未来"] for row in silent] == ["是", "否", "否"]
    sheet = asked(client, session, staff, "coverage.xlsx", silent_days=7)
    assert "超过 7 天" in told_of(sheet)["内容 Content"]
    shown = client.get(
        f"{PATH}/coverage", headers=signed_in(session, staff), params=PERIOD | {"silent_days": 7}
    ).json()["totals"]
    said = {"came": "期间来过", "never": "从未来过", "silent": "长期未来"}
    assert {k: shown[k] for k in said} == {
        k: sum(row[name] == "是" for row in silent) for k, name in said.items()
    }


def test_reach_says_of_each_branch_whether_a_place_is_near(
    client: TestClient, session: Session, world: World
) -> None:
    world.branch.location = point(117.85, 36.64)
    far = make_organisation(session, parent=world.town, name="远处支部")
    far.location = point(118.5, 36.64)
    make_organisation(session, parent=world.town, name="无处支部")
    session.flush()
    staff = world.district_staff
    seen = {
        row["支部"]: (row["是否可达"], row["位置依据"])
        for row in table(asked(client, session, staff, "reach.csv", radius_m=30_000))
    }
    assert seen[far.name] == ("不可达", "本支部")
    assert seen["无处支部"] == ("无位置", "")
    assert seen[world.branch.name] == ("可达", "本支部")
    many = table(asked(client, session, staff, "reach.csv", radius_m=30_000, people=500))
    assert {row["是否可达"] for row in many} == {"不可达", "无位置"}
    sheet = asked(client, session, staff, "reach.xlsx", minutes=30)
    assert "1923 米" in told_of(sheet)["内容 Content"]
    headers = signed_in(session, staff)
    both = {"radius_m": 5, "minutes": 5}
    refused(client.get(f"{PATH}/reach.csv", headers=headers, params=both), 422, "reach-twice")


def test_demand_says_what_was_refused_for_want_of_room(
    client: TestClient, session: Session, world: World
) -> None:
    for rule, times in ((Shortage.PLACES, 3), (Shortage.GUIDES, 2)):
        session.add(
            RefusedOrder(
                site_id=world.site.id,
                refused_on=NOW.date(),
                wanted_on=NOW.date() + timedelta(days=9),
                hour=9,
                people=30,
                rule=rule,
                times=times,
            )
        )
    session.flush()
    rows = table(asked(client, session, world.town_staff, "demand.csv"))
    for row, lost in zip(rows, (("名额", "3", "90"), ("讲解员", "2", "60")), strict=True):
        assert (row["不足"], row["被拒预约"], row["被拒人数"]) == lost
        assert (row["阵地"], row["镇街"]) == (world.site.name, world.town.name)
        assert (row["类别"], row["菜单"], row["查询次数"]) == ("城市党建", "", "0")
    sheet = asked(client, session, world.town_staff, "demand.xlsx")
    assert "被拒的预约" in told_of(sheet)["内容 Content"]


def test_demand_says_what_was_looked_for(
    client: TestClient, session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought(session, world)
    (row,) = table(asked(client, session, world.town_staff, "demand.csv"))
    assert row == {
        "月份": NOW.strftime("%Y-%m"),
        "镇街": world.town.name,
        "类别": "城市党建",
        "菜单": "党课",
        "查询次数": "3",
        "人数": "120",
        "阵地": "",
        "不足": "",
        "被拒预约": "0",
        "被拒人数": "0",
    }
    monkeypatch.setattr(demand_tables, "MOST", 0)
    headers = signed_in(session, world.town_staff)
    reply = client.get(f"{PATH}/demand.csv", headers=headers, params=PERIOD)
    assert refused(reply, 413, "table-too-large")["limit"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_export_is_noted(client: TestClient, session: Session, world: World, name: str) -> None:
    visited(session, world)
    sought(session, world)
    asked(client, session, world.district_staff, name)
    (note,) = session.info[NOTED]
    table, media = name.split(".")
    assert (note.action, note.noun, note.district_id) == ("export", "export", world.district.id)
    assert note.facts["table"] == table
    assert note.facts["media"] == media
    assert (note.facts["since"], note.facts["until"]) == ("2026-11-01", "2027-02-02")
    assert note.facts["rows"] >= 1


def test_an_export_is_in_the_audit_log(own_engine: Engine, own_client: TestClient) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        make_completed(session, world)
        sought(session, world)
        headers = signed_in(session, world.town_staff)
    for name in NAMES:
        reply = own_client.get(f"{PATH}/{name}", headers=headers, params=PERIOD)
        assert reply.status_code == 200, reply.text
    with Session(own_engine) as session:
        told = select(AuditEvent).where(AuditEvent.action == "export")
        events = session.exec(told.order_by(AuditEvent.number)).all()  # type: ignore[arg-type]
        assert [f"{event.after['table']}.{event.after['media']}" for event in events] == NAMES
        assert {event.actor_role for event in events} == {"town_staff"}
        assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_town_sees_its_own(client: TestClient, session: Session, world: World, name: str) -> None:
    other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    stranger = make_account(session, Role.TOWN_STAFF, at=other)
    foreign = make_account(session, Role.DISTRICT_STAFF, at=make_world(session).district)
    world.branch.name, world.site.name = "CANARY", "CANARY"
    world.site.short_name, world.town.place, world.town.name = "CANARY", "CANARY", "CANARY"
    session.flush()
    sought(session, world)
    visited(session, world)
    for who, told in ((world.town_staff, True), (stranger, False), (foreign, False)):
        content = asked(client, session, who, name).content
        if name.endswith("xlsx"):
            book = load_workbook(io.BytesIO(content))
            cells = [c for sheet in book for row in sheet.iter_rows(values_only=True) for c in row]
            content = " ".join(map(str, cells)).encode()
        assert (b"CANARY" in content) == told


@pytest.mark.parametrize("name", NAMES)
def test_who_may_not_gets_nothing(
    client: TestClient, session: Session, world: World, name: str
) -> None:
    headers = signed_in(session, world.manager)
    refused(client.get(f"{PATH}/{name}", headers=headers), 403, "not-in-scope")
    refused(client.get(f"{PATH}/{name}"), 401, "unauthenticated")
    staff = signed_in(session, world.district_staff)
    backwards = {"from": "2026-12-02", "to": "2026-12-01"}
    reply = client.get(f"{PATH}/{name}", headers=staff, params=backwards)
    refused(reply, 422, "period-too-long")
    assert NOTED not in session.info


def test_a_long_table_is_made_later(
    client: TestClient, session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_completed(session, world)
    monkeypatch.setattr(exports, "LONGEST", 0)
    headers = signed_in(session, world.district_staff)
    reply = client.get(f"{PATH}/bookings.csv", headers=headers, params=PERIOD)
    told = refused(reply, 409, "export-too-long")
    assert (told["rows"], told["limit"]) == (1, 0)
    assert NOTED not in session.info


def test_more_rows_take_no_more_statements(session: Session, world: World) -> None:
    asked_for = Asked(NOW.date() - timedelta(days=9), NOW.date() + timedelta(days=99), NOW)
    who = actor(session, world.district_staff)
    seen = []
    for n in range(3):
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + (n + 1) * 3 * HOUR)
        make_booking(session, world, slot)
        session.flush()
        with counted(session) as statements:
            made = exports.table(session, name="bookings", actor=who, asked=asked_for)
            assert len(list(made.rows)) == n + 1
        seen.append(len(statements))
    assert set(seen) == {3}
