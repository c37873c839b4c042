"""Reminders: when each falls due, for whom, and that no clock, move or rival makes two of one."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlmodel import Session, col, select

from app.models import (
    Booking,
    Claim,
    ClaimStatus,
    Holiday,
    Notification,
    OrganisationKind,
    Review,
    Role,
    Suspension,
)
from app.services import notifications, reminders
from app.services.calendar import ZONE
from app.services.messages import written
from tests.conftest import NOW
from tests.makers import (
    IN_A_WEEK,
    World,
    make_account,
    make_booking,
    make_claim,
    make_completed,
    make_organisation,
    make_session,
    make_world,
    move,
)
from tests.races import at_once, replaced_sql

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
VISITS = ("visit-in-days", "visit-tomorrow", "visit-soon")


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def at(*wall: int) -> datetime:
    """An instant by the clock on the wall here."""
    return datetime(*wall, tzinfo=ZONE)  # type: ignore[misc,arg-type]


def approved(
    session: Session, world: World, starts_at: datetime = IN_A_WEEK, now: datetime = NOW
) -> Booking:
    slot = (
        world.slot
        if starts_at == IN_A_WEEK
        else make_session(session, world.venue, starts_at=starts_at)
    )
    booking = make_booking(session, world, slot, now=now)
    return move(session, world.manager, booking, "approve", now)


def owed(session: Session, *kinds: str) -> list[Notification]:
    session.expire_all()
    rows = select(Notification).where(col(Notification.kind).in_(kinds))
    return list(session.exec(rows.order_by(col(Notification.due_at))).all())


def times(session: Session, *kinds: str) -> list[tuple[str, datetime]]:
    return [(row.kind, row.due_at) for row in owed(session, *kinds)]


def run_through(
    session: Session, since: datetime, until: datetime, step: timedelta = 12 * HOUR
) -> None:
    now = since
    while now <= until:
        reminders.remind(session, now)
        now += step
    reminders.remind(session, until)


EXPECTED = [
    ("visit-in-days", at(2026, 11, 27, 9)),
    ("visit-tomorrow", at(2026, 12, 1, 18)),
    ("visit-soon", at(2026, 12, 2, 7)),
]


def test_a_branch_is_reminded_three_times(session: Session, world: World) -> None:
    approved(session, world)
    run_through(session, NOW, IN_A_WEEK)
    assert times(session, *VISITS) == EXPECTED
    told = owed(session, *VISITS)
    assert {row.account_id for row in told} == {world.organiser.id}
    ends = [row.useless_at for row in told]
    assert ends == [at(2026, 12, 1, 18), at(2026, 12, 2, 7), IN_A_WEEK]
    assert datetime.fromisoformat(told[0].facts["starts_at"]) == IN_A_WEEK


@pytest.mark.parametrize("due", EXPECTED)
def test_each_is_written_when_it_falls_due_and_not_before(
    session: Session, world: World, due: tuple[str, datetime]
) -> None:
    approved(session, world)
    kind, instant = due
    reminders.remind(session, instant - reminders.AHEAD - timedelta(seconds=1))
    assert times(session, kind) == []
    reminders.remind(session, instant - reminders.AHEAD)
    assert times(session, kind) == [due]


def test_three_working_days_skip_holidays_and_count_make_up_days(
    session: Session, world: World
) -> None:
    session.add(Holiday(day=date(2026, 12, 1), name="假日", is_off=True))
    session.add(Holiday(day=date(2026, 11, 28), name="调休", is_off=False))
    approved(session, world)
    run_through(session, NOW, IN_A_WEEK)
    # Wednesday back over a holiday: Monday, the Saturday that is worked, Friday.
    assert times(session, "visit-in-days") == [("visit-in-days", at(2026, 11, 27, 9))]
    session.add(Holiday(day=date(2026, 11, 30), name="假日", is_off=True))
    later = approved(session, world, IN_A_WEEK + HOUR * 3)
    run_through(session, NOW, IN_A_WEEK)
    mine = [r.due_at for r in owed(session, "visit-in-days") if r.booking_id == later.id]
    assert mine == [at(2026, 11, 26, 9)]


@pytest.fixture(params=["UTC", "Asia/Shanghai", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The time zone of the process."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_the_zone_of_the_process_makes_no_difference(
    session: Session, world: World, zone: str
) -> None:
    session.connection().execute(text(f"SET LOCAL timezone = '{zone}'"))
    approved(session, world)
    run_through(session, NOW, IN_A_WEEK)
    assert times(session, *VISITS) == EXPECTED
    assert owed(session, "visit-soon")[0].facts["when"] == "2026-12-02 09:00"
    assert owed(session, "visits-today")[0].facts["list"].startswith("09:00 ")


def test_what_was_approved_later_needs_no_reminder_from_before(
    session: Session, world: World
) -> None:
    late = at(2026, 11, 27, 10)
    approved(session, world, now=late)
    run_through(session, late, IN_A_WEEK)
    assert times(session, *VISITS) == EXPECTED[1:]


def test_twice_is_once(session: Session, world: World) -> None:
    approved(session, world)
    assert reminders.remind(session, EXPECTED[0][1]) > 0
    assert reminders.remind(session, EXPECTED[0][1]) == 0


@pytest.mark.parametrize("wrong", [-DAY, DAY])
def test_a_clock_a_day_off_loses_nothing_and_doubles_nothing(
    session: Session, world: World, wrong: timedelta
) -> None:
    approved(session, world)
    for _, due in EXPECTED:
        reminders.remind(session, due + wrong)
        reminders.remind(session, due)
        reminders.remind(session, due + MINUTE)
    assert times(session, *VISITS) == EXPECTED


def test_a_scheduler_that_was_off_writes_what_is_useful_and_what_was_missed(
    session: Session, world: World
) -> None:
    approved(session, world)
    back = at(2026, 12, 2, 8)  # a day without a look; an hour before the visit
    reminders.remind(session, back)
    useful = [r.kind for r in owed(session, *VISITS) if r.useless_at and r.useless_at > back]
    missed = [r.kind for r in owed(session, *VISITS) if r.useless_at and r.useless_at <= back]
    assert useful == ["visit-soon"]
    assert missed == ["visit-tomorrow"]  # the first is older than what is told as missed


def test_what_was_missed_long_ago_is_let_be(session: Session, world: World) -> None:
    approved(session, world)
    reminders.remind(session, IN_A_WEEK + 3 * DAY)
    assert times(session, *VISITS) == []


def test_a_cancelled_booking_reminds_nobody(session: Session, world: World) -> None:
    booking = approved(session, world)
    reminders.remind(session, EXPECTED[0][1] - MINUTE)
    assert len(owed(session, *VISITS)) == 1
    move(session, world.organiser, booking, "cancel", EXPECTED[0][1] - MINUTE)
    assert reminders.remind(session, EXPECTED[0][1] - MINUTE) == 1
    run_through(session, EXPECTED[0][1], IN_A_WEEK)
    assert owed(session, *VISITS) == []


def test_without_taking_back_it_would(session: Session, world: World) -> None:
    """The control."""
    booking = approved(session, world)
    reminders.remind(session, EXPECTED[0][1] - MINUTE)
    move(session, world.organiser, booking, "cancel", EXPECTED[0][1] - MINUTE)
    with replaced_sql(session.connection(), "b.status <> 'approved' OR", "FALSE AND"):
        reminders.remind(session, EXPECTED[0][1] - MINUTE)
    assert len(owed(session, *VISITS)) == 1


def test_a_moved_booking_is_reminded_of_where_it_went(session: Session, world: World) -> None:
    booking = approved(session, world)
    reminders.remind(session, EXPECTED[0][1] - MINUTE)
    booking.starts_at += 2 * DAY
    booking.ends_at += 2 * DAY
    session.flush()
    run_through(session, EXPECTED[0][1] - MINUTE, IN_A_WEEK + 2 * DAY)
    assert times(session, *VISITS) == [
        ("visit-in-days", at(2026, 12, 1, 9)),
        ("visit-tomorrow", at(2026, 12, 3, 18)),
        ("visit-soon", at(2026, 12, 4, 7)),
    ]


def test_two_processes_write_each_once(own_engine: Engine) -> None:
    with Session(own_engine) as setup:
        world = make_world(setup)
        approved(setup, world)
        setup.add(Holiday(day=date(2027, 10, 1), name="国庆节", is_off=True))
        setup.commit()

    def one(_: int) -> int:
        with Session(own_engine) as mine, mine.begin():
            return reminders.remind(mine, EXPECTED[0][1])

    assert sorted(at_once(4, one)) == [0, 0, 0, 1]


def test_managers_get_one_list_each_morning(session: Session, world: World) -> None:
    approved(session, world)
    approved(session, world, IN_A_WEEK + 3 * HOUR)
    make_booking(session, world, make_session(session, world.venue, starts_at=IN_A_WEEK + DAY))
    reminders.remind(session, at(2026, 12, 2, 7, 27))
    today = at(2026, 12, 2, 7, 30)
    assert today not in [row.due_at for row in owed(session, "visits-today")]
    run_through(session, at(2026, 12, 2, 7, 29), at(2026, 12, 2, 20), 3 * HOUR)
    (told,) = [row for row in owed(session, "visits-today") if row.due_at == today]
    assert told.account_id == world.manager.id
    assert (told.facts["visits"], told.facts["waiting"]) == ("2", "1")
    assert told.facts["list"].index("09:00") < told.facts["list"].index("12:00")


def test_nobody_gets_an_empty_list(session: Session, world: World) -> None:
    reminders.remind(session, at(2026, 12, 2, 7, 30))
    assert owed(session, "visits-today") == []
    # What came in since is no reason to send the morning's list now.
    make_booking(session, world, now=at(2026, 11, 26, 8))
    reminders.remind(session, at(2026, 11, 26, 8))
    assert owed(session, "visits-today") == []


def test_an_answer_is_asked_for_before_its_time_is_over(session: Session, world: World) -> None:
    booking = make_booking(session, world)
    assert booking.respond_by
    due = booking.respond_by - 4 * HOUR
    run_through(session, NOW, due - HOUR)
    assert owed(session, "answer-due") == []
    reminders.remind(session, due)
    (told,) = owed(session, "answer-due")
    assert (told.account_id, told.due_at) == (world.manager.id, due)
    assert told.useless_at == booking.respond_by


def test_a_visit_without_review_is_asked_about_once(session: Session, world: World) -> None:
    first = make_completed(session, world)
    second = make_completed(
        session, world, make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    )
    session.add(
        Review(
            booking_id=second.id,
            site_id=world.site.id,
            written_by=world.organiser.id,
            content=5,
            reception=5,
            facilities=5,
        )
    )
    session.flush()
    run_through(session, IN_A_WEEK, IN_A_WEEK + 12 * DAY)
    (told,) = owed(session, "review-due")
    assert (told.booking_id, told.due_at) == (first.id, first.ends_at + 3 * DAY)


def test_claims_are_asked_for_week_by_week(session: Session, world: World) -> None:
    make_completed(session, world)
    claim = make_claim(session, world)
    run_through(session, at(2027, 1, 1, 9), at(2027, 1, 20, 9))
    mondays = [at(2027, 1, 11, 9), at(2027, 1, 18, 9)]
    assert [row.due_at for row in owed(session, "claims-unsubmitted")] == mondays
    assert {row.account_id for row in owed(session, "claims-unsubmitted")} == {world.manager.id}
    session.get_one(Claim, claim.id).status = ClaimStatus.SUBMITTED
    session.flush()
    run_through(session, at(2027, 1, 25, 9), at(2027, 1, 26, 9))
    (told,) = owed(session, "claims-unreviewed")
    assert (told.account_id, told.due_at) == (world.fund_officer.id, at(2027, 1, 25, 9))
    assert told.facts["list"] == f"{world.site.name} 2026-12"
    assert len(owed(session, "claims-unsubmitted")) == 2


def test_a_suspension_that_ends_is_told_and_one_lifted_is_not(
    session: Session, world: World
) -> None:
    other = make_organisation(session, parent=world.town, kind=OrganisationKind.BRANCH)
    make_account(session, Role.ORGANISER, at=other)
    for branch, lifted in ((world.branch, None), (other, NOW)):
        session.add(
            Suspension(
                district_id=world.district.id,
                organisation_id=branch.id,
                starts_at=NOW - DAY,
                ends_at=NOW + DAY,
                lifted_at=lifted,
                lifted_by=world.town_staff.id if lifted else None,
                lift_reason="因故" if lifted else None,
            )
        )
    session.flush()
    run_through(session, NOW, NOW + 3 * DAY)
    (told,) = owed(session, "suspension-ended")
    assert (told.account_id, told.due_at) == (world.organiser.id, NOW + DAY)


def test_a_missing_list_of_holidays_is_asked_for_weekly(session: Session, world: World) -> None:
    run_through(session, at(2026, 10, 20, 9), at(2026, 11, 17, 10), 12 * HOUR)
    wanted = [at(2026, 11, day, 9) for day in (2, 9, 16)]
    assert [row.due_at for row in owed(session, "holidays-missing")] == wanted
    assert owed(session, "holidays-missing")[0].account_id == world.district_staff.id
    session.add(Holiday(day=date(2027, 10, 1), name="国庆节", is_off=True))
    session.flush()
    run_through(session, at(2026, 11, 23, 9), at(2026, 11, 24, 9), 12 * HOUR)
    assert len(owed(session, "holidays-missing")) == len(wanted)


def test_what_is_written_can_be_read(session: Session, world: World) -> None:
    make_completed(session, world)
    make_claim(session, world)
    approved(session, world, IN_A_WEEK + 4 * DAY)
    run_through(session, NOW, NOW + 60 * DAY, 6 * HOUR)
    kinds = {rule.kind for rule in reminders.RULES}
    seen = owed(session, *kinds)
    assert {row.kind for row in seen} >= {*VISITS, "visits-today", "review-due"}
    for row in seen:
        for language in ("zh", "en"):
            assert "{" not in written(row.kind, row.facts, language).body


def test_they_are_delivered_as_any_other(session: Session, world: World) -> None:
    approved(session, world)
    reminders.remind(session, EXPECTED[0][1])
    notifications.deliver_due(session, EXPECTED[0][1])
    (told,) = owed(session, "visit-in-days")
    assert told.delivered_at == EXPECTED[0][1]
