"""A branch looks for a free place and gets to the order."""

import re
from datetime import datetime
from typing import Any

import httpx2
from playwright.sync_api import Page, expect

from app.models import Role
from app.services.calendar import local_date
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in

MORE_THAN_ANYWHERE = "2000"


def bookable_session(live: Live) -> dict[str, Any]:
    """Return the last one of two weeks that can be ordered, which large groups may order too.

    Raises:
        LookupError: there is none.
    """
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        for feature in api.get("/map/sites.geojson").json()["features"]:
            items = api.get(f"/sites/{feature['properties']['id']}/sessions").json()["items"]
            for session in reversed(items):
                if session["bookable"]:
                    return dict(session)
    raise LookupError


def day_of(session: dict[str, Any]) -> str:
    return local_date(datetime.fromisoformat(session["starts_at"])).isoformat()


def look(page: Page, day: str) -> None:
    page.get_by_label("日期").fill(day)
    page.get_by_label("最早").fill("00:00")
    page.get_by_label("最晚").fill("23:45")
    page.get_by_role("button", name="找空位").click()


def test_a_free_place_is_one_tap_away_from_its_order(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    page.get_by_role("link", name="找空位").click()
    people = page.locator(".van-stepper input")
    people.fill("12")
    people.blur()
    look(page, day_of(bookable_session(live)))
    expect(page.get_by_role("heading", name="个阵地能接待 12 人")).to_be_visible()
    picture(page, "find")

    chip = page.locator("a.chip").first
    time = chip.locator("strong").inner_text()
    chip.click()
    log_in(page, account(live, Role.ORGANISER))
    expect(page).to_have_url(re.compile("#/order/"))
    expect(page.get_by_text(time)).to_be_visible()
    expect(page.locator(".van-stepper input")).to_have_value("12")


def test_what_nearly_fits_is_offered_with_what_would_have_to_change(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(DESK)
    go(page, live, "/find")
    people = page.locator(".van-stepper input")
    people.fill(MORE_THAN_ANYWHERE)
    people.blur()
    look(page, day_of(bookable_session(live)))
    expect(page.get_by_role("heading", name="没有完全符合的")).to_be_visible()
    miss = page.locator("article").filter(has_text=re.compile(r"可容纳 \d+ 人")).first
    picture(page, "find-near")

    fitting = re.search(r"可容纳 (\d+) 人", miss.inner_text())
    assert fitting
    miss.locator("a.chip").click()
    log_in(page, account(live, Role.ORGANISER))
    expect(page).to_have_url(re.compile("#/order/"))
    expect(page.locator(".van-stepper input")).to_have_value(fitting[1])


def test_the_last_search_is_remembered_but_not_where_one_was(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": 117.97, "latitude": 36.64})
    go(page, live, "/find")
    page.get_by_label("做什么").select_option(label="党课")
    page.get_by_role("button", name="离我近的").click()
    expect(page.get_by_label("在哪附近")).to_have_value("me")
    with page.expect_request("**/api/v1/availability?*") as asked:
        look(page, day_of(bookable_session(live)))
    assert "near=117.970000%2C36.640000&radius_m=15000" in asked.value.url

    page.reload()
    expect(page.get_by_label("做什么")).to_have_value("lecture")
    expect(page.get_by_label("在哪附近")).to_have_value("all")
    assert "117.97" not in page.evaluate("JSON.stringify(localStorage)")


def test_whoever_keeps_their_position_to_themselves_is_told_so(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    page.context.clear_permissions()
    go(page, live, "/find")
    page.get_by_role("button", name="离我近的").click()
    expect(page.get_by_text("没有得到定位许可")).to_be_visible()
    expect(page.get_by_label("在哪附近")).to_have_value("all")
