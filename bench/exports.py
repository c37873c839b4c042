"""The line about long tables, on a district with a million visits made for it."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
from sqlmodel import Session

from app.db import create_engine
from app.machine import last_line, run
from app.models import Organisation, Role
from app.services.calendar import local_date
from app.services.exports import Media
from bench import export_ground, order_ground, scratch, servers
from bench.accounts import signed_in
from bench.runs import Row, Setting
from race import rows

ROWS = 1_000_000
_BRANCHES, _HALLS = 400, 40
_A_YEAR = timedelta(days=360)
_MOST_MB = 200.0
_GROWN_MB = 30.0
"""Some pieces on their way, of a process that has a file in its hands and not in its memory."""


def export(setting: Setting) -> Iterator[Row]:
    """A million bookings made into a file by the job and fetched, as CSV and as XLSX."""
    with scratch.own(setting.url, "exports") as url:
        staff_id, photos = _filled(setting, url), setting.folder / "photos"
        with servers.ours(url, photos=photos) as ours:

            def sign(request: httpx2.Request) -> httpx2.Request:
                request.headers["Authorization"] = f"Bearer {signed_in(url, staff_id)}"
                return request

            with httpx2.Client(base_url=ours.base, auth=sign, timeout=600) as client:
                # The first table of a server is small, so that what it imports is not counted.
                _fetched(client, _made(client, setting, url, photos, "overview", Media.CSV)["id"])
                for media in Media:
                    yield from _measured(client, setting, url, photos, media, ours)


def _measured(
    client: httpx2.Client,
    setting: Setting,
    url: str,
    photos: Path,
    media: Media,
    ours: servers.Server,
) -> Iterator[Row]:
    """Make one, and fetch it some times.

    Raises:
        RuntimeError: it is not whole.
    """
    made = _made(client, setting, url, photos, "bookings", media)
    before, rounds = ours.peak_mb(), setting.effort.rounds
    sizes = {_fetched(client, made["id"]) for _ in range(rounds)}
    if made["rows_done"] != ROWS or sizes != {made["size_bytes"]}:
        raise RuntimeError(f"what came is not what was asked for: {made}")
    size, seconds, peak = made["size_bytes"] / 1e6, made["seconds"], made["peak_mb"]
    told = f"{ROWS:,} rows, {ROWS / seconds:,.0f} /s, {size:,.0f} MB"
    what = f"{media.upper()} of a million rows, peak of who makes it"
    yield Row("export", what, peak, _MOST_MB, at_most=True, unit="MB", ours=told)
    grown = ours.peak_mb() - before
    told = f"{size:,.0f} MB, {rounds} times, by a process that had {before:.0f} MB"
    what = f"{media.upper()} fetched, growth of who sends it"
    yield Row("export", what, grown, _GROWN_MB, at_most=True, unit="MB", ours=told)


def _made(
    client: httpx2.Client, setting: Setting, url: str, photos: Path, table: str, media: Media
) -> dict[str, Any]:
    """Ask for a table, have it made by a process of its own, return how both say it went.

    Raises:
        RuntimeError: it was not made.
    """
    today = local_date(setting.now)
    said = {"table": table, "media": media, "from": str(today - _A_YEAR), "to": str(today)}
    asked = client.post("/api/v1/exports", json=said, headers={"Idempotency-Key": str(uuid4())})
    env = {"APP_DATABASE_URL": url, "APP_PHOTO_FOLDER": str(photos), "APP_ENV": "demo"}
    done = run([sys.executable, "-m", "bench.exporting"], env=env)
    path = f"/api/v1/exports/{asked.raise_for_status().json()['id']}"
    told: dict[str, Any] = client.get(path).json()
    if told["state"] != "done":
        raise RuntimeError(f"no table was made: {told} {last_line(done.stdout)}")
    took: dict[str, Any] = json.loads(last_line(done.stdout))
    return told | took


def _fetched(client: httpx2.Client, export_id: str) -> int:
    """Return how many bytes came, of which none is kept."""
    with client.stream("GET", f"/api/v1/exports/{export_id}/file") as reply:
        reply.raise_for_status()
        return sum(map(len, reply.iter_bytes()))


def _filled(setting: Setting, url: str) -> UUID:
    """Put a district with its bookings there; return who oversees it."""
    engine, now = create_engine(url), setting.now
    with Session(engine) as session, session.begin():
        made = order_ground.build(
            session, branches=_BRANCHES, halls=_HALLS, sessions=1, groups=1, funded=False, now=now
        )
        district_id = session.get_one(Organisation, made.branches[0].id).district_id
        staff = rows.person(session, Role.DISTRICT_STAFF, now, organisation_id=district_id)
    engine.dispose()
    export_ground.fill(url, district_id=district_id, rows=ROWS, since=now - _A_YEAR)
    return staff.account_id
