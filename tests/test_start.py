"""What the service imports before it answers."""

import subprocess
import sys

import pytest

LATER = {
    "aiohttp", "alembic", "apscheduler", "authlib", "cryptography", "httpx2", "icalendar", "jinja2",
    "joserfc", "jwt", "openpyxl", "phonenumbers", "prometheus_client", "pypinyin", "reportlab",
    "stamina", "xlsxwriter", "zxcvbn",
    "app.demo.making",
}  # fmt: skip
SERVED = """
import app.__main__
from app.db import create_engine
from app.main import create_app

create_app(create_engine("postgresql://nowhere/none"))
"""


def imported_by(code: str) -> set[str]:
    named = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", named]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return set(done.stdout.split())


def test_what_few_requests_need_is_imported_by_them() -> None:
    seen = imported_by(SERVED)
    assert "app.api.sites" in seen
    assert seen & LATER == set()


@pytest.mark.parametrize("library", ["openpyxl", "httpx2", "prometheus_client"])
def test_one_that_came_along_would_be_seen(library: str) -> None:
    """The control."""
    assert library in imported_by(f"import {library}") & LATER
