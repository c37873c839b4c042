"""A site is found by what people type."""

import re

import httpx2
from playwright.sync_api import Route, expect
from pypinyin import Style, lazy_pinyin

from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import go, see_the_map, southernmost_pin

NOWHERE = "qqzzxxqqzz"


def test_initials_find_a_site_and_the_map_shows_what_the_list_does(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    see_the_map(page)
    name = str(southernmost_pin(page).get_attribute("aria-label")).split("，")[0]
    initials = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER))[:5]

    page.get_by_role("searchbox", name="搜索阵地").tap()
    expect(page).to_have_url(re.compile("#/sites$"))
    page.get_by_role("searchbox", name="搜索阵地").fill(initials)
    expect(page.get_by_role("heading", name="找到")).to_be_visible()
    expect(page.locator("a.row").filter(has_text=name)).to_be_visible()
    found = page.locator("a.row").count()
    picture(page, "search")

    page.get_by_role("navigation").get_by_text("地图").tap()
    expect(page.locator(f".site-pin[aria-label^='{name}']")).to_be_visible()
    expect(page.locator(".strip a.card")).to_have_count(found)


def test_nothing_found_says_so_and_leads_back_to_all_sites(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/sites")
    expect(page.locator("a.row").first).to_be_visible()
    everything = page.locator("a.row").count()
    page.get_by_role("searchbox", name="搜索阵地").fill(NOWHERE)
    expect(page.get_by_text("没有找到符合条件的阵地")).to_be_visible()
    expect(page.locator("a.row")).to_have_count(0)
    picture(page, "search-nothing")
    page.get_by_role("button", name="清除条件").click()
    expect(page.locator("a.row")).to_have_count(everything)


def test_a_town_and_a_kind_narrow_the_list(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        layer = api.get("/map/sites.geojson").json()["features"]
    chosen = layer[0]["properties"]
    page.get_by_role("combobox", name="镇街").select_option(label=chosen["town"])
    page.get_by_role("combobox", name="类型").select_option(value=chosen["kinds"][0])
    same = [
        site["name"]
        for site in (feature["properties"] for feature in layer)
        if site["town"] == chosen["town"] and chosen["kinds"][0] in site["kinds"]
    ]
    expect(page.get_by_role("heading", name=f"找到 {len(same)} 个")).to_be_visible()
    assert set(page.locator("a.row h3").all_inner_texts()) == set(same)


def test_an_answer_that_was_overtaken_is_dropped(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/sites")
    box = page.get_by_role("searchbox", name="搜索阵地")
    slow: list[Route] = []
    # The first answer is kept back until the second one has been shown.
    page.route("**/api/v1/sites?*q=dangqun*", lambda route: slow.append(route))
    with page.expect_request("**/api/v1/sites?*q=dangqun*") as given_up:
        box.fill("dangqun")
    with page.expect_event("requestfailed", lambda request: request == given_up.value):
        box.fill(NOWHERE)
    expect(page.get_by_text("没有找到符合条件的阵地")).to_be_visible()
    assert len(slow) == 1
