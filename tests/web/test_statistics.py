"""The district's statistics on the pages: choices that a link keeps, and files to take away."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import URL
from sqlmodel import Session

from app.db import create_engine
from app.models import OrganisationKind, Role, Sector
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import (
    IN_A_WEEK,
    World,
    make_account,
    make_completed,
    make_organisation,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    point,
)
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist
from tests.web.test_pages import fits

WIDE = (1280, 800)
DAYS = "from=2026-11-01&to=2026-12-31"
NORTH, SOUTH = "北山镇", "南河镇"
QUIET = "从未来过的党支部"


def make_south(session: Session, north: World) -> World:
    """A second town, with a site and a branch of its own."""
    town = make_organisation(session, parent=north.district, kind=OrganisationKind.TOWN, name=SOUTH)
    town.location = point(118.05, 36.45)
    branch = make_organisation(session, parent=town, sector=Sector.RURAL)
    site = make_site(session, town, name="南河阵地")
    venue = make_venue(session, site)
    return replace(
        north,
        town=town,
        branch=branch,
        site=site,
        venue=venue,
        slot=make_session(session, venue, starts_at=IN_A_WEEK),
        programme=make_programme(session, site),
        organiser=make_account(session, Role.ORGANISER, at=branch),
        manager=make_account(session, Role.SITE_MANAGER, at=site),
    )


def make_two_towns(session: Session) -> tuple[World, World]:
    """A visit of 20 people in one town, one of 30 in the other, and a branch that never came."""
    north = make_world(session)
    north.town.place = north.town.name = NORTH
    north.town.location = point(117.97, 36.70)
    south = make_south(session, north)
    make_organisation(session, parent=north.town, name=QUIET)
    session.flush()
    make_completed(session, north, people=20)
    make_completed(session, south, people=30)
    return north, south


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    """A server with two towns, whose visits are on days that the tests name."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            north, south = make_two_towns(session)
            people = [
                enlist(session, Role.DISTRICT_STAFF, north.district, "13600000001"),
                enlist(session, Role.TOWN_STAFF, south.town, "13600000002"),
                enlist(session, Role.ORGANISER, north.branch, "13600000003"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def enter(page: Page, live: Live, path: str, role: Role = Role.DISTRICT_STAFF) -> None:
    """Open a page as somebody who has to log in for it."""
    go(page, live, path)
    log_in(page, account(live, role))


def query(page: Page) -> dict[str, list[str]]:
    """What the address says after its path."""
    return parse_qs(urlsplit(urlsplit(page.url).fragment).query)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


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


@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_usage_is_saved_as_a_file(live: Live, open_page: OpenPage, ending: str) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/usage?{DAYS}")
    with page.expect_download() as waited:
        page.get_by_role("button", name=f"导出 {ending.upper()}").click()
    assert waited.value.suggested_filename == f"阵地使用统计-2026-11-01-2026-12-31.{ending}"
    begins = waited.value.path().read_bytes()[:3]
    assert begins == {"xlsx": b"PK\x03", "csv": "﻿".encode()}[ending]
