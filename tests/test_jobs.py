"""What happens by the clock: due work is done, once, whoever does it, and no row stops another."""

from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine, and_, text
from sqlmodel import Session, SQLModel, col, select
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app import jobs
from app.jobs import JOBS, Job
from app.models import (
    Booking,
    BookingEvent,
    BookingStatus,
    DeliveryState,
    DroppedPhoto,
    FundAccount,
    JobBeat,
    JobRow,
    JobRun,
    Notification,
    PublicFigure,
    RateCounter,
    RefusedOrder,
    Shortage,
    Subsidy,
    Suspension,
    UnmetSearch,
    VenueSession,
    Visit,
    Webhook,
    WebhookDelivery,
)
from app.services import (
    claim_drafts,
    idempotency,
    identities,
    job_rows,
    lateness,
    ledger,
    one_time_codes,
    overdue,
    throttles,
    tokens,
    verify,
)
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER
from app.settings import Settings, load
from tests.conftest import NOW, as_owner
from tests.makers import (
    IN_A_WEEK,
    World,
    age_events,
    make_booking,
    make_completed,
    make_export,
    make_fund,
    make_session,
    make_venue,
    make_world,
    move,
)
from tests.races import at_once, replaced_sql, until_somebody_waits
from tests.services.grounds import hours
from tests.services.lines import join, make_parties

S = BookingStatus
DAY = timedelta(days=1)
LATER = NOW + 45 * DAY
NAMES = [job.name for job in JOBS]
PROOF = "recount-usage"
"""Touches nothing, unless something is wrong."""
BY_NAME = {job.name: job for job in JOBS}


def run(engine: Engine, name: str, now: datetime) -> int:
    """Do one job at an instant; unlike `jobs.run`, do not swallow what it raises."""
    job = BY_NAME[name]
    return job.run(job, engine, lambda: now)


def runs(engine: Engine, name: str) -> list[JobRun]:
    with Session(engine) as session:
        return list(session.exec(select(JobRun).where(JobRun.job == name)).all())


def picture(engine: Engine) -> dict[str, str | None]:
    """Every row of every table."""
    whole = "SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {} t"
    with engine.connect() as connection:
        return {
            table: connection.execute(text(whole.format(table))).scalar_one()
            for table in SQLModel.metadata.tables
        }


def status(engine: Engine, booking_id: UUID) -> str:
    with Session(engine) as session:
        return session.get_one(Booking, booking_id).status


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the jobs log, instead of the log."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def setup(own_engine: Engine) -> Iterator[Session]:
    """Writes what the jobs will find."""
    with Session(own_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def world(setup: Session) -> World:
    world = make_world(setup)
    setup.commit()
    return world


def pending(setup: Session, world: World, slot: VenueSession | None = None) -> Booking:
    booking = make_booking(setup, world, slot or world.slot)
    setup.commit()
    return booking


def approved(setup: Session, world: World, slot: VenueSession | None = None) -> Booking:
    booking = move(setup, world.manager, pending(setup, world, slot), "approve")
    setup.commit()
    return booking


def arrived(setup: Session, world: World, slot: VenueSession | None = None) -> Booking:
    booking = approved(setup, world, slot)
    move(setup, world.manager, booking, "arrive", booking.starts_at, people=18)
    setup.commit()
    return booking


def work_for_every_job(setup: Session, world: World) -> None:
    slots = [make_session(setup, world.venue, starts_at=IN_A_WEEK + n * DAY) for n in range(1, 5)]
    hours(setup, make_venue(setup, world.site))
    tokens.issue(setup, account_id=world.organiser.id, now=NOW)
    idempotency.begin(setup, account_id=world.organiser.id, key=uuid7(), request_hash=b"", now=NOW)
    setup.add(RateCounter(key="", hits=1, expires_at=NOW))
    one_time_codes.issue(setup, account_id=world.organiser.id, issued_by=None, now=NOW)
    throttles.begin(setup, subject=b"", address=None, now=NOW)
    identities.remember(setup, state="", nonce="", code_verifier="", now=NOW)
    setup.add(DroppedPhoto(digest="0" * 64))
    setup.add(
        PublicFigure(site_id=world.site.id, month=NOW.date().replace(day=1), visits=3, people=30)
    )
    setup.add(
        UnmetSearch(
            asked_on=(NOW - 1000 * DAY).date(),
            longitude=0,
            latitude=0,
            radius_m=1,
            wanted_from=NOW,
            wanted_to=LATER,
            people=1,
        )
    )
    setup.add(
        RefusedOrder(
            refused_on=(NOW - 1000 * DAY).date(),
            site_id=world.site.id,
            wanted_on=NOW.date(),
            hour=9,
            people=10,
            rule=Shortage.PLACES,
        )
    )
    setup.connection().execute(text("DELETE FROM site_words"))
    make_fund(setup, world.district, fiscal_year=NOW.year - 1)
    make_completed(setup, world, slots[0])
    for reach, slot in zip((pending, approved, arrived), slots[1:], strict=True):
        reach(setup, world, slot)
    join(setup, world, make_parties(setup, world, 1)[0], slots[-1])
    age_events(setup, 3, 1000 * DAY)
    ends_at = LATER - DAY
    setup.add(
        Suspension(
            district_id=world.district.id,
            organisation_id=world.branch.id,
            starts_at=ends_at - DAY,
            ends_at=ends_at,
        )
    )
    setup.add(JobRun(job="x", started_at=NOW - 1000 * DAY))
    setup.add(
        Notification(
            account_id=world.organiser.id,
            kind="booking-approved",
            facts={},
            due_at=NOW - 1000 * DAY,
            delivered_at=NOW - 1000 * DAY,
        )
    )
    setup.add(JobRow(job="x", row_id=uuid7(), next_try_at=NOW, last_error=""))
    make_export(setup, world.district_staff)
    hook = Webhook(
        district_id=world.district.id,
        url="https://8.8.8.8/",
        secret_sealed=b"",
        events=["claim.paid"],
        created_by=world.district_staff.id,
    )
    setup.add(hook)
    setup.flush()
    setup.add(
        WebhookDelivery(
            webhook_id=hook.id,
            type="ping",
            subject_id=hook.id,
            sequence=1,
            occurred_at=NOW - 1000 * DAY,
            facts={},
            due_at=NOW - 1000 * DAY,
            state=DeliveryState.DELIVERED,
            ended_at=NOW - 1000 * DAY,
        )
    )
    setup.commit()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep files of the jobs apart."""
    monkeypatch.setenv("APP_PHOTO_FOLDER", str(tmp_path))
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.mark.usefixtures("folder")
def test_every_job_finds_its_work_and_done_again_finds_none(
    own_engine: Engine, setup: Session, world: World
) -> None:
    work_for_every_job(setup, world)
    # What sends has its own tests: it asks somebody outside.
    sending = {name for name in NAMES if name.startswith("send-by-")} | {"call-webhooks"}
    working = [name for name in NAMES if name not in sending]
    touched = {name: run(own_engine, name, LATER) for name in working}
    assert touched.pop(PROOF) == 0
    assert all(touched.values())
    before = picture(own_engine)
    assert {name: run(own_engine, name, LATER) for name in NAMES} == dict.fromkeys(NAMES, 0)
    assert picture(own_engine) == before
    with Session(own_engine) as session:
        assert list(verify.violations(session, now=LATER)) == []


def test_with_nothing_due_the_rows_stay_as_they_are(
    own_engine: Engine, setup: Session, world: World
) -> None:
    for reach, day in ((pending, 1), (approved, 2), (arrived, 3)):
        slot = make_session(setup, world.venue, starts_at=IN_A_WEEK + day * DAY)
        reach(setup, world, slot)
    run(own_engine, "remind", NOW)
    run(own_engine, "deliver-messages", IN_A_WEEK + 4 * DAY)
    run(own_engine, "refresh-cards", NOW)
    run(own_engine, "fold-usage", NOW)
    before = picture(own_engine)
    daily = {"draft-claims", "lapse-funds", "reconcile", "publish-figures"}
    for name in set(NAMES) - daily - {"make-sessions-ahead", PROOF}:
        assert run(own_engine, name, NOW) == 0
    assert picture(own_engine) == before


def test_an_unanswered_order_goes_to_the_town_and_then_gives_its_places_back(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = pending(setup, world)
    first = booking.respond_by
    assert first
    assert run(own_engine, "answer-overdue", first - timedelta(seconds=1)) == 0
    assert run(own_engine, "answer-overdue", first) == 1
    setup.refresh(booking)
    assert (booking.status, booking.escalated_at) == (S.PENDING, first)
    assert booking.respond_by == first + DAY
    assert held(setup, world.slot) == (20, 1)
    assert told(setup, "booking-escalated") == {world.town_staff.id}
    assert run(own_engine, "answer-overdue", first) == 0
    assert run(own_engine, "answer-overdue", first + DAY) == 1
    assert status(own_engine, booking.id) == S.EXPIRED
    assert held(setup, world.slot) == (0, 0)
    assert told(setup, "booking-expired") == {world.organiser.id}


def held(setup: Session, slot: VenueSession) -> tuple[int, int]:
    setup.refresh(slot)
    return slot.people_held, slot.groups_held


def told(setup: Session, kind: str) -> set[UUID]:
    rows = setup.exec(select(Notification.account_id).where(Notification.kind == kind))
    return set(rows.all())


def test_who_did_not_come_is_marked_and_the_money_goes_back(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = approved(setup, world)
    due = booking.ends_at + NO_SHOW_AFTER
    assert run(own_engine, "mark-no-shows", due - timedelta(seconds=1)) == 0
    assert run(own_engine, "mark-no-shows", due) == 1
    assert status(own_engine, booking.id) == S.NO_SHOW
    assert ledger.balances(setup, fund_id=world.fund.id)[FundAccount.RESERVED] == 0


def test_a_visit_nobody_completes_is_completed_with_the_number_at_arrival(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = arrived(setup, world)
    due = booking.ends_at + CLOSES_AFTER
    assert run(own_engine, "close-finished", due - timedelta(seconds=1)) == 0
    assert run(own_engine, "close-finished", due) == 1
    assert status(own_engine, booking.id) == S.COMPLETED
    setup.expire_all()
    visit = setup.get_one(Visit, booking.id)
    assert (visit.completed_by, visit.people_attended) == (None, 18)
    assert setup.get_one(Subsidy, booking.id).committed_fen == 19_000


def poison(engine: Engine, booking_id: UUID) -> None:
    """Let every step of one booking fail."""
    refuse = f"ADD CONSTRAINT poison CHECK (booking_id <> '{booking_id}') NOT VALID"
    with engine.begin() as connection:
        as_owner(connection)
        connection.execute(text(f"ALTER TABLE booking_event {refuse}"))


def cure(engine: Engine) -> None:
    """Let the step succeed again."""
    with engine.begin() as connection:
        as_owner(connection)
        connection.execute(text("ALTER TABLE booking_event DROP CONSTRAINT poison"))


ROW_JOBS: dict[str, Callable[[Session, World, VenueSession], Booking]] = {
    "answer-overdue": pending,
    "mark-no-shows": approved,
    "close-finished": arrived,
}


@pytest.mark.parametrize("name", ROW_JOBS)
def test_a_row_that_fails_stops_no_other_and_is_noted(
    own_engine: Engine, setup: Session, world: World, name: str
) -> None:
    days = [make_session(setup, world.venue, starts_at=IN_A_WEEK + n * DAY) for n in (1, 2, 3)]
    bookings = [ROW_JOBS[name](setup, world, day) for day in days]
    before = bookings[0].status
    poison(own_engine, bookings[0].id)
    assert run(own_engine, name, LATER) == 2
    after = [status(own_engine, booking.id) for booking in bookings]
    assert after[0] == before
    assert after[1] == after[2] != before
    (noted,) = runs(own_engine, name)
    assert noted.touched == 2
    assert str(bookings[0].id) in (noted.failed or "")
    assert str(bookings[1].id) not in (noted.failed or "")


def test_a_row_that_fails_is_tried_again(own_engine: Engine, setup: Session, world: World) -> None:
    booking = approved(setup, world)
    poison(own_engine, booking.id)
    for wait in (0, 1):
        assert run(own_engine, "mark-no-shows", LATER + wait * job_rows.FIRST_WAIT) == 0
    assert len(runs(own_engine, "mark-no-shows")) == 2
    cure(own_engine)
    assert run(own_engine, "mark-no-shows", LATER + 3 * job_rows.FIRST_WAIT) == 1
    assert runs(own_engine, "mark-no-shows")[-1].failed is None
    assert setup.exec(select(JobRow)).all() == []


def tries(engine: Engine, minutes: int) -> int:
    """Run a job every minute, and say how often a row failed."""
    for minute in range(minutes):
        run(engine, "mark-no-shows", LATER + timedelta(minutes=minute))
    return len(runs(engine, "mark-no-shows"))


def test_a_row_that_fails_waits_longer_each_time(
    own_engine: Engine, setup: Session, world: World
) -> None:
    poison(own_engine, approved(setup, world).id)
    assert tries(own_engine, 16) == 5  # after 0, 1, 3, 7 and 15 minutes


def test_without_the_record_it_would_be_tried_each_time(
    own_engine: Engine, setup: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_rows, "fail", lambda *_, **__: None)
    poison(own_engine, approved(setup, world).id)
    assert tries(own_engine, 16) == 16


def test_a_row_that_keeps_failing_is_parked_until_somebody_asks(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = approved(setup, world)
    poison(own_engine, booking.id)
    now = LATER
    for _ in range(job_rows.MOST_ATTEMPTS):
        assert run(own_engine, "mark-no-shows", now) == 0
        now += job_rows.LONGEST_WAIT
    (row,) = setup.exec(select(JobRow)).all()
    assert (row.attempts, row.parked_at) == (job_rows.MOST_ATTEMPTS, now - job_rows.LONGEST_WAIT)
    assert "poison" in row.last_error
    cure(own_engine)
    assert run(own_engine, "mark-no-shows", now + 30 * DAY) == 0
    job_rows.retry(setup, row_id=row.id)
    setup.commit()
    assert run(own_engine, "mark-no-shows", now + 30 * DAY) == 1
    with pytest.raises(job_rows.JobRowNotFound):
        job_rows.retry(setup, row_id=row.id)


def test_rows_that_are_held_back_do_not_fill_the_batch(
    own_engine: Engine, setup: Session, world: World
) -> None:
    first, second = (
        approved(setup, world, make_session(setup, world.venue, starts_at=IN_A_WEEK + n * DAY))
        for n in (1, 2)
    )
    held = job_rows.held_back(job="mark-no-shows", now=LATER)
    job_rows.fail(setup, job="mark-no-shows", row_id=first.id, error="", now=LATER)
    due = and_(overdue.missed(LATER), col(Booking.id).not_in(held))
    assert overdue.due_ids(setup, due=due, most=1) == [second.id]


def test_a_stuck_row_makes_its_job_late_and_no_other(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = approved(setup, world)
    due = booking.ends_at + NO_SHOW_AFTER
    poison(own_engine, booking.id)
    for job in JOBS:
        jobs.run(job, own_engine, lambda: due)
    later = due + timedelta(minutes=30)
    jobs.run(BY_NAME["mark-no-shows"], own_engine, lambda: later)
    late = {found.beat.job: found for found in lateness.of(setup, now=later)}
    assert late["mark-no-shows"].late == timedelta(minutes=30)
    assert not late["mark-no-shows"].ok
    assert late["forget-keys"].ok
    assert late["refresh-cards"].late == timedelta(minutes=30, seconds=-2)
    setup.rollback()
    cure(own_engine)
    jobs.run(BY_NAME["mark-no-shows"], own_engine, lambda: later + DAY)
    late = {found.beat.job: found for found in lateness.of(setup, now=later + DAY)}
    assert late["mark-no-shows"].late == timedelta()


def test_a_job_that_keeps_failing_is_noted_once_and_beats(own_engine: Engine) -> None:
    def work(session: Session, now: datetime) -> int:
        raise ArithmeticError("over")

    job = replace(JOBS[0], name="broken", run=partial(jobs._whenever, work))
    clock = iter(NOW + timedelta(minutes=n // 3) for n in range(9))  # begins, works, ends
    assert [jobs.run(job, own_engine, lambda: next(clock)) for _ in range(3)] == [0, 0, 0]
    (noted,) = runs(own_engine, "broken")
    assert "over" in (noted.failed or "")
    with Session(own_engine) as session:
        beat = session.get_one(JobBeat, "broken")
    assert (beat.failed, beat.last_ok_at) == (3, None)
    assert beat.last_started_at == NOW + timedelta(minutes=2)


def test_two_processes_move_each_booking_once(
    own_engine: Engine, setup: Session, world: World
) -> None:
    days = [make_session(setup, world.venue, starts_at=IN_A_WEEK + n * DAY) for n in range(1, 7)]
    bookings = [approved(setup, world, day).id for day in days]
    touched = at_once(3, lambda _: run(own_engine, "mark-no-shows", LATER))
    assert sum(touched) == len(bookings)
    missed = select(BookingEvent.booking_id).where(BookingEvent.to_status == S.NO_SHOW)
    assert sorted(setup.exec(missed).all()) == sorted(bookings)


def test_a_booking_somebody_works_on_is_left_to_them(
    own_engine: Engine, setup: Session, world: World
) -> None:
    days = [make_session(setup, world.venue, starts_at=IN_A_WEEK + n * DAY) for n in (1, 2)]
    taken, free = (approved(setup, world, day) for day in days)
    setup.refresh(taken, with_for_update=True)
    assert run(own_engine, "mark-no-shows", LATER) == 1
    setup.rollback()
    assert [status(own_engine, booking.id) for booking in (taken, free)] == [S.APPROVED, S.NO_SHOW]


def test_without_skipping_the_job_would_wait_for_them(
    own_engine: Engine, setup: Session, world: World
) -> None:
    booking = approved(setup, world)
    setup.refresh(booking, with_for_update=True)
    with ThreadPoolExecutor(1) as pool, replaced_sql(own_engine, "SKIP LOCKED"):
        marked = pool.submit(run, own_engine, "mark-no-shows", LATER)
        until_somebody_waits(own_engine)
        setup.rollback()
        assert marked.result(timeout=10) == 1


def counting(done: list[int]) -> Job:
    """A daily job that writes down that it ran."""

    def work(session: Session, now: datetime) -> int:
        done.append(now.day)
        return 7

    return replace(JOBS[0], name="test-daily", run=partial(jobs._daily, work))


def daily(engine: Engine, job: Job, now: datetime) -> int:
    return job.run(job, engine, lambda: now)


def test_a_daily_job_runs_once_a_day_from_several_threads(own_engine: Engine) -> None:
    done: list[int] = []
    job = counting(done)
    assert sorted(at_once(4, lambda _: daily(own_engine, job, NOW))) == [0, 0, 0, 7]
    assert daily(own_engine, job, NOW) == 0
    assert len(done) == 1
    (noted,) = runs(own_engine, job.name)
    assert (noted.touched, noted.period) == (7, NOW.date())


def test_without_the_claim_every_thread_would(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr(jobs, "_claim", lambda *_: True)
    at_once(4, lambda _: daily(own_engine, counting(done), NOW))
    assert len(done) == 4


def test_a_day_begins_at_midnight_in_shanghai(own_engine: Engine) -> None:
    done: list[int] = []
    job = counting(done)
    midnight = NOW.replace(hour=16)
    for now in (NOW, midnight - timedelta(seconds=1), midnight, midnight + timedelta(hours=9)):
        daily(own_engine, job, now)
    assert len(done) == 2


def test_a_daily_job_that_failed_is_logged_and_may_try_again(
    own_engine: Engine, logged: list[MutableMapping[str, Any]]
) -> None:
    tries: list[int] = []

    def work(session: Session, now: datetime) -> int:
        tries.append(0)
        if len(tries) == 1:
            raise ArithmeticError
        return 1

    job = replace(JOBS[0], name="test-daily", run=partial(jobs._daily, work))
    assert [jobs.run(job, own_engine, lambda: NOW) for _ in range(3)] == [0, 1, 0]
    assert sorted(noted.touched for noted in runs(own_engine, job.name)) == [0, 1]
    assert [entry["event"] for entry in logged] == ["job-failed", "job-ran"]


def test_what_a_failed_job_did_is_undone(
    own_engine: Engine, setup: Session, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_completed(setup, world)
    setup.commit()
    really = claim_drafts.draft_last_month

    def work(session: Session, now: datetime) -> int:
        really(session, now)
        raise ArithmeticError

    before = picture(own_engine)
    job = replace(JOBS[0], name="draft-claims", run=partial(jobs._daily, work))
    assert jobs.run(job, own_engine, lambda: LATER) == 0
    changed = {table for table, rows in picture(own_engine).items() if rows != before[table]}
    assert changed == {"job_beat", "job_run"}
    assert run(own_engine, "draft-claims", LATER) == 1


def test_every_job_is_on_the_ticker_once(shared_engine: Engine) -> None:
    scheduler = BackgroundScheduler()
    jobs.schedule(scheduler, shared_engine)
    ticking = scheduler.get_jobs()
    assert [ticked.id for ticked in ticking] == NAMES
    assert len(set(NAMES)) == len(NAMES)
    assert all(ticked.coalesce and ticked.max_instances == 1 for ticked in ticking)
    assert [ticked.trigger.interval.total_seconds() for ticked in ticking] == [
        job.seconds for job in JOBS
    ]


def test_the_scheduler_needs_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "load", lambda: Settings(database_url=None))
    with pytest.raises(ValueError, match="APP_DATABASE_URL"):
        jobs.main()


def test_the_newest_run_is_kept_beside_the_older(
    own_engine: Engine, setup: Session, world: World
) -> None:
    for day in (1, 2):
        slot = make_session(setup, world.venue, starts_at=IN_A_WEEK + day * DAY)
        approved(setup, world, slot)
        assert run(own_engine, "mark-no-shows", IN_A_WEEK + (day + 1) * DAY) == 1
    noted = setup.exec(select(JobRun.started_at).order_by(col(JobRun.started_at))).all()
    assert list(noted) == [IN_A_WEEK + 2 * DAY, IN_A_WEEK + 3 * DAY]
