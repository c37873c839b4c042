"""The browser that the tests of the pages drive."""

import shutil

from app import debian
from app.machine import Refusal, run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def get() -> None:
    """See to it that there is a browser that starts.

    Raises:
        Refusal: There is none and it cannot be installed; tests are never skipped for that.
    """
    if not _works() and debian.may_install():
        debian.install("chromium", "libatomic1")
    if not _works():
        raise Refusal(
            "The tests of the pages need a browser: install Chromium or Google Chrome "
            "(`apt-get install chromium`), then run this again."
        )


def _works() -> bool:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    return found is not None and run([found, "--version"]).returncode == 0
