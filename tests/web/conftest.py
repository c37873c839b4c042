"""Browsers. A page that asks an outside host for anything, or meets an error, fails its test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from setup.browser import BROWSERS
from tests.live import Live

PHONE = (390, 844)
DESK = (1440, 900)
SCREENSHOTS = Path(__file__).parents[2] / "screenshots"

expect.set_options(timeout=15_000)  # Machines that do other things as well are slow.

OpenPage = Callable[[tuple[int, int]], Page]
# WebGL in software, so that the map is drawn where there is no graphics card.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


# Not for the whole session: a running Playwright occupies the event loop of the main thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(path for path in map(shutil.which, BROWSERS) if path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, live: Live) -> Iterator[OpenPage]:
    """Opens the home page for a new person: nothing is shared with pages opened before."""
    contexts = []
    troubles: list[str] = []

    def open_page(size: tuple[int, int]) -> Page:
        width, height = size
        phone = size == PHONE
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=phone,
            is_mobile=phone,
            reduced_motion="reduce",
            locale="zh-CN",
            # Times are the district's wherever the reader is.
            timezone_id="America/New_York",
        )
        contexts.append(context)
        page = context.new_page()
        host = urlsplit(live.url).netloc
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda said: troubles.extend(complaint(said)))
        page.on(
            "request",
            lambda asked: troubles.extend(
                [asked.url]
                if asked.url.startswith("http") and urlsplit(asked.url).netloc != host
                else []
            ),
        )
        page.goto(live.url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def complaint(said: ConsoleMessage) -> list[str]:
    """What the console has against the page; a refusal that a test provokes is no fault of it."""
    refused = "the server responded with a status of 4" in said.text
    return [said.text] if said.type == "error" and not refused else []


def picture(page: Page, name: str) -> None:
    """Keep what the page looks like now, for people to see."""
    SCREENSHOTS.mkdir(exist_ok=True)
    size = page.viewport_size
    assert size
    path = SCREENSHOTS / f"{name}-{size['width']}x{size['height']}.png"
    page.screenshot(path=path, animations="disabled")
