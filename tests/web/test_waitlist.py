"""A full session is waited for, and taken when it comes free."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from app.demo import DemoAccount
from app.models import Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import (
    account,
    exclusive_order,
    go,
    log_in,
    send_order,
    speaking,
    wish,
)


@contextmanager
def ordered_by(who: DemoAccount, live: Live, address: str) -> Iterator[None]:
    """Have a branch fill the session of an order, and cancel in the end."""
    (session_id,) = parse_qs(urlsplit(address).query)["sessions"]
    with speaking(live, who) as api:
        booking = api.post("/bookings", json=wish(who, session_id)).raise_for_status().json()
        yield
        api.post(f"/bookings/{booking['id']}/cancel", json={}).raise_for_status()


def test_who_waits_for_a_full_session_takes_it_when_it_comes_free(
    live: Live, open_page: OpenPage
) -> None:
    other, who = (account(live, Role.ORGANISER, nth) for nth in (1, 2))
    address = exclusive_order(live, other, who)
    page = open_page(PHONE)
    with ordered_by(other, live, address):
        go(page, live, "/login")
        log_in(page, who)
        go(page, live, f"/sites/{urlsplit(address).path.rsplit('/', 1)[-1]}")
        page.locator(".session.full").first.click()
        expect(page.get_by_role("button", name="候补这一场")).to_be_visible()
        go(page, live, address)
        expect(page.get_by_text("已约满，可以候补")).to_be_visible()
        page.get_by_label("联系电话").fill("13800000002")
        picture(page, "wait")
        page.get_by_role("button", name="加入候补").click()
        expect(page.get_by_text("排在第一位")).to_be_visible()
    page.get_by_role("button", name="刷新").click()
    expect(page.get_by_text("名额已保留")).to_be_visible()
    picture(page, "waitlist")
    page.get_by_role("button", name="确认预约").click()
    expect(page).to_have_url(re.compile("#/bookings/"))
    expect(page.get_by_text("办理进程")).to_be_visible()
    go(page, live, "/waitlist")
    expect(page.get_by_text("已确认", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="查看预约单")).to_be_visible()


def test_an_order_that_finds_no_room_can_wait_and_change_its_mind(
    live: Live, open_page: OpenPage
) -> None:
    other, who = (account(live, Role.ORGANISER, nth) for nth in (1, 2))
    address = exclusive_order(live, other, who)
    page = open_page(PHONE)
    go(page, live, address)
    log_in(page, who)
    expect(page.get_by_role("button", name="提交预约")).to_be_visible()
    with ordered_by(other, live, address):
        send_order(page)
        page.get_by_role("alert").get_by_role("button", name="候补这一场").click()
        expect(page.get_by_text("排在第一位")).to_be_visible()
        page.get_by_role("button", name="退出候补").first.click()
        page.get_by_role("button", name="确认", exact=True).click()
        expect(page.get_by_text("已撤回", exact=True)).to_be_visible()
