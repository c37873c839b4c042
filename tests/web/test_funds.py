"""The fund on the pages: its books, a correction by two people, and what a visit would be paid."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import URL
from sqlmodel import Session

from app import clock
from app.db import create_engine
from app.models import Role
from tests.conftest import NOW, database, plain
from tests.live import Live, served
from tests.makers import make_completed, make_fund, make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server with a fund that has paid for a visit, and one for the present year."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            make_completed(session, world)
            if (year := clock.now().year) != NOW.year:
                make_fund(session, world.district, fiscal_year=year)
            people = [
                enlist(session, Role.FUND_OFFICER, world.district, "13600000002"),
                enlist(session, Role.FUND_APPROVER, world.district, "13600000003"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def open_fund(page: Page, live: Live, role: Role) -> None:
    """Log in, and open the fund that has paid for something."""
    go(page, live, "/funds")
    log_in(page, account(live, role))
    page.locator("a.row").last.click()
    expect(page.get_by_text("对账无误")).to_be_visible()


def test_an_entry_is_reversed_by_two_people(live: Live, open_page: OpenPage) -> None:
    officer = open_page(PHONE)
    open_fund(officer, live, Role.FUND_OFFICER)
    ledger = officer.get_by_role("region", name="台账")
    expect(ledger.get_by_text("拨款来源 → 可用")).to_be_visible()
    picture(officer, "fund")
    ledger.get_by_role("button", name="确认", exact=True).click()
    expect(ledger.get_by_text("已预留 → 待支付")).to_be_visible()
    expect(ledger.get_by_text("拨款来源 → 可用")).to_have_count(0)
    ledger.get_by_role("button", name="申请冲正").click()
    sheet = officer.get_by_role("dialog", name="申请冲正")
    expect(sheet.get_by_role("button", name="申请冲正")).to_be_disabled()
    sheet.get_by_label("原因").fill("到场人数登记有误")
    sheet.get_by_role("button", name="申请冲正").click()
    asked = officer.get_by_role("region", name="冲正")
    expect(asked).to_contain_text("待复核")
    expect(asked.get_by_role("button", name="确认冲正")).to_have_count(0)

    approver = open_page(DESK)
    open_fund(approver, live, Role.FUND_APPROVER)
    expect(approver.get_by_role("button", name="申请冲正")).to_have_count(0)
    waiting = approver.get_by_role("region", name="冲正")
    expect(waiting).to_contain_text("到场人数登记有误")
    picture(approver, "fund-approver")
    waiting.get_by_role("button", name="确认冲正").click()
    approver.get_by_role("dialog").get_by_role("button", name="确认", exact=True).click()
    expect(waiting).to_contain_text("已冲正")
    expect(approver.get_by_text("冲正确认")).to_be_visible()
    expect(approver.get_by_text("对账无误")).to_be_visible()


def test_a_visit_is_reckoned_before_anybody_goes(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/tariff")
    log_in(page, account(live, Role.FUND_OFFICER))
    form = page.get_by_role("form", name="试算")
    form.get_by_role("button", name="算一算").click()
    told = form.get_by_role("status")
    expect(told.locator("strong")).not_to_have_text("¥0.00")
    expect(told).to_contain_text("单次上限")
    picture(page, "tariff")
    form.get_by_label("区外党支部").check()
    form.get_by_role("button", name="算一算").click()
    expect(told.locator("strong")).to_have_text("¥0.00")
    expect(told).to_contain_text("区外党支部不补助")
