"""The policy of the pages lets them work, and nothing else."""

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from app.models import Role
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage
from tests.web.steps import account, exclusive_order, go, log_in, see_the_map

WATCH = (
    "window.broken = [];"
    "document.addEventListener('securitypolicyviolation', (event) =>"
    "  window.broken.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`))"
)


def violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate("window.broken")
    return found


def test_the_pages_keep_to_their_policy(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    page.add_init_script(WATCH)
    page.reload()
    see_the_map(page)
    assert violations(page) == []
    go(page, live, exclusive_order(live))
    log_in(page, account(live, Role.ORGANISER))
    page.get_by_label("联系电话").fill("1")
    page.get_by_role("button", name="提交预约").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []


def test_the_contract_is_shown_within_it(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    page.add_init_script(WATCH)
    page.goto(f"{live.url}/docs#/system/getConfig")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table").get_by_text('"environment"')).to_be_visible()
    assert violations(page) == []


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_that_was_slipped_in_runs_only_without_the_policy(
    live: Live, browser: Browser, guarded: bool
) -> None:
    policy = httpx2.get(live.url).headers["content-security-policy"]
    page = browser.new_page()
    page.route(
        f"{live.url}/slipped",
        lambda route: route.fulfill(
            content_type="text/html",
            headers={"Content-Security-Policy": policy} if guarded else {},
            body="<title>still</title><script>document.title = 'ran'</script>",
        ),
    )
    page.add_init_script(WATCH)
    page.goto(f"{live.url}/slipped")
    assert page.title() == ("still" if guarded else "ran")
    assert len(violations(page)) == guarded
    page.close()
