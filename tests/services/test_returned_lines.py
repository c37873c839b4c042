"""Taking visits out of a claim: it shrinks, the money stays, and a later claim has them."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlmodel import Session, select
from uuid_utils.compat import uuid7

from app.models import AuditEvent, Claim, ClaimLine, ClaimStatus, FundAccount, ReturnedLine
from app.services import audit, claim_drafts, ledger, verify
from app.services.claim_moves import (
    ClaimChanged,
    ClaimWouldBeEmpty,
    LineNotInClaim,
    return_lines,
)
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    actor,
    make_claim,
    make_completed,
    make_session,
    make_world,
)
from tests.services.claim_steps import bring, lines, move, take_out

C = ClaimStatus
NEXT = date(2027, 1, 1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


def make_three(session: Session, world: World) -> Claim:
    """A draft of three visits: 20, 18 and 30 people."""
    for n, people in enumerate((20, 18, 30)):
        slot = make_session(session, world.venue, starts_at=IN_A_WEEK + n * 3 * HOUR + 3 * HOUR)
        make_completed(session, world, slot, attended=people)
    return make_claim(session, world)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    return make_three(session, world)


@pytest.mark.parametrize(
    ("status", "who"), [(C.SUBMITTED, "fund_officer"), (C.REVIEWED, "fund_approver")]
)
def test_a_claim_shrinks_by_what_is_taken_out(
    session: Session, world: World, claim: Claim, status: ClaimStatus, who: str
) -> None:
    bring(session, world, claim, status)
    first, *others = lines(session, claim)
    before = ledger.balances(session, fund_id=world.fund.id)
    version = claim.version
    take_out(session, getattr(world, who), claim, [first])
    assert (claim.amount_fen, claim.status) == (19_000 + 25_000, status)
    assert claim.version == version + 1
    assert lines(session, claim) == others
    assert ledger.balances(session, fund_id=world.fund.id) == before
    kept = session.exec(select(ReturnedLine)).one()
    assert (kept.claim_id, kept.reason, kept.returned_at) == (claim.id, "支部尚未确认", NOW)
    assert (kept.people_attended, kept.amount_fen) == (20, 20_000)
    assert list(verify.violations(session, now=NOW)) == []


def test_the_next_months_claim_takes_it_up_and_every_fen_is_paid_once(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.SUBMITTED)
    (first, *_) = lines(session, claim)
    booking_id = first.booking_id
    take_out(session, world.fund_officer, claim, [first])
    assert claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH) == 0
    for name in ("review", "approve", "pay"):
        move(session, world.fund_officer if name == "review" else world.fund_approver, claim, name)
    assert claim_drafts.draft_month(session, fund_id=world.fund.id, month=NEXT) == 1
    second = session.exec(select(Claim).where(Claim.month == NEXT)).one()
    assert [line.booking_id for line in lines(session, second)] == [booking_id]
    bring(session, world, second, C.PAID)
    after = ledger.balances(session, fund_id=world.fund.id)
    assert (after[FundAccount.PAYABLE], after[FundAccount.PAID]) == (0, 64_000)
    assert list(verify.violations(session, now=NOW)) == []


def test_a_returned_claim_goes_on_without_what_was_taken_out(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.SUBMITTED)
    take_out(session, world.fund_officer, claim, lines(session, claim)[:1])
    move(session, world.fund_officer, claim, "return")
    assert claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH) == 0
    move(session, world.manager, claim, "submit")
    assert claim.amount_fen == 44_000


def test_the_last_line_is_not_taken_out(session: Session, world: World, claim: Claim) -> None:
    bring(session, world, claim, C.SUBMITTED)
    with pytest.raises(ClaimWouldBeEmpty):
        take_out(session, world.fund_officer, claim, lines(session, claim))
    take_out(session, world.fund_officer, claim, lines(session, claim)[:2])
    with pytest.raises(ClaimWouldBeEmpty):
        take_out(session, world.fund_officer, claim, lines(session, claim))


def ids(session: Session, claim: Claim) -> Sequence[UUID]:
    return [line.booking_id for line in lines(session, claim)]


def test_what_is_not_in_the_claim_is_not_taken_out(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.SUBMITTED)
    elsewhere = make_session(session, world.venue, starts_at=IN_A_WEEK + timedelta(days=40))
    other = make_completed(session, world, elsewhere)
    who = actor(session, world.fund_officer)
    for strange in (other.id, uuid7()):
        wanted = [*ids(session, claim)[:1], strange]
        with pytest.raises(LineNotInClaim) as refused:
            return_lines(
                session, actor=who, claim_id=claim.id, booking_ids=wanted, reason="x", now=NOW
            )
        assert refused.value.facts["booking_ids"] == [strange]
    assert len(ids(session, claim)) == 3
    twice = [*ids(session, claim)[:1]] * 2
    return_lines(session, actor=who, claim_id=claim.id, booking_ids=twice, reason="x", now=NOW)
    assert len(ids(session, claim)) == 2


def test_who_has_seen_another_version_takes_nothing_out(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.SUBMITTED)
    with pytest.raises(ClaimChanged):
        take_out(session, world.fund_officer, claim, lines(session, claim)[:1], version=1)


def test_what_was_taken_out_is_not_put_back_nor_told_otherwise(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.SUBMITTED)
    (first, *_) = lines(session, claim)
    told = {"booking_id": first.booking_id, "claim_id": claim.id}
    take_out(session, world.fund_officer, claim, [first])
    for statement in ("UPDATE returned_line SET reason = 'x'", "DELETE FROM returned_line"):
        with pytest.raises((ProgrammingError, IntegrityError)), session.begin_nested():
            session.connection().execute(text(statement))
    session.add(ClaimLine(**told, people_attended=20, amount_fen=20_000))
    claim.amount_fen += 20_000
    session.flush()
    found = list(verify.violations(session, now=NOW))
    assert found == [f"a visit is in a claim that it was taken out of: {told['booking_id']}"]


def test_taking_out_is_in_the_audit_log(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        claim = bring(session, world, make_three(session, world), C.SUBMITTED)
        booking_id = ids(session, claim)[0]
        session.flush()
        session.expunge_all()
    with Session(own_engine) as session, session.begin():
        who = actor(session, world.fund_officer)
        return_lines(
            session, actor=who, claim_id=claim.id, booking_ids=[booking_id], reason="缺", now=NOW
        )
        audit.sign(session, actor=who, by=audit.By(None, None))
    with Session(own_engine) as session:
        told = select(AuditEvent).where(AuditEvent.noun == "returned_line")
        event = session.exec(told).one()
        assert (event.action, event.actor_role) == ("create", "fund_officer")
        assert event.after["reason"] == "缺"
        assert list(verify.violations(session, now=NOW)) == []
