"""A full session is waited for, and taken when it comes free."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.sync_api import expect

from app.demo import DemoAccount
from app.models import Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import account, exclusive_order, go, log_in, send_order


def signed_in(live: Live, who: DemoAccount) -> httpx2.Client:
    """A client of the API with somebody's token."""
    api = httpx2.Client(base_url=f"{live.url}/api/v1")
    form = {"username": who.phone, "password": who.password, "grant_type": "password"}
    token = api.post("/auth/token", data=form).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    return api


def test_who_waits_for_a_full_session_takes_it_when_it_comes_free(
    live: Live, open_page: OpenPage
) -> None:
    address = exclusive_order(live)
    slot = parse_qs(urlsplit(address).query)["sessions"][0]
    first, second = (account(live, Role.ORGANISER, nth) for nth in (1, 2))
    with signed_in(live, first) as api:
        order = {
            "session_ids": [slot],
            "organisation_id": str(first.organisation_id),
            "people_expected": 9,
            "purpose": "visit",
            "contact_name": "王组织",
            "contact_phone": "13800000001",
        }
        booking = api.post("/bookings", json=order).raise_for_status().json()

        page = open_page(PHONE)
        go(page, live, "/login")
        log_in(page, second)
        go(page, live, f"/sites/{urlsplit(address).path.rsplit('/', 1)[-1]}")
        page.locator(".session.full").first.click()
        expect(page.get_by_role("button", name="候补这一场")).to_be_visible()
        go(page, live, address)
        expect(page.get_by_text("已约满，可以候补")).to_be_visible()
        page.get_by_label("联系电话").fill("13800000002")
        picture(page, "wait")
        page.get_by_role("button", name="加入候补").click()
        expect(page.get_by_text("排在第一位")).to_be_visible()

        api.post(f"/bookings/{booking['id']}/cancel", json={}).raise_for_status()
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
    first = account(live, Role.ORGANISER, 1)
    with signed_in(live, first) as api:
        order = {
            "session_ids": parse_qs(urlsplit(address).query)["sessions"],
            "organisation_id": str(first.organisation_id),
            "people_expected": 9,
            "purpose": "visit",
            "contact_name": "王组织",
            "contact_phone": "13800000001",
        }
        booking = api.post("/bookings", json=order).raise_for_status().json()
        send_order(page)
        page.get_by_role("alert").get_by_role("button", name="候补这一场").click()
        expect(page.get_by_text("排在第一位")).to_be_visible()
        page.get_by_role("button", name="退出候补").first.click()
        page.get_by_role("button", name="确认", exact=True).click()
        expect(page.get_by_text("已撤回", exact=True)).to_be_visible()
        api.post(f"/bookings/{booking['id']}/cancel", json={}).raise_for_status()
