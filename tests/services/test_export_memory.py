"""Ten times the rows take no more memory."""

import subprocess
import sys

import pytest

from app.services.exports import Media

FEW, MANY = 10_000, 100_000
MORE = 15 * 1024 * 1024
"""Bytes that may differ from run to run."""


def peak(media: Media, rows: int, *how: str) -> int:
    command = [sys.executable, "-m", "tests.services.export_memory", media, str(rows), *how]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return int(done.stdout)


@pytest.mark.parametrize("media", Media)
def test_memory_does_not_grow_with_rows(media: Media) -> None:
    assert peak(media, MANY) < peak(media, FEW) + MORE


def test_one_that_gathers_its_rows_would_be_seen() -> None:
    """The control."""
    assert peak(Media.CSV, MANY, "gathered") > peak(Media.CSV, FEW, "gathered") + 2 * MORE
