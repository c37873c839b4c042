"""What people do on the pages, in their words."""

import re
from contextlib import ExitStack
from datetime import datetime
from typing import Any

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


def speaking(live: Live, who: DemoAccount) -> httpx2.Client:
    """Somebody without a browser."""
    url = f"{live.url}/api/v1"
    form = {"username": who.phone, "password": who.password, "grant_type": "password"}
    token = httpx2.post(f"{url}/auth/token", data=form).json()["access_token"]
    return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})


def wish(who: DemoAccount, session_id: str) -> dict[str, Any]:
    """A branch's order of a session, as the API takes it."""
    return {
        "session_ids": [session_id],
        "organisation_id": str(who.organisation_id),
        "people_expected": 15,
        "purpose": "visit",
        "contact_name": "王组织",
        "contact_phone": "13800000001",
    }


def previewed(api: httpx2.Client, order: dict[str, Any]) -> httpx2.Response:
    """What the API would answer to an order."""
    return api.post("/bookings", json=order, params={"dry_run": "true"})


def exclusive_order(live: Live, *branches: DemoAccount) -> str:
    """Address of the form for a session that one group fills and each of the branches could have.

    Raises:
        LookupError: there is none.
    """
    with ExitStack() as stack:
        api = stack.enter_context(httpx2.Client(base_url=f"{live.url}/api/v1"))
        asking = [(who, stack.enter_context(speaking(live, who))) for who in branches]
        for feature in api.get("/map/sites.geojson").json()["features"]:
            site_id = feature["properties"]["id"]
            for session in api.get(f"/sites/{site_id}/sessions").json()["items"]:
                alone = session["bookable"] and session["groups_limit"] == 1
                if alone and all(
                    previewed(by, wish(who, session["id"])).is_success for who, by in asking
                ):
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
