import pytest
from playwright.sync_api import Page, expect

from app.models import Role
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import account, go, log_in, see_the_map


def fits(page: Page) -> bool:
    """Nothing hangs over the side."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_pages_fit_telephones_and_desks(
    live: Live, open_page: OpenPage, size: tuple[int, int]
) -> None:
    page = open_page(size)
    see_the_map(page)
    picture(page, "map")
    for path, name, shown in [
        ("/sites", "sites", "a.row"),
        ("/login", "login", ".demo"),
        ("/me", "me-nobody", ".me"),
    ]:
        go(page, live, path)
        expect(page.locator(shown).first).to_be_visible()
        assert fits(page), path
        picture(page, name)

    go(page, live, "/login")
    log_in(page, account(live, Role.DISTRICT_STAFF))
    for path, name, shown in [
        ("/figures", "figures", ".cards"),
        ("/district", "district", "a.row"),
        ("/inbox", "inbox", ".head"),
        ("/me", "me", ".grants"),
    ]:
        go(page, live, path)
        expect(page.locator(shown).first).to_be_visible()
        assert fits(page), path
        picture(page, name)


def test_sites_are_filtered_by_category(open_page: OpenPage) -> None:
    page = open_page(DESK)
    see_the_map(page)
    everything = page.locator("a.row").count()
    chip = page.get_by_role("group", name="按类别筛选").get_by_role("button", name="农村党建")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator("a.row").filter(has_not_text="农村党建")).to_have_count(0)
    assert 0 < page.locator("a.row").count() < everything


def test_neighbouring_sessions_are_ordered_together(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/sites")
    page.locator("a.row").first.click()
    days = page.get_by_role("group", name="日期").get_by_role("button")
    days.filter(has_text="场可约").last.click()
    first, second = page.locator(".sessions").first.locator(".session:enabled:not(.full)").all()[:2]
    starts, between = first.locator("strong").inner_text().split("–")
    ends = second.locator("strong").inner_text().split("–")[1]

    first.tap()
    second.tap()
    chosen = page.locator(".sheet-bar strong")
    expect(chosen).to_have_text(f"{starts}–{ends}")
    second.tap()
    expect(chosen).to_have_text(f"{starts}–{between}")


def test_without_webgl_the_list_takes_the_place_of_the_map(open_page: OpenPage) -> None:
    page = open_page(PHONE)
    page.add_init_script(
        "const real = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest) }"
    )
    page.reload()
    expect(page.get_by_text("请从列表中选择阵地")).to_be_visible()
    page.locator("a.row").first.click()
    expect(page.locator(".session").first).to_be_visible()


def test_logging_out_leads_away_from_what_is_private(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/bookings")
    log_in(page, account(live, Role.ORGANISER))  # asked first, and led back
    expect(page.get_by_role("heading", name="我的预约")).to_be_visible()
    go(page, live, "/me")
    page.get_by_role("button", name="退出登录").click()
    expect(page.locator(".canvas")).to_be_visible()
    go(page, live, "/bookings")
    expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
