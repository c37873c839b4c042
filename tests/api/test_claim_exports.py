"""A claim as a sheet and as a paper: what is in them, and that they harm nobody."""

from decimal import Decimal
from io import BytesIO

import pytest
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from pypdf import PdfReader
from sqlalchemy import Engine
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import AuditEvent, Claim, ClaimStatus, Role
from app.services import claim_forms, claim_papers, claim_sheets, verify
from app.services.audit import NOTED
from tests.api.replies import refused
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_account,
    make_claim,
    make_completed,
    make_session,
    make_site,
    make_world,
    signed_in,
)
from tests.services.claim_steps import bring

PATH = "/api/v1/claims"
MEDIA = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    """A paid claim of two visits: 200 yuan and 195 yuan."""
    make_completed(session, world)
    slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, slot, attended=19)
    return bring(session, world, make_claim(session, world), ClaimStatus.PAID)


def taken(client: TestClient, session: Session, world: World, claim: Claim, media: str) -> bytes:
    headers = signed_in(session, world.fund_officer)
    reply = client.get(f"{PATH}/{claim.id}.{media}", headers=headers)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == MEDIA[media]
    assert f'filename="claim.{media}"' in reply.headers["content-disposition"]
    content: bytes = reply.content
    return content


def opened(data: bytes) -> Worksheet:
    sheet = load_workbook(BytesIO(data)).active
    assert isinstance(sheet, Worksheet)
    return sheet


def test_the_sheet_is_laid_out_as_it_is_filed(
    client: TestClient, session: Session, world: World, claim: Claim
) -> None:
    sheet = opened(taken(client, session, world, claim, "xlsx"))
    merged = {str(area) for area in sheet.merged_cells.ranges}
    assert merged == {"A1:K1", "A2:K2", "A3:K3", "A8:K8"}
    assert sheet["A1"].value == "示例区委党员教育阵地补助申领表"
    assert world.site.name in str(sheet["A3"].value)
    assert "2026年12月" in str(sheet["A3"].value)
    assert sheet.freeze_panes == "A5"
    assert tuple(cell.value for cell in sheet[4]) == claim_forms.HEADER
    first, second, total = (
        [cell.value for cell in row] for row in sheet.iter_rows(min_row=5, max_row=7)
    )
    assert first[0:6] == [1, first[1], world.branch.name, "2026-12-02 09:00", 20, 20]
    assert second[4:8] == [20, 19, f"{world.manager.name} 12-02", "未确认"]
    assert second[9] == "100.00+5.00×19人，限250.00"
    assert [Decimal(str(row[10])) for row in (first, second, total)] == [200, 195, 395]
    assert (total[0], total[4], total[5]) == ("合计", 40, 39)
    assert {sheet.cell(row, 11).number_format for row in (5, 6, 7)} == {"#,##0.00"}
    assert sheet["A8"].value == "合计金额（大写）：叁佰玖拾伍元整    （小写）：¥395.00"
    signed = [sheet.cell(10, column).value for column in (1, 4, 7, 10)]
    assert signed == [
        f"制表：{world.manager.name}",
        f"审核：{world.fund_officer.name}",
        f"批准：{world.fund_approver.name}",
        "领款：",
    ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", " =", "\t=", "\u3000＝", "＋", "＠"])
@pytest.mark.parametrize("media", MEDIA)
def test_no_name_is_a_formula(
    client: TestClient, session: Session, world: World, claim: Claim, media: str, first: str
) -> None:
    name = f'{first}HYPERLINK("http://x","党")<b>&\U0001f6a9'
    world.branch.name, world.site.name = name, name
    session.flush()
    data = taken(client, session, world, claim, media)
    if media == "xlsx":
        sheet = opened(data)
        assert sheet["C5"].value == f"'{name}"
        texts = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.data_type for cell in texts} == {"s", "n"}


def test_without_the_guard_it_would_be_one(
    client: TestClient,
    session: Session,
    world: World,
    claim: Claim,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claim_sheets, "harmless", lambda said: said)
    world.branch.name = "=1+1"
    session.flush()
    assert opened(taken(client, session, world, claim, "xlsx"))["C5"].data_type == "f"


def test_the_paper_says_the_same(
    client: TestClient, session: Session, world: World, claim: Claim
) -> None:
    reader = PdfReader(BytesIO(taken(client, session, world, claim, "pdf")))
    text = "".join(reader.pages[0].extract_text().split())
    for said in (
        "示例区委党员教育阵地补助申领表",
        "2026年12月",
        "状态：已支付",
        f"凭证号：{claim.voucher_number}"[:12],
        "合计金额（大写）：叁佰玖拾伍元整",
        "¥395.00",
        f"审核：{world.fund_officer.name}",
        "领款：",
        "未确认",
    ):
        assert said in text
    fonts = reader.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
    assert any("STSong-Light" in str(font.get_object()["/BaseFont"]) for font in fonts.values())


def test_the_same_claim_is_the_same_paper(
    client: TestClient, session: Session, world: World, claim: Claim
) -> None:
    one, two = (taken(client, session, world, claim, "pdf") for _ in range(2))
    assert one == two
    claim.amount_fen += 1
    session.flush()
    assert taken(client, session, world, claim, "pdf") != one


def test_a_long_paper_says_its_header_on_every_page() -> None:
    line = claim_forms.FormLine(1, "ABC", "支部", "2026-12-02", 9, 9, "赵", "王", "R1", "", 1)
    form = claim_forms.Form(
        "申领表", "经费", "阵地", "2026年12月", "草稿", "", [line] * 200, 200, [("制表", "")] * 4
    )
    pages = PdfReader(BytesIO(claim_papers.write(form))).pages
    assert len(pages) > 3
    assert all("预约编号" in "".join(page.extract_text().split()) for page in pages)
    assert len(opened(claim_sheets.write(form))["A"]) >= 204


@pytest.mark.parametrize("media", MEDIA)
def test_an_export_is_noted(
    client: TestClient, session: Session, world: World, claim: Claim, media: str
) -> None:
    taken(client, session, world, claim, media)
    (note,) = session.info[NOTED]
    assert (note.action, note.noun, note.row_id) == ("export", "claim", str(claim.id))
    assert note.facts == {"media": media, "rows": 2}
    assert note.district_id == world.district.id


def test_an_export_is_in_the_audit_log(own_engine: Engine, own_client: TestClient) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        make_completed(session, world)
        claim_id = make_claim(session, world).id
        headers = signed_in(session, world.fund_officer)
    for media in MEDIA:
        assert own_client.get(f"{PATH}/{claim_id}.{media}", headers=headers).status_code == 200
    with Session(own_engine) as session:
        told = select(AuditEvent).where(AuditEvent.action == "export")
        events = session.exec(told.order_by(AuditEvent.number)).all()  # type: ignore[arg-type]
        assert [event.after["media"] for event in events] == list(MEDIA)
        assert {event.actor_role for event in events} == {"fund_officer"}
        assert list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize("media", MEDIA)
def test_a_foreign_claim_is_not_there(
    client: TestClient, session: Session, world: World, claim: Claim, media: str
) -> None:
    stranger = make_account(session, Role.SITE_MANAGER, at=make_site(session, world.town))
    headers = signed_in(session, stranger)
    refused(client.get(f"{PATH}/{claim.id}.{media}", headers=headers), 404, "claim-not-found")
    refused(client.get(f"{PATH}/{uuid7()}.{media}", headers=headers), 404, "claim-not-found")
    refused(client.get(f"{PATH}/x.{media}", headers=headers), 422, "malformed-request")
    refused(client.get(f"{PATH}/{claim.id}.{media}"), 401, "unauthenticated")
    assert NOTED not in session.info


@pytest.mark.parametrize("media", MEDIA)
def test_a_claim_may_be_too_long(
    client: TestClient,
    session: Session,
    world: World,
    claim: Claim,
    media: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claim_forms, "MOST_LINES", 1)
    headers = signed_in(session, world.fund_officer)
    reply = client.get(f"{PATH}/{claim.id}.{media}", headers=headers)
    assert refused(reply, 413, "claim-too-long")["limit"] == 1
