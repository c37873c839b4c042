"""A password that has expired is changed at the browser."""

from datetime import timedelta

from playwright.sync_api import expect
from sqlmodel import Session

from app import clock
from app.services import accounts
from tests.live import Live
from tests.web.conftest import PHONE, OpenPage, picture
from tests.web.steps import go

NUMBER, OLD, NEW = "13777770001", "Chun-2026", "Qiu-2026-11"


def test_an_expired_password_is_changed_and_the_new_one_opens(
    live: Live, open_page: OpenPage
) -> None:
    with Session(live.engine) as session, session.begin():
        account = accounts.create(session, name="张过期", phone=NUMBER, password=OLD)
        account.password_set_at = clock.now() - timedelta(days=90)
    page = open_page(PHONE)
    go(page, live, "/login")
    page.get_by_label("手机号").fill(NUMBER)
    page.get_by_label("密码", exact=True).fill(OLD)
    page.get_by_role("button", name="登录", exact=True).click()

    expect(page.get_by_text("您的密码已过期")).to_be_visible()
    expect(page.get_by_label("手机号")).to_have_value(NUMBER)
    assert NUMBER not in page.url
    page.get_by_label("原密码").last.fill(OLD)
    page.get_by_label("新密码").fill("abc")
    page.get_by_label("再输一次").fill("abc")
    page.get_by_role("button", name="设置密码").click()
    expect(page.get_by_role("alert").filter(has_text="至少 8 个字符")).to_be_visible()
    picture(page, "password")

    page.get_by_label("新密码").fill(NEW)
    page.get_by_label("再输一次").fill(NEW)
    page.get_by_role("button", name="设置密码").click()
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
    page.get_by_label("密码", exact=True).fill(NEW)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.get_by_text("张过期")).to_be_visible()
