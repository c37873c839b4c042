"""The browser that the tests of the pages drive, and a font with Chinese in it."""

import shutil
from pathlib import Path

from app import debian
from app.machine import Refusal, run, say

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
)


def get() -> None:
    """See to it that there is a browser that starts.

    Raises:
        Refusal: There is none and it cannot be installed; tests are never skipped for that.
    """
    missing = [] if _works() else ["chromium", "libatomic1"]
    if not _has_chinese_font():
        missing.append("fonts-noto-cjk")
    if missing and debian.may_install():
        debian.install(*missing)
    elif missing == ["fonts-noto-cjk"]:
        say("no Chinese font and no right to install one: screenshots will show empty boxes")
    if not _works():
        raise Refusal(
            "The tests of the pages need a browser: install Chromium or Google Chrome "
            "(`apt-get install chromium fonts-noto-cjk`), then run this again."
        )


def _works() -> bool:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    return found is not None and run([found, "--version"]).returncode == 0


def _has_chinese_font() -> bool:
    return any(True for folder in FONTS for _ in folder.rglob("*CJK*"))
