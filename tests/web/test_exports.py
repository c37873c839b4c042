"""Files of the statistics: at once, made in the background, and the bulletin."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import URL
from sqlmodel import Session, select

from app import clock
from app.models import Account, ExportState, Role
from app.services import export_runs
from app.storage import Folder
from tests.live import Live
from tests.makers import make_export
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import account
from tests.web.test_pages import fits
from tests.web.towns import DAYS, NORTH, QUIET, WIDE, enter, two_towns


@pytest.fixture(scope="module")
def live(server: URL, template: str) -> Iterator[Live]:
    with two_towns(server, template) as live:
        yield live


@pytest.mark.parametrize("ending", ["xlsx", "csv"])
def test_usage_is_saved_as_a_file(live: Live, open_page: OpenPage, ending: str) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/usage?{DAYS}")
    with page.expect_download() as waited:
        page.get_by_role("button", name=f"导出 {ending.upper()}").click()
    assert waited.value.suggested_filename == f"阵地使用统计-2026-11-01-2026-12-31.{ending}"
    begins = waited.value.path().read_bytes()[:3]
    assert begins == {"xlsx": b"PK\x03", "csv": "﻿".encode()}[ending]


@pytest.mark.parametrize(
    ("asked", "title", "wish", "said"),
    [
        (f"coverage?{DAYS}&silent=20", "支部覆盖情况", "silent_days=20", QUIET),
        (f"demand?{DAYS}", "未满足的需求", "to=2026-12-31", NORTH),
        (f"reach?km=10&people=2&{DAYS}", "15 分钟党建圈", "radius_m=10000&people=2", QUIET),
    ],
)
def test_what_is_looked_at_is_saved_as_it_was_asked_for(
    live: Live, open_page: OpenPage, asked: str, title: str, wish: str, said: str
) -> None:
    page = open_page(PHONE)
    enter(page, live, f"/figures/{asked}")
    with page.expect_request("**/statistics/*.csv?**") as sent, page.expect_download() as waited:
        page.get_by_role("button", name="导出 CSV").click()
    assert wish in sent.value.url
    assert waited.value.suggested_filename == f"{title}-2026-11-01-2026-12-31.csv"
    assert said in waited.value.path().read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("size", [PHONE, WIDE])
def test_a_table_is_made_in_the_background_and_fetched(
    live: Live, open_page: OpenPage, photo_folder: Path, size: tuple[int, int]
) -> None:
    page = open_page(size)
    enter(page, live, f"/figures/exports?{DAYS}")
    page.get_by_label("内容 Table").select_option("预约与到访明细")
    page.get_by_label("后台导出的格式").select_option("CSV")
    page.get_by_role("button", name="后台导出", exact=True).click()
    first = page.get_by_role("region", name="后台导出").get_by_role("listitem").first
    expect(first).to_contain_text("排队中")
    # Nobody presses anything: the page asks.
    export_runs.make_due(live.engine, now=clock.now, storage=Folder(photo_folder))
    expect(first).to_contain_text("可以下载")
    expect(first).to_contain_text("2 行")
    picture(page, "exports")
    assert fits(page)
    with page.expect_download() as waited:
        first.get_by_role("button", name="下载").click()
    assert waited.value.suggested_filename == "预约与到访明细-2026-11-01-2026-12-31.csv"
    assert waited.value.path().read_text(encoding="utf-8-sig").count("已完成") == 2


def test_the_bulletin_of_a_month_is_saved(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, "/figures/exports")
    page.get_by_label("月份 Month").fill("2026-12")
    with page.expect_download(timeout=60_000) as waited:
        page.get_by_role("button", name="下载月报").click()
    assert waited.value.suggested_filename == "月报-2026-12.pdf"
    assert waited.value.path().read_bytes()[:4] == b"%PDF"


def test_the_orders_of_staff_are_saved_as_a_file(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    enter(page, live, "/district")
    page.get_by_text("导出预约明细").click()
    page.get_by_label("从 From").fill("2026-11-01")
    page.get_by_label("到（含当日） To").fill("2026-12-31")
    with page.expect_download() as waited:
        page.get_by_role("button", name="导出 CSV").click()
    assert waited.value.path().read_text(encoding="utf-8-sig").count("已完成") == 2
    picture(page, "bookings-export")
    branch = open_page(PHONE)
    enter(branch, live, "/bookings", Role.ORGANISER)
    expect(branch.get_by_role("heading", name="我的预约")).to_be_visible()
    expect(branch.get_by_text("导出预约明细")).to_have_count(0)


def test_what_is_too_long_to_be_waited_for_is_made_in_the_background(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    refusal = {
        "type": "/problems/export-too-long",
        "title": "数据较多，请改用后台导出",
        "detail": "共 30000 行，直接下载最多 20000 行",
        "status": 409,
        "code": "export-too-long",
    }
    page.route(
        "**/statistics/usage.xlsx?**",
        lambda route: route.fulfill(
            status=409, json=refusal, content_type="application/problem+json"
        ),
    )
    enter(page, live, f"/figures/usage?{DAYS}")
    expect(page.get_by_role("button", name="改用后台导出")).to_have_count(0)
    page.get_by_role("button", name="导出 XLSX").click()
    expect(page.get_by_role("alert")).to_contain_text("共 30000 行")
    page.get_by_role("button", name="改用后台导出").click()
    expect(page).to_have_url(re.compile("/figures/exports"))
    first = page.get_by_role("region", name="后台导出").get_by_role("listitem").first
    expect(first).to_contain_text("阵地使用统计 · XLSX")
    expect(first).to_contain_text("排队中")


def test_progress_and_what_went_wrong_are_told_in_words(live: Live, open_page: OpenPage) -> None:
    now = clock.now()
    with Session(live.engine) as session, session.begin():
        staff = session.exec(
            select(Account).where(Account.name == account(live, Role.DISTRICT_STAFF).name)
        ).one()
        failed, waiting, running = (make_export(session, staff) for _ in range(3))
        for one in (failed, waiting, running):
            one.expires_at = now + timedelta(days=7)
        failed.state, failed.problem = ExportState.FAILED, "not-in-scope"
        waiting.problem = "storage-unavailable"
        running.state, running.lease_until = ExportState.RUNNING, now + timedelta(hours=1)
        running.rows_total, running.rows_done = 84_211, 35_000
    page = open_page(PHONE)
    enter(page, live, "/figures/exports")
    items = page.get_by_role("region", name="后台导出").get_by_role("listitem")
    first, second, third = items.nth(0), items.nth(1), items.nth(2)
    expect(first).to_contain_text("35,000 / 84,211 行")
    expect(first.get_by_role("progressbar")).to_have_attribute("value", "35000")
    expect(second).to_contain_text("上次没有成功：存储暂不可用，稍后再试")
    expect(third).to_contain_text("没有生成文件：权限已变更")
    for item in (first, second, third):
        expect(item.get_by_role("button", name="下载")).to_have_count(0)
    picture(page, "exports-states")
