"""`python3 -m setup run|test|check|pages|bench|lock|clean`, and `python3 -m setup npm ...`."""

import shutil
import sys

from app import machine, postgis, postgres
from app.machine import CHECKOUT, Refusal, say
from setup import bench, browser, environment, fonts, pages

MADE = (
    *(".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".schemathesis"),
    *(".import_linter_cache", "app/static", "web/node_modules", "web/dist", "test-results"),
    *(".data/photos", ".data/font"),
)


def to_run() -> None:
    """Set up what serving needs."""
    environment.install("run")
    _what_python_lacks()


def to_test() -> None:
    """Set up what the tests need."""
    environment.install("dev")
    _what_python_lacks()
    browser.get()
    bench.get_load()


def to_bench() -> None:
    """Set up what measuring needs."""
    to_run()
    bench.get()


def to_lock() -> None:
    """Lock every package anew."""
    environment.install("dev")
    environment.lock()


def to_see() -> None:
    """Build the pages."""
    environment.install("run")
    pages.build()


def clean() -> None:
    """Remove all that was made here, the demo's database too, after stopping its server."""
    postgres.discard()
    for name in MADE:
        shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    for folder in CHECKOUT.rglob("__pycache__"):
        shutil.rmtree(folder, ignore_errors=True)
    say("removed what was made here; installed system packages stay")


def _what_python_lacks() -> None:
    postgis.check()
    fonts.get()
    pages.build()


TARGETS = {
    "run": to_run,
    "test": to_test,
    "check": lambda: environment.install("dev"),
    "pages": to_see,
    "bench": to_bench,
    "lock": to_lock,
    "clean": clean,
}


def main(arguments: list[str]) -> int:
    """Do one target; return the exit code, and say why in one sentence when it is not 0."""
    try:
        with machine.plainly(CHECKOUT):
            if arguments[0] == "npm":
                environment.install("dev")
                pages.npm(*arguments[1:])
            else:
                TARGETS[arguments[0]]()
    except Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
