"""What a site's card shows, and what visitors can do there."""

import re
from uuid import UUID

import httpx2
from playwright.sync_api import Page, expect
from sqlmodel import Session, select

from app import clock
from app.models import LocationReport
from app.services import notifications
from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import go, manager, see_the_map

TOLD = "位置有误反馈"


def site_of_kind(live: Live, kind: str) -> str:
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        return str(api.get("/sites", params={"kind": kind, "limit": 1}).json()["items"][0]["id"])


def test_a_training_case_unfolds_into_roles_and_steps(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    site = site_of_kind(live, "training_base")
    go(page, live, f"/sites/{site}")
    case = httpx2.get(f"{live.url}/api/v1/sites/{site}").json()["programmes"]
    roles, steps = next((item["roles"], item["steps"]) for item in case if item["steps"])
    first = page.locator("details").first
    expect(first.get_by_text(steps[0]["title"])).to_be_hidden()
    first.locator("summary").click()
    expect(first.get_by_role("list", name="流程").get_by_role("listitem")).to_have_count(len(steps))
    shown = first.get_by_role("list", name="角色").get_by_role("listitem")
    expect(shown).to_have_text([role["name"] for role in roles])
    red, green, blue = (int(roles[0]["colour"][at : at + 2], 16) for at in (1, 3, 5))
    expect(shown.first.locator("i")).to_have_css("background-color", f"rgb({red}, {green}, {blue})")
    picture(page, "training-case")


def report(page: Page) -> None:
    page.get_by_role("button", name="位置有误").click()
    expect(page.get_by_role("button", name="提交", exact=True)).to_be_disabled()


def inbox_of(live: Live, site: str) -> list[str]:
    """Titles of the messages of the site's manager, once what is due has been delivered."""
    with Session(live.engine) as session, session.begin():
        notifications.deliver_due(session, clock.now())
    who = manager(live, site)
    with httpx2.Client(base_url=f"{live.url}/api/v1") as api:
        token = api.post("/auth/token", data={"username": who.phone, "password": who.password})
        bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
        items = api.get("/notifications", headers=bearer).json()["items"]
        return [item["title"] for item in items]


def reports_of(live: Live, site: str) -> list[LocationReport]:
    with Session(live.engine) as session:
        of_site = LocationReport.site_id == UUID(site)
        return list(session.exec(select(LocationReport).where(of_site)))


def test_a_wrong_position_is_pointed_out_on_the_map_and_reaches_the_manager(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(PHONE)
    site = site_of_kind(live, "education_base")
    before = inbox_of(live, site)
    go(page, live, f"/sites/{site}")
    see_the_map(page)
    report(page)
    picture(page, "report")
    page.get_by_role("textbox", name="说明").fill("正门在村委会对面")
    page.get_by_role("button", name="在地图上指出").click()
    picture(page, "pick")
    page.get_by_role("button", name="就是这里").click()
    expect(page.get_by_text("已选位置")).to_be_visible()
    expect(page.get_by_role("textbox", name="说明")).to_have_value("正门在村委会对面")
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_text("已转告阵地管理员")).to_be_visible()

    (kept,) = reports_of(live, site)
    assert (kept.note, kept.suggested is None) == ("正门在村委会对面", False)
    assert inbox_of(live, site).count(TOLD) == before.count(TOLD) + 1


def test_whoever_stands_at_the_right_place_need_not_write(live: Live, open_page: OpenPage) -> None:
    page = open_page(DESK)
    page.context.grant_permissions(["geolocation"])
    page.context.set_geolocation({"longitude": 117.95, "latitude": 36.61})
    site = site_of_kind(live, "party_school_point")
    go(page, live, f"/sites/{site}")
    report(page)
    page.get_by_role("button", name="我就在正确的位置").click()
    expect(page.get_by_text("36.61000, 117.95000")).to_be_visible()
    page.get_by_role("button", name="提交", exact=True).click()
    expect(page.get_by_text("已转告阵地管理员")).to_be_visible()
    assert [kept.suggested is None for kept in reports_of(live, site)] == [False]


def test_a_site_is_shared_as_a_poster(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    site = site_of_kind(live, "education_base")
    go(page, live, f"/sites/{site}")
    expect(page.get_by_role("link", name="带我去")).to_have_attribute("href", f"#/go/{site}")
    page.get_by_role("button", name="分享").click()
    poster = page.get_by_role("img", name="的海报")
    expect(poster).to_be_visible()
    page.locator(".share img").evaluate("image => image.decode()")
    save = page.get_by_role("link", name="保存海报")
    expect(save).to_have_attribute("download", re.compile(r"\.png$"))
    picture(page, "share")
