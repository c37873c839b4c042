"""Whatever people do in whatever order, the database says what a plain model says."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine
from sqlmodel import Session

from app import models
from app.models import Account, ApprovalMode, BookingStatus, VenueSession
from app.services import (
    changes,
    holds,
    moves,
    orders,
    overdue,
    refusals,
    standings,
    verify,
)
from app.services.calendar import local_date, midnight
from app.services.states import CLOSES_AFTER, NO_SHOW_AFTER
from tests.conftest import NOW
from tests.makers import IN_A_WEEK, actor, make_policy, make_session, make_world, wanted

S = BookingStatus
PEOPLE_LIMIT, GROUPS_LIMIT, HOLDS = 60, 2, (S.PENDING, S.APPROVED, S.ARRIVED, S.COMPLETED)
DAY = timedelta(days=1)
LAST_DAY_TO_ORDER = (date(2026, 11, 29), date(2026, 11, 30))
"""Three working days before Wednesday and Thursday, counted from a Sunday and from a Monday."""
FREE_UNTIL = (midnight(date(2026, 12, 1)), midnight(date(2026, 12, 2)))
"""The end of the second working day before each of them."""
OPEN_LIMIT, STRIKES_LIMIT, SUSPENDED_FOR = 3, 2, timedelta(days=90)
NEXT = {
    (S.PENDING, "approve"): S.APPROVED,
    (S.PENDING, "reject"): S.REJECTED,
    (S.PENDING, "cancel"): S.CANCELLED,
    (S.APPROVED, "cancel"): S.CANCELLED,
    (S.APPROVED, "arrive"): S.ARRIVED,
    (S.APPROVED, "no-show"): S.NO_SHOW,
    (S.ARRIVED, "complete"): S.COMPLETED,
}


PACE = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Expected:
    """A booking as the model has it."""

    slot: int
    people: int
    status: BookingStatus
    respond_by: datetime | None
    escalated: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is still to be used."""
        return self.status in (S.PENDING, S.APPROVED)


class Booking(RuleBasedStateMachine):
    """Two sessions, two groups each, an organiser, a manager and a clock that only goes on."""

    engine: Engine
    bookings: Bundle[UUID] = Bundle("bookings")

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.transaction = self.connection.begin()
        self.session = Session(self.connection, join_transaction_mode="create_savepoint")
        self.now = NOW
        self.model: dict[UUID, Expected] = {}
        self.strikes: list[int] = []
        self.suspended_until = NOW

    @initialize(mode=st.sampled_from(ApprovalMode))
    def open_district(self, mode: ApprovalMode) -> None:
        """Make a district of one hall, whose site answers or lets the rules alone decide."""
        self.asked = S.PENDING if mode == ApprovalMode.MANUAL else S.APPROVED
        self.world = make_world(self.session, people_limit=PEOPLE_LIMIT, groups_limit=GROUPS_LIMIT)
        policy = make_policy(self.session, self.world.district, site=self.world.site)
        policy.open_bookings_limit, policy.strikes_limit = OPEN_LIMIT, STRIKES_LIMIT
        policy.approval_mode = mode
        later = make_session(self.session, self.world.venue, starts_at=IN_A_WEEK + DAY)
        self.slots = [self.world.slot.id, later.id]

    def teardown(self) -> None:
        """Ask for every invariant of the product, then undo everything."""
        try:
            wrong = [v for v in verify.violations(self.session, now=NOW) if "message" not in v]
            assert wrong == []
        finally:
            self.session.close()
            self.transaction.rollback()
            self.connection.close()

    def starts_at(self, slot: int) -> datetime:
        """When one of the two sessions begins."""
        return IN_A_WEEK + slot * DAY

    @rule(target=bookings, slot=st.sampled_from([0, 1]), people=st.integers(1, 45))
    def order(self, slot: int, people: int) -> UUID | MultipleResults[UUID]:
        """Order; the model says whether it must work, or why it cannot."""
        row = self.session.get_one(VenueSession, self.slots[slot])
        wish = wanted(self.world, row, people=people)
        organiser = actor(self.session, self.world.organiser, self.now)
        broken: str | None = None
        try:
            with self.session.begin_nested():
                booking = orders.order(self.session, actor=organiser, wanted=wish, now=self.now)
        except refusals.Refused as refusal:
            broken = refusal.slug()
        assert broken == self.against(slot, people)
        if broken:
            return multiple()
        self.model[booking.id] = Expected(slot, people, self.asked, booking.respond_by)
        return booking.id

    def against(self, slot: int, people: int) -> str | None:
        """The first rule that an order breaks."""
        if self.now < self.suspended_until:
            return "branch-suspended"
        if late := self.too_late(slot):
            return late
        if sum(e.is_open for e in self.model.values()) >= OPEN_LIMIT:
            return "too-many-open-bookings"
        return self.no_room(slot, people)

    def too_late(self, slot: int) -> str | None:
        """Whether it is too late to ask for a session."""
        in_time = local_date(self.now) <= LAST_DAY_TO_ORDER[slot]
        return None if in_time else "lead-time-too-short"

    def no_room(self, slot: int, people: int, besides: Expected | None = None) -> str | None:
        """Whether others hold too much of a session."""
        held = [
            e
            for e in self.model.values()
            if e is not besides and e.slot == slot and e.status in HOLDS
        ]
        room = len(held) < GROUPS_LIMIT and sum(e.people for e in held) + people <= PEOPLE_LIMIT
        return None if room else "session-full"

    @rule(booking=bookings, slot=st.sampled_from([0, 1]), people=st.integers(1, 45))
    def change(self, booking: UUID, slot: int, people: int) -> None:
        """Change a booking; the model says whether it must work, or why it cannot."""
        expected = self.model[booking]
        may = expected.is_open and self.now < FREE_UNTIL[expected.slot]
        same = (slot, people) == (expected.slot, expected.people)
        against = self.too_late(slot) or self.no_room(slot, people, expected)
        what = changes.Wanted(session_ids=[self.slots[slot]], people_expected=people)
        version = self.session.get_one(models.Booking, booking).version
        broken: str | None = None
        try:
            with self.session.begin_nested():
                changed = changes.change(
                    self.session,
                    actor=actor(self.session, self.world.organiser, self.now),
                    booking_id=booking,
                    version=version,
                    wanted=what,
                    now=self.now,
                )
        except moves.BookingStateConflict:
            assert not may
            return
        except refusals.Refused as refusal:
            broken = refusal.slug()
        assert may
        if same:
            assert (broken, changed.version) == (None, version)
            return
        assert broken == against
        if broken is None:
            assert changed.version == version + (1 if self.asked == S.PENDING else 2)
            self.model[booking] = Expected(slot, people, self.asked, changed.respond_by)

    def strike(self, points: int) -> None:
        """Count against the branch; what leads to a suspension counts no more."""
        self.strikes.append(points)
        if sum(self.strikes) >= STRIKES_LIMIT and self.now >= self.suspended_until:
            self.strikes, self.suspended_until = [], self.now + SUSPENDED_FOR

    @rule(booking=bookings, name=st.sampled_from(sorted({name for _, name in NEXT})))
    def move(self, booking: UUID, name: str) -> None:
        """Move a booking on; the model says whether it must work."""
        expected = self.model[booking]
        target = NEXT.get((expected.status, name)) if self.in_time(expected, name) else None
        who: Account = self.world.organiser if name == "cancel" else self.world.manager
        try:
            with self.session.begin_nested():
                moved = moves.move(
                    self.session,
                    actor=actor(self.session, who, self.now),
                    booking_id=booking,
                    name=name,
                    now=self.now,
                    reason="因故",
                )
        except moves.BookingStateConflict:
            assert target is None
            return
        assert moved.status == target
        expected.status = S(moved.status)
        if name == "no-show":
            self.strike(2)
        elif name == "cancel" and self.now >= FREE_UNTIL[expected.slot]:
            self.strike(1)

    def in_time(self, expected: Expected, name: str) -> bool:
        """Whether the clock allows a move."""
        start = self.starts_at(expected.slot)
        return {
            "cancel": self.now < start,
            "arrive": self.now >= start - timedelta(hours=1),
            "no-show": self.now >= start + timedelta(hours=2),
        }.get(name, True)

    @rule(hours=st.sampled_from([1, 5, 23, 24, 47, 73]))
    def wait(self, hours: int) -> None:
        """Let time pass, and the scheduler do its work."""
        self.now += timedelta(hours=hours)
        overdue.catch_up(self.session, now=self.now)
        for id_, expected in self.model.items():
            self.pass_time(id_, expected)

    def pass_time(self, id_: UUID, expected: Expected) -> None:
        """What the clock does to one booking in the model."""
        start = self.starts_at(expected.slot)
        end = start + timedelta(hours=2)
        due = expected.respond_by
        if expected.status == S.PENDING and due and due <= self.now:
            self.answer_overdue(expected, due, start)
        elif expected.status == S.APPROVED and end + NO_SHOW_AFTER <= self.now:
            expected.status = S.NO_SHOW
            self.strike(2)
        elif expected.status == S.ARRIVED and end + CLOSES_AFTER <= self.now:
            expected.status = S.COMPLETED

    def answer_overdue(self, expected: Expected, overdue_at: datetime, start: datetime) -> None:
        """First it goes to the town, for another working day; then it expires."""
        if not expected.escalated:
            expected.escalated = True
            due = overdue_at + DAY
            while due.weekday() >= 5:
                due += DAY
            overdue_at = expected.respond_by = min(due, start)
        if overdue_at <= self.now:
            expected.status = S.EXPIRED

    @invariant()
    def agrees(self) -> None:
        """Status and places."""
        if not hasattr(self, "slots"):
            return
        self.session.expire_all()
        for id_, expected in self.model.items():
            assert self.session.get_one(models.Booking, id_).status == expected.status
        for number, slot_id in enumerate(self.slots):
            held = [e for e in self.model.values() if e.slot == number and e.status in HOLDS]
            slot = self.session.get_one(VenueSession, slot_id)
            assert (slot.people_held, slot.groups_held) == (
                sum(e.people for e in held),
                len(held),
            )


def test_the_database_agrees_with_a_plain_model(shared_engine: Engine) -> None:
    Booking.engine = shared_engine
    run_state_machine_as_test(Booking, settings=PACE)


def test_the_model_notices_places_that_are_never_given_back(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "give_back", lambda *_, **__: None)
    Booking.engine = shared_engine
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            Booking, settings=settings(PACE, phases=[Phase.generate], max_examples=20)
        )


def stayed_away(engine: Engine) -> None:
    """Order after nobody came to the first visit, which is one strike too many."""
    Booking.engine = engine
    walk = Booking()
    try:
        walk.open_district(mode=ApprovalMode.AUTO)
        walk.order(slot=0, people=5)
        for _ in range(4):
            walk.wait(hours=47)
        walk.order(slot=1, people=5)
    finally:
        walk.teardown()


def test_the_model_knows_strikes(shared_engine: Engine) -> None:
    stayed_away(shared_engine)


def test_the_model_notices_a_strike_that_is_never_counted(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standings, "strike", lambda *_, **__: None)
    with pytest.raises(AssertionError, match="branch-suspended"):
        stayed_away(shared_engine)
