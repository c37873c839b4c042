"""Answers and satisfaction for staff, and open figures for everybody, on the pages."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL
from sqlmodel import Session

from app import clock
from app.db import create_engine
from app.models import BookingProgramme, Category, PublicFigure, Role
from tests.conftest import NOW, database, plain
from tests.live import Live, served
from tests.makers import (
    World,
    make_booking,
    make_completed,
    make_session,
    make_world,
    move,
    review,
)
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import go
from tests.web.test_claims import enlist
from tests.web.test_pages import fits
from tests.web.towns import DAYS, WIDE, enter, row, texts

WHY = "讲解员当日请假"
SITE, ITEM = "红旗纪念馆", "重温入党誓词"
LAST_YEAR = clock.now().year - 1


def make_opinions(session: Session) -> World:
    """A visit with a menu item and stars, one with neither, and an order that was rejected."""
    world = make_world(session)
    world.site.name = world.site.short_name = SITE
    world.site.category = Category.RURAL
    world.programme.name = ITEM
    chosen = make_completed(session, world)
    review(session, chosen, 5, 4, 3)
    later = chosen.starts_at + timedelta(days=40)
    other = make_booking(session, world, make_session(session, world.venue, starts_at=later))
    session.delete(session.get_one(BookingProgramme, (other.id, world.programme.id)))
    move(session, world.manager, other, "approve", NOW + timedelta(minutes=30))
    move(session, world.manager, other, "arrive", other.starts_at)
    move(session, world.manager, other, "complete", other.ends_at)
    review(session, other, 2, 2, 2)
    slot = make_session(session, world.venue, starts_at=chosen.starts_at + timedelta(days=1))
    refused = make_booking(session, world, slot)
    move(session, world.manager, refused, "reject", NOW + timedelta(minutes=150), reason=WHY)
    month = date(LAST_YEAR, 3, 1)
    session.add(PublicFigure(site_id=world.site.id, month=month, visits=4, people=1234))
    return world


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            world = make_opinions(session)
            staff = enlist(session, Role.DISTRICT_STAFF, world.district, "13600000001")
        with served(url) as address:
            yield Live(address, [staff], engine)
        engine.dispose()


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_answers_say_how_long_and_why_not(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, "/figures")
    page.get_by_role("navigation", name="统计").get_by_role("link", name="接单").click()
    page.get_by_label("从 From").fill("2026-11-01")
    page.get_by_label("到（含当日） To").fill("2027-02-28")
    expect(row(page, "合计").get_by_role("cell").first).to_have_text("3")
    assert texts(page, "合计")[:6] == ["3", "3", "3", "30 分钟", "2.1 小时", "60 分钟"]
    assert texts(page, "合计")[8] == "1"
    expect(page.get_by_role("region", name="拒单原因")).to_contain_text(f"{WHY}1单")
    page.get_by_label("分组 Group by").select_option("阵地")
    page.get_by_label("再按 Then by").select_option("月")
    rows = page.get_by_role("rowheader")
    told = [f"{SITE} · 2026年12月", f"{SITE} · 2027年1月", "合计 Total"]
    expect(rows).to_have_text(told)
    expect(page.get_by_label("再按 Then by")).to_have_count(1)
    assert texts(page, told[1])[:4] == ["1", "1", "1", "30 分钟"]
    assert fits(page)
    picture(page, "answers")
    page.reload()
    expect(rows).to_have_text(told)
    page.get_by_label("区内外").select_option("区外支部")
    expect(page.get_by_text("这段时间没有拒单")).to_be_visible()
    assert texts(page, "合计")[:4] == ["0", "0", "0", "—"]
    page.goto(f"{live.url}/#/figures/answers?{DAYS}&by=moon")
    expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_satisfaction_is_told_item_by_item(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, "/figures/satisfaction?from=2026-11-01&to=2027-02-28")
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_text([f"{SITE} · {ITEM}", f"{SITE} · 未点菜单"])
    assert texts(page, ITEM) == ["1", "4.00", "5.00", "4.00", "3.00"]
    assert texts(page, "未点菜单") == ["1", "2.00", "2.00", "2.00", "2.00"]
    assert fits(page)
    picture(page, "satisfaction")
    page.get_by_label("逐月列出").check()
    expect(rows.first).to_have_text(f"{SITE} · {ITEM} · 2026年12月")
    page.reload()
    expect(page.get_by_label("逐月列出")).to_be_checked()
    page.get_by_label("从 From").fill("2027-02-01")
    expect(page.get_by_text("这段时间没有评价")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_open_figures_need_no_login(live: Live, open_page: OpenPage, size: tuple[int, int]) -> None:
    page = open_page(size)
    go(page, live, "/me")
    page.get_by_role("link", name="开放成效").click()
    expect(page.get_by_text("这一年还没有可以公布的数据")).to_be_visible()
    page.get_by_role("button", name=f"{LAST_YEAR} 年").click()
    rows = page.get_by_role("rowheader")
    expect(rows).to_have_text([f"{LAST_YEAR}年3月", "合计 Total"])
    assert texts(page, "合计") == ["4", "1,234", "1"]
    expect(page.get_by_text("不足三个")).to_be_visible()
    assert fits(page)
    picture(page, "open-figures")
    page.get_by_role("button", name="类别").click()
    expect(rows.first).to_have_text("农村党建")
    page.get_by_role("button", name="阵地").click()
    expect(rows.first).to_have_text(SITE)
    page.reload()
    expect(rows.first).to_have_text(SITE)
