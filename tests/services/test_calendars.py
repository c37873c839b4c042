"""Which bookings are in whose calendar, as what, and for how long."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, true
from sqlmodel import Session, select

from app.models import Account, Booking, BookingStatus, CalendarFeed, Role
from app.services import bookings, calendar_feeds, calendars, changes, ics, overdue, privacy
from app.services.calendar_feeds import CalendarNotFound
from app.services.codes import code_of
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    World,
    actor,
    make_account,
    make_booking,
    make_completed,
    make_grant,
    make_organisation,
    make_session,
    make_world,
    move,
)
from tests.races import at_once
from tests.services.statements import counted
from tests.services.test_ics import by_ical, by_icalendar

BASE = "https://map.example.cn"
DAY = timedelta(days=1)
S = BookingStatus


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session, groups_limit=9)


def fed(session: Session, who: Account, now: datetime = NOW) -> list[ics.Appointment]:
    session.flush()
    return calendars.feed(session, actor=actor(session, who, now), base=BASE, now=now)


def filed(session: Session, who: Account, booking: Booking, now: datetime = NOW) -> ics.Appointment:
    (one,) = calendars.one(
        session, actor=actor(session, who, now), booking=booking, base=BASE, now=now
    )
    return one


def ids(shown: list[ics.Appointment]) -> list[object]:
    return [one.id for one in shown]


def told(one: ics.Appointment) -> tuple[str, str, int]:
    """UID, STATUS and SEQUENCE as two libraries read them."""
    (read,) = by_ical(calendars.written([one]))
    assert by_icalendar(calendars.written([one])) == [read]
    return read["uid"], str(read["status"].value), read["sequence"]


# what an appointment tells


def test_a_branch_reads_where_it_goes_and_a_site_whom_it_receives(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    (theirs,) = fed(session, world.organiser)
    assert theirs.title == f"【待接单】主题党日 · {world.site.name}"
    assert theirs.url == f"{BASE}/#/bookings/{booking.id}"
    assert theirs.location == f"{world.site.name} {world.venue.name}，{world.site.address}"
    assert (theirs.starts_at, theirs.ends_at) == (world.slot.starts_at, world.slot.ends_at)
    assert (theirs.place.lon, theirs.place.lat) == pytest.approx((117.97, 36.64))
    assert list(theirs.facts) == [
        "状态 Status：待接单 Waiting for the site",
        f"预约单号 Code：{code_of(booking.number or 0)}",
        f"预约支部 Branch：{world.branch.name}",
        f"场地 Hall：{world.venue.name}",
        "预计人数 People：20",
        "活动菜单 Programmes：参观讲解",
        f"怎么去 The way：{BASE}/#/go/{world.site.id}",
        f"预约单 Booking：{BASE}/#/bookings/{booking.id}",
    ]
    (ours,) = fed(session, world.manager)
    assert ours.title == f"【待接单】主题党日 · {world.branch.name}"
    assert ours.url == f"{BASE}/#/reception/{booking.id}"


def test_no_phone_is_in_a_feed_and_the_site_s_is_in_a_file(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    for who in (world.organiser, world.manager):
        text = str(fed(session, who))
        assert world.site.contact_phone not in text
        assert "13800000000" not in text
        assert booking.contact_name not in text
    file = str(filed(session, world.organiser, booking))
    assert f"阵地电话 Phone：{world.site.contact_phone}" in file
    assert "13800000000" not in file
    assert "Phone" in file
    world.site.contact_phone = ""
    session.flush()
    assert "Phone" not in str(filed(session, world.organiser, booking))


def test_only_a_file_reminds_and_only_of_what_is_sure_and_ahead(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    assert not filed(session, world.organiser, booking).reminds
    move(session, world.manager, booking, "approve")
    assert filed(session, world.organiser, booking).reminds
    assert not fed(session, world.organiser)[0].reminds
    late = booking.starts_at - DAY
    assert not filed(session, world.organiser, booking, late).reminds
    assert filed(session, world.organiser, booking, late - HOUR).reminds


def test_what_is_as_planned_needs_no_word_in_its_title(session: Session, world: World) -> None:
    done = make_completed(session, world)
    (one,) = fed(session, world.organiser, done.ends_at)
    assert one.title == f"主题党日 · {world.site.name}"
    assert "状态 Status：已完成 Completed" in one.facts


@pytest.mark.parametrize("status", BookingStatus)
def test_every_state_has_its_words(status: BookingStatus) -> None:
    assert all(calendars.STATUSES[status])


def test_who_oversees_a_booking_takes_it_along_as_well(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    one = filed(session, world.district_staff, booking)
    assert one.url == f"{BASE}/#/district/{booking.id}"
    assert fed(session, world.district_staff) == []


# changes and cancellations


def test_a_change_of_session_keeps_the_uid_and_raises_the_sequence(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    before = told(fed(session, world.organiser)[0])
    assert before == (str(booking.id), "CONFIRMED", 2)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + DAY)
    changes.change(
        session,
        actor=actor(session, world.organiser),
        booking_id=booking.id,
        version=booking.version,
        wanted=changes.Wanted(session_ids=[later.id]),
        now=NOW + HOUR,
    )
    (shown,) = fed(session, world.organiser, NOW + HOUR)
    assert told(shown) == (str(booking.id), "TENTATIVE", 3)
    assert shown.starts_at == later.starts_at
    assert shown.changed_at == NOW + HOUR


def test_every_step_raises_the_sequence_and_says_when_it_was(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    seen = [fed(session, world.organiser)[0]]
    for name, at in (
        ("approve", NOW + HOUR),
        ("arrive", booking.starts_at),
        ("complete", booking.ends_at),
    ):
        move(session, world.manager, booking, name, at)
        seen.append(fed(session, world.organiser, at)[0])
        assert seen[-1].changed_at == at
    assert [one.sequence for one in seen] == [1, 2, 3, 4]
    assert len({one.id for one in seen}) == 1
    assert len({calendars.tag([one]) for one in seen}) == 4


@pytest.mark.parametrize(
    ("who", "name", "state"),
    [
        ("organiser", "cancel", "已取消"),
        ("manager", "cancel", "已取消"),
        ("manager", "reject", "已拒单"),
    ],
)
def test_what_is_off_stays_and_says_so(
    session: Session, world: World, who: str, name: str, state: str
) -> None:
    booking = make_booking(session, world)
    move(session, getattr(world, who), booking, name, NOW + HOUR)
    for reader in (world.organiser, world.manager):
        (shown,) = fed(session, reader, NOW + HOUR)
        assert told(shown) == (str(booking.id), "CANCELLED", 2)
        assert shown.title.startswith(f"【{state}】")
    assert told(filed(session, world.organiser, booking))[1] == "CANCELLED"


def test_a_deadline_counts_before_anybody_has_written_it(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    seen = [told(fed(session, world.organiser)[0])]
    over = booking.starts_at
    seen.append(told(fed(session, world.organiser, over)[0]))
    assert booking.status == S.PENDING
    overdue.catch_up_one(session, booking_id=booking.id, now=over)
    assert booking.status == S.EXPIRED
    seen.append(told(fed(session, world.organiser, over)[0]))
    assert [status for _, status, _ in seen] == ["TENTATIVE", "CANCELLED", "CANCELLED"]
    first, second, third = (sequence for _, _, sequence in seen)
    assert first < second <= third


def test_nothing_but_the_present_changes_nothing(session: Session, world: World) -> None:
    make_booking(session, world)
    one, other = fed(session, world.organiser), fed(session, world.organiser, NOW + HOUR)
    assert calendars.tag(one) == calendars.tag(other)
    assert calendars.written(one) == calendars.written(other)


# whose


def test_nobody_reads_what_is_another_s(
    session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make_booking(session, world)
    other = make_world(session)
    theirs = make_booking(session, other)
    neighbour = make_account(
        session, Role.ORGANISER, at=make_organisation(session, parent=world.town)
    )
    readers = [world.organiser, world.manager, other.organiser, other.manager, neighbour]
    shown = [ids(fed(session, who)) for who in readers]
    assert shown == [[mine.id], [mine.id], [theirs.id], [theirs.id], []]
    monkeypatch.setattr(bookings, "within", lambda *_: true())
    assert all({mine.id, theirs.id} <= set(ids(fed(session, who))) for who in readers)


def test_a_member_reads_the_branch_s_and_a_former_one_nothing(
    session: Session, world: World
) -> None:
    booking = make_booking(session, world)
    member = make_account(session, Role.MEMBER, at=world.branch)
    former = make_account(session)
    make_grant(session, former, Role.MEMBER, at=world.branch, ends_at=NOW + DAY)
    assert ids(fed(session, member)) == ids(fed(session, former)) == [booking.id]
    assert ids(fed(session, member, NOW + DAY)) == [booking.id]
    assert fed(session, former, NOW + DAY) == []


def test_who_goes_and_receives_reads_each_once(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    make_grant(session, world.organiser, Role.SITE_MANAGER, at=world.site)
    (one,) = fed(session, world.organiser)
    assert one.url == f"{BASE}/#/bookings/{booking.id}"


# how much


def test_what_is_over_goes_after_a_while(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    move(session, world.manager, booking, "approve")
    last = booking.starts_at + calendars.PAST
    assert ids(fed(session, world.organiser, last)) == [booking.id]
    assert fed(session, world.organiser, last + timedelta(seconds=1)) == []


def test_what_is_off_goes_sooner(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    move(session, world.organiser, booking, "cancel", NOW)
    last = NOW + calendars.GONE_SHOWN
    assert ids(fed(session, world.organiser, last)) == [booking.id]
    assert fed(session, world.organiser, last + timedelta(seconds=1)) == []
    assert booking.starts_at + calendars.PAST > last


def test_too_many_lose_the_farthest(
    session: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        make_completed(
            session, world, make_session(session, world.venue, starts_at=IN_A_WEEK + n * 3 * HOUR)
        )
        for n in (2, 1, 3)
    ]
    first, second, third = made[1], made[0], made[2]
    now = third.starts_at
    assert ids(fed(session, world.manager, now)) == [first.id, second.id, third.id]
    monkeypatch.setattr(calendars, "MOST", 2)
    assert ids(fed(session, world.manager, now)) == [second.id, third.id]
    assert ids(fed(session, world.manager, first.starts_at)) == [first.id, second.id]


def test_more_bookings_are_no_more_statements(session: Session, world: World) -> None:
    make_completed(session, world)
    reader = actor(session, world.manager)

    def asked() -> int:
        session.flush()
        session.expunge_all()
        with counted(session) as statements:
            calendars.feed(session, actor=reader, base=BASE, now=NOW)
        return len(statements)

    few = asked()
    for n in (1, 2, 3):
        make_completed(
            session, world, make_session(session, world.venue, starts_at=IN_A_WEEK + n * 3 * HOUR)
        )
    assert asked() == few == 2


# the address


def reader(session: Session, token: str, now: datetime = NOW) -> object:
    return calendar_feeds.reader_of(session, token=token, now=now).account_id


def test_an_address_leads_to_its_owner_and_is_kept_nowhere_in_plain(
    session: Session, world: World
) -> None:
    feed = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW)
    assert len(feed.token) == 43  # 256 bits
    assert reader(session, feed.token) == world.organiser.id
    assert calendar_feeds.mine(session, account_id=world.organiser.id) == feed
    kept = session.exec(select(CalendarFeed)).one()
    assert feed.token.encode() not in kept.token_hash + kept.token_sealed
    assert privacy.unseal_bytes(kept.token_sealed) == feed.token.encode()


def test_a_new_address_ends_the_old_one(session: Session, world: World) -> None:
    old = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW)
    other = calendar_feeds.renew(session, account_id=world.manager.id, now=NOW)
    new = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW + HOUR)
    assert reader(session, new.token) == world.organiser.id
    assert reader(session, other.token) == world.manager.id
    assert new.made_at == NOW + HOUR
    with pytest.raises(CalendarNotFound):
        reader(session, old.token)


def test_an_ended_address_shows_nothing(session: Session, world: World) -> None:
    feed = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW)
    for _ in range(2):
        calendar_feeds.end(session, account_id=world.organiser.id)
    assert calendar_feeds.mine(session, account_id=world.organiser.id) is None
    with pytest.raises(CalendarNotFound):
        reader(session, feed.token)


Change = Callable[[str], str]


@pytest.mark.parametrize(
    "change",
    [lambda t: t[:-1], lambda t: f"{t}=", lambda t: t.swapcase(), lambda _: "", lambda _: "\x00党"],
    ids=["shorter", "longer", "other", "empty", "odd"],
)
def test_almost_an_address_is_none(session: Session, world: World, change: Change) -> None:
    feed = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW)
    with pytest.raises(CalendarNotFound):
        reader(session, change(feed.token))


def test_an_address_is_good_for_as_long_as_the_account_is(session: Session, world: World) -> None:
    feed = calendar_feeds.renew(session, account_id=world.organiser.id, now=NOW)
    world.organiser.active = False
    session.flush()
    with pytest.raises(CalendarNotFound):
        reader(session, feed.token)


def test_of_addresses_made_at_once_one_is_good(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        owner = make_account(session).id

    def renew(_: int) -> str:
        with Session(own_engine) as session, session.begin():
            return calendar_feeds.renew(session, account_id=owner, now=NOW).token

    tokens = at_once(4, renew)
    with Session(own_engine) as session:
        kept = calendar_feeds.mine(session, account_id=owner)
        assert kept
        assert tokens.count(kept.token) == 1
        for token in set(tokens) - {kept.token}:
            with pytest.raises(CalendarNotFound):
                reader(session, token)
