"""The dashboard against a recount by hand of a random small history."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from random import Random
from statistics import fmean

import pytest
from sqlalchemy import URL, Engine, text
from sqlmodel import Session

from app.db import create_engine
from app.models import (
    Account,
    Booking,
    Category,
    Fund,
    FundAccount,
    Organisation,
    OrganisationKind,
    Purpose,
    Role,
    Site,
    SiteStatus,
)
from app.services import facts, ledger, order_rules, orders, reviews, statistics
from app.services.access import Actor
from app.services.calendar import ZONE
from app.services.statistics import Overview, Use, overview
from app.services.usage import By, Query, usage
from tests.conftest import NOW, as_owner, database, plain
from tests.makers import (
    HOUR,
    actor,
    make_account,
    make_completed,
    make_fund,
    make_organisation,
    make_policy,
    make_rivals,
    make_rule,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
)
from tests.races import replaced_sql
from tests.services.statements import counted

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
SINCE, UNTIL = date(2026, 12, 8), date(2027, 1, 15)
EVER = date(2026, 1, 1), date(2028, 1, 1)


@dataclass
class Happened:
    """One booking, as a plain story."""

    branch: Organisation
    site: Site
    town: Organisation
    day: date
    at_midnight: bool
    status: str
    late: bool = False
    answered_after: int | None = None
    people: int | None = None
    stars: tuple[int, int, int] | None = None


@dataclass
class History:
    district: Organisation
    towns: list[Organisation]
    branches: list[Organisation]
    fund: Fund
    stories: list[Happened]
    staff: Account
    town_staff: Account
    auditor: Account


@dataclass
class Teller:
    """Makes one booking and lets it have a fate."""

    session: Session
    dice: Random
    organiser: Account
    manager: Account
    booking: Booking
    story: Happened

    def answer(self, name: str) -> None:
        self.story.answered_after = self.dice.randint(1, 400)
        when = NOW + self.story.answered_after * MINUTE
        move(self.session, self.manager, self.booking, name, when)

    def wait(self) -> None:
        pass

    def accept(self) -> None:
        self.answer("approve")

    def refuse(self) -> None:
        self.answer("reject")

    def withdraw(self) -> None:
        move(self.session, self.organiser, self.booking, "cancel", NOW + MINUTE)

    def withdraw_late(self) -> None:
        self.accept()
        late = self.booking.free_cancel_until + MINUTE
        move(self.session, self.organiser, self.booking, "cancel", late)
        self.story.late = True

    def miss(self) -> None:
        self.accept()
        move(self.session, self.manager, self.booking, "no-show", self.booking.ends_at)

    def come(self) -> None:
        self.accept()
        self.story.people = self.dice.randint(0, 30)
        start = self.booking.starts_at
        move(self.session, self.manager, self.booking, "arrive", start, people=self.story.people)

    def finish(self) -> None:
        self.come()
        move(self.session, self.manager, self.booking, "complete", self.booking.ends_at)

    def praise(self) -> None:
        self.finish()
        content, reception, facilities = (self.dice.randint(1, 5) for _ in range(3))
        self.story.stars = (content, reception, facilities)
        reviews.write(
            self.session,
            actor=actor(self.session, self.organiser),
            booking_id=self.booking.id,
            content=content,
            reception=reception,
            facilities=facilities,
            text="",
            now=NOW,
        )


FATES: list[Callable[[Teller], None]] = [
    Teller.wait,
    Teller.accept,
    Teller.refuse,
    Teller.withdraw,
    Teller.withdraw_late,
    Teller.miss,
    Teller.come,
    Teller.finish,
    Teller.praise,
    Teller.praise,
]


def make_history(session: Session, dice: Random) -> History:
    district = make_organisation(session)
    policy = make_policy(session, district)
    policy.late_cancel_strikes = policy.no_show_strikes = 0  # whatever happens, orders go on
    make_rule(session, district)
    towns = [
        make_organisation(session, parent=district, kind=OrganisationKind.TOWN, name=name)
        for name in ("东镇", "西镇")
    ]
    branches = [make_organisation(session, parent=parent) for parent in (*towns, towns[0])]
    branches.append(make_organisation(session, parent=district, outside=True))
    made_sites = [
        (make_site(session, town, category=category), town)
        for town, category in (
            (towns[0], Category.URBAN),
            (towns[1], Category.RURAL),
            (towns[1], Category.URBAN),
        )
    ]
    make_site(session, towns[0], status=SiteStatus.DRAFT)
    history = History(
        district=district,
        towns=towns,
        branches=branches,
        fund=make_fund(session, district),
        stories=[],
        staff=make_account(session, Role.DISTRICT_STAFF, at=district),
        town_staff=make_account(session, Role.TOWN_STAFF, at=towns[0]),
        auditor=make_account(session, Role.AUDITOR, at=district),
    )
    organisers = [make_account(session, Role.ORGANISER, at=branch) for branch in branches]
    managers = [make_account(session, Role.SITE_MANAGER, at=site) for site, _ in made_sites]
    halls = [make_venue(session, site) for site, _ in made_sites]
    for days, fate in enumerate(dice.sample(FATES * 2, len(FATES) * 2)):
        which, where = dice.randrange(len(branches)), dice.randrange(len(made_sites))
        starts_at = NOW + timedelta(days=8 + 2 * days, hours=dice.choice((0, 14, 15, 16)))
        slot = make_session(session, halls[where], starts_at=starts_at, lasting=HOUR)
        booking = orders.order(
            session,
            actor=actor(session, organisers[which]),
            wanted=order_rules.Wanted(
                session_ids=[slot.id],
                programme_ids=[],
                organisation_id=branches[which].id,
                people_expected=dice.randint(1, 40),
                purpose=Purpose.VISIT,
                contact_name="王组织",
                contact_phone="13800000000",
                note=None,
            ),
            now=NOW,
        )
        site, town = made_sites[where]
        wall = starts_at.astimezone(ZONE)
        at_midnight = wall.time() == time()
        story = Happened(branches[which], site, town, wall.date(), at_midnight, booking.status)
        fate(Teller(session, dice, organisers[which], managers[where], booking, story))
        story.status = booking.status
        history.stories.append(story)
    return history


@pytest.fixture(scope="module")
def told_engine(server: URL, template: str) -> Iterator[Engine]:
    """A database in which two districts, each with a history, lie side by side."""
    with database(server, template) as url:
        engine = create_engine(plain(url))
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def histories(told_engine: Engine) -> list[History]:
    with Session(told_engine, expire_on_commit=False) as session, session.begin():
        return [make_history(session, Random(seed)) for seed in range(2)]


@pytest.fixture(params=["marked", "folded"])
def session(
    request: pytest.FixtureRequest, told_engine: Engine, histories: list[History]
) -> Iterator[Session]:
    """A transaction in which nothing that happened has been folded into the sums, or all."""
    assert histories
    with Session(told_engine) as session:
        while request.param == "folded" and facts.fold(session, NOW):
            pass
        yield session


@pytest.fixture
def history(histories: list[History]) -> History:
    return histories[0]


def seen(history: History, root: Organisation, since: date, until: date) -> list[Happened]:
    def is_under(organisation: Organisation) -> bool:
        return organisation.path.startswith(root.path)

    return [
        story
        for story in history.stories
        if since <= story.day < until and (is_under(story.branch) or is_under(story.town))
    ]


def tally(stories: Iterable[Happened], key: Callable[[Happened], str]) -> dict[str, list[int]]:
    counts: dict[str, list[int]] = {}
    for story in stories:
        line = counts.setdefault(key(story), [0, 0, 0])
        line[0] += 1
        line[1] += story.people is not None
        line[2] += story.people or 0
    return counts


def lines(uses: list[Use]) -> dict[str, list[int]]:
    assert len({use.name for use in uses}) == len(uses)
    return {use.name: [use.bookings, use.visits, use.people] for use in uses}


def check_totals(found: Overview, stories: list[Happened]) -> None:
    came = [story for story in stories if story.people is not None]
    assert found.statuses == Counter(story.status for story in stories)
    assert (found.visits, found.people) == (len(came), sum(s.people or 0 for s in came))
    assert found.branches_came == len({story.branch.id for story in came})
    assert found.waiting == sum(story.status == "pending" for story in stories)
    assert found.late_cancels == sum(story.late for story in stories)


def check_means(found: Overview, stories: list[Happened]) -> None:
    stars = [fmean(story.stars) for story in stories if story.stars]
    waits = [story.answered_after for story in stories if story.answered_after]
    assert found.rating == (pytest.approx(fmean(stars), abs=0.006) if stars else None)
    assert found.answer_minutes == (pytest.approx(fmean(waits), abs=0.06) if waits else None)


def check_lists(found: Overview, stories: list[Happened]) -> None:
    assert lines(found.by_month) == tally(stories, lambda story: f"{story.day:%Y-%m}")
    assert lines(found.by_category) == tally(stories, lambda story: story.site.category)
    assert lines(found.by_town) == tally(stories, lambda story: story.town.place or "")
    assert lines(found.top_sites) == tally(stories, lambda story: story.site.short_name)
    months = [use.name for use in found.by_month]
    assert months == sorted(months)
    for uses in (found.by_category, found.by_town, found.top_sites):
        people = [use.people for use in uses]
        assert people == sorted(people, reverse=True)


def look(session: Session, who: Account, since: date = SINCE, until: date = UNTIL) -> Overview:
    return overview(session, actor=actor(session, who), since=since, until=until)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("since", "until"), [(SINCE, UNTIL), EVER])
def test_the_dashboard_is_what_a_recount_gives(
    session: Session, histories: list[History], seed: int, since: date, until: date
) -> None:
    history = histories[seed]
    places = {"staff": history.district, "town_staff": history.towns[0]}
    for who, root in places.items():
        found = look(session, getattr(history, who), since, until)
        stories = seen(history, root, since, until)
        check_totals(found, stories)
        check_means(found, stories)
        check_lists(found, stories)


def test_a_day_begins_and_ends_at_midnight_on_the_wall(session: Session, history: History) -> None:
    day = next(story.day for story in history.stories if story.at_midnight)
    for since, orders_then in ((day - DAY, 0), (day, 1)):
        assert (
            sum(look(session, history.staff, since, since + DAY).statuses.values()) == orders_then
        )


def test_the_recount_has_something_to_count(history: History) -> None:
    counts = [
        len(seen(history, root, *period))
        for root, period in (
            (history.district, EVER),
            (history.district, (SINCE, UNTIL)),
            (history.towns[0], EVER),
        )
    ]
    assert counts[0] == len(FATES) * 2
    assert all(0 < count < counts[0] for count in counts[1:])


def test_a_town_sees_its_own(session: Session, history: History) -> None:
    found = look(session, history.town_staff, *EVER)
    whole = look(session, history.staff, *EVER)
    assert (found.sites, whole.sites) == (1, 3)
    assert (found.branches, whole.branches) == (2, 4)
    assert sum(found.statuses.values()) < sum(whole.statuses.values())
    assert found.balances_fen == dict.fromkeys(FundAccount, 0)
    assert look(session, history.auditor, *EVER) == whole


def test_who_oversees_nothing_counts_nothing(session: Session, history: History) -> None:
    nobody = Actor(history.staff.id, "谁", ())
    found = overview(session, actor=nobody, since=EVER[0], until=EVER[1])
    assert (found.statuses, found.sites, found.branches, found.visits) == ({}, 0, 0, 0)
    assert (found.rating, found.answer_minutes, found.by_month) == (None, None, [])


def test_the_money_is_that_of_the_last_days_year(session: Session, history: History) -> None:
    this_year = look(session, history.staff, SINCE, date(2027, 1, 1)).balances_fen
    assert this_year == ledger.balances(session, fund_id=history.fund.id)
    assert this_year[FundAccount.PAYABLE] > 0
    next_year = look(session, history.staff, SINCE, date(2027, 1, 2)).balances_fen
    assert next_year == dict.fromkeys(FundAccount, 0)


def test_only_the_first_of_the_sites_are_listed(
    session: Session, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = look(session, history.staff, *EVER).top_sites
    monkeypatch.setattr(statistics, "TOP", 2)
    assert look(session, history.staff, *EVER).top_sites == every[:2]
    assert len(every) == 3


def test_usage_counts_what_the_dashboard_does(session: Session, histories: list[History]) -> None:
    for history in histories:
        who = actor(session, history.staff)
        found = usage(session, actor=who, query=Query(*EVER, group_by=(By.BRANCH,)))
        whole = look(session, history.staff, *EVER)
        assert {cell.keys[0].id for cell in found.cells} <= {str(b.id) for b in history.branches}
        assert found.totals.bookings == sum(whole.statuses.values()) == len(history.stories)
        assert whole.branches_came == sum(bool(cell.measures.visits) for cell in found.cells)


def test_a_longer_history_is_as_many_statements(session: Session, history: History) -> None:
    who = actor(session, history.staff)

    def cost(since: date, until: date) -> tuple[int, int]:
        with counted(session) as seen:
            found = overview(session, actor=who, since=since, until=until)
        with counted(session) as also:
            usage(session, actor=who, query=Query(since, until, group_by=(By.SITE, By.DAY)))
        assert bool(found.top_sites) is (since < UNTIL)
        return len(seen), len(also)

    assert cost(*EVER) == cost(UNTIL + 300 * DAY, UNTIL + 301 * DAY)


CORRECTED = """
    UPDATE visit SET people_attended = people_attended + 1 WHERE booking_id IN (
        SELECT DISTINCT ON (b.organisation_id) b.id
        FROM booking b JOIN visit v ON v.booking_id = b.id
        ORDER BY b.organisation_id, b.starts_at DESC)"""
"""One visit of each branch."""


def came(session: Session, history: History) -> list[list[int]]:
    """Count branches by reader and days.

    Before and after a fold, with some visits corrected, and with all gone, before and after a fold.
    """

    readers = [make_account(session, Role.TOWN_STAFF, at=town) for town in history.towns]
    starts = [SINCE + n * 8 * DAY for n in range(5)]

    def looks() -> list[int]:
        return [
            look(session, who, start, start + 9 * DAY).branches_came
            for who in (history.staff, *readers)
            for start in starts
        ]

    def fold() -> None:
        while facts.fold(session, NOW):
            pass

    with session.begin_nested() as undone:
        found = [looks()]
        fold()
        found.append(looks())
        as_owner(session)
        session.connection().execute(text(CORRECTED))
        found.append(looks())
        session.connection().execute(text("DELETE FROM visit"))
        found.append(looks())
        fold()
        found.append(looks())
        undone.rollback()
    return found


@pytest.mark.parametrize("session", ["marked"], indirect=True)
@pytest.mark.parametrize(
    ("words", "others"),
    [
        ("AND f.booking_id NOT IN (SELECT booking_id FROM marked)", ""),
        ("bit_count(d.days & y.days) > 0", "TRUE"),
        ("AND d.organisation_id NOT IN (SELECT id FROM doubted)", ""),
        ("u.home_id = h.id AND u.year", "u.year"),
        ("WHERE o.path <@ ANY(CAST(%(paths)s AS ltree[]))", ""),
        ("doubted JOIN organisation o USING (id)", "doubted JOIN organisation o ON FALSE"),
        ("AND f.visits > 0 AND f.day", "AND f.day"),
        ("WHERE f.visits > 0 AND f.day", "WHERE f.day"),
        ("f.visits > 0 AND f.day >= %(since)s", "f.visits > 0"),
        ("AND day < %(until)s\n    AND f.booking_id", "AND f.booking_id"),
        ("OR o.parent_id = g.home_id", ""),
        (
            "AND c.home_id NOT IN (SELECT id FROM own_home)",
            "AND c.home_id IN (SELECT id FROM own_home)",
        ),
    ],
)
def test_each_part_of_what_counts_branches_is_needed(
    session: Session, history: History, words: str, others: str
) -> None:
    right = came(session, history)
    assert right[0] == right[1] == right[2]
    assert not any(right[3] + right[4])
    with replaced_sql(session.connection(), words, others):
        assert came(session, history) != right


@pytest.mark.parametrize(
    ("condition", "counted_branches"), [("AND f.site_id = g.site_id", 1), ("", 2)]
)
def test_guests_of_a_town_are_those_who_came_to_its_sites(
    session: Session, condition: str, counted_branches: int
) -> None:
    world = make_world(session, groups_limit=2)
    made = [make_completed(session, rival) for rival in make_rivals(session, world, 2)]
    town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    made[0].site_id = make_site(session, town).id
    session.flush()
    while facts.fold(session, NOW):
        pass
    with replaced_sql(session.connection(), "AND f.site_id = g.site_id", condition):
        staff = make_account(session, Role.TOWN_STAFF, at=town)
        assert look(session, staff, *EVER).branches_came == counted_branches
