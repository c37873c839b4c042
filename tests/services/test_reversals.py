"""Corrections: by two people, as mirror images, and all that depends on an entry stays right."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.models import (
    ACCOUNTS,
    Account,
    Claim,
    ClaimStatus,
    EntryKind,
    FundAccount,
    LedgerEntry,
    Organisation,
    ReversalStatus,
    Role,
    Site,
    Subsidy,
)
from app.services import claim_drafts, ledger, reversals, verify
from app.services.access import NotInScope
from app.services.ledger import FundExhausted
from app.services.reversals import (
    AskerAnswers,
    NotReversible,
    ReversalAnswered,
    ReversalNotFound,
    ReversalPending,
    TransactionNotFound,
    VisitClaimed,
)
from tests.conftest import NOW, as_owner
from tests.makers import (
    IN_A_WEEK,
    MONTH,
    World,
    actor,
    make_account,
    make_booking,
    make_claim,
    make_completed,
    make_grant,
    make_world,
    move,
)
from tests.races import at_once
from tests.services.books import (
    VOUCHER,
    ask,
    confirm,
    entry_of,
    make_books,
    make_paid,
    move_claim,
    reverse,
)

K = EntryKind


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session, available_fen=100_000)


def stands(session: Session, world: World) -> dict[FundAccount, int]:
    return ledger.balances(session, fund_id=world.fund.id)


def sound(session: Session) -> bool:
    return list(verify.violations(session, now=NOW)) == []


def test_a_reversal_is_the_mirror_image_of_its_entry(session: Session, world: World) -> None:
    before = stands(session, world)
    slip = ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=900, document="示例 3 号", now=NOW
    )
    done = reverse(session, world, slip)
    mirror = entry_of(session, K.REVERSE_APPROPRIATE)
    assert (mirror.from_account, mirror.to_account) == ACCOUNTS[K.APPROPRIATE][::-1]
    assert (mirror.amount_fen, mirror.reverses_id, mirror.document) == (900, slip.id, "示例 3 号")
    assert (done.status, done.answered_by) == (ReversalStatus.CONFIRMED, world.fund_approver.id)
    assert stands(session, world) == before
    assert sound(session)


def test_a_document_whose_money_was_taken_back_brings_it_no_more(
    session: Session, world: World
) -> None:
    def bring(document: str) -> LedgerEntry:
        return ledger.appropriate(
            session, fund_id=world.fund.id, amount_fen=900, document=document, now=NOW
        )

    reverse(session, world, bring("示例 3 号"))
    before = stands(session, world)
    with pytest.raises(ledger.DocumentReversed):
        bring("示例 3 号")
    assert stands(session, world) == before
    assert bring("示例 4 号").amount_fen == 900


def test_asking_moves_nothing(session: Session, world: World) -> None:
    before = stands(session, world)
    ask(session, world, entry_of(session, K.APPROPRIATE))
    assert stands(session, world) == before
    assert sound(session)


def test_a_payment_that_is_reversed_may_be_made_anew(session: Session, world: World) -> None:
    make_completed(session, world)
    claim = make_paid(session, world)
    before = stands(session, world)
    paid = entry_of(session, K.PAY)
    reverse(session, world, paid)
    assert (claim.status, claim.voucher_number, claim.paid_by) == (ClaimStatus.APPROVED, None, None)
    assert (paid.document, stands(session, world)[FundAccount.PAID]) == (VOUCHER, 0)
    assert sound(session)
    move_claim(session, world, claim, "pay")
    assert stands(session, world) == before
    again = entry_of(session, K.PAY)
    assert again.id != paid.id
    assert sound(session)
    reverse(session, world, again)
    assert sound(session)


@pytest.mark.parametrize("attended", [18, 20, 30])
@pytest.mark.parametrize("named", [0, -1])
def test_what_a_visit_cost_is_reversed_as_a_whole(
    session: Session, world: World, attended: int, named: int
) -> None:
    before = stands(session, world)
    visit = make_completed(session, world, attended=attended)
    wanted = select(LedgerEntry).where(LedgerEntry.booking_id == visit.id)
    cost = [e for e in session.exec(wanted).all() if e.kind in {K.COMMIT, K.TOP_UP}]
    assert len(cost) == (2 if attended == 30 else 1)
    reverse(session, world, cost[named])
    assert stands(session, world) == before
    assert session.get_one(Subsidy, visit.id).committed_fen == 0
    assert sound(session)
    claim_drafts.draft_month(session, fund_id=world.fund.id, month=MONTH)
    assert session.exec(select(Claim)).all() == []
    for each in cost:
        with pytest.raises(ReversalPending), session.begin_nested():
            ask(session, world, each)


def test_a_visit_is_reversed_though_all_else_is_reserved(session: Session, world: World) -> None:
    visit = make_completed(session, world, attended=18)
    left = stands(session, world)[FundAccount.AVAILABLE]
    ledger.post(session, fund_id=world.fund.id, kind=K.LAPSE, amount_fen=left, step="all", now=NOW)
    reverse(session, world, entry_of(session, K.COMMIT, visit))
    assert stands(session, world)[FundAccount.AVAILABLE] == 19_000
    assert sound(session)


def test_a_visit_in_a_claim_is_not_reversed(session: Session, world: World) -> None:
    visit = make_completed(session, world)
    cost = entry_of(session, K.COMMIT, visit)
    asked = ask(session, world, cost)
    make_claim(session, world)
    with pytest.raises(VisitClaimed):
        ask(session, world, cost)
    with pytest.raises(VisitClaimed), session.begin_nested():
        confirm(session, world, asked.id)
    session.expire_all()
    assert asked.status == ReversalStatus.ASKED
    assert sound(session)


@pytest.mark.parametrize("kind", [K.RESERVE, K.RELEASE, K.LAPSE, K.REVERSE_PAY])
def test_what_other_acts_undo_is_not_reversed(session: Session, kind: EntryKind) -> None:
    world = make_books(session)
    ledger.post(session, fund_id=world.fund.id, kind=K.LAPSE, amount_fen=1, step="l", now=NOW)
    with pytest.raises(NotReversible) as refused:
        ask(session, world, entry_of(session, kind))
    assert refused.value.facts == {"kind": kind}


def test_money_that_is_spent_is_not_taken_back(session: Session, world: World) -> None:
    make_completed(session, world)
    asked = ask(session, world, entry_of(session, K.APPROPRIATE))
    with pytest.raises(FundExhausted), session.begin_nested():
        confirm(session, world, asked.id)
    session.expire_all()
    assert asked.status == ReversalStatus.ASKED
    assert sound(session)


def test_an_entry_is_asked_for_once_until_it_was_refused(session: Session, world: World) -> None:
    brought = entry_of(session, K.APPROPRIATE)
    asked = ask(session, world, brought)
    with pytest.raises(ReversalPending), session.begin_nested():
        ask(session, world, brought)
    approver = actor(session, world.fund_approver)
    refused = reversals.refuse(session, actor=approver, reversal_id=asked.id, now=NOW)
    assert refused.status == ReversalStatus.REFUSED
    with pytest.raises(ReversalAnswered):
        confirm(session, world, asked.id)
    confirm(session, world, ask(session, world, brought).id)
    with pytest.raises(ReversalPending), session.begin_nested():
        ask(session, world, brought)
    assert sound(session)


def make_both(session: Session, world: World) -> Account:
    who = make_account(session, Role.FUND_OFFICER, at=world.district)
    make_grant(session, who, Role.FUND_APPROVER, at=world.district)
    return who


@pytest.mark.parametrize("answer", [reversals.confirm, reversals.refuse])
def test_who_asks_does_not_answer(
    session: Session, world: World, answer: Callable[..., object]
) -> None:
    both = make_both(session, world)
    asked = ask(session, world, entry_of(session, K.APPROPRIATE), both)
    with pytest.raises(AskerAnswers), session.begin_nested():
        answer(session, actor=actor(session, both), reversal_id=asked.id, now=NOW)
    session.expire_all()
    assert confirm(session, world, asked.id).status == ReversalStatus.CONFIRMED


def test_without_the_constraint_they_would(session: Session, world: World) -> None:
    both = make_both(session, world)
    asked = ask(session, world, entry_of(session, K.APPROPRIATE), both)
    as_owner(session)
    session.connection().execute(
        text("ALTER TABLE reversal DROP CONSTRAINT reversal_asker_does_not_answer_check")
    )
    assert confirm(session, world, asked.id, both).status == ReversalStatus.CONFIRMED


@pytest.mark.parametrize("role", [role for role in Role if role != Role.FUND_OFFICER])
def test_nobody_but_the_officer_asks(session: Session, world: World, role: Role) -> None:
    who = make_account(session, role, at=place(world, role))
    seen = role in {Role.FUND_APPROVER, Role.DISTRICT_STAFF, Role.AUDITOR}
    with pytest.raises(NotInScope if seen else TransactionNotFound):
        ask(session, world, entry_of(session, K.APPROPRIATE), who)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.FUND_APPROVER])
def test_nobody_but_the_approver_answers(session: Session, world: World, role: Role) -> None:
    asked = ask(session, world, entry_of(session, K.APPROPRIATE))
    who = make_account(session, role, at=place(world, role))
    seen = role in {Role.FUND_OFFICER, Role.DISTRICT_STAFF, Role.AUDITOR}
    with pytest.raises(NotInScope if seen else ReversalNotFound):
        confirm(session, world, asked.id, who)


def place(world: World, role: Role) -> Organisation | Site | None:
    if role in {Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN}:
        return None
    if role == Role.TOWN_STAFF:
        return world.town
    return world.site if role == Role.SITE_MANAGER else world.district


def test_an_officer_elsewhere_sees_nothing_of_it(session: Session, world: World) -> None:
    entry = entry_of(session, K.APPROPRIATE)
    asked = ask(session, world, entry)
    other = make_world(session)
    with pytest.raises(TransactionNotFound):
        ask(session, world, entry, other.fund_officer)
    with pytest.raises(ReversalNotFound):
        confirm(session, world, asked.id, other.fund_approver)


def test_a_second_mirror_image_cannot_be_written(session: Session, world: World) -> None:
    slip = ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=900, document="示例 3 号", now=NOW
    )
    reverse(session, world, slip)
    with pytest.raises(IntegrityError, match="ledger_entry_reversed_once"):
        ledger.post(
            session,
            fund_id=world.fund.id,
            kind=K.REVERSE_APPROPRIATE,
            amount_fen=900,
            step="again",
            document=slip.document,
            reverses_id=slip.id,
            now=NOW,
        )


def test_of_two_who_confirm_at_once_one_does(own_engine: Engine) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        asked = ask(session, world, entry_of(session, K.APPROPRIATE)).id
        people = [world.fund_approver.id] * 4
        session.expunge_all()

    def answer(number: int) -> str:
        try:
            with Session(own_engine) as session, session.begin():
                who = session.get_one(Account, people[number])
                confirm(session, world, asked, who)
        except ReversalAnswered:
            return "answered"
        return "done"

    assert sorted(at_once(4, answer)) == ["answered"] * 3 + ["done"]
    with Session(own_engine) as session:
        assert sound(session)


def test_of_a_visit_that_comes_into_a_claim_and_is_reversed_one_happens(
    own_engine: Engine,
) -> None:
    with Session(own_engine) as session, session.begin():
        world = make_world(session)
        visit = make_completed(session, world)
        asked = ask(session, world, entry_of(session, K.COMMIT, visit)).id
        approver, fund_id = world.fund_approver.id, world.fund.id
        session.expunge_all()

    def act(number: int) -> str:
        with Session(own_engine) as session, session.begin():
            if number:
                return str(claim_drafts.draft_month(session, fund_id=fund_id, month=MONTH))
            who = session.get_one(Account, approver)
            try:
                with session.begin_nested():
                    confirm(session, world, asked, who)
            except VisitClaimed:
                return "claimed"
            return "reversed"

    assert at_once(2, act) in (["claimed", "1"], ["reversed", "0"])
    with Session(own_engine) as session:
        assert sound(session)


def test_a_booking_that_is_approved_after_a_reversal_reserves_as_ever(
    session: Session, world: World
) -> None:
    reverse(session, world, entry_of(session, K.APPROPRIATE))
    ledger.appropriate(
        session, fund_id=world.fund.id, amount_fen=20_000, document="示例 4 号", now=NOW
    )
    booking = make_booking(session, world)
    assert booking.starts_at == IN_A_WEEK
    move(session, world.manager, booking, "approve")
    assert stands(session, world)[FundAccount.RESERVED] == 20_000
    assert sound(session)
