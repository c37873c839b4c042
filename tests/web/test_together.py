"""Ordering a series and a route: first what can be had, then that."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import httpx2
from playwright.sync_api import Page, expect

from app.demo import DemoAccount
from app.models import Role
from app.services.calendar import ZONE, local_date
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, speaking

TIME_TO_TRAVEL = timedelta(hours=2)
Found = dict[str, Any]


def bookable(api: httpx2.Client) -> Iterator[Found]:
    """Sessions with room, each with its site's id and its day."""
    for feature in api.get("/map/sites.geojson").json()["features"]:
        site_id = feature["properties"]["id"]
        for session in api.get(f"/sites/{site_id}/sessions").json()["items"]:
            if session["bookable"] and session["people_free"] >= 20:
                starts_at, ends_at = (
                    datetime.fromisoformat(session[name]) for name in ("starts_at", "ends_at")
                )
                times = {"starts_at": starts_at, "ends_at": ends_at, "day": local_date(starts_at)}
                yield session | times | {"site_id": site_id}


def address(found: Found, more: str = "") -> str:
    return f"/order/{found['site_id']}{more}?day={found['day']}&sessions={found['id']}"


def fits(api: httpx2.Client, who: DemoAccount, **wish: Any) -> bool:
    """Whether the person could have all of it."""
    said = {
        "organisation_id": str(who.organisation_id),
        "people_expected": 20,
        "purpose": "theme_party_day",
        "contact_name": "王组织",
        "contact_phone": "13800000001",
    }
    reply = api.post("/booking-groups", json=said | wish, params={"dry_run": "true"})
    return reply.status_code == 200


def two_stops(live: Live, who: DemoAccount) -> tuple[Found, Found]:
    """Two sessions of a day that can be a route.

    Raises:
        LookupError: there are none.
    """
    with speaking(live, who) as api:
        for first, second in permutations(bookable(api), 2):
            apart = first["site_id"] != second["site_id"] and first["day"] == second["day"]
            if not apart or second["starts_at"] - first["ends_at"] < TIME_TO_TRAVEL:
                continue
            stops = [{"session_ids": [found["id"]]} for found in (first, second)]
            if fits(api, who, kind="route", stops=stops):
                return first, second
    raise LookupError


def first_of_a_series(live: Live, who: DemoAccount) -> Found:
    """A session that the person can have.

    Raises:
        LookupError: there is none.
    """
    with speaking(live, who) as api:
        for found in bookable(api):
            wish = {"session_ids": [found["id"]], "repeat": "date", "months": 4}
            if fits(api, who, kind="series", on_conflict="skip", **wish):
                return found
    raise LookupError


def look(page: Page) -> None:
    page.get_by_label("联系电话").fill("13800000001")
    page.get_by_role("button", name="看看哪些能约").click()


def test_a_series_shows_what_can_be_had_and_takes_that(live: Live, open_page: OpenPage) -> None:
    who = account(live, Role.ORGANISER)
    first = first_of_a_series(live, who)
    page = open_page(PHONE)
    go(page, live, address(first))
    log_in(page, who)
    page.get_by_role("link", name="每月重复预约").click()
    page.get_by_role("radio", name=f"每月 {first['day'].day} 日").check()
    page.locator(".months input").fill("4")
    look(page)
    report = page.get_by_role("region", name="预览")
    expect(report.get_by_role("listitem")).to_have_count(4)
    expect(report.get_by_role("listitem").first).to_contain_text("可以预约")
    expect(report.get_by_role("listitem").last).to_contain_text("最多可提前")
    picture(page, "series")

    page.locator(".months input").fill("3")
    page.get_by_label("备注").fill("改了月数，预览作废")
    expect(report).to_be_hidden()
    look(page)
    page.get_by_role("button", name="能约的").click()
    expect(page.get_by_role("heading", name="系列")).to_be_visible()
    expect(page.locator("a.row")).not_to_have_count(0)
    page.locator("a.row").first.click()
    expect(page.get_by_role("link", name="一起预约的还有哪些")).to_be_visible()


def test_a_route_is_put_together_ordered_and_cancelled(live: Live, open_page: OpenPage) -> None:
    who = account(live, Role.ORGANISER, 1)
    first, second = two_stops(live, who)
    page = open_page(DESK)
    go(page, live, address(second))
    log_in(page, who)
    page.get_by_role("button", name="加入线路").click()
    expect(page.get_by_text("线路至少两站")).to_be_visible()
    go(page, live, address(first))
    page.get_by_role("button", name="加入线路").click()
    stops = page.get_by_role("region", name="各站").get_by_role("listitem")
    expect(stops).to_have_count(2)
    expect(stops.first).to_contain_text(f"{first['starts_at'].astimezone(ZONE):%H:%M}")
    look(page)
    report = page.get_by_role("region", name="预览").get_by_role("listitem")
    expect(report.filter(has_text="可以预约")).to_have_count(2)
    picture(page, "route")
    page.get_by_role("button", name="预约全部 2 站").click()
    expect(page.get_by_role("heading", name="线路")).to_be_visible()
    expect(page.locator("a.row")).to_have_count(2)
    picture(page, "group")
    page.get_by_role("button", name="全部取消").click()
    page.get_by_role("dialog").get_by_role("button", name="全部取消").click()
    expect(page.get_by_text("已取消", exact=True)).to_have_count(2)
