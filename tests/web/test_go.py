"""The way there: the button at the top opens the app that the device has."""

from io import BytesIO

import httpx2
import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.live import Live
from tests.web.conftest import DESK, PHONE, OpenPage, picture
from tests.web.steps import go
from tests.web.test_policy import WATCH, violations

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/136.0 Mobile Safari"
HARMONY = "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 Chrome/114.0 ArkWeb/4.1 Mobile"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/136.0 Safari"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/136.0 Safari"
WECHAT_IPHONE = f"{IPHONE} MicroMessenger/8.0.60"
WECHAT_ANDROID = f"{ANDROID} MicroMessenger/8.0.60"


def as_device(page: Page, agent: str) -> None:
    """Say what the device is; the window alone does not."""
    session = page.context.new_cdp_session(page)
    session.send("Network.setUserAgentOverride", {"userAgent": agent})
    if page.viewport_size == {"width": PHONE[0], "height": PHONE[1]}:
        fingers = {"enabled": True, "maxTouchPoints": 5}
        session.send("Emulation.setTouchEmulationEnabled", fingers)


def a_site(live: Live) -> str:
    layer = httpx2.get(f"{live.url}/api/v1/map/sites.geojson").json()
    return str(layer["features"][0]["properties"]["id"])


def show(page: Page, live: Live, site: str) -> None:
    """Open the page anew."""
    page.add_init_script(WATCH)
    page.reload()
    go(page, live, f"/go/{site}")
    expect(page.locator(".app").first).to_be_visible(timeout=20_000)


def offered(page: Page) -> list[str]:
    """The addresses behind the buttons, from the top."""
    return [button.get_attribute("href") or "" for button in page.locator("a.app").all()]


DEVICES = {
    "iphone": (PHONE, IPHONE, "apple"),
    "ipad": (PHONE, MAC, "apple"),  # which says that it is a Mac; its screen is touched
    "android": (PHONE, ANDROID, "geo"),
    "harmony": (PHONE, HARMONY, "amap"),
    "wechat-on-iphone": (PHONE, WECHAT_IPHONE, "tencent"),
    "wechat-on-android": (PHONE, WECHAT_ANDROID, "tencent"),
    "mac": (DESK, MAC, "amap"),
    "windows": (DESK, WINDOWS, "amap"),
}


@pytest.mark.parametrize("device", DEVICES)
def test_the_first_button_opens_the_app_of_the_device(
    live: Live, open_page: OpenPage, device: str
) -> None:
    size, agent, app = DEVICES[device]
    site = a_site(live)
    links = httpx2.get(f"{live.url}/api/v1/sites/{site}/navigation").json()["links"]
    page = open_page(size)
    as_device(page, agent)
    show(page, live, site)
    first = page.locator(".app").first
    expect(first).to_have_attribute("href", links[app])
    box = first.bounding_box()
    assert box
    assert box["height"] >= 64
    in_wechat = device.startswith("wechat")
    expect(page.get_by_text("在浏览器打开")).to_have_count(int(in_wechat))
    # WeChat opens no other app, and only telephones know geo: links.
    assert (links["geo"] in offered(page)) == (app == "geo")
    assert violations(page) == []
    picture(page, f"go-{device}")


def test_the_app_taken_last_comes_first(live: Live, open_page: OpenPage) -> None:
    site = a_site(live)
    page = open_page(PHONE)
    as_device(page, ANDROID)
    show(page, live, site)
    was = offered(page)
    page.evaluate("document.addEventListener('click', (event) => event.preventDefault(), true)")
    page.get_by_role("link", name="百度地图").click()
    show(page, live, site)
    assert offered(page)[0] == was[2]
    assert sorted(offered(page)) == sorted(was)
    expect(page.locator(".app").first).to_contain_text("上次使用")

    page.evaluate("localStorage.setItem('map-app', 'nonsense')")
    show(page, live, site)
    assert offered(page) == was


def test_the_mode_is_handed_on(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    as_device(page, IPHONE)
    show(page, live, a_site(live))
    page.get_by_role("button", name="步行").click()
    expect(page.locator("a.app[href*='dirflg=w']")).to_be_visible()
    assert "mode=walk" in offered(page)[1]


def test_wechat_opens_the_place_itself_where_it_lends_its_map(
    live: Live, open_page: OpenPage
) -> None:
    site = a_site(live)
    page = open_page(PHONE)
    as_device(page, WECHAT_IPHONE)
    page.add_init_script("window.wx = { openLocation: (place) => (window.opened = place) }")
    show(page, live, site)
    page.get_by_role("button", name="在微信中查看").click()
    told = httpx2.get(f"{live.url}/api/v1/sites/{site}/navigation").json()["wechat"]
    assert page.evaluate("window.opened") == told


def test_a_desk_shows_a_code_to_go_on_with_on_the_telephone(
    live: Live, open_page: OpenPage
) -> None:
    site = a_site(live)
    page = open_page(DESK)
    as_device(page, WINDOWS)
    show(page, live, site)
    drawn = page.locator(".code img")
    expect(drawn).to_be_visible()
    drawn.evaluate("image => image.decode()")  # its size is known before it is drawn
    (code,) = zxingcpp.read_barcodes(Image.open(BytesIO(drawn.screenshot())))
    assert code.text == f"{live.url}/#/go/{site}"


def test_a_site_that_is_not_there_is_told(live: Live, open_page: OpenPage) -> None:
    page = open_page(PHONE)
    go(page, live, "/go/019ab1c2-7d3e-7a40-8f11-2b6c5d4e3f20")
    expect(page.get_by_role("alert")).to_contain_text("阵地不存在")
