"""Coverage, demand and reach on the pages."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Route, expect
from sqlalchemy import URL

from app.models import Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import go
from tests.web.test_pages import fits
from tests.web.towns import DAYS, NORTH, QUIET, SOUTH, WIDE, enter, row, texts, two_towns


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    with two_towns(server, template) as live:
        yield live


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_branches_that_came_that_never_came_and_that_are_silent(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, f"/figures/coverage?{DAYS}")
    expect(row(page, "合计")).to_be_visible()
    assert texts(page, NORTH) == ["2", "1", "1", "0"]
    assert texts(page, "合计") == ["3", "2", "1", "0"]
    listed = page.get_by_role("region", name="支部名单").get_by_role("listitem")
    expect(listed).to_have_count(1)
    expect(listed).to_contain_text(QUIET)
    expect(listed).to_contain_text("从未到访")
    assert fits(page)
    picture(page, "coverage")
    page.get_by_role("button", name="期间来过").click()
    expect(listed).to_have_count(2)
    page.get_by_label("从 From").fill("2026-12-03")
    page.get_by_label("多少天未来算长期").fill("20")
    page.get_by_label("多少天未来算长期").press("Enter")
    page.get_by_role("button", name="长期未来").click()
    expect(listed).to_have_count(2)
    expect(listed.first).to_contain_text("期间 0 次")
    expect(listed.first).to_contain_text("最后到访")
    page.reload()
    expect(listed).to_have_count(2)
    page.get_by_label("多少天未来算长期").fill("4000")
    page.get_by_label("多少天未来算长期").press("Enter")
    expect(page.get_by_role("alert").first).to_be_visible()


def test_a_long_list_of_branches_comes_in_pages(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    asked: list[str] = []

    def shorten(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_(url=route.request.url.replace("limit=50", "limit=1"))

    page.route("**/statistics/coverage/branches?**", shorten)
    enter(page, live, f"/figures/coverage?{DAYS}&state=came")
    listed = page.get_by_role("region", name="支部名单").get_by_role("listitem")
    expect(listed).to_have_count(1)
    page.get_by_role("button", name="再看一些").click()
    expect(listed).to_have_count(2)
    expect(page.get_by_role("button", name="再看一些")).to_have_count(0)
    assert "cursor=" in asked[-1]


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_demand_is_told_by_place_and_time(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, f"/figures/demand?{DAYS}")
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_text([NORTH, SOUTH])
    assert texts(page, NORTH) == ["7", "280", "0", "0"]
    assert texts(page, SOUTH) == ["3", "120", "2", "60"]
    page.get_by_label("分组 Group by").select_option("缺什么")
    expect(rows).to_have_text(["未注明", "名额不足"])
    page.get_by_label("再按 Then by").select_option("时段")
    expect(rows).to_have_text(["未注明 · 未注明", "名额不足 · 9 点"])
    page.get_by_label("再按 Then by").first.select_option("不分组")
    page.get_by_label("分组 Group by").select_option("镇街")
    expect(rows).to_have_text([NORTH, SOUTH])
    page.get_by_label("再按 Then by").select_option("星期")
    expect(rows).to_have_text([f"{NORTH} · 周日", f"{SOUTH} · 周一", f"{SOUTH} · 周日"])
    page.get_by_label("再按 Then by").last.select_option("类别")
    told = [f"{NORTH} · 周日 · 农村党建", f"{SOUTH} · 周一 · 未注明", f"{SOUTH} · 周日 · 城市党建"]
    expect(rows).to_have_text(told)
    assert fits(page)
    picture(page, "demand")
    page.reload()
    expect(rows).to_have_text(told)
    page.goto(f"{page.url}&limit=1")
    page.reload()
    expect(page.get_by_text("只列出前 1 行，后面还有")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_who_has_nothing_within_reach_is_listed_and_drawn(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, "/figures/reach")
    expect(page.get_by_text("步行 15 分钟")).to_be_visible()
    assert texts(page, "合计") == ["3", "0", "3", "3", "0"]
    page.get_by_role("button", name="按距离").click()
    page.get_by_label("直线公里").fill("10")
    page.get_by_label("直线公里").press("Enter")
    expect(row(page, "合计").get_by_role("cell")).to_have_text(["3", "2", "1", "3", "0"])
    picture(page, "reach")
    page.get_by_role("button", name="列出名单").click()
    out = page.get_by_role("region", name="够不着的支部")
    expect(out.get_by_role("listitem")).to_have_count(1)
    expect(out.get_by_role("listitem")).to_contain_text(SOUTH)
    expect(out.get_by_role("listitem")).to_contain_text("按镇街所在地计算")
    expect(out.locator(".canvas[aria-busy=false]")).to_be_visible(timeout=60_000)
    out.get_by_role("listitem").get_by_role("button").click()
    expect(out.get_by_role("button", pressed=True)).to_have_count(1)
    expect(out.locator(".canvas[aria-busy=false]")).to_be_visible(timeout=60_000)
    assert fits(page)
    picture(page, "reach-circle")


def test_a_town_sees_its_own_coverage_demand_and_reach(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/coverage?{DAYS}&state=came", Role.TOWN_STAFF)
    expect(page.get_by_role("rowheader")).to_have_text([SOUTH, re.compile("合计")])
    expect(page.get_by_role("region", name="支部名单").get_by_role("listitem")).to_have_count(1)
    go(page, live, f"/figures/demand?{DAYS}")
    expect(page.get_by_role("rowheader")).to_have_text([SOUTH])
    go(page, live, "/figures/reach?km=10")
    expect(page.get_by_role("rowheader")).to_have_text([SOUTH, re.compile("合计")])


def test_an_auditor_finds_every_page_and_a_fund_officer_none(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    enter(page, live, "/figures", Role.AUDITOR)
    tabs = page.get_by_role("navigation", name="统计").get_by_role("link")
    pages = {
        "使用统计": "预约",
        "接单与履约": "预约",
        "满意度": "",
        "支部覆盖": "支部",
        "未满足的需求": "没有找到",
        "15 分钟党建圈": "够得着",
        "导出": "",
    }
    for nth, (title, column) in enumerate(pages.items(), start=1):
        tabs.nth(nth).click()
        expect(tabs.nth(nth)).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        if column:
            heads = page.get_by_role("columnheader", name=re.compile(f"^{column}"))
            expect(heads).to_be_visible()
        if title == "满意度":
            expect(page.get_by_text("这段时间没有评价")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_count(0)
    officer = open_page(PHONE)
    enter(officer, live, "/funds", Role.FUND_OFFICER)
    expect(officer.get_by_role("heading", name="专项经费", level=1)).to_be_visible()
    go(officer, live, "/me")
    expect(officer.get_by_text("日历订阅")).to_be_visible()
    expect(officer.get_by_text("数据总览")).to_have_count(0)
    go(page, live, "/me")
    expect(page.get_by_text("数据总览")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "call"),
    [
        ("coverage", "statistics/coverage?"),
        ("demand", "statistics/demand?"),
        ("reach", "statistics/reach?"),
        ("exports", "exports?"),
    ],
)
def test_a_call_that_fails_is_told_in_words_and_made_again(
    live: Live, open_page: OpenPage, path: str, call: str
) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/{path}?{DAYS}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    fails = {"status": 429, "body": "<html>busy</html>", "content_type": "text/html"}
    page.route(f"**/{call}**", lambda route: route.fulfill(**fails))
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("操作太频繁，请稍后再试")
    page.unroute_all()
    page.get_by_role("button", name="重新加载").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_what_is_being_typed_outlives_an_answer(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/coverage?{DAYS}")
    expect(row(page, "合计")).to_be_visible()
    held: list[Route] = []
    page.route("**/statistics/coverage?**", lambda route: held.append(route))
    page.get_by_role("button", name="本年").click()
    silent = page.get_by_label("多少天未来算长期")
    silent.fill("20")
    expect(page.get_by_label("正在加载").first).to_be_visible()
    held[0].continue_()
    expect(row(page, "合计")).to_be_visible()
    expect(silent).to_have_value("20")
    silent.fill("")
    silent.press("Enter")
    expect(silent).to_have_value("90")
