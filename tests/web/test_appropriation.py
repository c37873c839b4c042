"""A fund on the pages: opened for a year, and filled by a document, to the fen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL
from sqlmodel import Session, select

from app import clock
from app.db import create_engine
from app.models import EntryKind, Fund, LedgerEntry, Role
from tests.conftest import NOW, database, plain
from tests.live import Live, served
from tests.makers import make_fund, make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server of a district that has a fund for the present year, and none for the next."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            if (year := clock.now().year) != NOW.year:
                make_fund(session, world.district, fiscal_year=year)
            people = [
                enlist(session, Role.DISTRICT_STAFF, world.district, "13600000001"),
                enlist(session, Role.FUND_OFFICER, world.district, "13600000002"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def test_a_fund_is_opened_and_filled(live: Live, open_page: OpenPage) -> None:
    year = clock.now().year
    page = open_page(PHONE)
    go(page, live, "/funds")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    page.get_by_role("button", name="设立").click()
    form = page.get_by_role("dialog", name="设立专项经费")
    form.get_by_label("名称").fill("来年的经费")
    form.get_by_text("照常接单，不补助").click()
    form.get_by_role("button", name="设立").click()
    expect(form.get_by_role("alert")).to_contain_text("该组织当年已有专项经费")
    # Refused, and nothing that was typed is lost.
    expect(form.get_by_label("名称")).to_have_value("来年的经费")
    expect(form.get_by_label("照常接单，不补助")).to_be_checked()
    picture(page, "fund-opening")
    form.get_by_text(f"{year + 1} 年", exact=True).click()
    form.get_by_role("button", name="设立").click()
    opened = page.locator("a.row").filter(has_text="来年的经费")
    expect(opened).to_contain_text("可用 ¥0.00")
    opened.click()

    page.get_by_role("button", name="拨入经费").click()
    form = page.get_by_role("dialog", name="拨入经费")
    send = form.get_by_role("button", name="拨入")
    form.get_by_label("文号").fill("示例〔2026〕1 号")
    for wrong in ("1.005", "0", "-3", "1e5"):
        form.get_by_label("金额").fill(wrong)
        expect(form.get_by_role("status")).to_contain_text("最多两位小数")
        expect(send).to_be_disabled()
    form.get_by_label("金额").fill("450,000.29")
    expect(send).to_have_text("拨入 ¥450,000.29")
    picture(page, "appropriation")
    send.click()
    expect(form).to_have_count(0)
    ledger = page.get_by_role("region", name="台账")
    expect(ledger.get_by_text("拨款来源 → 可用")).to_be_visible()
    with Session(live.engine) as session:
        fund = session.exec(select(Fund).where(Fund.name == "来年的经费")).one()
        entry = session.exec(select(LedgerEntry).where(LedgerEntry.fund_id == fund.id)).one()
        assert (fund.fiscal_year, fund.when_exhausted) == (year + 1, "unfunded")
        assert (entry.kind, entry.amount_fen) == (EntryKind.APPROPRIATE, 45_000_029)

    page.get_by_role("button", name="拨入经费").click()
    form.get_by_label("金额").fill("9")
    form.get_by_label("文号").fill("示例〔2026〕1 号")
    send.click()
    expect(form.get_by_role("alert")).to_contain_text("同一事项已入账，但内容不同")
    expect(form.get_by_label("金额")).to_have_value("9")


def test_an_officer_neither_opens_nor_fills(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    go(page, live, "/funds")
    log_in(page, account(live, Role.FUND_OFFICER))
    page.locator("a.row").first.wait_for()
    expect(page.get_by_role("button", name="设立")).to_have_count(0)
    page.locator("a.row").first.click()
    expect(page.get_by_role("region", name="台账")).to_be_visible()
    expect(page.get_by_role("button", name="拨入经费")).to_have_count(0)
