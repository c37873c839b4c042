"""A claim from draft to payment on the pages, by the three who see to it, and back again."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import URL
from sqlmodel import Session, select

from app.db import create_engine
from app.demo import DemoAccount
from app.models import Claim as ClaimRow
from app.models import ClaimStatus, Organisation, Role, Site
from app.services import accounts, claim_drafts
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    make_completed,
    make_grant,
    make_session,
    make_world,
)
from tests.services.claim_steps import bring
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, speaking

Claim = dict[str, Any]
PASSWORD = "correct-Horse-7-battery"  # noqa: S105
CLAIMS = {
    date(2026, 12, 1): (1, ClaimStatus.PAID),
    date(2027, 1, 1): (2, ClaimStatus.SUBMITTED),
    date(2027, 2, 1): (1, ClaimStatus.DRAFT),
}
"""How many visits each claim of the site has, and how far it came."""


def make_claims(session: Session, world: World) -> None:
    """Claims of one site, each of visits that were completed too late for the one before."""
    number = 0
    for month, (visits, status) in CLAIMS.items():
        for _ in range(visits):
            number += 1
            slot = make_session(session, world.venue, starts_at=IN_A_WEEK + number * 3 * HOUR)
            make_completed(session, world, slot)
        claim_drafts.draft_month(session, fund_id=world.fund.id, month=month)
        claim = session.exec(select(ClaimRow).where(ClaimRow.month == month)).one()
        bring(session, world, claim, status)


def enlist(session: Session, role: Role, at: Organisation | Site, phone: str) -> DemoAccount:
    """Open an account that somebody can log in with."""
    who = accounts.create(session, name=f"{role}", phone=phone, password=PASSWORD)
    make_grant(session, who, role, at=at)
    site = at.id if isinstance(at, Site) else None
    return DemoAccount(role, who.name, phone, PASSWORD, None if site else at.id, site)


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server with a site whose claims are what these tests need on any day of the year."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            make_claims(session, world)
            people = [
                enlist(session, Role.SITE_MANAGER, world.site, "13600000001"),
                enlist(session, Role.FUND_OFFICER, world.district, "13600000002"),
                enlist(session, Role.FUND_APPROVER, world.district, "13600000003"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def found(live: Live, month: str) -> Claim:
    """The claim of a month."""
    with speaking(live, account(live, Role.FUND_OFFICER)) as api:
        page = api.get("/claims", params={"month": month}).raise_for_status()
        (claim,) = page.json()["items"]
        one: Claim = claim
        return one


def open_claim(page: Page, live: Live, who: DemoAccount, claim: Claim) -> None:
    go(page, live, f"/claims/{claim['id']}")
    log_in(page, who)
    expect(page.get_by_role("heading", name=claim["site"]["name"])).to_be_visible()


def agree(page: Page, name: str, status: str) -> None:
    """Press a button, say yes, and see the new state."""
    page.get_by_role("button", name=name, exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="确认", exact=True).click()
    expect(page.locator("b.status")).to_have_text(status)


def test_a_claim_goes_from_draft_to_payment(live: Live, open_page: OpenPage) -> None:
    claim = found(live, "2027-02-01")
    host = open_page(PHONE)
    go(host, live, "/claims")
    log_in(host, account(live, Role.SITE_MANAGER))
    waiting = host.get_by_role("group", name="按状态筛选").get_by_role("button", name="待提交")
    expect(waiting).to_have_attribute("aria-pressed", "true")
    picture(host, "claims")
    host.locator(f"a[href='#/claims/{claim['id']}']").click()
    expect(host.get_by_text("阵地确认到场").first).to_be_visible()
    picture(host, "claim")
    agree(host, "提交补单", "已提交")
    expect(host.get_by_role("button", name="审核通过")).to_have_count(0)

    officer = open_page(DESK)
    open_claim(officer, live, account(live, Role.FUND_OFFICER), claim)
    picture(officer, "claim-officer")
    agree(officer, "审核通过", "已审核")
    expect(officer.get_by_role("button", name="批准", exact=True)).to_have_count(0)

    approver = open_page(PHONE)
    open_claim(approver, live, account(live, Role.FUND_APPROVER), claim)
    agree(approver, "批准", "已批准")
    approver.get_by_role("button", name="登记支付").click()
    sheet = approver.get_by_role("dialog", name="登记支付")
    confirm = sheet.get_by_role("button", name="确认已支付")
    expect(confirm).to_be_disabled()
    sheet.get_by_label("凭证号").fill(f"浏览器-{claim['id'][-12:]}")
    picture(approver, "claim-pay")
    confirm.click()
    expect(approver.locator("b.status")).to_have_text("已支付")
    expect(approver.get_by_text("凭证号：浏览器-")).to_be_visible()
    with speaking(live, account(live, Role.FUND_OFFICER)) as api:
        now = api.get(f"/claims/{claim['id']}").json()
    assert (now["status"], now["amount_fen"]) == ("paid", claim["amount_fen"])


def test_lines_and_claims_are_sent_back_with_a_reason(live: Live, open_page: OpenPage) -> None:
    claim = found(live, "2027-01-01")
    page = open_page(PHONE)
    open_claim(page, live, account(live, Role.FUND_OFFICER), claim)
    page.get_by_role("button", name="退回部分明细").click()
    page.get_by_role("region", name="明细", exact=True).get_by_role("checkbox").first.check()
    picture(page, "claim-lines")
    page.get_by_role("button", name="退回所选（1）").click()
    sheet = page.get_by_role("dialog", name="退回部分明细")
    expect(sheet.get_by_role("button", name="退回部分明细")).to_be_disabled()
    sheet.get_by_label("原因").fill("支部尚未确认到场")
    sheet.get_by_role("button", name="退回部分明细").click()
    taken = page.get_by_role("region", name="已退回的明细")
    expect(taken).to_contain_text("支部尚未确认到场")
    expect(page.get_by_text(f"· {claim['visits'] - 1} 次活动 ·")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.get_by_role("button", name="整单退回").click()
    back = page.get_by_role("dialog", name="整单退回")
    back.get_by_label("原因").fill("请补充签到表")
    back.get_by_role("button", name="整单退回").click()
    expect(page.get_by_text("退回原因：请补充签到表")).to_be_visible()
    expect(page.locator("b.status")).to_have_text("已退回")
    picture(page, "claim-returned")


@pytest.mark.parametrize("ending", ["xlsx", "pdf"])
def test_a_claim_is_saved_as_a_file(live: Live, open_page: OpenPage, ending: str) -> None:
    claim = found(live, "2026-12-01")
    page = open_page(DESK)
    open_claim(page, live, account(live, Role.FUND_APPROVER), claim)
    with page.expect_download() as waited:
        page.get_by_role("button", name=f"（{ending.upper()}）").click()
    saved = waited.value
    assert saved.suggested_filename.startswith("补单-")
    assert saved.suggested_filename.endswith(ending)
    begins = saved.path().read_bytes()[:4]
    assert begins == {"xlsx": b"PK\x03\x04", "pdf": b"%PDF"}[ending]


def test_an_exception_is_marked_as_looked_at(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    open_claim(page, live, account(live, Role.FUND_OFFICER), found(live, "2026-12-01"))
    expect(page.get_by_text("支部尚未评价确认")).to_be_visible()
    button = page.get_by_role("button", name="标记已核查").first
    button.click()
    sheet = page.get_by_role("dialog", name="标记已核查")
    sheet.get_by_label("原因").fill("已电话核实")
    sheet.get_by_role("button", name="标记已核查").click()
    expect(page.get_by_text("已核查：已电话核实")).to_be_visible()
    expect(page.get_by_role("button", name="标记已核查")).to_have_count(0)
    picture(page, "claim-looked")
