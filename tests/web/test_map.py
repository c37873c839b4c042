"""The map loads what is in view."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Request, Route, expect

from tests.live import Live
from tests.web.conftest import DESK, OpenPage, picture
from tests.web.steps import see_the_map

LAYER = "**/api/v1/map/sites.geojson*"
A_FEW = 5


def crowd(page: Page) -> None:
    """Make a few sites more than fit one answer."""

    def less(route: Route) -> None:
        route.continue_(url=re.sub(r"limit=\d+", f"limit={A_FEW}", route.request.url))

    page.route(LAYER, less)
    page.reload()


def box_of(request: Request) -> list[float]:
    return [float(edge) for edge in parse_qs(urlsplit(request.url).query)["bbox"][0].split(",")]


def test_a_district_comes_at_once(open_page: OpenPage) -> None:
    page = open_page(DESK)
    see_the_map(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="放大", exact=True).click()
    see_the_map(page)
    page.get_by_role("button", name="缩小", exact=True).click()
    see_the_map(page)
    assert asked == []


def test_where_sites_are_too_many_each_move_asks_for_what_is_in_view(
    live: Live, open_page: OpenPage
) -> None:
    page = open_page(DESK)
    everything = page.locator("a.row")
    expect(everything.first).to_be_visible()
    total = everything.count()
    with page.expect_request(lambda request: "bbox=" in request.url) as first:
        crowd(page)
    see_the_map(page)
    rounds = page.locator(".site-round")
    expect(rounds.first).to_be_visible()
    expect(everything).to_have_count(A_FEW)
    expect(page.get_by_text("这里还有更多，请放大地图")).to_be_visible()
    counted = sum(int(number) for number in rounds.all_inner_texts())
    assert counted + page.locator(".site-pin").count() == total
    picture(page, "map-crowded")

    with page.expect_request(LAYER) as second:
        rounds.filter(has_text=re.compile(r"^([2-9]|\d\d)$")).first.click()
    wide, near = box_of(first.value), box_of(second.value)
    assert near[2] - near[0] < wide[2] - wide[0]
