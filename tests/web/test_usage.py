"""Usage on the pages: choices that a link keeps, refusals in words, and who sees what."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL

from app.models import Role
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.test_pages import fits
from tests.web.towns import DAYS, NORTH, SOUTH, WIDE, enter, query, row, two_towns


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    with two_towns(server, template) as live:
        yield live


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_usage_is_told_apart_compared_and_linked(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, "/figures")
    page.get_by_role("navigation", name="统计").get_by_role("link", name="使用").click()
    expect(page.get_by_role("button", name="本年")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("从 From").fill("2026-11-01")
    page.get_by_label("到（含当日） To").fill("2026-12-31")
    expect(page).to_have_url(re.compile("to=2026-12-31"))
    page.get_by_label("分组 Group by").select_option("阵地")
    page.get_by_label("再按 Then by").select_option("镇街")
    page.get_by_label("排序 Sort").select_option("people")
    page.get_by_label("与前期比较").check()
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_text([re.compile(SOUTH), re.compile(NORTH), re.compile("合计")])
    expect(row(page, SOUTH)).to_contain_text("前期 0，+30")
    expect(row(page, "合计")).to_contain_text("前期 0，+50")
    expect(page.get_by_role("columnheader", name="人次")).to_have_attribute(
        "aria-sort", "descending"
    )
    assert fits(page)
    picture(page, "usage")

    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(rows).to_have_text([re.compile(SOUTH), re.compile(NORTH), re.compile("合计")])
    expect(row(page, "合计")).to_contain_text("前期 0，+50")
    expect(page.get_by_label("与前期比较")).to_be_checked()
    assert query(page)["by"] == ["site", "town"]


def test_usage_is_filtered_and_says_that_there_is_more(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/usage?{DAYS}&by=site&limit=1")
    expect(page.get_by_text("只列出前 1 行，后面还有")).to_be_visible()
    page.get_by_role("button", name="再看一些").click()
    expect(page.get_by_text("共 2 行")).to_be_visible()
    page.get_by_label("阵地所在镇街").select_option(SOUTH)
    expect(page.get_by_text("共 1 行")).to_be_visible()
    page.get_by_label("阵地所在镇街").select_option("全部")
    expect(page.get_by_text("共 2 行")).to_be_visible()
    page.get_by_label("阵地 Site").fill("南河")
    page.get_by_role("list", name="找到的阵地").get_by_role("button", name="南河阵地").click()
    expect(page.get_by_text("共 1 行")).to_be_visible()
    expect(row(page, "合计")).to_contain_text("30")
    page.get_by_role("button", name="清除").click()
    page.get_by_label("区内外").select_option("区外支部")
    expect(page.get_by_text("这段时间没有预约")).to_be_visible()


def test_a_refusal_is_shown_in_the_servers_words(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/usage?{DAYS}&by=month&compare=1")
    expect(page.get_by_role("alert")).to_contain_text("按时间分组时不能环比")
    page.get_by_label("与前期比较").uncheck()
    expect(row(page, "2026年12月")).to_be_visible()
    page.get_by_label("到（含当日） To").fill("2020-01-01")
    expect(page.get_by_role("alert")).to_contain_text("区间须为 1 至 1100 天")


def test_a_town_sees_its_own_and_a_branch_nothing(live: Live, open_page: OpenPage) -> None:
    town = open_page(PHONE)
    enter(town, live, f"/figures/usage?{DAYS}&by=town", Role.TOWN_STAFF)
    expect(row(town, "合计")).to_contain_text("30")
    expect(town.get_by_role("rowheader")).to_have_text([SOUTH, re.compile("合计")])
    branch = open_page(PHONE)
    enter(branch, live, f"/figures/usage?{DAYS}&by=town", Role.ORGANISER)
    expect(branch.get_by_role("alert")).to_be_visible()
    expect(branch.get_by_role("rowheader")).to_have_count(0)


def test_of_two_choices_at_once_none_is_lost(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/usage?{DAYS}&by=site")
    expect(row(page, "合计")).to_be_visible()
    page.evaluate(
        """() => {
            const selects = [...document.querySelectorAll("select")]
            const set = (select, value) => {
                select.value = value
                select.dispatchEvent(new Event("change"))
            }
            set(selects.find((s) => [...s.options].some((o) => o.value === "true")), "false")
            set(selects.find((s) => [...s.options].some((o) => o.value === "people")), "people")
        }"""
    )
    expect(page).to_have_url(re.compile("sort=people"))
    assert query(page) == {
        "from": ["2026-11-01"],
        "to": ["2026-12-31"],
        "by": ["site"],
        "outside": ["false"],
        "sort": ["people"],
    }
