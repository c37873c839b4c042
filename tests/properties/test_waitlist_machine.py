"""Whatever people do at a full session, its line is what a plain model of it says."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine
from sqlmodel import Session

from app.errors import DomainError
from app.models import Booking, VenueSession, WaitlistEntry, WaitlistStatus
from app.services import moves, queues, verify
from tests.conftest import NOW
from tests.makers import IN_A_WEEK, World, actor, make_world
from tests.races import replaced_sql
from tests.services.lines import Party, confirm, join, make_parties, order, withdraw

W = WaitlistStatus
PEOPLE, GROUPS, BRANCHES = 60, 3, 5
PACE = settings(
    max_examples=15,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
someone = st.integers(0, BRANCHES - 1)
people = st.sampled_from([5, 10, 20, 30, 50])


@dataclass
class Waiting:
    """An entry as the model has it."""

    id: UUID
    branch: int
    people: int
    status: WaitlistStatus = W.WAITING
    confirm_by: datetime | None = None


class Line(RuleBasedStateMachine):
    """One session, five branches that may have many bookings, and a clock that only goes on."""

    engine: Engine
    world: World
    parties: list[Party]

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.transaction = self.connection.begin()
        self.session = Session(self.connection, join_transaction_mode="create_savepoint")
        self.now = NOW
        self.booked: dict[UUID, int] = {}
        self.line: list[Waiting] = []

    @initialize(wanted=st.lists(people, max_size=BRANCHES - GROUPS))
    def open_district(self, wanted: list[int]) -> None:
        """Fill a session of a site that needs no time ahead and answers late; let some wait."""
        self.world = make_world(self.session, people_limit=PEOPLE, groups_limit=GROUPS)
        self.connection.exec_driver_sql(
            "UPDATE policy SET lead_working_days = 0, answer_working_days = 60"
        )
        self.session.expire_all()
        self.parties = make_parties(self.session, self.world, BRANCHES)
        for branch in range(GROUPS):
            self.order(branch, PEOPLE // GROUPS)
        for branch, size in enumerate(wanted, GROUPS):
            self.join(branch, size)

    def teardown(self) -> None:
        """Ask for every invariant of the product, then undo everything."""
        try:
            found = verify.violations(self.session, now=self.now)
            assert [line for line in found if "message" not in line and "card" not in line] == []
        finally:
            self.session.close()
            self.transaction.rollback()
            self.connection.close()

    def attempt(self, deed: Any, *given: Any, **named: Any) -> Any:
        """Do it, or return the name of the refusal."""
        try:
            with self.session.begin_nested():
                return deed(self.session, *given, now=self.now, **named)
        except DomainError as refusal:
            return type(refusal).__name__

    def fits(self, wanted: int) -> bool:
        """Whether the model has room."""
        held = [*self.booked.values(), *(e.people for e in self.line if e.status == W.OFFERED)]
        return len(held) < GROUPS and sum(held) + wanted <= PEOPLE

    def serve(self) -> None:
        """Offer what is free to the first who fits, as long as somebody does."""
        for entry in self.line:
            if entry.status == W.WAITING and self.fits(entry.people):
                entry.status = W.OFFERED
                entry.confirm_by = min(self.now + timedelta(hours=24), IN_A_WEEK)

    def lapse(self) -> bool:
        """Let offers past their time go; tell whether there were any."""
        over = [e for e in self.line if e.confirm_by is not None and e.confirm_by <= self.now]
        for entry in over:
            entry.status, entry.confirm_by = W.EXPIRED, None
        if over:
            self.serve()
        return bool(over)

    def of(self, branch: int) -> Waiting | None:
        """What a branch has in the line."""
        live = (W.WAITING, W.OFFERED)
        return next((e for e in self.line if e.branch == branch and e.status in live), None)

    @rule(branch=someone, wanted=people)
    def order(self, branch: int, wanted: int) -> None:
        """Order; offers past their time count as free, after those who wait."""
        said = self.attempt(order, self.world, self.parties[branch], people=wanted)
        if not self.fits(wanted):
            before = [(e.status, e.confirm_by) for e in self.line]
            self.lapse()
            if not self.fits(wanted):
                for entry, (status, by) in zip(self.line, before, strict=True):
                    entry.status, entry.confirm_by = status, by
                assert said == "SessionFull"
                return
        assert isinstance(said, Booking), said
        self.booked[said.id] = wanted

    @rule(branch=someone, wanted=people)
    def join(self, branch: int, wanted: int) -> None:
        """Stand in line."""
        said = self.attempt(join, self.world, self.parties[branch], people=wanted)
        before = [(e.status, e.confirm_by) for e in self.line]
        self.lapse()
        if not self.fits(wanted) and self.of(branch) is None:
            assert isinstance(said, WaitlistEntry), said
            self.line.append(Waiting(said.id, branch, wanted))
            return
        assert said == ("SessionHasRoom" if self.fits(wanted) else "AlreadyWaiting")
        for entry, (status, by) in zip(self.line, before, strict=True):
            entry.status, entry.confirm_by = status, by

    @rule(nth=st.integers(0, 9))
    def cancel(self, nth: int) -> None:
        """Give the places of some booking back."""
        if not self.booked:
            return
        booking = list(self.booked)[nth % len(self.booked)]
        self.attempt(
            moves.move,
            actor=actor(self.session, self.world.manager, self.now),
            booking_id=booking,
            name="cancel",
            reason="因故",
        )
        del self.booked[booking]
        self.lapse()
        self.serve()

    @rule(branch=someone)
    def confirm(self, branch: int) -> None:
        """Take what is offered."""
        entry = self.of(branch)
        if entry is None:
            return
        said = self.attempt(confirm, self.parties[branch], self.row(entry))
        if entry.confirm_by is None or entry.confirm_by <= self.now:
            assert said == "WaitlistStateConflict"
            return
        assert isinstance(said, Booking), said
        entry.status, entry.confirm_by = W.CONFIRMED, None
        self.booked[said.id] = entry.people

    @rule(branch=someone)
    def withdraw(self, branch: int) -> None:
        """Leave the line."""
        entry = self.of(branch)
        if entry is None:
            return
        said = self.attempt(withdraw, self.parties[branch], self.row(entry))
        if entry.confirm_by is not None and entry.confirm_by <= self.now:
            assert said == "WaitlistStateConflict"
            return
        assert said is None
        entry.status, entry.confirm_by = W.WITHDRAWN, None
        self.lapse()
        self.serve()

    @rule(hours=st.sampled_from([1, 5, 23, 24]), tended=st.booleans())
    def wait(self, hours: int, tended: bool) -> None:
        """Let time pass, up to the day before; the scheduler may be late."""
        self.now = min(self.now + timedelta(hours=hours), IN_A_WEEK - timedelta(hours=1))
        if tended:
            for id_ in queues.untended(self.session, now=self.now):
                queues.tend(self.session, session_ids=[id_], now=self.now)
            self.lapse()

    def row(self, entry: Waiting) -> WaitlistEntry:
        """The row of an entry."""
        return self.session.get_one(WaitlistEntry, entry.id)

    @invariant()
    def agrees(self) -> None:
        """The line, and the places."""
        if not hasattr(self, "parties"):
            return
        self.session.expire_all()
        rows = [self.row(entry) for entry in self.line]
        assert [(r.status, r.confirm_by) for r in rows] == [
            (e.status, e.confirm_by) for e in self.line
        ]
        slot = self.session.get_one(VenueSession, self.world.slot.id)
        held = [*self.booked.values(), *(e.people for e in self.line if e.status == W.OFFERED)]
        assert (slot.people_held, slot.groups_held) == (sum(held), len(held))


def test_the_line_is_what_a_plain_model_says(shared_engine: Engine) -> None:
    Line.engine = shared_engine
    run_state_machine_as_test(Line, settings=PACE)


def assert_noticed(engine: Engine) -> None:
    Line.engine = engine
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Line, settings=settings(PACE, phases=[Phase.generate]))


def test_the_model_notices_when_nobody_is_served(
    shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "_offer", lambda *_: 0)
    assert_noticed(shared_engine)


def test_the_model_notices_when_small_groups_are_served_first(shared_engine: Engine) -> None:
    others = "ORDER BY waitlist_entry.people_expected"
    with replaced_sql(shared_engine, "ORDER BY waitlist_entry.number", others):
        assert_noticed(shared_engine)
