"""A district of two towns whose figures tests of the statistics know, and ways to look."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page
from sqlalchemy import URL
from sqlmodel import Session

from app import clock
from app.db import create_engine
from app.models import OrganisationKind, RefusedOrder, Role, Sector, Shortage, UnmetSearch
from tests.conftest import database, plain
from tests.live import Live, served
from tests.makers import (
    IN_A_WEEK,
    World,
    make_account,
    make_completed,
    make_organisation,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    point,
)
from tests.web.steps import account, go, log_in
from tests.web.test_claims import enlist

WIDE = (1280, 800)
DAYS = "from=2026-11-01&to=2026-12-31"
NORTH, SOUTH = "北山镇", "南河镇"
QUIET = "从未来过的党支部"


def make_south(session: Session, north: World) -> World:
    """A second town, with a site and a branch of its own."""
    town = make_organisation(session, parent=north.district, kind=OrganisationKind.TOWN, name=SOUTH)
    town.location = point(118.05, 36.45)
    branch = make_organisation(session, parent=town, sector=Sector.RURAL)
    site = make_site(session, town, name="南河阵地")
    venue = make_venue(session, site)
    return replace(
        north,
        town=town,
        branch=branch,
        site=site,
        venue=venue,
        slot=make_session(session, venue, starts_at=IN_A_WEEK),
        programme=make_programme(session, site),
        organiser=make_account(session, Role.ORGANISER, at=branch),
        manager=make_account(session, Role.SITE_MANAGER, at=site),
    )


def make_searches(session: Session) -> None:
    """What was looked for in vain: on a Sunday near the one town, on a Monday near the other."""
    for at, times, day, category in (
        ((117.965, 36.705), 7, 6, "rural"),
        ((118.045, 36.455), 3, 7, ""),
    ):
        wanted = datetime(2026, 12, day, 1, tzinfo=UTC)
        session.add(
            UnmetSearch(
                asked_on=date(2026, 11, 20),
                longitude=at[0],
                latitude=at[1],
                radius_m=5000,
                wanted_from=wanted,
                wanted_to=wanted + timedelta(hours=8),
                people=40,
                category=category,
                times=times,
            )
        )
    session.flush()


def make_refusals(session: Session, world: World) -> None:
    """Orders that found no place any more, for 9 o'clock of a Sunday."""
    session.add(
        RefusedOrder(
            refused_on=date(2026, 11, 20),
            site_id=world.site.id,
            wanted_on=date(2026, 12, 6),
            hour=9,
            people=30,
            rule=Shortage.PLACES,
            times=2,
        )
    )
    session.flush()


def make_two_towns(session: Session) -> tuple[World, World]:
    """A visit of 20 people in one town, one of 30 in the other, and a branch that never came."""
    north = make_world(session)
    north.town.place = north.town.name = NORTH
    north.town.location = point(117.97, 36.70)
    south = make_south(session, north)
    make_organisation(session, parent=north.town, name=QUIET)
    session.flush()
    make_completed(session, north, people=20)
    make_completed(session, south, people=30)
    # Free on whatever day this runs.
    hall = make_venue(session, north.site)
    make_session(session, hall, starts_at=clock.now() + timedelta(days=3))
    make_searches(session)
    make_refusals(session, south)
    return north, south


@contextmanager
def two_towns(server: URL, template: str) -> Iterator[Live]:
    """A server with two towns, whose visits are on days that the tests name."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        with Session(engine) as session, session.begin():
            north, south = make_two_towns(session)
            people = [
                enlist(session, Role.DISTRICT_STAFF, north.district, "13600000001"),
                enlist(session, Role.TOWN_STAFF, south.town, "13600000002"),
                enlist(session, Role.ORGANISER, north.branch, "13600000003"),
                enlist(session, Role.AUDITOR, north.district, "13600000004"),
                enlist(session, Role.FUND_OFFICER, north.district, "13600000005"),
            ]
        with served(url) as address:
            yield Live(address, people, engine)
        engine.dispose()


def enter(page: Page, live: Live, path: str, role: Role = Role.DISTRICT_STAFF) -> None:
    """Open a page as somebody who has to log in for it."""
    go(page, live, path)
    log_in(page, account(live, role))


def query(page: Page) -> dict[str, list[str]]:
    """What the address says after its path."""
    return parse_qs(urlsplit(urlsplit(page.url).fragment).query)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def texts(page: Page, name: str) -> list[str]:
    """What is in the cells of a row."""
    return [cell.strip() for cell in row(page, name).get_by_role("cell").all_inner_texts()]
