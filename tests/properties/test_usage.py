"""Whatever happens to bookings, usage is what a recount of the rows in plain Python gives."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.models import (
    Booking,
    BookingEvent,
    BookingProgramme,
    BookingSession,
    Category,
    Organisation,
    OrganisationKind,
    Review,
    Role,
    Sector,
    Site,
    Subsidy,
    VenueSession,
    Visit,
)
from app.services import facts
from app.services.access import Actor, is_below
from app.services.calendar import local_date
from app.services.statistics import Use, overview
from app.services.usage import NOTHING, By, Key, Measures, Query, totals, usage
from tests.conftest import NOW
from tests.makers import (
    World,
    actor,
    make_account,
    make_booking,
    make_organisation,
    make_programme,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)

BOOKINGS = 5
SPANS = (
    (date(2026, 1, 1), date(2028, 1, 1)),
    (date(2026, 12, 15), date(2027, 2, 10)),
    (date(2026, 12, 31), date(2027, 1, 2)),
)
GROUPS: tuple[tuple[By, ...], ...] = (
    (By.SITE, By.MONTH),
    (By.MONTH, By.CATEGORY, By.TOWN),
    (By.WEEK,),
    (By.DAY, By.BRANCH),
    (By.QUARTER, By.SECTOR),
    (By.YEAR, By.PROGRAMME),
)


@dataclass(frozen=True)
class Ground:
    session: Session
    world: World
    sites: list[Site]
    towns: list[Organisation]
    branches: list[Organisation]
    bookings: list[Booking]


@pytest.fixture(scope="module")
def ground(shared_engine: Engine) -> Iterator[Ground]:
    with shared_engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            world = make_world(session)
            other = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
            branches = [
                world.branch,
                make_organisation(session, parent=other, sector=Sector.RURAL),
                make_organisation(session, parent=world.district, outside=True),
            ]
            sites = [world.site, make_site(session, other, category=Category.RURAL)]
            made = []
            for _ in range(BOOKINGS):
                slot = make_session(session, make_venue(session, world.site))
                made.append(make_booking(session, world, slot))
            move(session, world.manager, made[0], "approve", NOW + timedelta(minutes=7))
            move(session, world.manager, made[1], "reject", NOW + timedelta(minutes=90))
            session.flush()
            yield Ground(session, world, sites, [world.town, other], branches, made)
        transaction.rollback()


STATEMENTS = {
    "moved": "UPDATE booking SET starts_at = CAST(:start AS timestamptz) + :n * interval '5 hours',"
    " ends_at = CAST(:start AS timestamptz) + (:n * 5 + 2) * interval '1 hour' WHERE id = :id",
    "placed": "UPDATE booking SET site_id = :site WHERE id = :id",
    "ordered": "UPDATE booking SET organisation_id = :branch WHERE id = :id",
    "state": "UPDATE booking SET status = :status, late_cancelled = :late, respond_by = NULL"
    " WHERE id = :id",
    "visit": "INSERT INTO visit (booking_id, arrived_at, people_attended, means, confirmed_by)"
    " VALUES (:id, :start, :n, 'manager', :who)"
    " ON CONFLICT (booking_id) DO UPDATE SET people_attended = excluded.people_attended",
    "unvisit": "DELETE FROM visit WHERE booking_id = :id",
    "review": "INSERT INTO review (id, booking_id, site_id, written_by, content, reception,"
    " facilities, text) VALUES (uuid7(), :id, :site, :who, :stars, 3, 5, '')"
    " ON CONFLICT (booking_id) DO UPDATE SET content = excluded.content",
    "subsidy": "INSERT INTO subsidy (booking_id, status, round, fund_id, rule_id, reserved_fen,"
    " committed_fen, arithmetic, ticketed) SELECT :id, 'committed', 1, :fund, r.id, 5, :n, '{}',"
    " false FROM subsidy_rule r LIMIT 1 ON CONFLICT (booking_id) DO UPDATE SET"
    " status = CASE WHEN :late THEN 'released' ELSE 'committed' END, fund_id = excluded.fund_id,"
    " rule_id = excluded.rule_id, reserved_fen = 5,"
    " committed_fen = CASE WHEN :late THEN NULL ELSE excluded.committed_fen END",
    "limit": "UPDATE venue_session SET people_limit = 30 + :n WHERE id IN"
    " (SELECT session_id FROM booking_session WHERE booking_id = :id)",
    "hung": "UPDATE organisation SET parent_id = :town, path ="
    " (SELECT path FROM organisation WHERE id = :town)"
    " || replace(CAST(id AS text), '-', '')::ltree WHERE id = :branch",
    "town": "UPDATE site SET town_id = :town WHERE id = :site",
    "fold": "SELECT usage_fold(:most)",
}
DEEDS = st.lists(
    st.tuples(
        st.sampled_from((*STATEMENTS, "fold")),
        st.integers(0, BOOKINGS - 1),
        st.integers(0, 400),
    ),
    max_size=14,
)
STATES = ("approved", "cancelled", "no_show", "arrived", "completed", "expired", "rejected")


def do(ground: Ground, name: str, which: int, n: int) -> None:
    found = text(STATEMENTS[name])
    status = STATES[n % len(STATES)]
    known: dict[str, Any] = {
        "id": ground.bookings[which].id,
        "n": n,
        "start": NOW,
        "site": ground.sites[n % 2].id,
        "town": ground.towns[n // 3 % 2].id,
        "branch": ground.branches[n % 3].id,
        "status": status,
        "late": n % 2 == 1 if name == "subsidy" else status == "cancelled" and n % 2 == 1,
        "stars": 1 + n % 5,
        "who": ground.world.manager.id,
        "fund": ground.world.fund.id,
        "most": 1 + n % 3,
    }
    given_ = {key: known[key] for key in found.compile().params}
    ground.session.connection().execute(found, given_)


@dataclass
class Sums:
    counts: dict[str, int]

    def measures(self) -> Measures:
        n = self.counts
        return Measures(
            bookings=n["bookings"],
            rejected=n["rejected"],
            visits=n["visits"],
            people=n["people"],
            occupancy=round(n["people"] / n["places"], 4) if n["places"] else None,
            no_shows=n["no_show"],
            late_cancels=n["late"],
            rating=round(n["stars"] / n["reviews"] / 3, 2) if n["reviews"] else None,
            answer_minutes=round(n["waited"] / n["answers"] / 60, 1) if n["answers"] else None,
            subsidy_fen=n["fen"],
        )


def counts_of(session: Session, booking: Booking) -> dict[str, int]:
    n: dict[str, int] = defaultdict(int)
    n["bookings"] = 1
    n[booking.status] += 1
    n["late"] = int(booking.late_cancelled)
    if visit := session.get(Visit, booking.id):
        n["visits"], n["people"] = 1, visit.people_attended
        n["places"] = max(
            session.get_one(VenueSession, one.session_id).people_limit
            for one in session.exec(
                select(BookingSession).where(BookingSession.booking_id == booking.id)
            )
        )
    if review := session.exec(select(Review).where(Review.booking_id == booking.id)).first():
        n["reviews"] = 1
        n["stars"] = review.content + review.reception + review.facilities
    for step in session.exec(select(BookingEvent).where(BookingEvent.booking_id == booking.id)):
        if step.actor_id and step.to_status in {"approved", "rejected"}:
            n["answers"] += 1
            n["waited"] += int((step.at - booking.created_at).total_seconds())
    if subsidy := session.get(Subsidy, booking.id):
        n["fen"] = subsidy.committed_fen or 0
    return n


def key_of(by: By, booking: Booking, site: Site, branch: Organisation, day: date) -> str | None:
    year, week, _ = day.isocalendar()
    return {
        By.SITE: str(site.id),
        By.CATEGORY: str(site.category),
        By.TOWN: str(site.town_id),
        By.SECTOR: branch.sector,
        By.BRANCH: str(branch.id),
        By.PROGRAMME: None,
        By.DAY: day.isoformat(),
        By.WEEK: f"{year}-W{week:02}",
        By.MONTH: f"{day:%Y-%m}",
        By.QUARTER: f"{day.year}-Q{(day.month + 2) // 3}",
        By.YEAR: str(day.year),
    }[by]


def recounted(ground: Ground, root: Organisation, query: Query) -> dict[Any, Measures]:
    session = ground.session
    cells: dict[Any, Sums] = defaultdict(lambda: Sums(defaultdict(int)))
    ids = [one.id for one in ground.bookings]
    for booking in session.exec(select(Booking).where(col(Booking.id).in_(ids))):
        site = session.get_one(Site, booking.site_id)
        branch = session.get_one(Organisation, booking.organisation_id)
        town = session.get_one(Organisation, site.town_id)
        day = local_date(booking.starts_at)
        seen = is_below(branch.path, root.path) or is_below(town.path, root.path)
        if not seen or not query.since <= day < query.until:
            continue
        if query.outside is not None and branch.outside != query.outside:
            continue
        if query.site_id not in {None, site.id} or query.category not in {None, site.category}:
            continue
        key = tuple(key_of(by, booking, site, branch, day) for by in query.group_by)
        if By.PROGRAMME in query.group_by:
            key = ()
        for name, n in counts_of(session, booking).items():
            cells[key].counts[name] += n
    return {key: sums.measures() for key, sums in cells.items()}


def check(ground: Ground) -> None:
    session = ground.session
    session.expire_all()
    roots = {
        Role.DISTRICT_STAFF: ground.world.district,
        Role.TOWN_STAFF: ground.towns[1],
    }
    for role, root in roots.items():
        who = actor(session, make_account(session, role, at=root))
        for keys in GROUPS:
            for since, until in SPANS:
                query = Query(since=since, until=until, group_by=keys)
                found = usage(session, actor=who, query=query)
                expected = recounted(ground, root, query)
                if By.PROGRAMME not in keys:
                    got = {tuple(k.id for k in cell.keys): cell.measures for cell in found.cells}
                    assert got == expected
                whole = recounted(ground, root, Query(since=since, until=until))
                assert found.totals == whole.get((), found.totals)
                assert bool(found.totals.bookings) == bool(whole)
        for since, until in SPANS:
            check_overview(ground, root, who, since, until)
        for filters in (
            Query(*SPANS[1], outside=True),
            Query(*SPANS[1], site_id=ground.sites[1].id),
            Query(*SPANS[1], category=Category.URBAN),
        ):
            found = usage(session, actor=who, query=filters)
            expected = recounted(ground, root, filters)
            assert found.totals == expected.get((), found.totals)
            assert bool(found.totals.bookings) == bool(expected)


def check_overview(
    ground: Ground, root: Organisation, who: Actor, since: date, until: date
) -> None:
    found = overview(ground.session, actor=who, since=since, until=until)

    def by(*keys: By) -> dict[Any, Measures]:
        return recounted(ground, root, Query(since=since, until=until, group_by=keys))

    def told(uses: list[Use], *, named: bool = False) -> dict[Any, tuple[int, int, int]]:
        return {
            (use.name if named else str(use.id),): (use.bookings, use.visits, use.people)
            for use in uses
        }

    def expected(key: By) -> dict[Any, tuple[int, int, int]]:
        return {of: (m.bookings, m.visits, m.people) for of, m in by(key).items()}

    assert told(found.by_month, named=True) == expected(By.MONTH)
    assert told(found.by_category, named=True) == expected(By.CATEGORY)
    assert told(found.by_town) == expected(By.TOWN)
    assert told(found.top_sites) == expected(By.SITE)
    assert found.branches_came == sum(bool(m.visits) for m in by(By.BRANCH).values())
    whole = by().get((), NOTHING)
    assert (found.visits, found.people, found.late_cancels, found.rating, found.answer_minutes) == (
        whole.visits, whole.people, whole.late_cancels, whole.rating, whole.answer_minutes,
    )  # fmt: skip
    counts = found.statuses
    assert sum(counts.values()) == whole.bookings
    assert (counts.get("no_show", 0), counts.get("rejected", 0)) == (whole.no_shows, whole.rejected)


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(deeds=DEEDS)
def test_usage_is_what_a_recount_gives(ground: Ground, deeds: list[tuple[str, int, int]]) -> None:
    attempt = ground.session.begin_nested()
    try:
        ground.session.connection().execute(text("UPDATE booking SET open_number = 1000 + number"))
        for name, which, n in deeds:
            do(ground, name, which, n)
        assert facts.recount(ground.session) == []
        check(ground)
        while facts.fold(ground.session, NOW):
            pass
        assert facts.recount(ground.session) == []
        check(ground)
        before = facts.rebuild(ground.session)
        assert before == len(ground.session.exec(select(Booking.id)).all())
        assert facts.recount(ground.session) == []
        check(ground)
    finally:
        attempt.rollback()
        ground.session.expire_all()


def test_keys_name_what_they_are_of(ground: Ground) -> None:
    who = actor(ground.session, ground.world.district_staff)
    query = Query(*SPANS[0], group_by=(By.TOWN, By.MONTH))
    (cell,) = usage(ground.session, actor=who, query=query).cells
    assert cell.keys == (
        Key(str(ground.world.town.id), ground.world.town.place),
        Key("2026-12", "2026-12"),
    )


@pytest.mark.parametrize(
    "asked",
    [{"group_by": (By.PROGRAMME,)}, {"group_by": (By.MONTH, By.PROGRAMME)}, {"limit": 1}],
    ids=["a booking of two programmes", "in a month", "more cells than asked for"],
)
def test_totals_are_of_every_booking_once(ground: Ground, asked: dict[str, Any]) -> None:
    session = ground.session
    attempt = session.begin_nested()
    try:
        do(ground, "ordered", 2, 1)
        for which, booking in enumerate(ground.bookings[:2]):
            do(ground, "placed", which, 1)
            for _ in range(2):
                programme = make_programme(session, ground.sites[1])
                session.add(BookingProgramme(booking_id=booking.id, programme_id=programme.id))
        session.flush()
        who = actor(session, ground.world.district_staff)
        query = Query(*SPANS[0], **({"group_by": (By.SITE, By.BRANCH)} | asked))
        counted = usage(session, actor=who, query=query)
        assert counted.more == ("limit" in asked)
        assert sum(cell.measures.bookings for cell in counted.cells) != len(ground.bookings)
        assert counted.totals == totals(session, actor=who, query=query)
        assert counted.totals.bookings == len(ground.bookings)
    finally:
        attempt.rollback()
        session.expire_all()
