"""Cards made ahead: readers see what is, whatever the job has done or not done."""

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.models import (
    MOST_LEAD_DAYS,
    Booking,
    Crs,
    Holiday,
    Organisation,
    Policy,
    Site,
    SiteCard,
    SiteCardStale,
    SitePhoto,
    SiteStatus,
    VenueSession,
)
from app.models.site_card import NOTERS
from app.services import calendar, cards, site_cards
from app.services.calendar import midnight
from app.services.site_map import Box, Window, features, tag
from tests.conftest import NOW, InSession, as_owner
from tests.makers import (
    IN_A_WEEK,
    make_booking,
    make_completed,
    make_organisation,
    make_policy,
    make_rivals,
    make_session,
    make_site,
    make_venue,
    make_world,
    move,
    point,
    review,
)
from tests.races import at_once
from tests.services.grounds import plant_town

DAY = timedelta(days=1)
EVERYWHERE = Window(None, None, Crs.WGS84, 1000)
LIVE = text(f"SELECT feature FROM ({site_cards.computed('TRUE')}) c ORDER BY site_id")  # noqa: S608


def layer(session: Session, now: datetime = NOW, window: Window = EVERYWHERE) -> list[Any]:
    _, body = features(InSession(session), window=window, now=now)
    return list(json.loads(body)["features"])


def live(session: Session, now: datetime = NOW) -> list[Any]:
    """The same without any card."""
    session.flush()
    rows = session.connection().execute(LIVE, {"now": now})
    return [json.loads(feature) for feature in rows.scalars()]


def told(session: Session, now: datetime = NOW) -> list[Any]:
    """What lists say of the same sites, in the form of the layer."""
    ids = session.exec(select(Site.id).order_by(col(Site.id))).all()
    sites = json.loads(site_cards.listed(InSession(session), ids=ids, crs=Crs.WGS84, now=now))
    return [
        {
            "type": "Feature",
            "id": site["id"],
            "geometry": {"type": "Point", "coordinates": [point["lon"], point["lat"]]},
            "properties": site,
        }
        for site in sites
        if (point := site.pop("point"))
    ]


def etag(session: Session, now: datetime = NOW, window: Window = EVERYWHERE) -> str:
    return tag(InSession(session), window=window, now=now)


def refresh(session: Session, now: datetime = NOW) -> int:
    session.flush()
    return site_cards.refresh(session, now)


def notes(session: Session) -> int:
    return len(session.exec(select(SiteCardStale.id)).all())


class Counted(InSession):
    """Counts statements."""

    asked = 0

    def row(self, *args: Any) -> tuple[Any, ...]:
        self.asked += 1
        return super().row(*args)


@pytest.fixture
def carded(session: Session) -> Session:
    """A district whose one site has a good card."""
    make_world(session)
    assert refresh(session) > 0
    return session


@pytest.fixture
def site(carded: Session) -> Site:
    return carded.exec(select(Site)).one()


def test_a_good_card_is_sent_by_one_statement(carded: Session) -> None:
    reader = Counted(carded)
    for _ in range(2):
        features(reader, window=EVERYWHERE, now=NOW)
    assert reader.asked == 2
    carded.add(SiteCardStale(site_id=carded.exec(select(Site.id)).one()))
    features(reader, window=EVERYWHERE, now=NOW)
    assert reader.asked == 4


def test_the_card_itself_is_sent(carded: Session) -> None:
    """Else nothing here would show anything about cards."""
    as_owner(carded)
    carded.connection().execute(text("UPDATE site_card SET feature = '{\"x\": 1}'"))
    assert layer(carded) == [{"x": 1}]
    carded.connection().execute(
        text("""UPDATE site_card SET feature = '{"properties":{"id":"x"}}'""")
    )
    assert [site["id"] for site in told(carded)] == ["x"]


def test_refreshing_is_done_once(carded: Session) -> None:
    assert notes(carded) == 0
    assert refresh(carded) == 0
    assert layer(carded) == live(carded)


Change = Callable[[Session, Site], object]


def _renamed(_: Session, site: Site) -> None:
    site.name = "新名称"


def _moved(_: Session, site: Site) -> None:
    site.location = point(117.98, 36.65)


def _suspended(_: Session, site: Site) -> None:
    site.status = SiteStatus.SUSPENDED


def _town_renamed(session: Session, site: Site) -> None:
    session.connection().execute(
        text("UPDATE organisation SET place = '新镇' WHERE id = :id"), {"id": site.town_id}
    )


def _photographed(session: Session, site: Site) -> None:
    session.add(SitePhoto(site_id=site.id, position=0, digest="a" * 64, width=9, height=9))


def _another_site(session: Session, site: Site) -> None:
    make_site(session, session.get_one(Organisation, site.town_id))


def _sooner_session(session: Session, site: Site) -> None:
    slot = session.exec(select(VenueSession)).one()
    starts_at = slot.starts_at - DAY
    session.add(
        VenueSession(
            site_id=site.id,
            venue_id=slot.venue_id,
            starts_at=starts_at,
            ends_at=starts_at + DAY / 24,
            people_limit=9,
            groups_limit=1,
        )
    )


def _session_gone(session: Session, _: Site) -> None:
    session.delete(session.exec(select(VenueSession)).one())


def _session_full(session: Session, _: Site) -> None:
    session.exec(select(VenueSession)).one().groups_held = 1


def _session_closed(session: Session, _: Site) -> None:
    session.exec(select(VenueSession)).one().closed_reason = "检修"


def _session_later(session: Session, _: Site) -> None:
    slot = session.exec(select(VenueSession)).one()
    slot.starts_at += DAY / 48


def _longer_lead(session: Session, _: Site) -> None:
    session.exec(select(Policy)).one().lead_working_days = 9


def _own_rules(session: Session, site: Site) -> None:
    session.add(
        Policy(
            district_id=site.district_id, site_id=site.id, effective_at=NOW, lead_working_days=20
        )
    )


def _holiday(session: Session, _: Site) -> None:
    for days in range(8):
        session.add(Holiday(day=NOW.date() + days * DAY, name="假", is_off=True))


CHANGES: dict[str, Change] = {
    change.__name__.strip("_").replace("_", " "): change
    for change in (
        _renamed, _moved, _suspended, _town_renamed, _photographed, _another_site, _sooner_session,
        _session_gone, _session_full, _session_closed, _session_later, _longer_lead, _own_rules,
        _holiday,
    )
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_card_tells_changes_at_once(carded: Session, site: Site, change: Change) -> None:
    before, known = layer(carded), etag(carded)
    change(carded, site)
    carded.flush()
    after = layer(carded)
    assert after != before
    assert after == live(carded) == told(carded)
    assert etag(carded) != known
    assert refresh(carded) > 0
    assert layer(carded) == told(carded) == after
    assert notes(carded) == 0


GUARDED = {
    "site": _renamed,
    "organisation": _town_renamed,
    "site_photo": _photographed,
    "policy": _longer_lead,
    "holiday": _holiday,
    "venue_session": _session_full,
}


@pytest.mark.parametrize("table", GUARDED)
def test_without_its_trigger_the_change_would_be_missed(
    carded: Session, site: Site, table: str
) -> None:
    """The control: so the comparison above can fail."""
    as_owner(carded)
    for name in [trigger.split()[2] for trigger in NOTERS[table]]:
        carded.connection().execute(text(f"DROP TRIGGER {name} ON {table}"))
    GUARDED[table](carded, site)
    carded.flush()
    assert layer(carded) != live(carded)


def test_a_review_is_told_at_once(session: Session) -> None:
    world = make_world(session, groups_limit=4)
    *before, last = [make_completed(session, one) for one in make_rivals(session, world, 3)]
    for booking in before:
        review(session, booking, 5, 4, 3)
    refresh(session)
    assert layer(session)[0]["properties"]["rating"] is None
    review(session, last, 5, 5, 5)
    assert layer(session)[0]["properties"]["rating"] == 4.3


def test_what_nobody_sees_changes_no_tag(carded: Session, site: Site) -> None:
    town = plant_town(carded)
    known, near = etag(carded), Window(Box(117.9, 36.6, 118.0, 36.7), None, Crs.WGS84, 10)
    seen = etag(carded, window=near)
    make_site(carded, town, status=SiteStatus.DRAFT)
    site.contact_phone, site.introduction, site.version = "0533-9999999", "新介绍", 9
    carded.flush()
    assert (etag(carded), etag(carded, window=near)) == (known, seen)
    make_site(carded, town, at=(118.5, 36.6))
    assert etag(carded) != known
    assert etag(carded, window=near) == seen
    refresh(carded)
    assert etag(carded, window=near) == seen


def test_a_site_beyond_the_limit_shows_only_that_there_are_more(session: Session) -> None:
    town = plant_town(session)
    cut = Window(None, None, Crs.WGS84, 1)
    make_site(session, town)
    alone = etag(session, window=cut)
    second = make_site(session, town)
    two = etag(session, window=cut)
    assert two != alone
    second.name = "别名"
    session.flush()
    assert etag(session, window=cut) == two


def test_time_takes_the_next_session_away(session: Session) -> None:
    """Without a note: the card says itself until when it is right."""
    world = make_world(session)
    for days in (1, 2, 3):
        make_session(session, world.venue, starts_at=IN_A_WEEK + days * DAY)
    refresh(session)
    tags = set()
    for hours in range(0, 24 * 12, 7):
        now = NOW + timedelta(hours=hours)
        assert layer(session, now) == live(session, now)
        tags.add(etag(session, now))
    assert len(tags) == 4  # of three sessions, and of none: before the fourth is a weekend
    assert layer(session, NOW - 9 * DAY) == live(session, NOW - 9 * DAY)


def test_rules_to_come_are_met_in_time(session: Session) -> None:
    world = make_world(session)
    make_session(session, world.venue, starts_at=IN_A_WEEK + 9 * DAY)
    later = Policy(
        district_id=world.district.id,
        version=2,
        effective_at=NOW + timedelta(hours=1),
        lead_working_days=9,
    )
    session.add(later)
    refresh(session)
    before, after = (layer(session, later.effective_at + timedelta(seconds=s)) for s in (-1, 0))
    assert before[0]["properties"]["next_free_at"] < after[0]["properties"]["next_free_at"]
    for now in (NOW, later.effective_at):
        assert layer(session, now) == live(session, now)


def test_cards_are_made_anew_when_their_time_is_up(session: Session) -> None:
    make_world(session)
    refresh(session)
    assert refresh(session, NOW + 6 * DAY) == 1
    card = session.exec(select(SiteCard)).one()
    assert card.good_from <= NOW + 6 * DAY < card.good_until


def test_a_card_goes_with_its_site(carded: Session, site: Site) -> None:
    site.status = SiteStatus.CLOSED
    refresh(carded)
    assert carded.exec(select(SiteCard)).all() == []


def test_what_is_many_is_made_in_pieces(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    town = plant_town(session)
    for _ in range(5):
        make_site(session, town)
    session.flush()
    total = notes(session)
    monkeypatch.setattr(site_cards, "BATCH", 2)
    assert refresh(session) <= 2
    assert notes(session) == total - 2
    assert layer(session) == live(session)


@pytest.mark.parametrize("start", [date(2026, 2, 10), date(2026, 9, 18), date(2026, 12, 30)])
def test_the_database_counts_working_days_as_the_calendar_does(
    session: Session, start: date
) -> None:
    for month, day, off in ((2, 14, False), (2, 16, True), (2, 17, True), (9, 20, False)):
        session.add(Holiday(day=date(2026, month, day), name="日", is_off=off))
    session.add(Holiday(day=date(2027, 1, 1), name="元旦", is_off=True))
    session.flush()
    days = calendar.load(session)
    counted = session.connection().execute(
        text(f"SELECT ({cards.OPENS})"), {"now": midnight(start)}
    )
    assert counted.scalar_one() == [
        midnight(days.add(start, lead)) for lead in range(MOST_LEAD_DAYS + 1)
    ]


def test_nothing_personal_is_on_a_card(session: Session) -> None:
    town = plant_town(session)
    site = make_site(session, town)
    site.contact_name, site.contact_phone = "CANARY-name", "CANARY-phone"
    site.introduction = "CANARY-text"
    session.flush()
    for _ in range(2):
        _, body = features(InSession(session), window=EVERYWHERE, now=NOW)
        assert b"CANARY" not in body
        refresh(session)
    stored = session.connection().execute(text("SELECT site_card::text FROM site_card"))
    assert "CANARY" not in "".join(stored.scalars())


PACE = settings(
    max_examples=12,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


class Cards(RuleBasedStateMachine):
    """A district in which everything happens that a card tells of, and a job that comes or not."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.transaction = self.connection.begin()
        self.session = Session(self.connection, join_transaction_mode="create_savepoint")
        self.now = NOW
        self.bookings: list[Booking] = []

    def teardown(self) -> None:
        self.session.close()
        self.transaction.rollback()
        self.connection.close()

    @initialize()
    def open_district(self) -> None:
        """Make two sites, one of them with sessions."""
        self.world = make_world(self.session, groups_limit=2)
        self.other = make_site(self.session, self.world.town)
        self.sites = [self.world.site, self.other]
        self.hall = make_venue(self.session, self.other)

    @rule(number=st.integers(0, 1), name=st.sampled_from(["甲", "乙"]))
    def rename(self, number: int, name: str) -> None:
        self.sites[number].name = name

    @rule(number=st.integers(0, 1), status=st.sampled_from([*SiteStatus]))
    def change_status(self, number: int, status: SiteStatus) -> None:
        self.sites[number].status = status

    @rule(days=st.integers(0, 20), number=st.integers(0, 1))
    def open_session(self, days: int, number: int) -> None:
        hall = (self.world.venue, self.hall)[number]
        start = IN_A_WEEK + DAY / 2 + days * DAY
        if not self.session.exec(
            select(VenueSession).where(
                VenueSession.venue_id == hall.id, VenueSession.starts_at == start
            )
        ).first():
            make_session(self.session, hall, starts_at=start)

    @precondition(lambda self: self.now < NOW + DAY)
    @rule()
    def book(self) -> None:
        """As long as there is room, and it is early enough."""
        if self.world.site.status == SiteStatus.PUBLISHED and len(self.bookings) < 2:
            self.bookings.append(make_booking(self.session, self.world, now=self.now))

    @precondition(lambda self: self.bookings)
    @rule()
    def cancel(self) -> None:
        move(self.session, self.world.manager, self.bookings.pop(), "reject", self.now)

    @rule(lead=st.integers(0, 12), hours=st.integers(-5, 40), own=st.booleans())
    def change_rules(self, lead: int, hours: int, own: bool) -> None:
        versions = self.session.exec(select(Policy.version)).all()
        self.session.add(
            Policy(
                district_id=self.world.district.id,
                site_id=self.world.site.id if own else None,
                version=max(versions) + 1,
                effective_at=self.now + timedelta(hours=hours),
                lead_working_days=lead,
            )
        )

    @rule(days=st.integers(0, 9), is_off=st.booleans())
    def change_calendar(self, days: int, is_off: bool) -> None:
        day = (self.now + days * DAY).date()
        self.session.merge(Holiday(day=day, name="日", is_off=is_off))

    @rule(hours=st.integers(-3, 60))
    def let_time_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def refresh(self) -> None:
        refresh(self.session, self.now)

    @invariant()
    def the_layer_is_the_live_one(self) -> None:
        shown = live(self.session, self.now)
        assert layer(self.session, self.now) == told(self.session, self.now) == shown
        wrong = self.session.connection().execute(text(site_cards.WRONG), {"now": self.now})
        assert wrong.all() == []


def test_whatever_happens_the_layer_is_the_live_one(
    shared_engine: Engine, request: pytest.FixtureRequest
) -> None:
    Cards.engine = shared_engine
    run_state_machine_as_test(Cards, settings=PACE)


@pytest.fixture
def deaf_engine(own_engine: Engine) -> Engine:
    """A database in which sessions leave no note when they fill."""
    with own_engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("DROP TRIGGER site_card_note_changed ON venue_session"))
        connection.execute(text("DROP TRIGGER site_card_note_made ON venue_session"))
    return own_engine


def test_the_walk_notices_a_missing_note(deaf_engine: Engine) -> None:
    Cards.engine = deaf_engine
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Cards, settings=settings(PACE, phases=[Phase.generate], max_examples=40)
        )


def test_a_note_that_comes_while_cards_are_made_is_kept(own_engine: Engine) -> None:
    """Eight fill and empty halls while two make cards: what is left is noted or right."""
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        town = plant_town(session)
        make_policy(session, make_organisation(session))
        halls = [make_venue(session, make_site(session, town)) for _ in range(3)]
        slots = [make_session(session, hall) for hall in halls for _ in range(1)]

    def work(number: int) -> None:
        for step in range(12):
            with Session(own_engine) as session, session.begin():
                if number < 2:
                    site_cards.refresh(session, NOW)
                else:
                    slot = session.get_one(
                        VenueSession, slots[(number + step) % 3].id, with_for_update=True
                    )
                    slot.groups_held = 1 - slot.groups_held

    at_once(8, work)
    with Session(own_engine) as session:
        assert layer(session) == live(session)
        while site_cards.refresh(session, NOW):
            pass
        assert notes(session) == 0
        assert layer(session) == live(session)


def test_noting_waits_for_nobody(own_engine: Engine) -> None:
    """A booking's transaction and a refresh at once: neither asks the other."""
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
    with Session(own_engine) as booking, Session(own_engine) as job:
        make_booking(booking, world)
        assert site_cards.refresh(job, NOW) > 0
        job.commit()
        booking.commit()
    with Session(own_engine) as session:
        assert notes(session) == 1
        assert layer(session) == live(session)
