"""A full session is waited for, and taken when it comes free."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import expect

from app.models import Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import account, exclusive_order, go, log_in, send_order


@contextmanager
def ordered_by_another(live: Live, address: str) -> Iterator[None]:
    """Have another branch fill the session of an order, and cancel in the end."""
    who = account(live, Role.ORGANISER, 1)
    url = f"{live.url}/api/v1"
    form = {"username": who.phone, "password": who.password, "grant_type": "password"}
    token = httpx2.post(f"{url}/auth/token", data=form).json()["access_token"]
    order = {
        "session_ids": parse_qs(urlsplit(address).query)["sessions"],
        "organisation_id": str(who.organisation_id),
        "people_expected": 9,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000001",
    }
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as api:
        booking = api.post("/bookings", json=order).raise_for_status().json()
        yield
        api.post(f"/bookings/{booking['id']}/cancel", json={}).raise_for_status()


def test_who_waits_for_a_full_session_takes_it_when_it_comes_free(
    live: Live, open_page: OpenPage
) -> None:
    address = exclusive_order(live)
    page = open_page(PHONE)
    with ordered_by_another(live, address):
        go(page, live, "/login")
        log_in(page, account(live, Role.ORGANISER, 2))
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
    address = exclusive_order(live)
    page = open_page(PHONE)
    go(page, live, address)
    log_in(page, account(live, Role.ORGANISER, 2))
    expect(page.get_by_role("button", name="提交预约")).to_be_visible()
    with ordered_by_another(live, address):
        send_order(page)
        page.get_by_role("alert").get_by_role("button", name="候补这一场").click()
        expect(page.get_by_text("排在第一位")).to_be_visible()
        page.get_by_role("button", name="退出候补").first.click()
        page.get_by_role("button", name="确认", exact=True).click()
        expect(page.get_by_text("已撤回", exact=True)).to_be_visible()
