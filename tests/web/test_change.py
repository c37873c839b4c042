"""A branch changes what it ordered; a site answers many orders at once, and what it has seen."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

import httpx2
from playwright.sync_api import Locator, Page, expect

from app.demo import DemoAccount
from app.models import Role
from app.services.calendar import ZONE
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, manager, previewed, speaking, wish
from tests.web.test_together import Found, bookable

Booking = dict[str, Any]


def can_change(api: httpx2.Client, order: dict[str, Any]) -> bool:
    """Whether the order would be taken, and might be changed afterwards."""
    return "change" in previewed(api, order).json().get("moves", [])


def changeable(live: Live, count: int, *branches: DemoAccount) -> list[Found]:
    """Sessions of one site on different days, each for one group, that the site answers itself.

    Raises:
        LookupError: no site has so many that each of the branches can order and change.
    """
    with ExitStack() as stack:
        asking = [(who, stack.enter_context(speaking(live, who))) for who in branches]
        api = asking[0][1]
        for site_id, sessions in groupby(bookable(api), key=itemgetter("site_id")):
            policy = api.get(f"/sites/{site_id}").json()["policy"]
            if policy["approval_mode"] == "auto":
                continue
            days: dict[object, Found] = {}
            for found in sessions:
                if found["day"] in days or found["groups_limit"] != 1:
                    continue
                if all(can_change(by, wish(who, found["id"])) for who, by in asking):
                    days[found["day"]] = found
                if len(days) == count:
                    return list(days.values())
    raise LookupError


@contextmanager
def ordered(live: Live, who: DemoAccount, found: Found) -> Iterator[Booking]:
    """Have a branch order a session, and cancel in the end."""
    with speaking(live, who) as api:
        booking = api.post("/bookings", json=wish(who, found["id"])).raise_for_status().json()
        yield booking
        api.post(f"/bookings/{booking['id']}/cancel", json={})


def session_button(sheet: Locator, found: Found) -> Locator:
    """The button of a session, after turning to its day."""
    starts, ends = (found[name].astimezone(ZONE) for name in ("starts_at", "ends_at"))
    date = re.compile(rf"(^|年){starts.month}月{starts.day}日$")
    days = sheet.get_by_role("group", name="日期").get_by_role("button")
    days.filter(has=sheet.page.get_by_text(date)).click()
    venue = sheet.get_by_role("group", name=found["venue_name"], exact=True)
    return venue.get_by_role("button", name=f"{starts:%H:%M}–{ends:%H:%M}")


def open_sheet(page: Page, live: Live, who: DemoAccount, booking: Booking) -> Locator:
    go(page, live, f"/bookings/{booking['id']}")
    log_in(page, who)
    page.get_by_role("button", name="改约").click()
    return page.get_by_role("dialog", name="改约")


def test_an_accepted_order_is_changed_and_waits_again(live: Live, open_page: OpenPage) -> None:
    who = account(live, Role.ORGANISER, 3)
    first, second = changeable(live, 2, who)
    with ordered(live, who, first) as booking:
        with speaking(live, manager(live, first["site_id"])) as api:
            api.post(f"/bookings/{booking['id']}/approve", json={}).raise_for_status()
        page = open_page(PHONE)
        sheet = open_sheet(page, live, who, booking)
        expect(sheet.get_by_role("note")).to_contain_text("回到“待接单”")
        submit = sheet.get_by_role("button", name="提交改约")
        expect(submit).to_be_disabled()
        expect(sheet.locator(".session[aria-pressed=true]")).to_contain_text("现在的场次")
        session_button(sheet, second).click()
        sheet.get_by_role("spinbutton").fill("12")
        sheet.get_by_label("备注").fill("改到这一天")
        picture(page, "change")
        submit.click()
        expect(sheet).to_be_hidden()
        article = page.locator("article")
        expect(article.get_by_text("待接单", exact=True).first).to_be_visible()
        expect(article.locator("dl")).to_contain_text("12 人")
        expect(article.locator("dl")).to_contain_text("改到这一天")
        expect(article.locator("ol").get_by_text("改约", exact=True)).to_be_visible()
        picture(page, "changed")
        with speaking(live, who) as api:
            now = api.get(f"/bookings/{booking['id']}").json()
        assert (now["session_ids"], now["status"]) == ([second["id"]], "pending")


def test_a_refused_change_loses_nothing_and_takes_another_session(
    live: Live, open_page: OpenPage
) -> None:
    who, rival = (account(live, Role.ORGANISER, nth) for nth in (4, 5))
    first, second = changeable(live, 2, who, rival)
    page = open_page(PHONE)
    with ordered(live, who, first) as booking:
        sheet = open_sheet(page, live, who, booking)
        session_button(sheet, second).click()
        with ordered(live, rival, second), speaking(live, who) as api:
            sheet.get_by_role("button", name="提交改约").click()
            alert = sheet.get_by_role("alert")
            expect(alert).to_contain_text("该场次名额不足")
            picture(page, "change-refused")
            assert api.get(f"/bookings/{booking['id']}").json()["session_ids"] == [first["id"]]
            alert.get_by_role("button", name=booking["site"]["name"]).first.click()
            expect(alert).to_be_hidden()
            sheet.get_by_role("button", name="提交改约").click()
            expect(sheet).to_be_hidden()
            (taken,) = api.get(f"/bookings/{booking['id']}").json()["session_ids"]
            assert taken not in {first["id"], second["id"]}


def test_a_change_overtaken_keeps_what_was_typed(live: Live, open_page: OpenPage) -> None:
    who = account(live, Role.ORGANISER, 3)
    (first,) = changeable(live, 1, who)
    page = open_page(DESK)
    with ordered(live, who, first) as booking, speaking(live, who) as api:
        sheet = open_sheet(page, live, who, booking)
        sheet.get_by_role("spinbutton").fill("11")
        path, seen = f"/bookings/{booking['id']}", {"If-Match": f'"{booking["version"]}"'}
        api.patch(path, json={"note": "请准备轮椅"}, headers=seen).raise_for_status()
        sheet.get_by_role("button", name="提交改约").click()
        expect(sheet.get_by_role("alert")).to_contain_text("现在是：请准备轮椅")
        expect(sheet.get_by_role("spinbutton")).to_have_value("11")
        sheet.get_by_role("button", name="提交改约").click()
        expect(sheet).to_be_hidden()
        now = api.get(path).json()
        assert (now["people_expected"], now["note"]) == (11, "请准备轮椅")


def test_many_are_accepted_at_once_and_each_is_told(live: Live, open_page: OpenPage) -> None:
    branches = [account(live, Role.ORGANISER, nth) for nth in (3, 4, 5)]
    found = changeable(live, 3, *branches)
    page = open_page(PHONE)
    with ExitStack() as stack:
        bookings = [
            stack.enter_context(ordered(live, who, session))
            for who, session in zip(branches, found, strict=True)
        ]
        host = manager(live, found[0]["site_id"])
        go(page, live, "/reception")
        log_in(page, host)
        page.get_by_role("button", name="选择", exact=True).click()
        for booking, session in zip(bookings, found, strict=True):
            starts = session["starts_at"].astimezone(ZONE)
            name = re.compile(
                f"{re.escape(booking['organisation']['name'])} .*"
                rf"\b{starts.month}月{starts.day}日.* {starts:%H:%M}"
            )
            page.get_by_role("checkbox", name=name).check()
        picture(page, "approve-many")
        with speaking(live, branches[2]) as api:
            api.post(f"/bookings/{bookings[2]['id']}/cancel", json={}).raise_for_status()
        page.get_by_role("button", name="批量接单（3）").click()
        report = page.get_by_role("status")
        expect(report).to_contain_text("接单 2 个")
        refused = report.get_by_role("listitem")
        expect(refused).to_have_count(1)
        expect(refused).to_contain_text(bookings[2]["organisation"]["name"])
        expect(refused).to_contain_text("预约已有变化")
        picture(page, "approved-many")
        with speaking(live, host) as api:
            states = [api.get(f"/bookings/{one['id']}").json()["status"] for one in bookings]
        assert states == ["approved", "approved", "cancelled"]


def test_a_site_accepts_what_it_has_seen(live: Live, open_page: OpenPage) -> None:
    who = account(live, Role.ORGANISER, 4)
    (first,) = changeable(live, 1, who)
    page = open_page(DESK)
    with ordered(live, who, first) as booking, speaking(live, who) as api:
        go(page, live, f"/reception/{booking['id']}")
        log_in(page, manager(live, first["site_id"]))
        accept = page.get_by_role("button", name="接单", exact=True)
        expect(accept).to_be_visible()
        path, seen = f"/bookings/{booking['id']}", {"If-Match": f'"{booking["version"]}"'}
        api.patch(path, json={"people_expected": 13}, headers=seen).raise_for_status()
        accept.click()
        expect(page.locator("dl")).to_contain_text("13 人")
        assert api.get(path).json()["status"] == "pending"
        accept.click()
        expect(page.locator("article").get_by_text("已接单").first).to_be_visible()
