"""More rows take no more memory: of writers alone, and from the database to the store."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session

from app.models import Export
from app.services.exports import Media
from bench import export_ground
from tests.conftest import NOW, plain
from tests.makers import World, make_export, make_world

FEW, MANY = 10_000, 100_000
SOME, MORE_ROWS = 5_000, 30_000
MORE = 15 * 1024 * 1024
"""Bytes that may differ from run to run."""
LESS = 10 * 1024 * 1024
"""The same of fewer rows; gathered, they take twice as much."""
SINCE = NOW - timedelta(days=200)


def said(module: str, *told: str) -> int:
    command = [sys.executable, "-m", f"tests.services.{module}", *told]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return int(done.stdout.splitlines()[-1])


def peak(media: Media, rows: int, *how: str) -> int:
    return said("export_memory", media, str(rows), *how)


@pytest.mark.parametrize("media", Media)
def test_memory_does_not_grow_with_rows(media: Media) -> None:
    assert peak(media, MANY) < peak(media, FEW) + MORE


def test_one_that_gathers_its_rows_would_be_seen() -> None:
    """The control."""
    assert peak(Media.CSV, MANY, "gathered") > peak(Media.CSV, FEW, "gathered") + 2 * MORE


class Ground:
    """A district whose bookings grow in number, and a store."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.rows = engine, folder, 0
        with Session(engine, expire_on_commit=False) as session, session.begin():
            self.world: World = make_world(session)
            session.flush()
            session.expunge_all()

    def peak(self, rows: int, media: Media, *how: str) -> int:
        """Make the table of so many bookings; return the peak of the process that did."""
        since = SINCE + timedelta(minutes=self.rows)
        district_id, url = self.world.district.id, plain(self.engine.url)
        export_ground.fill(url, district_id=district_id, rows=rows - self.rows, since=since)
        self.rows = rows
        with Session(self.engine) as session, session.begin():
            export_id = make_export(session, self.world.district_staff, media=media).id
        told = said("export_run_memory", url, str(self.folder), NOW.isoformat(), *how)
        with Session(self.engine) as session:
            assert session.get_one(Export, export_id).rows_done == rows
        return told


@pytest.fixture
def ground(own_engine: Engine, tmp_path: Path) -> Ground:
    return Ground(own_engine, tmp_path)


@pytest.mark.parametrize("media", Media)
def test_the_whole_way_takes_no_more_either(ground: Ground, media: Media) -> None:
    few = ground.peak(SOME, media)
    assert ground.peak(MORE_ROWS, media) < few + LESS


def test_a_way_that_gathers_its_rows_would_be_seen(ground: Ground) -> None:
    """The control."""
    few = ground.peak(SOME, Media.CSV, "gathered")
    assert ground.peak(MORE_ROWS, Media.CSV, "gathered") > few + LESS
