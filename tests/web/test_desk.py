"""What the keepers of a site do at its desk, and what everybody sees of it afterwards."""

import re
from datetime import datetime, timedelta
from typing import Any

import httpx2
from playwright.sync_api import Page, expect
from sqlmodel import Session

from app import clock
from app.demo import DemoAccount
from app.models import Role
from app.services import notifications
from app.services.calendar import ZONE, local_date
from tests.live import Live
from tests.pictures import a_picture
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, manager, speaking


def site_of(live: Live, site_id: str) -> Any:
    """What everybody sees of a site."""
    return httpx2.get(f"{live.url}/api/v1/sites/{site_id}").json()


def closures_of(live: Live, site_id: str) -> Any:
    """When a site is shut."""
    return httpx2.get(f"{live.url}/api/v1/sites/{site_id}/closures").json()["items"]


def keep(page: Page, live: Live, nth: int, part: str = "") -> str:
    """Sit down at the desk of one of the sites, as its manager; its id."""
    who = account(live, Role.SITE_MANAGER, nth)
    go(page, live, f"/desk/{who.site_id}{part}")
    log_in(page, who)
    return str(who.site_id)


def order(live: Live, who: DemoAccount) -> Any:
    """Somebody's booking of a whole session, as the API answers it.

    Raises:
        LookupError: nothing can be booked.
    """
    with speaking(live, who) as api:
        for feature in api.get("/map/sites.geojson").json()["features"]:
            site = api.get(f"/sites/{feature['properties']['id']}").json()
            slots = api.get(f"/sites/{site['id']}/sessions").json()["items"]
            plain = [item["id"] for item in site["programmes"] if not item["needs_guide"]]
            for slot in (slot for slot in slots if slot["bookable"]):
                wanted = {
                    "session_ids": [slot["id"]],
                    "programme_ids": plain[:1],
                    "organisation_id": str(who.organisation_id),
                    "people_expected": 5,
                    "purpose": "visit",
                    "contact_name": "王带队",
                    "contact_phone": "13800000001",
                }
                made = api.post("/bookings", json=wanted)
                if made.status_code == 201:
                    return made.json()
    raise LookupError


def test_a_closure_shows_whom_it_hits_and_tells_them(live: Live, open_page: OpenPage) -> None:
    branch = account(live, Role.ORGANISER, 3)
    booked = order(live, branch)
    starts = datetime.fromisoformat(booked["starts_at"]).astimezone(ZONE)
    page = open_page(PHONE)
    go(page, live, f"/desk/{booked['site']['id']}/closures")
    log_in(page, manager(live, booked["site"]["id"]))

    page.get_by_text("上午" if starts.hour < 12 else "下午", exact=True).click()
    page.get_by_label("日期").fill(starts.date().isoformat())
    page.get_by_role("textbox", name="原因").fill("消防检修")
    page.get_by_role("button", name="看看影响哪些预约").click()
    hit = page.get_by_role("region", name="受影响的预约").get_by_role("article")
    hit = hit.filter(has_text=booked["code"])
    expect(hit).to_contain_text("会告诉支部可以改约")
    expect(hit).to_contain_text("5 人")
    picture(page, "desk-closure")

    # Nothing has been done so far, and another closure is looked at anew.
    assert "消防检修" not in str(closures_of(live, booked["site"]["id"]))
    page.get_by_role("textbox", name="原因").fill("消防设施检修")
    expect(hit).to_have_count(0)
    page.get_by_role("button", name="看看影响哪些预约").click()
    expect(hit).to_have_count(1)
    page.get_by_role("button", name="闭馆并通知支部").click()
    shut = page.get_by_role("list", name="已安排的闭馆")
    expect(shut).to_contain_text("消防设施检修")

    with Session(live.engine) as session, session.begin():
        notifications.deliver_due(session, clock.now())
    theirs = open_page(PHONE)
    go(theirs, live, "/inbox")
    log_in(theirs, branch)
    told = theirs.get_by_role("button").filter(has_text=f"（{booked['code']}）受影响")
    expect(told).to_contain_text("预约时段临时闭馆")
    expect(told).to_contain_text(re.compile(r"可改约：\d{4}-"))
    picture(theirs, "inbox-closure")

    shut.get_by_role("button", name="恢复开放").click()
    page.get_by_role("dialog").get_by_role("button", name="恢复开放").click()
    expect(shut).to_have_count(0)


def test_a_photo_comes_from_the_desk_to_the_public_page(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    site_id = keep(page, live, 0, "/photos")
    before = len(site_of(live, site_id)["photos"])
    choose = page.locator("input[type=file]")
    choose.set_input_files({"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    refused = page.get_by_role("alert")
    expect(refused).to_contain_text("x.jpg")
    expect(refused).to_contain_text("JPEG")
    choose.set_input_files({"name": "y.jpg", "mimeType": "image/jpeg", "buffer": a_picture()})
    shown = page.get_by_role("article")
    expect(shown).to_have_count(before + 1)
    if before:
        shown.last.get_by_role("button", name="设为封面").click()
        expect(shown.first.get_by_label("照片 1 的说明")).to_have_value("")
    shown.first.get_by_label("照片 1 的说明").fill("宣誓墙")
    shown.first.get_by_role("button", name="保存").click()
    expect(shown.first.get_by_role("button", name="保存")).to_have_count(0)
    picture(page, "desk-photos")

    public = open_page(PHONE)
    go(public, live, f"/sites/{site_id}")
    photo = public.get_by_role("img", name="宣誓墙").first
    expect(photo).to_be_visible()
    photo.evaluate("image => image.decode()")

    shown.first.get_by_role("button", name="删除照片 1").click()
    page.get_by_role("dialog").get_by_role("button", name="删除").click()
    expect(shown).to_have_count(before)
    assert [item["caption"] for item in site_of(live, site_id)["photos"]].count("宣誓墙") == 0


def test_sessions_follow_the_hours(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    site_id = keep(page, live, 1, "/hours")
    ahead = page.get_by_role("region", name="两周内的场次")
    expect(ahead).to_be_visible()
    picture(page, "desk-hours")
    page.get_by_role("button", name="每周时段").first.click()
    sheet = page.get_by_role("dialog")
    soon = local_date(clock.now()) + timedelta(days=2)
    sheet.get_by_text(f"周{'一二三四五六日'[soon.weekday()]}", exact=True).click()
    sheet.get_by_label("时段 1 开始").fill("19:40")
    sheet.get_by_label("时段 1 结束").fill("19:00")
    sheet.get_by_text("照常开放").click()
    sheet.get_by_role("button", name="添加", exact=True).click()
    expect(sheet.get_by_role("alert")).to_be_visible()  # it ends before it starts
    picture(page, "desk-rule")
    sheet.get_by_label("时段 1 结束").fill("20:30")
    sheet.get_by_role("button", name="添加", exact=True).click()
    expect(sheet).to_have_count(0)
    expect(ahead.get_by_text("19:40–20:30").first).to_be_visible()

    page.get_by_role("button", name="19:40–20:30").click()
    sheet.get_by_label("时段 结束").fill("20:45")
    sheet.get_by_role("button", name="保存").click()
    expect(ahead.get_by_text("19:40–20:45").first).to_be_visible()
    expect(ahead.get_by_text("19:40–20:30")).to_have_count(0)
    listed = httpx2.get(f"{live.url}/api/v1/sites/{site_id}/sessions").json()["items"]
    ends = [datetime.fromisoformat(slot["ends_at"]).astimezone(ZONE) for slot in listed]
    assert any((end.date(), f"{end:%H:%M}") == (soon, "20:45") for end in ends)

    page.get_by_role("button", name="19:40–20:45").click()
    sheet.get_by_role("button", name="删除").click()
    page.get_by_role("dialog").filter(has_text="删除这个每周时段").get_by_role(
        "button", name="删除"
    ).click()
    expect(ahead.get_by_text("19:40–20:45")).to_have_count(0)


def test_one_session_is_added_outside_the_hours(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    keep(page, live, 1, "/hours")
    ahead = page.get_by_role("region", name="两周内的场次")
    expect(ahead).to_be_visible()
    page.get_by_role("button", name="加开一场").first.click()
    sheet = page.get_by_role("dialog")
    tomorrow = local_date(clock.now()) + timedelta(days=1)
    sheet.get_by_label("日期").fill(tomorrow.isoformat())
    sheet.get_by_label("时间 开始").fill("20:10")
    sheet.get_by_label("时间 结束").fill("20:50")
    sheet.get_by_role("button", name="加开", exact=True).click()
    expect(sheet).to_have_count(0)
    extra = ahead.get_by_role("paragraph").filter(has_text="20:10–20:50")
    extra.get_by_role("button", name="删除加开").click()
    expect(extra).to_have_count(0)


def test_the_slower_of_two_managers_keeps_what_they_typed(live: Live, open_page: OpenPage) -> None:
    quick, slow = open_page(DESK), open_page(PHONE)
    site_id = keep(quick, live, 2)
    go(slow, live, f"/desk/{site_id}")
    log_in(slow, account(live, Role.DISTRICT_STAFF))
    expect(slow.get_by_role("textbox", name="名称")).not_to_have_value("")
    slow.get_by_role("textbox", name="一句话简介").fill("慢的简介")
    slow.get_by_role("textbox", name="地址").fill("慢的地址 8 号")

    quick.get_by_role("textbox", name="一句话简介").fill("快的简介")
    quick.get_by_role("textbox", name="联系人").fill("快联系")
    quick.get_by_role("button", name="保存 2 项修改").click()
    expect(quick.get_by_role("button", name="没有修改")).to_be_disabled()

    slow.get_by_role("button", name="保存 2 项修改").click()
    told = slow.get_by_role("alert")
    expect(told).to_contain_text("有人比您先保存了修改")
    expect(told).to_contain_text("快的简介")
    expect(told).to_be_in_viewport()
    expect(slow.get_by_role("textbox", name="一句话简介")).to_have_value("慢的简介")
    expect(slow.get_by_role("textbox", name="地址")).to_have_value("慢的地址 8 号")
    expect(slow.get_by_role("textbox", name="联系人")).to_have_value("快联系")
    assert site_of(live, site_id)["summary"] == "快的简介"
    picture(slow, "desk-overtaken")

    told.get_by_role("button", name="用对方的").click()
    slow.get_by_role("button", name="保存 1 项修改").click()
    expect(slow.get_by_role("button", name="没有修改")).to_be_disabled()
    now = site_of(live, site_id)
    assert (now["summary"], now["address"]) == ("快的简介", "慢的地址 8 号")


def test_what_is_wrong_with_a_field_is_said_and_nothing_is_lost(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    keep(page, live, 3)
    page.get_by_role("textbox", name="联系电话").fill("不是号码")
    page.get_by_role("textbox", name="一句话简介").fill("写了很久的简介")
    page.get_by_role("button", name="保存 2 项修改").click()
    expect(page.get_by_role("alert").filter(has_text="联系电话")).to_be_visible()
    # It is still there after a look at another part.
    page.get_by_role("link", name="讲解员").click()
    expect(page.get_by_role("textbox", name="新讲解员姓名")).to_be_visible()
    page.get_by_role("link", name="基本信息").click()
    expect(page.get_by_role("textbox", name="一句话简介")).to_have_value("写了很久的简介")
    picture(page, "desk-facts")


def test_a_wrong_position_is_reported_shown_and_mended(live: Live, open_page: OpenPage) -> None:
    site_id = str(account(live, Role.SITE_MANAGER, 3).site_id)
    at = site_of(live, site_id)["point"]
    suggested = {"lon": at["lon"], "lat": at["lat"] + 0.001, "crs": "wgs84"}
    body = {"suggested": suggested, "note": "门在北边"}
    sent = httpx2.post(f"{live.url}/api/v1/sites/{site_id}/location/reports", json=body)
    assert sent.status_code == 202

    page = open_page(PHONE)
    go(page, live, "/desk")
    log_in(page, account(live, Role.SITE_MANAGER, 3))
    picture(page, "desk")
    page.get_by_role("link", name="位置有反馈").click()
    expect(page.get_by_text("门在北边")).to_be_visible()
    expect(page.get_by_text("在现位置北 110 米")).to_be_visible()
    picture(page, "desk-place")
    page.get_by_role("button", name="采纳，移到那里").click()
    expect(page.get_by_text("门在北边")).to_have_count(0)
    assert abs(site_of(live, site_id)["point"]["lat"] - suggested["lat"]) < 1e-6
    # The form follows what was moved: saving it would not move the site back.
    expect(page.get_by_role("textbox", name="纬度", exact=True)).to_have_value(
        re.compile(f"^{suggested['lat']:.5f}"[:-1])
    )

    page.get_by_role("button", name="位置无误").click()
    expect(page.get_by_text("今天有人核实过")).to_be_visible()
    # Who stands there says so; numbers far away are refused in words.
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": at["lon"], "latitude": at["lat"]})
    page.get_by_role("button", name="我就在阵地").click()
    page.get_by_role("button", name="保存位置").click()
    expect(page.get_by_text("还没有人核实过")).to_be_visible()
    assert abs(site_of(live, site_id)["point"]["lat"] - at["lat"]) < 1e-5
    page.get_by_role("textbox", name="经度", exact=True).fill("36.6, 118.0")
    expect(page.get_by_role("textbox", name="纬度", exact=True)).to_have_value("118.0")
    page.get_by_role("button", name="保存位置").click()
    expect(page.get_by_role("alert")).to_contain_text("颠倒")


def test_a_training_case_is_written_at_the_desk(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    site_id = keep(page, live, 0, "/menu")
    page.get_by_role("button", name="添加菜单项").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_text("实训案例", exact=True).click()
    sheet.get_by_role("textbox", name="名称").fill("实训案例：转正表决")
    sheet.get_by_role("button", name="加角色").click()
    sheet.get_by_role("textbox", name="角色 1", exact=True).fill("支部书记")
    for number, step in enumerate(["宣读申请", "清点人数"], 1):
        sheet.get_by_role("button", name="加一步").click()
        sheet.get_by_role("textbox", name=f"第 {number} 步", exact=True).fill(step)
    sheet.get_by_role("button", name="第 2 步上移").click()
    picture(page, "desk-case")
    sheet.get_by_role("button", name="保存").click()
    expect(sheet).to_have_count(0)
    [made] = [one for one in site_of(live, site_id)["programmes"] if "转正表决" in one["name"]]
    assert [step["title"] for step in made["steps"]] == ["清点人数", "宣读申请"]
    assert made["roles"] == [{"name": "支部书记", "colour": "#c0392b"}]

    page.get_by_role("button", name="实训案例：转正表决").click()
    sheet.get_by_label("第 1 步的要点").fill("超过半数方可开会")
    sheet.get_by_role("switch", name="上架").click()
    sheet.get_by_role("button", name="保存").click()
    expect(page.get_by_role("button", name="实训案例：转正表决")).to_contain_text("已下架")
    assert "转正表决" not in str(site_of(live, site_id)["programmes"])


def test_guides_come_and_go(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    keep(page, live, 2, "/guides")
    page.get_by_role("textbox", name="新讲解员姓名").fill("周讲解")
    page.get_by_role("button", name="添加", exact=True).click()
    page.get_by_role("switch", name="周讲解 在岗").click()
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("button", name="保存")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("switch", name="周讲解 在岗")).not_to_be_checked()
    picture(page, "desk-guides")


def test_the_district_takes_a_site_off_the_map_and_puts_it_back(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(DESK)
    go(page, live, "/login")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    go(page, live, "/me")
    page.get_by_role("button", name="我的阵地").click()
    name = site_of(live, str(account(live, Role.SITE_MANAGER, 2).site_id))["name"]
    row = page.get_by_role("article").filter(has_text=name)
    row.get_by_role("button", name="暂停开放").click()
    page.get_by_role("textbox", name="原因").fill("展陈升级")
    page.get_by_role("dialog").get_by_role("button", name="暂停开放").click()
    expect(row).to_contain_text("原因：展陈升级")
    row.get_by_role("button", name="发布").click()
    expect(row.get_by_role("button", name="暂停开放")).to_be_visible()
    picture(page, "desk-district")
