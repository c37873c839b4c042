"""By which ways a person wants messages: chosen, put in order, and refused without a loss."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import URL
from sqlmodel import Session

from app.db import create_engine
from app.models import Role
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import make_world
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server with people who have chosen nothing yet."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_world(session)
            people = [
                enlist(session, Role.ORGANISER, world.branch, "13600000001"),
                enlist(session, Role.TOWN_STAFF, world.town, "13600000002"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def names(page: Page) -> list[str]:
    """The ways in their order."""
    return page.locator("article strong").all_inner_texts()


def test_ways_are_chosen_and_put_in_order(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/login")
    log_in(page, account(live, Role.ORGANISER))
    go(page, live, "/me")
    page.get_by_text("提醒方式").click()
    expect(page.get_by_role("switch", name="用短信提醒")).to_have_attribute("aria-checked", "false")
    page.get_by_role("switch", name="用短信提醒").click()
    page.get_by_role("switch", name="用邮件提醒").click()
    page.get_by_label("邮箱地址").fill("zhao@example.com")
    page.get_by_role("button", name="邮件上移").click()
    page.get_by_role("button", name="邮件上移").click()
    assert names(page) == ["邮件", "微信", "短信", "企业微信群"]
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("已保存")).to_be_visible()
    picture(page, "ways")

    page.reload()
    mailbox = page.get_by_label("邮箱地址")
    expect(mailbox).to_have_attribute("placeholder", "已登记 z***@example.com，不改可留空")
    assert names(page) == ["邮件", "短信", "微信", "企业微信群"]
    page.get_by_role("switch", name="用邮件提醒").click()
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("已保存")).to_be_visible()
    page.reload()
    # Switched off, it keeps its address and its place.
    expect(mailbox).to_have_attribute("placeholder", "已登记 z***@example.com，不改可留空")
    expect(page.get_by_role("switch", name="用邮件提醒")).to_have_attribute("aria-checked", "false")
    expect(page.get_by_role("switch", name="用短信提醒")).to_have_attribute("aria-checked", "true")


def test_what_was_typed_stays_when_it_is_refused(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    go(page, live, "/ways")
    log_in(page, account(live, Role.TOWN_STAFF))
    page.get_by_role("switch", name="用短信提醒").click()
    page.get_by_role("switch", name="用企业微信群提醒").click()
    page.get_by_label("群机器人的 key").fill("no key")
    page.get_by_role("button", name="保存").click()
    card = page.get_by_role("article", name="企业微信群")
    expect(card.get_by_role("alert")).to_have_text("该渠道的地址缺失或有误")
    expect(page.get_by_label("群机器人的 key")).to_have_value("no key")
    expect(page.get_by_role("switch", name="用短信提醒")).to_have_attribute("aria-checked", "true")
    picture(page, "ways-refused")
    page.get_by_label("群机器人的 key").fill("693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_text("已保存")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_label("群机器人的 key")).to_have_value("")
