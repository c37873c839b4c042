"""Several people and the clock want one claim: one wins, nothing is paid twice, nobody hangs."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, func
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select

from app.errors import DomainError
from app.models import Account, Claim, ClaimStatus, EntryKind, LedgerEntry, Role
from app.services import claim_drafts, claim_moves, ledger, verify
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    make_account,
    make_claim,
    make_completed,
    make_session,
    make_world,
)
from tests.races import at_once, replaced_sql, until_somebody_waits
from tests.services.claim_steps import bring, lines, move, take_out

C = ClaimStatus
Rivalry = tuple[World, Claim, list[Account]]


def prepare(engine: Engine, status: ClaimStatus, role: Role) -> Rivalry:
    """Commit a claim of two visits in a state, and two who may move it on."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        world = make_world(session)
        make_completed(session, world)
        later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
        make_completed(session, world, later)
        claim = bring(session, world, make_claim(session, world), status)
        rivals = [make_account(session, role, at=world.district) for _ in range(2)]
        for account in rivals:
            session.refresh(account)
        session.refresh(world.fund)
    return world, claim, rivals


def tried(engine: Engine, who: Account, claim: Claim, name: str, **said: str) -> str:
    with Session(engine) as session:
        try:
            with session.begin():
                move(session, who, claim, name, **said)
        except DomainError as refused:
            return refused.slug()
        except OperationalError:
            return "deadlock"
        return "done"


def sound(engine: Engine) -> bool:
    with Session(engine) as session:
        return list(verify.violations(session, now=NOW)) == []


@pytest.mark.parametrize(
    ("status", "role", "name"),
    [
        (C.SUBMITTED, Role.FUND_OFFICER, "review"),
        (C.SUBMITTED, Role.FUND_OFFICER, "return"),
        (C.REVIEWED, Role.FUND_APPROVER, "approve"),
        (C.APPROVED, Role.FUND_APPROVER, "pay"),
    ],
)
def test_of_two_at_once_one_moves_it(
    own_engine: Engine, status: ClaimStatus, role: Role, name: str
) -> None:
    _, claim, rivals = prepare(own_engine, status, role)
    voucher = [f"记-{n}" for n in range(2)]
    found = at_once(
        2, lambda n: tried(own_engine, rivals[n], claim, name, voucher_number=voucher[n])
    )
    assert Counter(found) == {"done": 1, "claim-state-conflict": 1}
    with Session(own_engine) as session:
        paid = select(func.count()).where(LedgerEntry.kind == EntryKind.PAY)
        assert session.exec(paid).one() == (1 if name == "pay" else 0)
    assert sound(own_engine)


def overtaken(
    engine: Engine, claim: Claim, first: Callable[[Session], object], late: Account
) -> str:
    """Have somebody review a claim while another's move waits to be committed."""
    answers: list[str] = []
    rival = Thread(target=lambda: answers.append(tried(engine, late, claim, "review")))
    with Session(engine) as session, session.begin():
        first(session)
        rival.start()
        until_somebody_waits(engine)
    rival.join()
    return answers[0]


def test_who_comes_second_waits_and_is_refused(own_engine: Engine) -> None:
    _, claim, (first, late) = prepare(own_engine, C.SUBMITTED, Role.FUND_OFFICER)
    answer = overtaken(own_engine, claim, lambda s: move(s, first, claim, "review"), late)
    assert answer == "claim-state-conflict"
    with Session(own_engine) as session:
        now = session.get_one(Claim, claim.id)
        assert (now.reviewed_by, now.version) == (first.id, claim.version + 1)


def test_without_the_lock_the_second_would_overwrite_the_first(own_engine: Engine) -> None:
    _, claim, (first, late) = prepare(own_engine, C.SUBMITTED, Role.FUND_OFFICER)
    with replaced_sql(own_engine, " FOR UPDATE"):
        answer = overtaken(own_engine, claim, lambda s: move(s, first, claim, "review"), late)
    assert answer == "done"
    with Session(own_engine) as session:
        assert session.get_one(Claim, claim.id).reviewed_by == late.id


def test_lines_taken_out_by_two_leave_a_sound_claim(own_engine: Engine) -> None:
    _, claim, rivals = prepare(own_engine, C.SUBMITTED, Role.FUND_OFFICER)

    def take(number: int) -> str:
        with Session(own_engine) as session:
            try:
                with session.begin():
                    one = lines(session, claim)[number : number + 1]
                    take_out(session, rivals[number], claim, one)
            except DomainError as refused:
                return refused.slug()
            return "done"

    # Whoever comes second reads the lines before or after the first: the line is the last, or gone.
    found = at_once(2, take)
    assert "done" in found
    assert set(found) <= {"done", "claim-would-be-empty", "line-not-in-claim", "malformed"}
    with Session(own_engine) as session:
        assert len(lines(session, claim)) == 1
    assert sound(own_engine)


@pytest.mark.parametrize("same", [True, False])
def test_a_claim_is_paid_once_whatever_the_voucher(own_engine: Engine, same: bool) -> None:
    _, claim, rivals = prepare(own_engine, C.APPROVED, Role.FUND_APPROVER)
    numbers = ["记-1", "记-1" if same else "记-2"]
    for who, number in zip(rivals, numbers, strict=True):
        tried(own_engine, who, claim, "pay", voucher_number=number)
    with Session(own_engine) as session:
        entry = session.exec(select(LedgerEntry).where(LedgerEntry.kind == EntryKind.PAY)).one()
        assert (entry.claim_id, entry.amount_fen, entry.document) == (claim.id, 40_000, "记-1")
    assert sound(own_engine)


def test_one_voucher_for_two_claims_at_once_pays_one(own_engine: Engine) -> None:
    world, claim, rivals = prepare(own_engine, C.APPROVED, Role.FUND_APPROVER)
    with Session(own_engine, expire_on_commit=False) as session, session.begin():
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 6 * HOUR)
        make_completed(session, world, slot)
        following = MONTH.replace(year=2027, month=1)
        claim_drafts.draft_month(session, fund_id=world.fund.id, month=following)
        second = session.exec(select(Claim).where(Claim.status == C.DRAFT)).one()
        bring(session, world, second, C.APPROVED)
    both = [claim, second]
    found = at_once(
        2, lambda n: tried(own_engine, rivals[n], both[n], "pay", voucher_number="记-1")
    )
    assert Counter(found) == {"done": 1, "voucher-taken": 1}
    assert sound(own_engine)


def drafting_meets_a_payment(engine: Engine) -> list[str]:
    """Draft while a payment of the month's claim is under way; return what came of both."""
    world, claim, (payer, _) = prepare(engine, C.APPROVED, Role.FUND_APPROVER)
    with Session(engine) as session, session.begin():
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + 6 * HOUR)
        make_completed(session, world, slot)
    answers: list[str] = []
    paying = Thread(
        target=lambda: answers.append(tried(engine, payer, claim, "pay", voucher_number="记-1"))
    )
    with Session(engine) as session, suppress(OperationalError), session.begin():
        ledger.lock(session, fund_id=world.fund.id)
        paying.start()
        until_somebody_waits(engine)
        claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH)
        answers.append("drafted")
    paying.join()
    return answers


def test_drafting_and_paying_do_not_wait_for_each_other(own_engine: Engine) -> None:
    assert drafting_meets_a_payment(own_engine) == ["drafted", "done"]
    assert sound(own_engine)


def test_a_payment_that_took_the_claim_first_would_wait_for_ever(
    own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = SimpleNamespace(lock=lambda *_, **__: None, post=ledger.post)
    monkeypatch.setattr(claim_moves, "ledger", unlocked)
    assert sorted(drafting_meets_a_payment(own_engine)) != ["done", "drafted"]
