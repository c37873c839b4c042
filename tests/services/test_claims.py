"""Claims: who sees which, what a state keeps, and money that moves once."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.models import (
    Account,
    Claim,
    ClaimLine,
    ClaimStatus,
    EntryKind,
    FundAccount,
    LedgerEntry,
    OrganisationKind,
    Role,
)
from app.services import claim_drafts, claim_moves, claims, ledger, verify
from app.services.access import NotInScope
from app.services.claim_moves import ClaimChanged, ClaimStateConflict, VoucherTaken
from app.services.claim_states import CLAIM_MOVES
from app.services.claims import ClaimNotFound
from tests.conftest import NOW
from tests.makers import (
    HOUR,
    IN_A_WEEK,
    MONTH,
    World,
    actor,
    make_account,
    make_claim,
    make_completed,
    make_grant,
    make_organisation,
    make_session,
    make_site,
    make_world,
)
from tests.services.claim_steps import bring, lines, move
from tests.services.statements import counted

C = ClaimStatus
DAY = timedelta(days=1)


@pytest.fixture
def world(session: Session) -> World:
    return make_world(session)


@pytest.fixture
def claim(session: Session, world: World) -> Claim:
    make_completed(session, world)
    return make_claim(session, world)


@pytest.mark.parametrize(
    "spoil",
    [
        {"status": C.APPROVED},
        {"status": C.PAID},
        {"status": "lost"},
        {"voucher_number": "记-1"},
        {"status": C.REVIEWED},
        {"status": C.PAID, "voucher_number": "记-1"},
        {"month": MONTH + DAY},
    ],
)
def test_a_claim_that_is_none_cannot_be_written(
    session: Session, claim: Claim, spoil: dict[str, object]
) -> None:
    for name, value in spoil.items():
        setattr(claim, name, value)
    with pytest.raises(IntegrityError, match="claim_"):
        session.flush()


def test_a_returned_claim_says_why_until_it_is_submitted_again(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.RETURNED)
    assert claim.returned_reason == "第 3 行有误"
    move(session, world.manager, claim, "submit")
    assert claim.returned_reason is None


def test_paying_moves_the_money_once(session: Session, world: World, claim: Claim) -> None:
    bring(session, world, claim, C.APPROVED)
    before = ledger.balances(session, fund_id=world.fund.id)
    assert (before[FundAccount.PAYABLE], before[FundAccount.PAID]) == (20_000, 0)
    move(session, world.fund_approver, claim, "pay", voucher_number="2026-记-0117")
    with pytest.raises(ClaimStateConflict):
        move(session, world.fund_approver, claim, "pay")
    after = ledger.balances(session, fund_id=world.fund.id)
    assert (after[FundAccount.PAYABLE], after[FundAccount.PAID]) == (0, 20_000)
    entry = session.exec(select(LedgerEntry).where(LedgerEntry.kind == EntryKind.PAY)).one()
    assert (entry.claim_id, entry.document, entry.amount_fen) == (claim.id, "2026-记-0117", 20_000)
    assert (claim.paid_at, claim.voucher_number) == (NOW, "2026-记-0117")
    assert list(verify.violations(session, now=NOW)) == []


def test_no_other_move_touches_the_money(session: Session, world: World, claim: Claim) -> None:
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, later)
    make_claim(session, world)
    before = ledger.balances(session, fund_id=world.fund.id)
    for name, who in (
        ("submit", world.manager),
        ("return", world.fund_officer),
        ("submit", world.manager),
        ("return-lines", world.fund_officer),
        ("review", world.fund_officer),
        ("approve", world.fund_approver),
    ):
        move(session, who, claim, name)
        assert ledger.balances(session, fund_id=world.fund.id) == before


def test_a_voucher_number_is_one_payment_of_a_fund(
    session: Session, world: World, claim: Claim
) -> None:
    bring(session, world, claim, C.PAID)
    later = make_session(session, world.venue, starts_at=IN_A_WEEK + 3 * HOUR)
    make_completed(session, world, later)
    claim_drafts.draft_month(session, fund_id=world.fund.id, month=date(2027, 1, 1))
    second = session.exec(select(Claim).where(Claim.status == C.DRAFT)).one()
    bring(session, world, second, C.APPROVED)
    number = claim.voucher_number
    with pytest.raises(VoucherTaken), session.begin_nested():
        move(session, world.fund_approver, second, "pay", voucher_number=number)
    session.expire_all()
    assert list(verify.violations(session, now=NOW)) == []
    paid = move(session, world.fund_approver, second, "pay", voucher_number=f"{number}'")
    assert paid.status == C.PAID


def test_who_has_seen_another_version_moves_nothing(
    session: Session, world: World, claim: Claim
) -> None:
    seen = claim.version
    move(session, world.manager, claim, "submit", version=seen)
    with pytest.raises(ClaimChanged):
        move(session, world.fund_officer, claim, "review", version=seen)
    assert move(session, world.fund_officer, claim, "review", version=seen + 1).status == C.REVIEWED


def test_a_list_of_claims_is_as_many_statements_however_long(
    session: Session, world: World, claim: Claim
) -> None:
    who = actor(session, world.fund_officer)

    def asked() -> int:
        session.expire_all()
        with counted(session) as seen:
            rows = claims.page(session, actor=who, wanted=claims.Wanted(), limit=50)
            claims.views(session, rows, actor=who)
        return len(seen)

    one = asked()
    for month in range(1, 11):
        made = date(2026, month, 1)
        session.add(Claim(fund_id=world.fund.id, site_id=world.site.id, month=made, amount_fen=0))
    session.flush()
    assert asked() == one


def test_every_move_makes_a_version(session: Session, world: World, claim: Claim) -> None:
    assert bring(session, world, claim, C.PAID).version == 5


Stranger = Callable[[Session, World], Account]


def _manager_elsewhere(session: Session, world: World) -> Account:
    return make_account(session, Role.SITE_MANAGER, at=make_site(session, world.town))


def _officer_elsewhere(session: Session, world: World) -> Account:
    return make_account(session, Role.FUND_OFFICER, at=make_organisation(session))


def _staff_of_another_town(session: Session, world: World) -> Account:
    town = make_organisation(session, parent=world.district, kind=OrganisationKind.TOWN)
    return make_account(session, Role.TOWN_STAFF, at=town)


def _organiser(session: Session, world: World) -> Account:
    return world.organiser


@pytest.mark.parametrize(
    "stranger", [_manager_elsewhere, _officer_elsewhere, _staff_of_another_town, _organiser]
)
def test_a_foreign_claim_is_not_found(
    session: Session, world: World, claim: Claim, stranger: Stranger
) -> None:
    who = actor(session, stranger(session, world))
    with pytest.raises(ClaimNotFound):
        claims.get(session, actor=who, claim_id=claim.id)
    for name in CLAIM_MOVES:
        with pytest.raises(ClaimNotFound):
            claim_moves.move(session, actor=who, claim_id=claim.id, name=name, now=NOW)
    assert session.exec(claims.visible(who)).all() == []
    assert claims.get(session, actor=actor(session, world.manager), claim_id=claim.id) is claim


def test_a_subtree_is_not_enough_to_keep_its_fund(
    session: Session, world: World, claim: Claim
) -> None:
    """An officer of a town below the district that owns the fund sees nothing of it."""
    officer = make_account(session, Role.FUND_OFFICER, at=world.town)
    with pytest.raises(ClaimNotFound):
        move(session, officer, claim, "review")


def test_managing_one_site_is_not_managing_another(
    session: Session, world: World, claim: Claim
) -> None:
    """Staff of the district see the claim; the site they manage besides is not its site."""
    staff = make_account(session, Role.DISTRICT_STAFF, at=world.district)
    make_grant(session, staff, Role.SITE_MANAGER, at=make_site(session, world.town))
    with pytest.raises(NotInScope):
        move(session, staff, claim, "submit")
    make_grant(session, staff, Role.SITE_MANAGER, at=world.site)
    assert move(session, staff, claim, "submit").status == C.SUBMITTED


def test_claims_are_paged_latest_month_first(session: Session, world: World) -> None:
    for month in (9, 11, 10, 12):
        session.add(
            Claim(
                fund_id=world.fund.id,
                site_id=world.site.id,
                month=date(2026, month, 1),
                amount_fen=0,
            )
        )
    session.flush()
    who, wanted = actor(session, world.manager), claims.Wanted()
    first = claims.page(session, actor=who, wanted=wanted, limit=2)
    assert [claim.month.month for claim in first] == [12, 11, 10]
    after = (first[1].month, first[1].id)
    rest = claims.page(session, actor=who, wanted=wanted, after=after, limit=2)
    assert [claim.month.month for claim in rest] == [10, 9]


def test_two_claims_of_one_month_cannot_be_written(session: Session, claim: Claim) -> None:
    twin = Claim(fund_id=claim.fund_id, site_id=claim.site_id, month=claim.month, amount_fen=0)
    session.add(twin)
    with pytest.raises(IntegrityError, match="claim_month_once"):
        session.flush()


def test_a_visit_is_claimed_once(session: Session, world: World, claim: Claim) -> None:
    (line,) = lines(session, claim)
    again = {"booking_id": line.booking_id, "claim_id": claim.id}
    with pytest.raises(IntegrityError, match="claim_line_pkey"), session.begin_nested():
        session.connection().execute(
            text("INSERT INTO claim_line VALUES (:booking_id, :claim_id, 1, 1)"), again
        )
    assert session.exec(select(ClaimLine).where(col(ClaimLine.amount_fen) > 0)).one() is line
