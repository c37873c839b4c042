"""A claim from draft to payment on the pages, by the three who see to it, and back again."""

from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from app.demo import DemoAccount
from app.models import Role
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, manager
from tests.web.test_desk import bearer

Claim = dict[str, Any]


def speaking(live: Live, who: DemoAccount) -> httpx2.Client:
    """Somebody without a browser."""
    return httpx2.Client(base_url=f"{live.url}/api/v1", headers=bearer(live, who))


def found(live: Live, status: str, visits: int = 1) -> Claim:
    """A claim in a state, of so many visits at least, whose site's manager has an account.

    Raises:
        LookupError: there is none.
    """
    managed = {str(one.site_id) for one in live.accounts if one.site_id}
    with speaking(live, account(live, Role.FUND_OFFICER)) as api:
        page = api.get("/claims", params={"status": status, "limit": 200}).raise_for_status()
        for claim in page.json()["items"]:
            if claim["visits"] >= visits and claim["site"]["id"] in managed:
                one: Claim = claim
                return one
    raise LookupError


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
    claim = found(live, "draft")
    host = open_page(PHONE)
    go(host, live, "/claims")
    log_in(host, manager(live, claim["site"]["id"]))
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
    claim = found(live, "submitted", visits=2)
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
    claim = found(live, "paid")
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
    with speaking(live, account(live, Role.FUND_OFFICER)) as api:
        for fund in api.get("/funds").json()["items"]:
            path = f"/funds/{fund['id']}/exceptions"
            odd = api.get(path, params={"looked": "false"}).raise_for_status().json()["items"]
            if mine := [one for one in odd if one["claim_id"]]:
                break
    page = open_page(PHONE)
    go(page, live, f"/claims/{mine[0]['claim_id']}")
    log_in(page, account(live, Role.FUND_OFFICER))
    button = page.get_by_role("button", name="标记已核查").first
    button.click()
    sheet = page.get_by_role("dialog", name="标记已核查")
    sheet.get_by_label("原因").fill("已电话核实")
    sheet.get_by_role("button", name="标记已核查").click()
    expect(page.get_by_text("已核查：已电话核实").first).to_be_visible()
    picture(page, "claim-looked")
