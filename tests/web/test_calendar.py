"""Bookings taken along: into the device's calendar, and as a feed."""

import re
from pathlib import Path

import httpx2
from playwright.sync_api import expect

from app.demo import DemoAccount
from app.models import Role
from tests.live import Live
from tests.services.test_ics import by_ical
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import go, log_in


def with_a_booking_ahead(live: Live) -> tuple[DemoAccount, str]:
    """An organiser, and the id of a booking of theirs that is still to come.

    Raises:
        LookupError: nobody has one.
    """
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        for who in (account for account in live.accounts if account.role == Role.ORGANISER):
            form = {"username": who.phone, "password": who.password}
            token = api.post("/auth/token", data=form).json()["access_token"]
            page = api.get(
                "/bookings",
                params={"scope": "mine", "status": ["approved", "pending"]},
                headers={"Authorization": f"Bearer {token}"},
            )
            for booking in page.json()["items"]:
                if booking["status"] in {"approved", "pending"}:
                    return who, booking["id"]
    raise LookupError


def test_a_booking_is_taken_into_the_calendar(live: Live, open_page: OpenPage) -> None:
    who, booking = with_a_booking_ahead(live)
    page = open_page(PHONE)
    go(page, live, f"/bookings/{booking}")
    log_in(page, who)
    with page.expect_download() as got:
        page.get_by_role("button", name="加入日历").click()
    assert re.fullmatch(r"[0-9A-Z]+\.ics", got.value.suggested_filename)
    (entry,) = by_ical(Path(got.value.path()).read_bytes())
    assert entry["uid"] == booking
    picture(page, "booking-calendar")


def test_a_feed_is_opened_copied_renewed_and_closed(live: Live, open_page: OpenPage) -> None:
    who, booking = with_a_booking_ahead(live)
    page = open_page(DESK)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    go(page, live, "/login")
    log_in(page, who)
    go(page, live, "/me")
    page.get_by_text("日历订阅").click()
    page.get_by_role("button", name="开启日历订阅").click()

    field = page.get_by_label("订阅地址")
    expect(field).to_have_value(re.compile(rf"^{live.url}/api/v1/calendars/[\w-]{{43}}\.ics$"))
    first = field.input_value()
    assert booking in {entry["uid"] for entry in by_ical(httpx2.get(first).content)}
    page.get_by_role("button", name="复制地址").click()
    expect(page.get_by_text("地址已复制")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == first
    opens = page.get_by_role("link", name="在本机日历中打开")
    expect(opens).to_have_attribute("href", re.sub("^http:", "webcal:", first))
    picture(page, "calendar")

    page.get_by_role("button", name="更换地址").click()
    page.get_by_role("button", name="取消").click()
    expect(field).to_have_value(first)
    page.get_by_role("button", name="更换地址").click()
    page.get_by_role("button", name="确认").click()
    expect(field).not_to_have_value(first)
    assert httpx2.get(first).status_code == 404
    second = field.input_value()
    assert httpx2.get(second).status_code == 200

    page.get_by_role("button", name="关闭订阅").click()
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_role("button", name="开启日历订阅")).to_be_visible()
    assert httpx2.get(second).status_code == 404
