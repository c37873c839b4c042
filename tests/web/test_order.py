from playwright.sync_api import expect

from app.models import Role
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import (
    account,
    choose_first_free_session,
    exclusive_order,
    go,
    log_in,
    manager,
    see_the_map,
    send_order,
    southernmost_pin,
)


def test_a_visit_is_ordered_on_the_map_and_approved(live: Live, open_page: OpenPage) -> None:
    phone = open_page(PHONE)
    see_the_map(phone)
    expect(phone.get_by_text("示意图")).to_be_visible()
    picture(phone, "map")

    pin = southernmost_pin(phone)
    name = (pin.get_attribute("aria-label") or "").split("，")[0]
    pin.tap()
    expect(phone.get_by_role("heading", name=name)).to_be_visible()
    expect(phone.get_by_role("link", name="高德地图")).to_be_visible()
    see_the_map(phone)
    picture(phone, "site")
    site_id = phone.url.rsplit("/", 1)[-1]

    choose_first_free_session(phone)
    log_in(phone, account(live, Role.ORGANISER))
    expect(phone.get_by_role("heading", name=name)).to_be_visible()
    picture(phone, "order")
    send_order(phone)
    expect(phone.locator("article").get_by_text("待接单", exact=True).first).to_be_visible()
    code = phone.locator("dd").first.inner_text()
    expect(phone.get_by_text("已提交，等待接单")).to_be_hidden()
    picture(phone, "booking")

    desk = open_page(DESK)
    go(desk, live, "/login")
    log_in(desk, manager(live, site_id))
    desk.get_by_role("navigation").get_by_text("受理").click()
    desk.locator("a.row").first.click()
    expect(desk.get_by_text(code)).to_be_visible()
    picture(desk, "reception")
    desk.get_by_role("button", name="接单", exact=True).click()
    expect(desk.locator("article").get_by_text("已接单").first).to_be_visible()

    phone.reload()  # the login outlives it
    expect(phone.locator("article").get_by_text("已接单").first).to_be_visible()
    expect(phone.get_by_text(code)).to_be_visible()
    picture(phone, "approved")


def test_a_refusal_says_why_and_what_else_can_be_taken(live: Live, open_page: OpenPage) -> None:
    slow, quick = open_page(PHONE), open_page(DESK)
    late, early = (account(live, Role.ORGANISER, nth) for nth in (0, 1))
    order = exclusive_order(live, late, early)
    go(slow, live, order)
    log_in(slow, late)
    send_order(slow, phone="12")
    expect(slow.get_by_role("alert")).to_contain_text("手机号码有误")

    go(quick, live, order)
    log_in(quick, early)
    send_order(quick)
    expect(quick.get_by_text("办理进程")).to_be_visible()

    send_order(slow)
    offered = slow.get_by_role("alert").get_by_role("button", name=" · 余 ")
    expect(offered).to_have_count(3)
    picture(slow, "refused")
    offered.first.click()
    expect(slow.get_by_role("alert")).to_be_hidden()
    send_order(slow)
    expect(slow.get_by_text("办理进程")).to_be_visible()
