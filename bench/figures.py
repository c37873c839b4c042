"""The line about statistics: of a district with half a million bookings, and with ten times more.

Both have the same sites, towns and branches and the same five years, so that what is read grows
only if it grows with the bookings.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from random import Random
from urllib.parse import urlencode

import psycopg
from sqlmodel import Session

from app.db import create_engine
from app.models import OrganisationKind, Policy, Role, Venue
from app.services import facts
from app.services.calendar import local_date
from bench import export_ground, scratch, servers
from bench.loads import Http
from bench.questions import API
from bench.runs import Row, Setting, p50, p95
from race import rows

FEW, MANY = 500_000, 5_000_000
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
        legs = {}
        for size in (FEW, MANY):
            url = stack.enter_context(scratch.own(setting.url, "figures"))
            token = _filled(setting, url, size)
            server = stack.enter_context(servers.ours(url))
            for what, paths in _paths(setting).items():
                legs[f"{what} {size}"] = Http(server.base, paths, 1, token=token)
        turns = setting.in_turns(legs)
    for what in _paths(setting):
        few, many = f"{what} {FEW}", f"{what} {MANY}"
        told, theirs = turns.told(many), turns.told(few)
        value, said = turns.ratio(many, few, p50), f"{what}, {MANY:,} bookings / {FEW:,}, p50"
        yield Row("P5", said, value, _GROWN, at_most=True, ours=told, theirs=theirs)
        value, said = turns.median(many, p95), f"{what}, {MANY:,} bookings, p95"
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


def _filled(setting: Setting, url: str, size: int) -> str:
    """Put a district with so many bookings there, counted; return the token of its staff.

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
        token = rows.person(session, Role.DISTRICT_STAFF, now, organisation_id=district_id).token
    export_ground.fill(
        url, district_id=district_id, rows=size, since=now - _YEARS, apart=_YEARS / size
    )
    with Session(engine) as session, session.begin():
        if facts.rebuild(session) != size:
            raise RuntimeError("the sums do not count what was made")
    engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return token
