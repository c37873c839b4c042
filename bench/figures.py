"""The line about statistics: of a district with half a million bookings, and with ten times more.

Both have the same sites, towns and branches and the same five years, so that what is read grows
only if it grows with the bookings.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from random import Random
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from sqlmodel import Session

from app.db import create_engine
from app.models import OrganisationKind, Policy, Role, Venue
from app.services import facts
from app.services.calendar import local_date
from bench import export_ground, scratch, servers
from bench.accounts import signed_in
from bench.loads import Http
from bench.questions import API
from bench.runs import Row, Setting, p50, p95
from race import rows

SIZES = (500_000, 5_000_000)
"""Bookings: few, and many."""
_TOWNS, _SITES = 13, 27
_BRANCHES = 1_801
"""A prime, so that branches taken in turn come to all sites."""
_YEARS = timedelta(days=5 * 365)
_ASKED = 32
_GROWN = 1.3
_MOST_MS = 20.0


def statistics(setting: Setting) -> Iterator[Row]:
    """P5: the overview and usage by month, category and town, of a year that begins on any day."""
    with ExitStack() as stack:
        urls = {size: stack.enter_context(scratch.own(setting.url, "figures")) for size in SIZES}
        readers = {size: _filled(setting, url, size) for size, url in urls.items()}
        legs = {}
        for size, url in urls.items():
            server = stack.enter_context(servers.ours(url))
            token = signed_in(url, readers[size])
            for what, paths in _paths(setting).items():
                legs[f"{what} {size}"] = Http(server.base, paths, 1, token=token)
        turns = setting.in_turns(legs)
    few, many = SIZES
    for what in _paths(setting):
        ours, theirs = f"{what} {many}", f"{what} {few}"
        told, other = turns.told(ours), turns.told(theirs)
        value, said = turns.ratio(ours, theirs, p50), f"{what}, {many:,} bookings / {few:,}, p50"
        yield Row("P5", said, value, _GROWN, at_most=True, ours=told, theirs=other)
        value, said = turns.median(ours, p95), f"{what}, {many:,} bookings, p95"
        yield Row("P5", said, value, _MOST_MS, at_most=True, unit="ms", ours=told)


def _paths(setting: Setting) -> dict[str, list[str]]:
    """Return the questions, the same for every size."""
    luck, today = Random(setting.seed), local_date(setting.now)
    years = []
    for _ in range(_ASKED):
        until = today - timedelta(days=luck.randrange((_YEARS - timedelta(days=365)).days))
        years.append((until - timedelta(days=364), until))
    by = [("group_by", key) for key in ("month", "category", "town")]
    return {
        "overview": [_path("overview", *year) for year in years],
        "usage by month, category and town": [_path("usage", *year, *by) for year in years],
    }


def _path(name: str, since: date, until: date, *more: tuple[str, str]) -> str:
    asked = urlencode([("from", since.isoformat()), ("to", until.isoformat()), *more])
    return f"{API}/statistics/{name}?{asked}"


def _filled(setting: Setting, url: str, size: int) -> UUID:
    """Put a district with so many bookings there, counted; return who oversees it.

    Raises:
        RuntimeError: the sums do not count them all.
    """
    engine, now = create_engine(url), setting.now
    with Session(engine) as session, session.begin():
        district = rows.organisation(session, None, OrganisationKind.DISTRICT)
        session.add(Policy(district_id=district.id, effective_at=now - rows.LONG_AGO))
        towns = [rows.organisation(session, district, OrganisationKind.TOWN) for _ in range(_TOWNS)]
        for n in range(_BRANCHES):
            rows.organisation(session, towns[n % _TOWNS], OrganisationKind.BRANCH)
        for n in range(_SITES):
            site = rows.site(session, district_id=district.id, town_id=towns[n % _TOWNS].id)
            session.add(
                Venue(site_id=site.id, name="报告厅", people_limit=rows.MANY, groups_limit=1)
            )
            rows.programme(session, site.id, needs_guide=False)
        district_id = district.id
        staff = rows.person(session, Role.DISTRICT_STAFF, now, organisation_id=district_id)
    export_ground.fill(
        url, district_id=district_id, rows=size, since=now - _YEARS, apart=_YEARS / size
    )
    with Session(engine) as session, session.begin():
        counted = facts.rebuild(session)
    engine.dispose()
    if counted != size:
        raise RuntimeError("the sums do not count what was made")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return staff.account_id
