"""What people do on the pages, in their words."""

import re
from datetime import datetime

import httpx2
from playwright.sync_api import Locator, Page, expect

from app.demo import DemoAccount
from app.models import Role
from app.services.calendar import local_date
from tests.live import Live


def account(live: Live, role: Role, nth: int = 0) -> DemoAccount:
    """Somebody with a role."""
    return [found for found in live.accounts if found.role == role][nth]


def manager(live: Live, site_id: str) -> DemoAccount:
    """Who receives the visitors of a site."""
    return next(found for found in live.accounts if str(found.site_id) == site_id)


def see_the_map(page: Page) -> None:
    """Wait until the map is drawn and stands still."""
    expect(page.locator(".canvas[aria-busy=false]")).to_be_visible(timeout=20_000)


def southernmost_pin(page: Page) -> Locator:
    """A pin that nothing lies upon."""

    def down(pin: Locator) -> float:
        box = pin.bounding_box()
        assert box
        return box["y"]

    expect(page.locator(".site-pin")).not_to_have_count(0)
    return max(page.locator(".site-pin").all(), key=down)


def choose_first_free_session(page: Page) -> None:
    page.locator(".session:enabled:not(.full)").first.click()
    page.get_by_role("button", name="预约这一场").click()


def exclusive_order(live: Live) -> str:
    """Address of the form for a session that one group fills.

    Raises:
        LookupError: every bookable session takes several groups.
    """
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        for feature in api.get("/map/sites.geojson").json()["features"]:
            site_id = feature["properties"]["id"]
            for session in api.get(f"/sites/{site_id}/sessions").json()["items"]:
                if session["bookable"] and session["groups_limit"] == 1:
                    day = local_date(datetime.fromisoformat(session["starts_at"]))
                    return f"/order/{site_id}?day={day}&sessions={session['id']}"
    raise LookupError


def log_in(page: Page, who: DemoAccount) -> None:
    """Fill in the form that is open."""
    page.get_by_label("手机号").fill(who.phone)
    page.get_by_label("密码").fill(who.password)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page).not_to_have_url(re.compile("#/login"))


def go(page: Page, live: Live, path: str) -> None:
    page.goto(f"{live.url}/#{path}")


def send_order(page: Page, phone: str = "13800000001") -> None:
    page.get_by_label("联系电话").fill(phone)
    page.get_by_role("button", name="提交预约").click()
