"""Whatever a branch does and staff lift, it stands as a plain model says."""

import calendar
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, literal
from sqlmodel import Session, col, select

from app.models import Booking, Policy, StrikeKind
from app.services import standings, suspensions
from app.services.calendar import ZONE
from tests.conftest import NOW
from tests.makers import World, actor, make_booking, make_session, make_venue, make_world

MOST = 12
HOUR = timedelta(hours=1)
LIFT = "lift"


@dataclass(frozen=True)
class Rules:
    late: int
    missed: int
    limit: int
    months: int
    days: int


@dataclass
class Branch:
    """What is against a branch, as anybody would count it."""

    rules: Rules
    strikes: list[tuple[datetime, int]] = field(default_factory=list)
    suspended_until: datetime = NOW

    def points(self, now: datetime) -> int:
        rules = self.rules
        return sum(points for at, points in self.strikes if months_on(at, rules.months) > now)

    def strike(self, points: int, now: datetime) -> None:
        if not points:
            return
        self.strikes.append((now, points))
        if self.points(now) >= self.rules.limit and self.suspended_until <= now:
            self.suspended_until = now + timedelta(days=self.rules.days)
            self.strikes = [
                one for one in self.strikes if months_on(one[0], self.rules.months) <= now
            ]

    def lift(self, now: datetime) -> bool:
        stood = self.suspended_until > now
        self.suspended_until = min(self.suspended_until, now)
        return stood


def months_on(at: datetime, months: int) -> datetime:
    """So many months later on the wall here; the last of a shorter month."""
    wall = at.astimezone(ZONE)
    years, month = divmod(wall.month - 1 + months, 12)
    year, month = wall.year + years, month + 1
    day = min(wall.day, calendar.monthrange(year, month)[1])
    return wall.replace(year=year, month=month, day=day)


@pytest.fixture(scope="module")
def ground(shared_engine: Engine) -> Iterator[tuple[Session, World, list[UUID]]]:
    """A branch with many bookings, none of which has a strike yet."""
    with shared_engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            world = make_world(session)
            made = []
            for _ in range(MOST):
                slot = make_session(session, make_venue(session, world.site))
                made.append(make_booking(session, world, slot).id)
            yield session, world, made
        transaction.rollback()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    rules=st.builds(
        Rules,
        late=st.integers(0, 2),
        missed=st.integers(0, 3),
        limit=st.integers(1, 5),
        months=st.integers(1, 3),
        days=st.integers(1, 70),
    ),
    acts=st.lists(
        st.tuples(
            st.sampled_from([StrikeKind.LATE_CANCEL, StrikeKind.NO_SHOW, LIFT]),
            st.integers(0, 40 * 24),
        ),
        max_size=MOST,
    ),
)
def test_a_branch_stands_as_a_plain_model_says(
    ground: tuple[Session, World, list[UUID]], rules: Rules, acts: list[tuple[str, int]]
) -> None:
    session, world, made = ground
    _compare(session, world, made, rules, acts)


def _compare(
    session: Session, world: World, made: list[UUID], rules: Rules, acts: list[tuple[str, int]]
) -> None:
    example = session.begin_nested()
    try:
        _play(session, world, made, rules, acts)
    finally:
        example.rollback()
        session.expire_all()


def _play(
    session: Session, world: World, made: list[UUID], rules: Rules, acts: list[tuple[str, int]]
) -> None:
    policy = session.exec(select(Policy).where(Policy.district_id == world.district.id)).one()
    policy.late_cancel_strikes, policy.no_show_strikes = rules.late, rules.missed
    policy.strikes_limit, policy.strike_months = rules.limit, rules.months
    policy.suspension_days = rules.days
    session.flush()
    model, now = Branch(rules), NOW
    fresh = iter(session.exec(select(Booking).where(col(Booking.id).in_(made))).all())
    for kind, hours in acts:
        now += hours * HOUR
        if kind == LIFT:
            assert _lifted(session, world, now) is model.lift(now)
        else:
            points = rules.late if kind == StrikeKind.LATE_CANCEL else rules.missed
            standings.strike(session, next(fresh), kind=StrikeKind(kind), now=now)
            model.strike(points, now)
        _agree(session, world, model, now)


FOREVER = literal(datetime(2199, 1, 1, tzinfo=UTC))
RULES = Rules(late=1, missed=2, limit=2, months=1, days=20)
ACTS: list[tuple[str, int]] = [(StrikeKind.NO_SHOW, 0), (StrikeKind.LATE_CANCEL, 40 * 24)]


@pytest.mark.parametrize(
    ("name", "fault"),
    [("counts_until", lambda _: FOREVER), ("suspension_of", lambda *_, **__: None)],
    ids=["strikes for ever", "no suspension"],
)
def test_a_fault_is_noticed(
    ground: tuple[Session, World, list[UUID]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fault: Callable[..., object],
) -> None:
    session, world, made = ground
    rules = replace(RULES, limit=9) if name == "counts_until" else RULES
    _compare(session, world, made, rules, ACTS)
    monkeypatch.setattr(standings, name, fault)
    with pytest.raises(AssertionError):
        _compare(session, world, made, rules, ACTS)


def _lifted(session: Session, world: World, now: datetime) -> bool:
    who = actor(session, world.town_staff)
    branch = world.branch.id
    try:
        suspensions.lift(session, actor=who, organisation_id=branch, reason="准", now=now)
    except suspensions.NotSuspended:
        return False
    return True


def _agree(session: Session, world: World, model: Branch, now: datetime) -> None:
    who = actor(session, world.organiser)
    record = suspensions.look(session, actor=who, organisation_id=world.branch.id, now=now)
    until = record.suspension.ends_at if record.suspension else None
    assert until == (model.suspended_until if model.suspended_until > now else None)
    assert record.points == model.points(now)
    counting = sorted(c.counts_until for c in record.strikes if c.counts_until is not None)
    months = model.rules.months
    ends = sorted(months_on(at, months) for at, _ in model.strikes)
    assert counting == [end for end in ends if end > now]
